"""Shorter texts of a proof, each one edit away: read from tokens and layout, without Lean.

What is read here need not be right: Lean judges every text, and one that was read wrongly is only a judgement in vain.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

from data.syntax.lexer import tokens

AUTOMATION = ("rfl", "omega", "simp", "decide", "simp_all", "grind")
"""What can stand for a block, the preferred first: what says most, and is quickest, in core Lean."""

_LONG = 8  # tokens; what is shorter, and stands on one line, says more than automation in its place would
_WIDTH = 98  # columns; two more are the indentation of a proof

# Before a block of tactics; before a parenthesis around tactics.
_OPENERS = frozenset(("by", "=>", "·"))
_BEFORE_TACTIC = _OPENERS | {"<;>", ";", "|", "try", "all_goals", "any_goals", "repeat", "focus"}
# At the column of a tactic they go on with it.
_CONTINUES = frozenset(("|", "<;>", "else", ")", "]", "}", "⟩"))
_BARS = frozenset(("first", "rcases", "obtain", "rintro"))  # the bars after these are their own
# Steps that close no goal, or are more than what they close it with: no automation alone can do what they do.
_OPENING = frozenset(
    ("·", ".", "case", "next", "have", "haveI", "let", "letI", "obtain", "rcases", "intro", "intros", "rintro", "rw",
     "replace", "specialize", "revert", "generalize", "unfold", "set_option", "open", "suffices", "constructor")
)  # fmt: skip
_REWRITES = frozenset(("rw", "rwa", "erw", "only"))  # nothing is left of them without a list
_LISTED = _REWRITES | {"simp", "simp_all", "simpa", "dsimp", "grind", "arith"}


@dataclass(frozen=True, slots=True)
class Edit:
    """The text between two offsets, and what shall stand there."""

    start: int
    end: int
    new: str = ""

    def of(self, text: str) -> str:
        return (text[: self.start] + self.new + text[self.end :]).strip("\n")


def reductions(text: str) -> list[Edit]:
    """Every edit that makes a proof shorter, the largest saving first: in lines, then in tokens."""
    layout = _Layout(text)
    found = dict.fromkeys(
        chain(layout.automated(), layout.dropped(), layout.operands(), layout.items(), layout.tidied(), choices(text))
    )
    savings = {edit: layout.saving(edit) for edit in found}
    return sorted((e for e in found if savings[e] > (0, 0)), key=lambda e: savings[e], reverse=True)


def choices(text: str) -> Iterator[Edit]:
    """One alternative in place of each `first | …`, in the order of the text."""
    return _Layout(text).choices()


@dataclass(frozen=True, slots=True)
class _Block:
    """A row of tactics, or of the later steps of a `calc`.

    opener: index of the token before it (-1: the proof begins with it).
    steps: indices of their first tokens, and of the tokens after them.
    """

    opener: int
    steps: tuple[tuple[int, int], ...]

    @property
    def start(self) -> int:
        return self.steps[0][0]

    @property
    def end(self) -> int:
        return self.steps[-1][1]


class _Layout:
    """The tokens of a proof and its blocks of tactics: what opens one, and then layout, says where its steps are."""

    def __init__(self, text: str) -> None:
        self.text, self.code = text, list(tokens(text))
        self._starts = [t.start for t in self.code]
        self.blocks = [self._block(k) for k in range(-1, len(self.code) - 1) if k < 0 or self._opens(k)]
        self.blocks = [b for b in self.blocks if b.steps]
        self._owner: dict[int, _Block] = {}
        for block in self.blocks:  # inner ones come later
            self._owner.update(dict.fromkeys(range(block.start, block.end), block))
        self.rows = self._calculations()

    def saving(self, edit: Edit) -> tuple[int, int]:
        """Lines and tokens that an edit saves."""
        old = bisect_left(self._starts, edit.end) - bisect_left(self._starts, edit.start)
        lines = self.text.count("\n", edit.start, edit.end) - edit.new.count("\n")
        return lines, old - sum(1 for _ in tokens(edit.new))

    # ---- blocks ----

    def _opens(self, k: int) -> bool:
        token, following = self.code[k], self.code[k + 1]
        if token.text == "=>":
            heads = (t.text for t in self.code[k - 1 :: -1] if t.depth == token.depth)
            return next((h for h in heads if h in ("fun", "λ", "|", "case", "next", "conv")), "fun") not in ("fun", "λ")
        if token.text == ".":
            return token.breaks and following.start > token.end
        return token.text in _OPENERS or self._groups(k)

    def _groups(self, k: int) -> bool:
        """Is it a parenthesis around tactics?"""
        before = self.code[k - 1].text if k else ";"
        return self.code[k].text == "(" and (self.code[k].breaks or before in _BEFORE_TACTIC)

    def _block(self, opener: int) -> _Block:
        """The steps that stand after a token, to where layout, a bracket or the next alternative ends them."""
        begin, steps, k = opener + 1, list[tuple[int, int]](), opener + 1
        for k, token in enumerate(self.code[opener + 1 :], start=opener + 1):
            first = self.code[opener + 1]
            if token.depth > first.depth or k == opener + 1:
                continue
            bar = token.text == "|" and self.code[opener].text == "=>" and not self._barred(begin, k)
            comma = token.text == "," and first.depth > 0
            if token.depth < first.depth or (token.breaks and token.column < first.column) or bar or comma:
                break
            separated = token.text == ";"
            aligned = token.breaks and token.column == first.column and token.text not in _CONTINUES
            if separated or aligned:
                steps.append((begin, k))
                begin = k + separated
        else:
            k = len(self.code)
        steps.append((begin, k))
        return _Block(opener, tuple(s for s in steps if s[0] < s[1]))

    def _barred(self, a: int, b: int) -> bool:
        """Are bars after these tokens a part of their tactic?"""
        level = self.code[a].depth
        return any(t.text in _BARS and t.depth == level for t in self.code[a:b])

    def _calculations(self) -> list[_Block]:
        """The steps of each `calc` after its first: lines that begin with `_`."""
        found: list[_Block] = []
        seen: set[int] = set()
        for k, token in enumerate(self.code):
            if token.text == "_" and token.breaks and k not in seen:
                found.append(self._block(k - 1))
                seen.update(a for a, _ in found[-1].steps)
        return found

    def _long(self, start: int, end: int) -> bool:
        return end - start > _LONG or any(t.breaks for t in self.code[start + 1 : end])

    # ---- edits ----

    def automated(self) -> Iterator[Edit]:
        """Automation in place of all steps from one on, or of one step."""
        for block in self.blocks:
            last = block.end
            ranges = [(a, last) for a, b in block.steps if b != last or self._may_close(a)]
            ranges += [(a, b) for a, b in block.steps[:-1] if self._may_close(a)]
            for a, b in ranges:
                if self._long(a, b):
                    yield from (self._replaced(a, b, tactic) for tactic in AUTOMATION)

    def _may_close(self, k: int) -> bool:
        return self.code[k].text not in _OPENING

    def _replaced(self, a: int, b: int, tactic: str) -> Edit:
        """A tactic in place of some tokens, and of the comments that belong to them."""
        start, end = self.code[a].start, self.code[b - 1].end
        if self.code[a].breaks:
            start, tactic = self._line_end(a), "\n" * (a > 0) + " " * self.code[a].column + tactic
        return Edit(start, self._line_end(b) if self._breaks(b) else end, tactic)

    def dropped(self) -> Iterator[Edit]:
        """A step less, with all that is in it; later ones first, since they may be what an earlier one is for."""
        for block in self.blocks + self.rows:
            for n in range(len(block.steps))[::-1]:
                a, b = block.steps[n]
                if self._whole_lines(a, b) and (len(block.steps) > 1 or block in self.rows):
                    # What follows the proof's first line moves to its beginning.
                    yield Edit(self._line_end(a), self._line_end(b) + (a == 0 and b < len(self.code)))
                elif n > 0:
                    yield Edit(self.code[block.steps[n - 1][1] - 1].end, self.code[b - 1].end)
                elif len(block.steps) > 1:
                    yield Edit(self.code[a].start, self.code[block.steps[1][0]].start)

    def operands(self) -> Iterator[Edit]:
        """One tactic less in `a <;> b <;> c`."""
        for block in self.blocks:
            for a, b in block.steps:
                level = self.code[a].depth
                marks = [
                    k
                    for k in range(a, b)
                    if self.code[k].text == "<;>" and self.code[k].depth == level and self._owner[k] is block
                ]
                yield from self._one_less([a, *(k + 1 for k in marks)], [*marks, b])

    def items(self) -> Iterator[Edit]:
        """One thing less in the list of a `simp` or `rw`, or no list."""
        for k, token in enumerate(self.code):
            name = self.code[k - 1].text if k else ""
            if token.text != "[" or name not in _LISTED:
                continue
            close = self._close(k)
            if close < len(self.code) and name not in _REWRITES:
                yield Edit(self.code[k - 1].end, self.code[close].end)
            commas = [i for i in range(k, close) if self.code[i].text == "," and self.code[i].depth == token.depth + 1]
            yield from self._one_less([k + 1, *(i + 1 for i in commas)], [*commas, close])

    def _one_less(self, starts: list[int], ends: list[int]) -> Iterator[Edit]:
        """Of parts between separators, each one left out, with a separator; none if there is only one part."""
        if len(starts) < 2 or any(a >= b for a, b in zip(starts, ends, strict=True)):
            return
        for end, before in zip(ends[:0:-1], ends[-2::-1], strict=True):
            yield Edit(self.code[before - 1].end, self.code[end - 1].end)
        yield Edit(self.code[starts[0]].start, self.code[starts[1]].start)

    def tidied(self) -> Iterator[Edit]:
        """A block of one short line moved to its opener's line, or freed of its parentheses."""
        for block in self.blocks:
            if block.opener < 0 or len(block.steps) > 1:
                continue
            opener, first, last = self.code[block.opener], self.code[block.start], self.code[block.end - 1]
            if opener.text == "(":
                close = self._close(block.opener)
                if close == block.end < len(self.code):
                    yield Edit(opener.start, self.code[close].end, self._text(block.start, close, opener.column))
            elif first.breaks and not any(t.breaks for t in self.code[block.start + 1 : block.end]):
                width = opener.column + len(opener.text) + 1 + last.end - first.start
                if width <= _WIDTH and not self.text[opener.end : first.start].strip():
                    yield Edit(opener.end, first.start, " ")

    def choices(self) -> Iterator[Edit]:
        """See above."""
        for k, token in enumerate(self.code[:-1]):
            if token.text != "first" or self.code[k + 1].text != "|" or k not in self._owner:
                continue
            block = self._owner[k]
            step, end = next(s for s in block.steps if s[1] > k)
            end = next((i for i in range(k, end) if self.code[i].depth < token.depth), end)
            bars = [
                i
                for i in range(k, end)
                if self.code[i].text == "|" and self.code[i].depth == token.depth and self._owner[i] is block
            ]
            for bar, after in pairwise([*bars, end]):
                a, b = bar + 1, after
                if step == k and a < b and self.code[a].text == "(" and self._close(a) == b - 1:
                    a, b = a + 1, b - 1  # what only `first` needed; and the `done`, too
                    b -= 2 * ([t.text for t in self.code[b - 2 : b]] == [";", "done"])
                if a < b:
                    yield Edit(token.start, self.code[end - 1].end, self._text(a, b, token.column))

    # ---- places ----

    def _text(self, a: int, b: int, column: int) -> str:
        """Some tokens as they stand, with their later lines moved left as far as the first has to go to a column."""
        first, *later = self.text[self.code[a].start : self.code[b - 1].end].split("\n")
        left = " " * (self.code[a].column - column)
        return "\n".join([first, *(line.removeprefix(left) for line in later)])

    def _close(self, k: int) -> int:
        """The bracket that closes one."""
        depth, after = self.code[k].depth, range(k + 1, len(self.code))
        return next((i for i in after if self.code[i].depth == depth), len(self.code))

    def _breaks(self, k: int) -> bool:
        """Does a line begin with this token, or end with the one before it?"""
        return k == len(self.code) or self.code[k].breaks

    def _whole_lines(self, a: int, b: int) -> bool:
        return self._breaks(a) and self._breaks(b)

    def _line_end(self, k: int) -> int:
        """Where the line ends that the token before this one ends on: a comment there belongs to that token."""
        if k == 0:
            return 0
        end = self.text.find("\n", self.code[k - 1].end)
        return len(self.text) if end < 0 else end
