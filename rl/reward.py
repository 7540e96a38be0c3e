"""The reward of an answer: Lean's Verdict decides, and our own options can only subtract from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pydantic import Field

from data.problems import Problem
from data.records.config import StrictModel
from data.syntax.lexer import Token, tokens
from lean_env import LeanPool, Reason, Verdict
from prover.policy import Prompt
from prover.prompts import AnswerParseError, PromptFormat, ProofReader
from prover.prompts.blocks import blocks
from rl.reward_function import RewardFunction

_OPEN = frozenset(("sorry", "admit"))


class RewardSettings(StrictModel):
    """The settings of the reward: 1 for a proof and 0 otherwise (DeepSeek-Prover-V1.5 §2.3), changed by these.

    consistency: subtracted from a proof that lacks a `have` step of the answer's own sketch (DeepSeek-Prover-V2, arXiv
        2504.21801, §2.2: early in training). format: subtracted from an answer from which no proof can be read
        (DeepSeek-R1, arXiv 2501.12948, §2.2.2).
    function: `module:function` of the user's, whose values times `weight` are added (see rl.reward_function); it can
        reward what Lean refused.
    """

    consistency: float = Field(default=0.0, ge=0, le=1)
    format: float = Field(default=0.0, ge=0, le=1)
    function: str = ""
    weight: float = Field(default=1.0, allow_inf_nan=False)


@dataclass(frozen=True)
class RewardResult:
    """An answer's reward and its reasons.

    proof: as read from the answer. readable: whether there was one. follows_sketch: whether it has all `have` steps of
    the answer's own sketch.
    """

    reward: float
    verdict: Verdict
    proof: str = ""
    readable: bool = True
    follows_sketch: bool = True


class Judge:
    """Rewards answers by Lean's verdict. seconds: limit of a check.

    Raises ConfigError if the settings name a function that cannot be imported.
    """

    def __init__(
        self, pool: LeanPool, family: PromptFormat, settings: RewardSettings | None = None, seconds: float = 60.0
    ) -> None:
        self.pool = pool
        self._family, self._settings, self._seconds = family, settings or RewardSettings(), seconds
        self._function = RewardFunction(self._settings.function) if self._settings.function else None

    async def grade(self, prompt: Prompt, answer: str, finished: bool = True) -> RewardResult:
        """The reward of an answer to a prompt. finished: it was not cut off at the length limit."""
        try:
            proof = ProofReader(self._family, prompt).proof(answer, finished)
        except AnswerParseError as reason:
            verdict = Verdict(Reason.ANSWER, str(reason))
            return RewardResult(-self._settings.format, verdict, readable=False)
        whole = f"{prompt.prefix}\n{proof}" if prompt.prefix.strip() else proof
        verdict = await self.pool.judge(prompt.theorem.claim(whole), timeout=self._seconds)
        follows_sketch = follows(answer, whole)
        lost = 0.0 if follows_sketch else self._settings.consistency
        return RewardResult(1.0 - lost if verdict.proved else 0.0, verdict, whole, follows_sketch=follows_sketch)

    async def group(
        self, problem: Problem, answers: Sequence[str], graded: Sequence[RewardResult]
    ) -> list[RewardResult]:
        """The rewards of all answers to a prompt, with those of the user's function added. Raises ConfigError."""
        if self._function is None or not answers:
            return list(graded)
        request = self._family.request(Prompt(problem.theorem))
        proofs, verdicts = [grade.proof for grade in graded], [grade.verdict for grade in graded]
        added = await self._function(request, problem, answers, proofs, verdicts)
        weight = self._settings.weight
        return [replace(g, reward=g.reward + weight * value) for g, value in zip(graded, added, strict=True)]


def follows(answer: str, proof: str) -> bool:
    """Whether a proof contains every `have` that a sketch in the answer leaves open; True if there is no sketch."""
    stated = set(_haves(proof))
    said = [block.code for block in blocks(answer) if not block.thought]
    sketches = [code for code in said if any(t.text in _OPEN for t in tokens(code))]
    return all(step in stated for sketch in sketches for step in _haves(sketch))


def _haves(code: str) -> Iterator[tuple[str, ...]]:
    """The statement of each `have` of a text: the tokens after its name, up to `:=`."""
    found: list[Token] = list(tokens(code))
    for start, token in enumerate(found):
        if token.text != "have":
            continue
        end = next((k for k in range(start, len(found)) if found[k].text == ":=" and found[k].depth == token.depth), -1)
        colon = next((k for k in range(start, end) if found[k].text == ":" and found[k].depth == token.depth), -1)
        if end > 0 and colon > 0:
            yield tuple(t.text for t in found[colon + 1 : end])
