"""BlockReader: the tactic blocks of a proof, read from its tokens and from the tactics that Lean ran."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from data.syntax.lexer import Token
from lean_env import Tactic

# Tactics that end with a term, or with blocks that run once. Others may run a block twice, or undo its effect.
_TERM_TACTICS = frozenset(
    ("have", "haveI", "let", "letI", "show", "suffices", "obtain", "replace", "specialize", "exact", "exact_mod_cast",
     "refine", "refine'", "apply", "rcases", "intro", "match", "induction", "cases", "case", "next")
)  # fmt: skip
# In a term with one of these, more text has to follow a block than can be read.
_UNREADABLE = frozenset(
    ("calc", "if", "then", "else", "do", "have", "haveI", "let", "letI", "suffices", "open", "set_option")
)  # fmt: skip


@dataclass
class TacticBlock:
    """A row of tactics at one column.

    opener: offset of the `by`, `=>` or `·` before it; -1 for the block of the whole proof.
    complete: the block ends with the last step; otherwise text follows that was not run or could not be read.
    """

    opener: int  # offset of the `by`, `=>` or `·` before it; -1: before the proof
    start: int
    column: int
    steps: list[TacticStep] = field(default_factory=list)
    complete: bool = False

    @property
    def end(self) -> int:
        """Offset of the end of the last step."""
        return self.steps[-1].end if self.steps else self.start


@dataclass
class TacticStep:
    """A tactic of a block.

    runs: Lean's entries for it, if it is a single tactic.
    last_runs: Lean's entries for the last tactic of a chain of `<;>`; None if unknown or not a chain.
    blocks: its inner blocks that can be cut. has_unread_alternatives: further alternatives could not be read.
    complete: the text that follows does not belong to it.
    """

    start: int
    end: int
    head: str
    runs: list[Tactic] = field(default_factory=list)
    last_runs: list[Tactic] | None = None
    blocks: list[TacticBlock] = field(default_factory=list)
    has_unread_alternatives: bool = False
    complete: bool = True


class BlockReader:
    """Reads the blocks of a proof from its tokens and from the positions of the tactics that Lean ran.

    A block is a row of tactics at one column, opened by `by`, `=>` or `·`.
    """

    def __init__(self, tokens: list[Token], tactics_at: dict[int, tuple[int, list[Tactic]]]) -> None:
        self.tokens, self.tactics_at = tokens, tactics_at
        self._starts = [t.start for t in tokens]

    def tokens_between(self, start: int, end: int) -> list[Token]:
        """Return the tokens between two offsets."""
        return self.tokens[self._token_index(start) : self._token_index(end)]

    def is_tactic_at(self, k: int) -> bool:
        """Return whether a tactic starts at token `k` and Lean ran it."""
        first = next((t for t in islice(self.tokens, k, None) if t.text not in ("(", "·", ".")), None)
        return first is not None and first.start in self.tactics_at

    def goals_before(self, start: int, end: int) -> str | None:
        """Return the tactic state before the first tactic between two offsets."""
        runs = next(
            (self.tactics_at[t.start][1] for t in self.tokens_between(start, end) if t.start in self.tactics_at), []
        )
        return common_state(t.goals for t in runs)

    def read_block(self, k: int, opener: int, limit: int) -> tuple[TacticBlock, int]:
        """Return the block whose first tactic starts at token `k`, and the index of the token after it.

        limit: index of the token after the text that the block can occupy.
        """
        block = TacticBlock(opener, self.tokens[k].start, self.tokens[k].column)
        while k < limit and self.is_tactic_at(k):
            if self.tokens[k].text == "{" and not block.steps:  # `by { … }`: no line can follow
                break
            step, k = self._read_step(k, block.column, limit)
            if self._absorbs_later_lines(step, block.column):
                break
            block.steps.append(step)
            separated = k < limit and self.tokens[k].text == ";"
            k += separated
            following = self.tokens[k] if k < limit else None
            if following is None or following.text == "|" or (following.breaks and following.column < block.column):
                block.complete = True
                break
            if not separated and not (following.breaks and following.column == block.column):
                self._mark_incomplete(step)
                break
        return block, k

    def _mark_incomplete(self, step: TacticStep) -> None:
        """Mark a step, and the inner steps that end with it, as not complete."""
        step.complete = False
        if step.blocks and step.blocks[-1].end == step.end:
            self._mark_incomplete(step.blocks[-1].steps[-1])

    def _read_step(self, k: int, column: int, limit: int) -> tuple[TacticStep, int]:
        """Return the tactic that starts at token `k` of a block at `column`, and the index of the token after it."""
        token = self.tokens[k]
        step = TacticStep(token.start, token.end, token.text)
        if token.start in self.tactics_at:
            end, step.runs = self.tactics_at[token.start]
            next_token = min(limit, self._token_index(end))
            step.blocks, step.has_unread_alternatives = self._read_tail_blocks(k, next_token, column)
        elif token.text == "(":
            next_token = self._after_bracket(k, limit)
        else:
            inner, next_token = self.read_block(k + 1, token.start, limit)
            if not inner.complete:
                next_token = self._skip_to_column(next_token, limit, inner.column - 1)
            step.blocks = [inner] if inner.steps else []
        while next_token < limit and self.tokens[next_token].text == "<;>":
            operand = next_token + 1
            step.runs, step.blocks, step.last_runs = [], [], None
            if operand < limit and self.tokens[operand].start in self.tactics_at:
                end, step.last_runs = self.tactics_at[self.tokens[operand].start]
                next_token = min(limit, self._token_index(end))
            elif operand < limit and self.tokens[operand].text == "(":
                next_token = self._after_bracket(operand, limit)
            else:
                next_token = self._skip_to_column(operand, limit, column)
        step.end = self.tokens[next_token - 1].end
        return step, next_token

    def _read_tail_blocks(self, first: int, limit: int, column: int) -> tuple[list[TacticBlock], bool]:
        """Return the blocks at the end of a tactic, and whether alternatives follow that could not be read.

        No blocks are returned where other text follows them: no line could continue them there.
        """
        level, k, blocks = self.tokens[first].depth, first + 1, list[TacticBlock]()
        if self.tokens[first].text not in _TERM_TACTICS:
            return [], False
        while k < limit:
            token = self.tokens[k]
            k += 1
            if token.depth != level:
                continue
            if token.text in _UNREADABLE:
                return [], False
            if token.text not in ("by", "=>") or k >= limit or not self.is_tactic_at(k):
                continue
            block, k = self.read_block(k, token.start, limit)
            if not block.steps or block.column <= column or self._ran_on_several_goals(block):
                return [], False
            blocks.append(block)
            next_token = k if block.complete else self._skip_to_column(k, limit, block.column - 1)
            if next_token < limit and self.tokens[next_token].text != "|":
                return [], False
            if not block.complete:
                break
        rest = self.tokens_between(blocks[-1].end, self.tokens[limit - 1].end) if blocks else []
        return blocks, any(t.text == "|" and t.depth == level for t in rest)

    def _ran_on_several_goals(self, block: TacticBlock) -> bool:
        """Return whether Lean ran the block on several goals (as for `| _ => …`)."""
        return self.goals_before(block.start, block.steps[0].end) is None

    def _absorbs_later_lines(self, step: TacticStep, column: int) -> bool:
        """Return whether later lines may belong to the step: it has lines left of its block, or tactics at its column.

        `open … in` contains all lines that follow; a term in an alternative takes those right of the `|` as arguments.
        """
        inner_tokens = self.tokens_between(step.start, step.end)[1:]
        return any(t.breaks and t.column < column + (t.start in self.tactics_at) for t in inner_tokens)

    def _token_index(self, offset: int) -> int:
        """Return the index of the first token at or after an offset."""
        return bisect_left(self._starts, offset)

    def _after_bracket(self, k: int, limit: int) -> int:
        """Return the index of the token after the bracket that closes the one at token `k`."""
        depth = self.tokens[k].depth
        return next((i + 1 for i in range(k + 1, limit) if self.tokens[i].depth == depth), limit)

    def _skip_to_column(self, k: int, limit: int, column: int) -> int:
        """Return the index of the next token that starts a line at `column` or left of it."""
        return next((i for i in range(k, limit) if self.tokens[i].breaks and self.tokens[i].column <= column), limit)


def common_state(states: Iterable[str]) -> str | None:
    """Return the state that all runs of a tactic share; None if they differ or Lean gave none."""
    different = set(states)
    return different.pop() or None if len(different) == 1 else None
