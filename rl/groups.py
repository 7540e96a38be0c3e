"""The answers to one prompt, and what they earned."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from data import problems as corpora
from data.pairs import Pair, as_row
from data.problems import Problem, ProblemError
from data.records.config import ConfigError
from data.records.jsonl import JsonlError, read_jsonl
from data.tasks import in_order
from lean_env import Reason
from prover.engines.base import Answer, SamplingParams
from prover.policy import Prompt
from rl.batch import Text
from rl.config import RolloutConfig, made_by
from rl.reward import Judge, RewardResult
from rl.samplers import Sampler

_FIELDS = {"answer", "finished", "reward", "reason"}  # of an answer, that are read again
_RUNS, _SEEDS, _LARGEST = 7919, 1_000_003, 2**31  # steps between the seeds of runs and of groups; those are below


@dataclass(frozen=True)
class RolloutRequest:
    """A prompt to be answered: a theorem in a family's form.

    number: of the group. family: whose prompt it is. version: updates before it.
    """

    number: int
    problem: Problem
    family: str
    version: int = 0

    @property
    def prompt(self) -> Prompt:
        return Prompt(self.problem.theorem)


@dataclass(frozen=True)
class Group:
    """The answers to a prompt, in an order that time has no part in, each with what it earned."""

    asked: RolloutRequest
    answers: tuple[Answer, ...]
    graded: tuple[RewardResult, ...]

    @property
    def rewards(self) -> list[float]:
        return [grade.reward for grade in self.graded]

    @property
    def proved(self) -> int:
        return sum(grade.verdict.proved for grade in self.graded)

    @property
    def has_signal(self) -> bool:
        """Did some answers earn more than others?"""
        return len(set(self.rewards)) > 1

    @property
    def proofs(self) -> list[str]:
        """Those that Lean accepted, without repetition, the shortest first."""
        found = {grade.proof for grade in self.graded if grade.verdict.proved}
        return sorted(found, key=lambda proof: (len(proof), proof))

    def texts(self, experts: bool, truncation: bool) -> list[Text]:
        """The answers as they are trained on, with what is to be replayed, as far as the engine told it."""
        return [_text(answer, experts, truncation) for answer in self.answers]

    def as_row(self) -> dict[str, Any]:
        """As JSON: the theorem as data.problems reads it, and the answers."""
        row = {key: value for key, value in as_row(Pair(self.asked.problem, "")).items() if key != "formal_proof"}
        answers = [
            {
                "answer": answer.text,
                "finished": answer.finished,
                "finish_reason": answer.finish_reason,
                "proof": grade.proof,
                "reward": grade.reward,
                "reason": str(grade.verdict.reason),
                "tokens": len(answer.tokens),
            }
            for answer, grade in zip(self.answers, self.graded, strict=True)
        ]
        asked = self.asked
        return {**row, "number": asked.number, "family": asked.family, "version": asked.version, "answers": answers}


@dataclass(frozen=True)
class RecordedGroup:
    """A group as a run has written it down. answers: as in Group.as_row."""

    problem: Problem
    family: str
    answers: list[dict[str, Any]]

    @property
    def proved(self) -> int:
        return sum(map(is_proved, self.answers))


def is_proved(answer: Mapping[str, Any]) -> bool:
    """Has Lean accepted an answer that was written down?"""
    return bool(answer["reason"] == Reason.PROVED)


def read(path: Path) -> Iterator[RecordedGroup]:
    """The groups in a file `answers.jsonl`. Raises ConfigError."""
    try:
        for problem, row in zip(corpora.read(path), read_jsonl(path), strict=True):
            if not all(answer.keys() >= _FIELDS for answer in row["answers"]):
                raise ValueError(f"each answer needs {', '.join(sorted(_FIELDS))}")
            answers = [{"finish_reason": None, **answer} for answer in row["answers"]]  # older files lack it
            yield RecordedGroup(problem, row["family"], answers)
    except OSError as error:
        raise ConfigError(f"answers: {path}: {error.strerror or error}{made_by(path)}") from None
    except (JsonlError, ProblemError) as error:
        raise ConfigError(f"answers: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"answers: {path}: not what a run writes ({error!r})") from None


def _text(answer: Answer, experts: bool, truncation: bool) -> Text:
    tokens, start, replay = (*answer.prompt_tokens, *answer.tokens), len(answer.prompt_tokens), answer.replay
    if replay is None:
        return Text(tokens, start, answer.log_probs)
    drawn = replay.sampler_logprobs if truncation or not replay.candidate_token_ids else answer.log_probs
    return Text(
        tokens, start, drawn, replay.candidate_token_ids if truncation else (), replay.expert_ids if experts else None
    )


@dataclass
class StageTimer:
    """A timer of the stages: seconds in which answers were written, checked, and checked while none was written."""

    written: float = 0.0
    checked: float = 0.0
    only_checked: float = 0.0
    _running: dict[str, int] = field(default_factory=lambda: {"writing": 0, "checking": 0})
    _since: float = field(default_factory=time.monotonic)

    @contextmanager
    def measure(self, work: str) -> Iterator[None]:
        """work: writing or checking, until the end of the block."""
        self.settle()
        self._running[work] += 1
        try:
            yield
        finally:
            self.settle()
            self._running[work] -= 1

    def settle(self) -> None:
        """Count up to now."""
        now = time.monotonic()
        passed, self._since = now - self._since, now
        writing, checking = self._running["writing"] > 0, self._running["checking"] > 0
        self.written += passed * writing
        self.checked += passed * checking
        self.only_checked += passed * (checking and not writing)


async def rollout_group(
    sampler: Sampler,
    judges: Mapping[str, Judge],
    asked: RolloutRequest,
    n: int,
    sampling: SamplingParams,
    busy: StageTimer,
) -> Group:
    """Have `n` answers written and each one judged as soon as it is there; the same answer is judged once.

    Raises PolicyUnavailable, ConfigError if the user's reward function fails.
    """
    judge, answers = judges[asked.family], list[Answer]()
    checks: dict[tuple[str, bool], asyncio.Task[RewardResult]] = {}

    async def grade(answer: Answer) -> RewardResult:
        with busy.measure("checking"):
            return await judge.grade(asked.prompt, answer.text, answer.finished)

    try:
        with busy.measure("writing"):
            given = sampler.answers(asked.prompt, asked.family, n, sampling)
            async with aclosing(given):
                async for answer in given:
                    if answer.failure:  # the prompt does not fit the context
                        continue
                    answers.append(answer)
                    if _key(answer) not in checks:
                        checks[_key(answer)] = asyncio.create_task(grade(answer))
        grades = dict(zip(checks, await asyncio.gather(*checks.values()), strict=True))
    finally:
        for check in checks.values():
            check.cancel()
        await asyncio.gather(*checks.values(), return_exceptions=True)
    answers.sort(key=lambda answer: (answer.tokens, answer.text))  # they come in as they end, which is chance
    graded = [grades[_key(answer)] for answer in answers]
    return Group(
        asked, tuple(answers), tuple(await judge.group(asked.problem, [answer.text for answer in answers], graded))
    )


async def rollout_all(
    sampler: Sampler,
    judges: Mapping[str, Judge],
    problems: Sequence[Problem],
    rollout: RolloutConfig,
    seed: int,
    start: int = 0,
) -> AsyncGenerator[Group]:
    """The groups of all problems, each asked once in each family, in order, from number `start` on.

    Raises PolicyUnavailable.
    """
    every = enumerate(product(problems, rollout.families))
    asked = (RolloutRequest(n, problem, family) for n, (problem, family) in every if n >= start)
    busy, window = StageTimer(), max(2 * rollout.max_num_seqs // rollout.num_generations, 2)

    async def one(which: RolloutRequest) -> Group:
        return await rollout_group(
            sampler, judges, which, rollout.num_generations, sampling_params(rollout, seed, which.number), busy
        )

    async with aclosing(in_order(one, asked, window)) as groups:
        async for group in groups:
            yield group


def sampling_params(rollout: RolloutConfig, seed: int, number: int, replay: bool = False) -> SamplingParams:
    """How the answers of a group are drawn: from numbers that no other group of the run has."""
    return SamplingParams(
        temperature=rollout.temperature,
        top_p=rollout.top_p,
        max_tokens=rollout.max_tokens,
        seed=(seed * _RUNS + number * _SEEDS) % _LARGEST,
        replay=replay,
    )


def _key(answer: Answer) -> tuple[str, bool]:
    return answer.text, answer.finished
