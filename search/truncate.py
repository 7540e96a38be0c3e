"""What of a failed proof holds, cut where a proof can go on: the truncation of RMaxTS (V1.5 §3.1, §3.2).

Lean lists the tactics that it ran, by their place. It does not list what holds them together (`·`, `<;>`, parentheses,
blocks), so that is read from the text: a tactic block is a row of tactics at one column, opened by `by`, `=>` or `·`.
What cannot be read with certainty is not cut.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from data.syntax.lexer import Token, tokens
from lean_env import Check, Ended, Message, Position, Tactic

NO_GOALS = "no goals"
SHOW_ALL = "set_option showPartialSyntaxErrors true"
"""To stand in the context of the check: otherwise Lean keeps most errors to itself that come before a syntax error."""


@dataclass(frozen=True)
class Segment:
    """One step of the part of a proof that holds, and the place that it leads to.

    text: white space, comments and the tactic; the texts of all segments in a row are the start of the proof, verbatim.
        Where a tactic finishes one alternative of `induction`, `cases` or `match`, the head of the next one is in it,
        because no tactic could stand between the two.
    goals: the tactic state there as Lean prints it, in the innermost block that is still open.
    column: where the lines that go on in that block have to stand, in the code that was checked.
    outer: for each enclosing block that is open, outermost first, what will be left to do when it is closed: the state
        before the tactic that holds it, and the head of that tactic. Two places with equal (goals, outer) need the same
        work.
    """

    text: str
    goals: str
    column: int
    outer: tuple[str, ...]


def segments(proof: str, check: Check, start: Position) -> list[Segment]:
    """The part of a proof before its first error, in steps.

    proof: the text after `:= by` to the end of the code that was checked, exactly as it stands there.
    check: what Lean said of that code, with `tactics=True` and after SHOW_ALL.
    start: the place of the proof's first character in that code.

    Where an error is about the whole (in the statement, or from the kernel), nothing holds. Of a check that was ended
    by its time limit, the tactic that began last and all that contain it do not hold.
    """
    read = list(tokens(proof, start.column))
    said = _Said(proof, read, check, start)
    reader = _Reader(read, said.listed)
    cutter = _Cutter(proof, said, reader)
    if said.bound >= 0 and reader.runs(0):
        cutter.walk(reader.block(0, -1, len(read))[0], [])
    return cutter.found


# ---- what Lean said ----

_UNSOLVED = "unsolved goals\n"  # stands at the opening of a block and ends with it; its tactics all hold
_UNFINISHED = re.compile(
    r"Alternative .* has not been provided|Missing cases:"
)  # stands at a tactic; what is there holds
_UNEXPECTED = re.compile(r"unexpected (token|identifier)")


@dataclass(frozen=True)
class _Error:
    """place: where it stands; what contains this place does not hold. bound: nothing holds that ends after it."""

    place: int
    bound: int


class _Said:
    """What Lean said of the text, by offset.

    listed: where the longest tactics end that start at an offset, and those tactics (one for each time it was run).
    unsolved: the goals that are left at the end of a block, by its opening (-1: before the proof).
    bound: nothing holds that ends after it.
    """

    def __init__(self, text: str, tokens: list[Token], check: Check, start: Position) -> None:
        self._start, self._tokens, self._length = start, tokens, len(text)
        self._lines = [0, *(m.end() for m in re.finditer("\n", text))]
        self.completed = check.ended is Ended.COMPLETED
        by_place: dict[int, dict[int, list[Tactic]]] = defaultdict(lambda: defaultdict(list))
        for tactic in check.tactics:
            first, last = self._offset(tactic.position), self._offset(tactic.end)
            if 0 <= first < last <= len(text):
                by_place[first][last].append(tactic)
        self.listed = {first: (max(ends), ends[max(ends)]) for first, ends in by_place.items()}
        self.unsolved = {
            max(-1, self._offset(m.position)): m.text.removeprefix(_UNSOLVED).replace("\n\n", "\n")
            for m in check.errors
            if m.position and m.text.startswith(_UNSOLVED)
        }
        self._errors = [self._error(m) for m in check.errors]
        if self.listed and not self.completed:
            self._errors.append(_Error(max(self.listed), max(self.listed)))
        self.bound = min((e.bound for e in self._errors), default=len(text))

    def holds(self, start: int, end: int) -> bool:
        """Is this part of the text free of errors?"""
        return end <= self.bound and not any(start <= e.place < end for e in self._errors)

    def _offset(self, position: Position) -> int:
        """In the text; less than 0 or more than its length for places before or after it."""
        line = position.line - self._start.line
        if line < 0:
            return -1
        if line >= len(self._lines):
            return self._length + 1
        return self._lines[line] + position.column - (self._start.column if line == 0 else 0)

    def _error(self, message: Message) -> _Error:
        if message.position is None:
            return _Error(-1, -1)
        place = self._offset(message.position)
        if message.text.startswith(_UNSOLVED) and message.end is not None:
            return _Error(place, self._offset(message.end))
        if place in self.listed and _UNFINISHED.match(message.text):
            return _Error(place, self.listed[place][0])
        if message.end is None or _UNEXPECTED.match(message.text):
            # The parser stopped here. Unless it had read the whole proof, the tactic before this place is not complete.
            before = [t.start for t in self._tokens if t.start < place]
            if before and not message.text.endswith("expected command"):
                place = before[-1]
        return _Error(place, place)


# ---- blocks ----

# Tactics that end with a term, or with blocks that are run once. Others may run a block twice, or undo what it did.
_HEADS = frozenset(
    ("have", "haveI", "let", "letI", "show", "suffices", "obtain", "replace", "specialize", "exact", "exact_mod_cast",
     "refine", "refine'", "apply", "rcases", "intro", "match", "induction", "cases", "case", "next")
)  # fmt: skip
# Where these stand in a term, more has to follow a block in it than can be read from the text.
_WHOLE = frozenset(
    ("calc", "if", "then", "else", "do", "have", "haveI", "let", "letI", "suffices", "open", "set_option")
)  # fmt: skip


@dataclass
class _Block:
    """A row of tactics. `whole`: it ends with the last of them; otherwise what follows was not run or not read."""

    opener: int  # offset of the `by`, `=>` or `·` before it; -1: before the proof
    start: int
    column: int
    steps: list[_Step] = field(default_factory=list)
    whole: bool = False

    @property
    def end(self) -> int:
        return self.steps[-1].end if self.steps else self.start


@dataclass
class _Step:
    """A tactic of a block.

    run: what Lean lists for it, if it is a single tactic.
    last: what Lean lists for the last tactic of a chain of `<;>`, each time it was run; None: unknown or no chain.
    blocks: those of its blocks that can be cut; `more`: alternatives follow that were not read.
    complete: what follows in the text is not a part of it.
    """

    start: int
    end: int
    head: str
    run: list[Tactic] = field(default_factory=list)
    last: list[Tactic] | None = None
    blocks: list[_Block] = field(default_factory=list)
    more: bool = False
    complete: bool = True


class _Reader:
    """Finds the blocks, from the text and the places of the tactics that were run."""

    def __init__(self, tokens: list[Token], listed: dict[int, tuple[int, list[Tactic]]]) -> None:
        self.tokens, self.listed = tokens, listed
        self._starts = [t.start for t in tokens]

    def between(self, start: int, end: int) -> list[Token]:
        """The tokens of a part of the text."""
        return self.tokens[self._index(start) : self._index(end)]

    def runs(self, k: int) -> bool:
        """Does a tactic start at this token, and was it run?"""
        first = next((t for t in islice(self.tokens, k, None) if t.text not in ("(", "·", ".")), None)
        return first is not None and first.start in self.listed

    def first_goals(self, start: int, end: int) -> str | None:
        """The state in which the first tactic in a part of the text was run."""
        runs = next((self.listed[t.start][1] for t in self.between(start, end) if t.start in self.listed), [])
        return _agreed(t.goals for t in runs)

    def block(self, k: int, opener: int, limit: int) -> tuple[_Block, int]:
        """The block whose first tactic starts at token `k`, and the token after the part that could be read.

        limit: index of the token after the text that it can take up.
        """
        block = _Block(opener, self.tokens[k].start, self.tokens[k].column)
        while k < limit and self.runs(k):
            if self.tokens[k].text == "{" and not block.steps:  # `by { … }`: no line can follow
                break
            step, k = self._step(k, block.column, limit)
            if self._swallows(step, block.column):
                break
            block.steps.append(step)
            separated = k < limit and self.tokens[k].text == ";"
            k += separated
            following = self.tokens[k] if k < limit else None
            if following is None or following.text == "|" or (following.breaks and following.column < block.column):
                block.whole = True
                break
            if not separated and not (following.breaks and following.column == block.column):
                self._doubt(step)
                break
        return block, k

    def _doubt(self, step: _Step) -> None:
        """Mark a step, and the steps that end with it, as not complete."""
        step.complete = False
        if step.blocks and step.blocks[-1].end == step.end:
            self._doubt(step.blocks[-1].steps[-1])

    def _step(self, k: int, column: int, limit: int) -> tuple[_Step, int]:
        """The tactic that starts at token `k` of a block at a column, and the token after it."""
        token = self.tokens[k]
        step = _Step(token.start, token.end, token.text)
        if token.start in self.listed:
            end, step.run = self.listed[token.start]
            after = min(limit, self._index(end))
            step.blocks, step.more = self._tail_blocks(k, after, column)
        elif token.text == "(":
            after = self._closed(k, limit)
        else:
            inner, after = self.block(k + 1, token.start, limit)
            if not inner.whole:
                after = self._skip(after, limit, inner.column - 1)
            step.blocks = [inner] if inner.steps else []
        while after < limit and self.tokens[after].text == "<;>":
            operand = after + 1
            step.run, step.blocks, step.last = [], [], None
            if operand < limit and self.tokens[operand].start in self.listed:
                end, step.last = self.listed[self.tokens[operand].start]
                after = min(limit, self._index(end))
            elif operand < limit and self.tokens[operand].text == "(":
                after = self._closed(operand, limit)
            else:
                after = self._skip(operand, limit, column)
        step.end = self.tokens[after - 1].end
        return step, after

    def _tail_blocks(self, first: int, limit: int, column: int) -> tuple[list[_Block], bool]:
        """The blocks at the end of a tactic, and whether alternatives follow that could not be read.

        None where something else follows them: then no line could go on in them.
        """
        level, k, found = self.tokens[first].depth, first + 1, list[_Block]()
        if self.tokens[first].text not in _HEADS:
            return [], False
        while k < limit:
            token = self.tokens[k]
            k += 1
            if token.depth != level:
                continue
            if token.text in _WHOLE:
                return [], False
            if token.text not in ("by", "=>") or k >= limit or not self.runs(k):
                continue
            block, k = self.block(k, token.start, limit)
            if not block.steps or block.column <= column or self._several(block):
                return [], False
            found.append(block)
            after = k if block.whole else self._skip(k, limit, block.column - 1)
            if after < limit and self.tokens[after].text != "|":
                return [], False
            if not block.whole:
                break
        rest = self.between(found[-1].end, self.tokens[limit - 1].end) if found else []
        return found, any(t.text == "|" and t.depth == level for t in rest)

    def _several(self, block: _Block) -> bool:
        """Was it run for several goals (`| _ => …`)?"""
        return self.first_goals(block.start, block.steps[0].end) is None

    def _swallows(self, step: _Step, column: int) -> bool:
        """Does it contain lines left of its own block, or tactics at its column, so that later lines may belong to it?

        `open … in` takes up all that follow; a term in an alternative takes those right of the `|` for its arguments.
        """
        inside = self.between(step.start, step.end)[1:]
        return any(t.breaks and t.column < column + (t.start in self.listed) for t in inside)

    def _index(self, offset: int) -> int:
        """Of the first token from an offset on."""
        return bisect_left(self._starts, offset)

    def _closed(self, k: int, limit: int) -> int:
        """The token after the bracket that closes one."""
        depth = self.tokens[k].depth
        return next((i + 1 for i in range(k + 1, limit) if self.tokens[i].depth == depth), limit)

    def _skip(self, k: int, limit: int, column: int) -> int:
        """The next token that starts a line at a column or left of it."""
        return next((i for i in range(k, limit) if self.tokens[i].breaks and self.tokens[i].column <= column), limit)


# ---- states and cuts ----

_GOAL = re.compile(r"^⊢.*(?:\n[ \t].*)*\n?", re.MULTILINE)
_DATA = frozenset(("let", "letI"))  # what their block has built shows in the later goals


def _agreed(states: Iterable[str]) -> str | None:
    """What all runs of a tactic say; None: they differ, or Lean did not tell."""
    different = set(states)
    return different.pop() or None if len(different) == 1 else None


def _rest(goals: str) -> str:
    """The goals without the first one."""
    first = _GOAL.search(goals)
    return goals[first.end() :] or NO_GOALS if first else NO_GOALS


@dataclass
class _Frame:
    """A block on the way to the present place: its states, its `outer`, and the number of the present step."""

    block: _Block
    states: list[str | None]  # before each step, and after the last one; None: not known
    outer: tuple[str, ...]
    number: int = 0

    @property
    def step(self) -> _Step:
        return self.block.steps[self.number]

    @property
    def before(self) -> str | None:
        return self.states[self.number]

    @property
    def after(self) -> str | None:
        return self.states[self.number + 1]


class _Cutter:
    """Walks through the blocks up to the first error."""

    def __init__(self, text: str, said: _Said, reader: _Reader) -> None:
        self._text, self._said, self._reader = text, said, reader
        self.found: list[Segment] = []
        self._reached = 0

    def walk(self, block: _Block, above: list[_Frame]) -> bool:
        """Cut a block, and the blocks in it. Does all of it hold?"""
        outer = (*above[-1].outer, self._remaining(above[-1], block)) if above else ()
        frame = _Frame(block, self._states(block), outer)
        goals = frame.before
        if goals and "?m." not in goals:  # otherwise what is to be proved depends on what comes later
            if above and block is not above[-1].step.blocks[0] and block.start <= self._said.bound:
                head = self._reader.between(block.opener, block.start)[0]
                self._cut(head.end, goals, frame)
            for frame.number, step in enumerate(block.steps):
                if not all(self.walk(inner, [*above, frame]) for inner in step.blocks):
                    return False
                if not self._holds(step):
                    return False
                self._leave(step, [*above, frame])
        return block.whole and block.opener not in self._said.unsolved

    def _holds(self, step: _Step) -> bool:
        return step.complete and self._said.holds(step.start, step.end)

    def _cut(self, end: int, goals: str, frame: _Frame) -> None:
        self.found.append(Segment(self._text[self._reached : end], goals, frame.block.column, frame.outer))
        self._reached = end

    def _leave(self, step: _Step, frames: list[_Frame]) -> None:
        """Cut after a step, if a proof can go on there."""
        frame = frames[-1]
        following = frame.block.steps[frame.number + 1 :]
        if frame.after is None:
            return
        if frame.after != NO_GOALS or len(frames) == 1:
            self._cut_after(step, step.end, frame.after, frame)
        elif following and self._holds(following[0]):
            return  # it had nothing to do: the cut comes after it
        elif following or not frame.block.whole:
            self._close(step.end, frames)
        # else: the step that holds this block ends here too, and is cut in its turn

    def _close(self, end: int, frames: list[_Frame]) -> None:
        """Cut where a block is finished, although the text goes on in it, wrongly: there the enclosing one is open."""
        for frame, inner in zip(frames[-2::-1], frames[:0:-1], strict=True):
            step = frame.step
            last = step.blocks[-1] is inner.block and not step.more
            # In spite of the wrong part Lean goes on as if the block had been finished, unless it builds data.
            data = step.head in _DATA or "?" in (frame.before or "?")
            if not last or data or not self._said.completed or not self._said.holds(step.start, end):
                return
            if frame.after is None:
                return
            if frame.after != NO_GOALS or frame is frames[0]:
                self._cut_after(step, end, frame.after, frame)
                return

    def _cut_after(self, step: _Step, end: int, goals: str, frame: _Frame) -> None:
        """Cut after a step, unless Lean would take the next line for a step of a `calc` at its end.

        It does so if that line does not stand left of the second step.
        """
        tokens = self._reader.between(step.start, end)
        calc = max((k for k, t in enumerate(tokens) if t.text == "calc" and t.depth == tokens[0].depth), default=None)
        steps = tokens[calc:] if calc is not None else []
        if calc is None or any(t.breaks and t.text == "_" and t.column > frame.block.column for t in steps):
            self._cut(end, goals, frame)

    def _remaining(self, frame: _Frame, block: _Block) -> str:
        """What tells apart what is left to do when a block of the frame's present step is closed."""
        step = frame.step
        finished = [b for b in step.blocks if b.start < block.start]
        head = [
            t.text
            for t in self._reader.between(step.start, block.start)
            if not any(b.start <= t.start < b.end for b in finished)
        ]
        return f"{frame.before or self._text[: step.start]}\n{' '.join(head)}"

    def _states(self, block: _Block) -> list[str | None]:
        """The tactic states before each step of a block and after the last one; None where they are not known."""
        steps = block.steps
        seen = [self._reader.first_goals(s.start, s.end) for s in steps]
        states = seen[:1] or [None]  # a block begins with one goal, so that a `·` shows all of the state
        for number, step in enumerate(steps, start=1):
            state = _agreed(t.goals_after for t in step.run)
            if state is None and number < len(steps) and steps[number].run:
                state = seen[number]
            if state is None and number == len(steps) and block.whole:
                state = self._said.unsolved.get(block.opener, NO_GOALS if self._holds(step) else None)
            states.append(state or self._derived(step, states[-1]))
        return states

    def _derived(self, step: _Step, before: str | None) -> str | None:
        """The state after a `·` or a chain of `<;>`, from the one before it."""
        if before is None or "?" in before:  # the other goals may change, too
            return None
        if step.head in ("·", "."):
            return _rest(before)
        if step.last is not None:
            parts = [*(t.goals_after for t in step.last), _rest(before)]
            return "\n".join(p for p in parts if p != NO_GOALS) or NO_GOALS
        return None
