"""Edits that shorten a proof, found from tokens and layout without Lean.

An edit need not be right: Lean judges every resulting text, so a wrong edit costs only a check.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from data.syntax.lexer import tokens

AUTOMATION = ("rfl", "omega", "simp", "decide", "simp_all", "grind")
"""Tactics that may replace a block, the preferred first: those that say most and are quickest in core Lean."""

_MIN_LONG = 8  # tokens; a shorter block on one line says more than automation in its place would
_WIDTH = 98  # columns; two more are the indentation of a proof

# Before a block of tactics; before a parenthesis around tactics.
_OPENERS = frozenset(("by", "=>", "·"))
_BEFORE_TACTIC = _OPENERS | {"<;>", ";", "|", "try", "all_goals", "any_goals", "repeat", "focus"}
# At the column of a tactic these continue it.
_CONTINUES = frozenset(("|", "<;>", "else", ")", "]", "}", "⟩"))
_BAR_TACTICS = frozenset(("first", "rcases", "obtain", "rintro"))  # the bars after these belong to them
# Steps that do not close a goal by themselves, so that automation alone cannot replace them.
_NOT_CLOSING = frozenset(
    ("·", ".", "case", "next", "have", "haveI", "let", "letI", "obtain", "rcases", "intro", "intros", "rintro", "rw",
     "replace", "specialize", "revert", "generalize", "unfold", "set_option", "open", "suffices", "constructor")
)  # fmt: skip
_REWRITES = frozenset(("rw", "rwa", "erw", "only"))  # these need a list
_LIST_TACTICS = _REWRITES | {"simp", "simp_all", "simpa", "dsimp", "grind", "arith"}
_CAN_EXPLAIN = frozenset(("simp", "simp_all", "simpa", "dsimp", "grind"))  # with `?` they say what they have used


@dataclass(frozen=True, slots=True)
class TextEdit:
    """A replacement of the text between two offsets."""

    start: int
    end: int
    new: str = ""

    def apply(self, text: str) -> str:
        """Return the text after the replacement, without blank lines at its ends."""
        return (text[: self.start] + self.new + text[self.end :]).strip("\n")


def shorter_edits(text: str) -> list[TextEdit]:
    """Return every edit that makes a proof shorter, the largest saving first: in lines, then in tokens."""
    layout = _Layout(text)
    edits = dict.fromkeys(
        chain(
            layout.automation_edits(),
            layout.dropped_steps(),
            layout.dropped_operands(),
            layout.dropped_items(),
            layout.joined_lines(),
            alternative_edits(text),
        )
    )
    savings = {edit: layout.saving(edit) for edit in edits}
    return sorted((e for e in edits if savings[e] > (0, 0)), key=lambda e: savings[e], reverse=True)


def alternative_edits(text: str) -> Iterator[TextEdit]:
    """Yield the edits that replace each `first | …` by one of its alternatives, in the order of the text."""
    return _Layout(text).alternative_edits()


@dataclass(frozen=True, slots=True)
class Listing:
    """A `simp`, `grind`, … with a list: where it stands, what stands before the list, and the list's items.

    question: makes Lean say what it uses, as `simp only […]`.
    """

    start: int
    end: int
    head: str
    items: tuple[str, ...]

    @property
    def question(self) -> TextEdit:
        return TextEdit(self.start, self.start + len(self.head.split()[0]), f"{self.head.split()[0]}?")

    def shorter(self, suggestions: Sequence[str]) -> Iterator[TextEdit]:
        """The list without the names that no suggestion has; then the suggestion itself, if it is one and shorter."""
        used = {token.text.split(".")[-1] for suggestion in suggestions for token in tokens(suggestion)}
        kept = [item for item in self.items if not _is_name(item) or item.split(".")[-1] in used]
        if len(kept) < len(self.items):
            yield TextEdit(self.start, self.end, f"{self.head} [{', '.join(kept)}]" if kept else self.head)
        if len(set(suggestions)) == 1 and suggestions[0].endswith("]") and len(suggestions[0]) < self.end - self.start:
            yield TextEdit(self.start, self.end, suggestions[0])


def listings(text: str) -> list[Listing]:
    """The lists of `simp`, `grind`, … in a proof, last ones first."""
    return list(_Layout(text).listings())[::-1]


def _is_name(item: str) -> bool:
    return all(part.isidentifier() for part in item.split("."))


@dataclass(frozen=True, slots=True)
class _TacticBlock:
    """A row of tactics, or of the later steps of a `calc`.

    opener: index of the token before it (-1: the proof begins with it).
    steps: for each step, the index of its first token and of the token after it.
    """

    opener: int
    steps: tuple[tuple[int, int], ...]

    @property
    def start(self) -> int:
        """Index of its first token."""
        return self.steps[0][0]

    @property
    def end(self) -> int:
        """Index of the token after it."""
        return self.steps[-1][1]


class _Layout:
    """The tokens of a proof and its tactic blocks, which are found from their openers and from layout."""

    def __init__(self, text: str) -> None:
        self.text, self.code = text, list(tokens(text))
        self._starts = [t.start for t in self.code]
        self.blocks = [self._read_block(k) for k in range(-1, len(self.code) - 1) if k < 0 or self._opens_block(k)]
        self.blocks = [b for b in self.blocks if b.steps]
        self._owner: dict[int, _TacticBlock] = {}
        for block in self.blocks:  # inner ones come later
            self._owner.update(dict.fromkeys(range(block.start, block.end), block))
        self.calc_blocks = self._calc_steps()

    def saving(self, edit: TextEdit) -> tuple[int, int]:
        """Return the lines and tokens that an edit saves."""
        old_tokens = bisect_left(self._starts, edit.end) - bisect_left(self._starts, edit.start)
        lines = self.text.count("\n", edit.start, edit.end) - edit.new.count("\n")
        return lines, old_tokens - sum(1 for _ in tokens(edit.new))

    # ---- blocks ----

    def _opens_block(self, k: int) -> bool:
        token, following = self.code[k], self.code[k + 1]
        if token.text == "=>":
            heads = (t.text for t in self.code[k - 1 :: -1] if t.depth == token.depth)
            return next((h for h in heads if h in ("fun", "λ", "|", "case", "next", "conv")), "fun") not in ("fun", "λ")
        if token.text == ".":
            return token.breaks and following.start > token.end
        return token.text in _OPENERS or self._opens_group(k)

    def _opens_group(self, k: int) -> bool:
        """Return whether the token is a parenthesis around tactics."""
        previous = self.code[k - 1].text if k else ";"
        return self.code[k].text == "(" and (self.code[k].breaks or previous in _BEFORE_TACTIC)

    def _read_block(self, opener: int) -> _TacticBlock:
        """Return the steps after an opener, up to where layout, a bracket or the next alternative ends them."""
        begin, steps, k = opener + 1, list[tuple[int, int]](), opener + 1
        for k, token in enumerate(self.code[opener + 1 :], start=opener + 1):
            first = self.code[opener + 1]
            if token.depth > first.depth or k == opener + 1:
                continue
            bar = token.text == "|" and self.code[opener].text == "=>" and not self._owns_bars(begin, k)
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
        return _TacticBlock(opener, tuple(s for s in steps if s[0] < s[1]))

    def _owns_bars(self, a: int, b: int) -> bool:
        """Return whether bars after these tokens belong to their tactic."""
        level = self.code[a].depth
        return any(t.text in _BAR_TACTICS and t.depth == level for t in self.code[a:b])

    def _calc_steps(self) -> list[_TacticBlock]:
        """Return the steps of each `calc` after its first: lines that begin with `_`."""
        blocks: list[_TacticBlock] = []
        read_tokens: set[int] = set()
        for k, token in enumerate(self.code):
            if token.text == "_" and token.breaks and k not in read_tokens:
                blocks.append(self._read_block(k - 1))
                read_tokens.update(a for a, _ in blocks[-1].steps)
        return blocks

    def _is_long(self, start: int, end: int) -> bool:
        return end - start > _MIN_LONG or any(t.breaks for t in self.code[start + 1 : end])

    # ---- edits ----

    def automation_edits(self) -> Iterator[TextEdit]:
        """Yield edits that put automation in place of all steps from one on, or of one step."""
        for block in self.blocks:
            last = block.end
            ranges = [(a, last) for a, b in block.steps if b != last or self._may_close_goal(a)]
            ranges += [(a, b) for a, b in block.steps[:-1] if self._may_close_goal(a)]
            for a, b in ranges:
                if self._is_long(a, b):
                    yield from (self._replace_tokens(a, b, tactic) for tactic in AUTOMATION)

    def _may_close_goal(self, k: int) -> bool:
        return self.code[k].text not in _NOT_CLOSING

    def _replace_tokens(self, a: int, b: int, tactic: str) -> TextEdit:
        """Return the edit that puts a tactic in place of tokens and of the comments that belong to them."""
        start, end = self.code[a].start, self.code[b - 1].end
        if self.code[a].breaks:
            start, tactic = self._line_end(a), "\n" * (a > 0) + " " * self.code[a].column + tactic
        return TextEdit(start, self._line_end(b) if self._starts_line(b) else end, tactic)

    def dropped_steps(self) -> Iterator[TextEdit]:
        """Yield edits that drop a step with its blocks; later steps first, since earlier ones may serve them."""
        for block in self.blocks + self.calc_blocks:
            for n in range(len(block.steps))[::-1]:
                a, b = block.steps[n]
                if self._is_whole_lines(a, b) and (len(block.steps) > 1 or block in self.calc_blocks):
                    # What follows the proof's first line moves to its beginning.
                    yield TextEdit(self._line_end(a), self._line_end(b) + (a == 0 and b < len(self.code)))
                elif n > 0:
                    yield TextEdit(self.code[block.steps[n - 1][1] - 1].end, self.code[b - 1].end)
                elif len(block.steps) > 1:
                    yield TextEdit(self.code[a].start, self.code[block.steps[1][0]].start)

    def dropped_operands(self) -> Iterator[TextEdit]:
        """Yield edits that drop one tactic of `a <;> b <;> c`."""
        for block in self.blocks:
            for a, b in block.steps:
                level = self.code[a].depth
                marks = [
                    k
                    for k in range(a, b)
                    if self.code[k].text == "<;>" and self.code[k].depth == level and self._owner[k] is block
                ]
                yield from self._drop_one_part([a, *(k + 1 for k in marks)], [*marks, b])

    def dropped_items(self) -> Iterator[TextEdit]:
        """Yield edits that drop one item of the list of a `simp` or `rw`, or the whole list."""
        for k, token in enumerate(self.code):
            name = self.code[k - 1].text if k else ""
            if token.text != "[" or name not in _LIST_TACTICS:
                continue
            close = self._closing_bracket(k)
            if close < len(self.code) and name not in _REWRITES:
                yield TextEdit(self.code[k - 1].end, self.code[close].end)
            parts = self._parts(k, close)
            yield from self._drop_one_part([a for a, _ in parts], [b for _, b in parts])

    def listings(self) -> Iterator[Listing]:
        """Yield the lists that the tactic in front of them can explain (see `listings`)."""
        for k, token in enumerate(self.code):
            if token.text not in _CAN_EXPLAIN:
                continue
            bracket = next((i for i in range(k + 1, len(self.code)) if self.code[i].text == "["), len(self.code))
            # Settings may stand between them (`+arith`); another tactic, or `only`, may not.
            settings = [t.text for t in self.code[k + 1 : bracket]]
            close = self._closing_bracket(bracket) if bracket < len(self.code) else bracket
            if close < len(self.code) and len(settings) % 2 == 0 and all(t in "+-" for t in settings[::2]):
                parts = self._parts(bracket, close)
                items = tuple(self.text[self.code[a].start : self.code[b - 1].end] for a, b in parts if a < b)
                head = self.text[token.start : self.code[bracket - 1].end]
                yield Listing(token.start, self.code[close].end, head, items)

    def _parts(self, bracket: int, close: int) -> list[tuple[int, int]]:
        """The tokens of each item of a list: the first, and the one after the last."""
        inner = self.code[bracket].depth + 1
        commas = [i for i in range(bracket, close) if self.code[i].text == "," and self.code[i].depth == inner]
        return list(zip([bracket + 1, *(i + 1 for i in commas)], [*commas, close], strict=True))

    def _drop_one_part(self, starts: list[int], ends: list[int]) -> Iterator[TextEdit]:
        """Yield edits that drop one part between separators, with a separator; none if there is only one part."""
        if len(starts) < 2 or any(a >= b for a, b in zip(starts, ends, strict=True)):
            return
        for end, end_before in zip(ends[:0:-1], ends[-2::-1], strict=True):
            yield TextEdit(self.code[end_before - 1].end, self.code[end - 1].end)
        yield TextEdit(self.code[starts[0]].start, self.code[starts[1]].start)

    def joined_lines(self) -> Iterator[TextEdit]:
        """Yield edits that move a one-line block to its opener's line, or remove its parentheses."""
        for block in self.blocks:
            if block.opener < 0 or len(block.steps) > 1:
                continue
            opener, first, last = self.code[block.opener], self.code[block.start], self.code[block.end - 1]
            if opener.text == "(":
                close = self._closing_bracket(block.opener)
                if close == block.end < len(self.code):
                    yield TextEdit(
                        opener.start, self.code[close].end, self._moved_text(block.start, close, opener.column)
                    )
            elif first.breaks and not any(t.breaks for t in self.code[block.start + 1 : block.end]):
                width = opener.column + len(opener.text) + 1 + last.end - first.start
                if width <= _WIDTH and not self.text[opener.end : first.start].strip():
                    yield TextEdit(opener.end, first.start, " ")

    def alternative_edits(self) -> Iterator[TextEdit]:
        """Yield the edits of `alternative_edits`."""
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
            for bar, next_bar in pairwise([*bars, end]):
                a, b = bar + 1, next_bar
                if step == k and a < b and self.code[a].text == "(" and self._closing_bracket(a) == b - 1:
                    a, b = a + 1, b - 1  # what only `first` needed; and the `done`, too
                    b -= 2 * ([t.text for t in self.code[b - 2 : b]] == [";", "done"])
                if a < b:
                    yield TextEdit(token.start, self.code[end - 1].end, self._moved_text(a, b, token.column))

    # ---- positions ----

    def _moved_text(self, a: int, b: int, column: int) -> str:
        """Return the text of tokens, its later lines moved left as the first token moves to `column`."""
        first, *later = self.text[self.code[a].start : self.code[b - 1].end].split("\n")
        shift = " " * (self.code[a].column - column)
        return "\n".join([first, *(line.removeprefix(shift) for line in later)])

    def _closing_bracket(self, k: int) -> int:
        """Return the index of the bracket that closes the one at token `k`."""
        depth, following = self.code[k].depth, range(k + 1, len(self.code))
        return next((i for i in following if self.code[i].depth == depth), len(self.code))

    def _starts_line(self, k: int) -> bool:
        """Return whether token `k` starts a line, or the token before it ends the text."""
        return k == len(self.code) or self.code[k].breaks

    def _is_whole_lines(self, a: int, b: int) -> bool:
        return self._starts_line(a) and self._starts_line(b)

    def _line_end(self, k: int) -> int:
        """Return the offset where the line of token `k - 1` ends: a comment there belongs to that token."""
        if k == 0:
            return 0
        end = self.text.find("\n", self.code[k - 1].end)
        return len(self.text) if end < 0 else end
