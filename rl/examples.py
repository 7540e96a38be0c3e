"""Examples for supervised training: token ids of prompts and answers, and which of them count in the loss."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from data.pairs import Pair
from data.records.config import ConfigError
from data.syntax.layout import INDENT, lines_right
from data.syntax.lexer import tokens as lexed
from prover.engines.tokens import prompt_tokens
from prover.model.tokenizer import FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX
from prover.policy import Prompt
from prover.prompts import PromptFormat, prompt_format
from prover.prompts.text import opening

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Kind = Literal["full_text", "proof", "cot", "continuation", "fim"]

#: The places of a proof from which it can be continued: the lines before, where the next tactic stands, the state.
States = Mapping[Pair, Sequence[tuple[str, int, str]]]


@dataclass(frozen=True)
class Example:
    """Token ids of a prompt, up to `start`, and of the answer to learn, from there on.

    theorem: its name, for people. kind: how it was made.
    """

    tokens: tuple[int, ...]
    start: int
    kind: str = ""
    theorem: str = ""


class ExampleWriter:
    """Writes pairs as examples in a family's prompt format, tokenised as the engines do. Raises ConfigError."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, family: str) -> None:
        try:
            self._tokenizer, self._family = tokenizer, prompt_format(family)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def proof(self, pair: Pair) -> Example:
        """The statement as prompt, the whole proof without its comments as answer."""
        return self._answering(self._family, Prompt(pair.problem.theorem), uncommented(pair.proof), "proof", pair)

    def full_text(self, pair: Pair) -> Example:
        """The same, of which the prompt counts, too, as in pretraining."""
        return replace(self.proof(pair), start=1, kind="full_text")

    def cot(self, pair: Pair) -> Example | None:
        """The proof with its comments, for DeepSeek-Prover-V1.5's CoT prompt (§2.2); None if it has no comments."""
        if not _is_commented(pair.proof):
            return None
        return self._answering(self._family.commented, Prompt(pair.problem.theorem), pair.proof, "cot", pair)

    def continuation(self, pair: Pair, prefix: str, column: int, goal: str) -> Example:
        """The rest of a proof after a prefix and, as a comment, the tactic state there (DeepSeek-Prover-V1.5 §2.2).

        prefix: the proof's first lines, at column 0. column: of the next tactic. Only what follows the state counts.
        """
        prompt = Prompt(pair.problem.theorem, goal, prefix.rstrip("\n"), column)
        rest = pair.proof[len(prefix) :].strip("\n")
        return self._answering(self._family, prompt, rest, "continuation", pair)

    def fim(self, pair: Pair, first: int, last: int) -> Example | None:
        """Fill-in-the-middle (DeepSeek-Coder-V2, arXiv 2406.11931, §3.1): some lines of a proof from all others.

        first, last: the range of lines, end excluded. Tokens are in the order prefix, suffix, middle. None if the proof
        has no such lines. Raises ConfigError if the tokenizer has no
        tokens for it.
        """
        lines = pair.proof.splitlines(keepends=True)
        if not 0 <= first < last <= len(lines):
            return None
        before, middle, after = ("".join(lines[a:b]) for a, b in ((0, first), (first, last), (last, None)))
        begin, hole, end = (self._special(token) for token in (FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE))
        head = f"{opening(pair.problem.theorem)}\n{lines_right(before, INDENT)}"
        asked = [begin, *self._encode(head), hole, *self._encode(lines_right(after, INDENT)), end]
        if self._tokenizer.bos_token_id is not None:
            asked.insert(0, self._tokenizer.bos_token_id)
        answer = [*self._encode(lines_right(middle, INDENT)), self._tokenizer.eos_token_id]
        return Example((*asked, *answer), len(asked), "fim", pair.problem.name)

    def _answering(self, family: PromptFormat, prompt: Prompt, proof: str, kind: str, pair: Pair) -> Example:
        asked = prompt_tokens(self._tokenizer, family.request(prompt))
        answer = self._encode(family.render(prompt, proof))
        return Example((*asked, *answer, self._tokenizer.eos_token_id), len(asked), kind, pair.problem.name)

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _special(self, token: str) -> int:
        found = self._tokenizer.convert_tokens_to_ids(token)
        if not isinstance(found, int) or found == self._tokenizer.unk_token_id:
            raise ConfigError(f"kind 'fim': the tokenizer has no token {token}")
        return found


def examples(
    writer: ExampleWriter,
    pairs: Iterable[Pair],
    kinds: Sequence[Kind],
    states: States,
    seed: int = 0,
) -> Iterator[Example]:
    """The examples of each kind from each pair that has what the kind needs.

    Of continuations and holes there is one for each pair, drawn by `seed`.
    """
    for number, pair in enumerate(pairs):
        chance = random.Random(f"{seed}:{number}")
        for kind in kinds:
            found: Example | None = None
            if kind == "full_text":
                found = writer.full_text(pair)
            elif kind == "proof":
                found = writer.proof(pair)
            elif kind == "cot":
                found = writer.cot(pair)
            elif kind == "continuation":
                if places := states.get(pair, []):
                    found = writer.continuation(pair, *chance.choice(places))
            else:
                lines = len(pair.proof.splitlines())
                first = chance.randrange(max(lines, 1))
                found = writer.fim(pair, first, chance.randint(first + 1, max(lines, first + 1)))
            if found is not None:
                yield found


def uncommented(proof: str) -> str:
    """A proof without its comments, and without the lines that held nothing else."""
    found, at = list[str](), 0
    for token in lexed(proof):
        between = proof[at : token.start]
        if token.breaks:
            last = between.rpartition("\n")[2]
            between = ("\n" if found else "") + (" " * token.column if last.strip() else last)
        elif between.strip():
            between = " "
        found.append(between + token.text)
        at = token.end
    return "".join(found)


def _is_commented(proof: str) -> bool:
    ends = [0, *(token.end for token in lexed(proof))]
    starts = [*(token.start for token in lexed(proof)), len(proof)]
    return any(proof[end:start].strip() for end, start in zip(ends, starts, strict=True))
