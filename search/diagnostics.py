"""LeanDiagnostics: which parts of a proof's text Lean accepted, by offset in the text."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from data.syntax.lexer import Token
from lean_env import Check, Ended, Message, Position, Tactic

_UNSOLVED = "unsolved goals\n"  # spans a block; all tactics in it are valid
# Stands at a tactic; the alternatives that are written are valid.
_MISSING_ALTERNATIVE = re.compile(r"Alternative .* has not been provided|Missing cases:")
_UNEXPECTED = re.compile(r"unexpected (token|identifier)")


@dataclass(frozen=True)
class _Error:
    """An error at an offset.

    offset: every part of the text that contains it is invalid. valid_until: no part that ends after it is valid.
    """

    offset: int
    valid_until: int


class LeanDiagnostics:
    """Lean's messages and tactics for a proof, indexed by offset in its text.

    tactics_at: for each offset, the end of the longest tactic that starts there and all its runs.
    unsolved_goals: the goals that remain at the end of a block, by the offset of its opener (-1: before the proof).
    valid_until: no part of the text that ends after this offset is valid.
    completed: Lean's check ended by itself.
    """

    def __init__(self, text: str, tokens: list[Token], check: Check, start: Position) -> None:
        self._start, self._tokens, self._length = start, tokens, len(text)
        self._lines = [0, *(m.end() for m in re.finditer("\n", text))]
        self.completed = check.ended is Ended.COMPLETED
        by_offset: dict[int, dict[int, list[Tactic]]] = defaultdict(lambda: defaultdict(list))
        for tactic in check.tactics:
            first, last = self._offset(tactic.position), self._offset(tactic.end)
            if 0 <= first < last <= len(text):
                by_offset[first][last].append(tactic)
        self.tactics_at = {first: (max(ends), ends[max(ends)]) for first, ends in by_offset.items()}
        self.unsolved_goals = {
            max(-1, self._offset(m.position)): m.text.removeprefix(_UNSOLVED).replace("\n\n", "\n")
            for m in check.errors
            if m.position and m.text.startswith(_UNSOLVED)
        }
        self._errors = [self._error(m) for m in check.errors]
        if self.tactics_at and not self.completed:
            self._errors.append(_Error(max(self.tactics_at), max(self.tactics_at)))
        self.valid_until = min((e.valid_until for e in self._errors), default=len(text))

    def is_valid(self, start: int, end: int) -> bool:
        """Return whether this part of the text has no error."""
        return end <= self.valid_until and not any(start <= e.offset < end for e in self._errors)

    def _offset(self, position: Position) -> int:
        """Return the offset of a position; negative or beyond the length if it is outside the text."""
        line = position.line - self._start.line
        if line < 0:
            return -1
        if line >= len(self._lines):
            return self._length + 1
        return self._lines[line] + position.column - (self._start.column if line == 0 else 0)

    def _error(self, message: Message) -> _Error:
        """Return where an error makes the text invalid."""
        if message.position is None:
            return _Error(-1, -1)
        offset = self._offset(message.position)
        if message.text.startswith(_UNSOLVED) and message.end is not None:
            return _Error(offset, self._offset(message.end))
        if offset in self.tactics_at and _MISSING_ALTERNATIVE.match(message.text):
            return _Error(offset, self.tactics_at[offset][0])
        if message.end is None or _UNEXPECTED.match(message.text):
            # The parser stopped here. Unless it had read the whole proof, the tactic before this place is not complete.
            earlier_tokens = [t.start for t in self._tokens if t.start < offset]
            if earlier_tokens and not message.text.endswith("expected command"):
                offset = earlier_tokens[-1]
        return _Error(offset, offset)
