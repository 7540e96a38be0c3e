"""Truncation of a failed proof for RMaxTS: the part before the first error, cut where a proof can go on.

DeepSeek-Prover-V1.5 (arXiv 2408.08152), §3.1 and §3.2. Lean lists the tactics that it ran, by position. It does not
list what holds them together (`·`, `<;>`, parentheses, blocks); `tactic_blocks` reads that from the text. What cannot
be read with certainty is not cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from data.syntax.lexer import tokens
from lean_env import Check, Position
from search.diagnostics import LeanDiagnostics
from search.tactic_blocks import BlockReader, TacticBlock, TacticStep, common_state

NO_GOALS = "no goals"
SHOW_ALL = "set_option showPartialSyntaxErrors true"
"""Context line for the check: without it Lean hides most errors that come before a syntax error."""


@dataclass(frozen=True)
class Segment:
    """One step of the valid part of a proof, with the tactic state after it.

    text: white space, comments and the tactic. The texts of all segments in a row are the start of the proof, verbatim.
        Where a tactic finishes one alternative of `induction`, `cases` or `match`, the head of the next alternative is
        included, because no tactic could stand between the two.
    goals: the tactic state at the end of the text as Lean prints it, in the innermost open block.
    column: the column in the checked code at which further lines of that block must start.
    outer: one key for each enclosing open block, outermost first: the state before the tactic that contains the block,
        and the head of that tactic. Two positions with equal (goals, outer) need the same remaining work.
    """

    text: str
    goals: str
    column: int
    outer: tuple[str, ...]


def segments(proof: str, check: Check, start: Position) -> list[Segment]:
    """Split the part of a proof before its first error into segments.

    proof: the text after `:= by` to the end of the checked code, exactly as it stands there.
    check: Lean's check of that code, made with `tactics=True` and after SHOW_ALL.
    start: the position of the proof's first character in that code.

    An error about the whole (in the statement, or from the kernel) leaves no segments. After a timeout, the tactic that
    began last and all tactics that contain it count as failed.
    """
    proof_tokens = list(tokens(proof, start.column))
    diagnostics = LeanDiagnostics(proof, proof_tokens, check, start)
    reader = BlockReader(proof_tokens, diagnostics.tactics_at)
    truncator = Truncator(proof, diagnostics, reader)
    if diagnostics.valid_until >= 0 and reader.is_tactic_at(0):
        truncator.cut_block(reader.read_block(0, -1, len(proof_tokens))[0], [])
    return truncator.segments


_GOAL = re.compile(r"^⊢.*(?:\n[ \t].*)*\n?", re.MULTILINE)
_DATA = frozenset(("let", "letI"))  # the term that their block builds shows in later goals


def _other_goals(goals: str) -> str:
    """Return the goals without the first one."""
    first = _GOAL.search(goals)
    return goals[first.end() :] or NO_GOALS if first else NO_GOALS


@dataclass
class _Frame:
    """A block on the path to the current position.

    states: the tactic state before each step and after the last one; None where it is not known.
    outer: see Segment. step_index: the current step.
    """

    block: TacticBlock
    states: list[str | None]  # before each step, and after the last one; None: not known
    outer: tuple[str, ...]
    step_index: int = 0

    @property
    def step(self) -> TacticStep:
        """The current step."""
        return self.block.steps[self.step_index]

    @property
    def state_before(self) -> str | None:
        """The tactic state before the current step."""
        return self.states[self.step_index]

    @property
    def state_after(self) -> str | None:
        """The tactic state after the current step."""
        return self.states[self.step_index + 1]


class Truncator:
    """Walks through the blocks of a proof up to the first error and collects segments."""

    def __init__(self, text: str, diagnostics: LeanDiagnostics, reader: BlockReader) -> None:
        self._text, self._diagnostics, self._reader = text, diagnostics, reader
        self.segments: list[Segment] = []
        self._reached = 0

    def cut_block(self, block: TacticBlock, above: list[_Frame]) -> bool:
        """Cut a block and the blocks inside it; return whether all of it is valid."""
        outer = (*above[-1].outer, self._outer_key(above[-1], block)) if above else ()
        frame = _Frame(block, self._block_states(block), outer)
        goals = frame.state_before
        if goals and "?m." not in goals:  # with a metavariable the goal depends on later text
            if above and block is not above[-1].step.blocks[0] and block.start <= self._diagnostics.valid_until:
                head = self._reader.tokens_between(block.opener, block.start)[0]
                self._add_segment(head.end, goals, frame)
            for frame.step_index, step in enumerate(block.steps):
                if not all(self.cut_block(inner, [*above, frame]) for inner in step.blocks):
                    return False
                if not self._is_valid(step):
                    return False
                self._cut_after_step(step, [*above, frame])
        return block.complete and block.opener not in self._diagnostics.unsolved_goals

    def _is_valid(self, step: TacticStep) -> bool:
        return step.complete and self._diagnostics.is_valid(step.start, step.end)

    def _add_segment(self, end: int, goals: str, frame: _Frame) -> None:
        self.segments.append(Segment(self._text[self._reached : end], goals, frame.block.column, frame.outer))
        self._reached = end

    def _cut_after_step(self, step: TacticStep, frames: list[_Frame]) -> None:
        """Add a segment after a step, if a proof can go on there."""
        frame = frames[-1]
        following = frame.block.steps[frame.step_index + 1 :]
        if frame.state_after is None:
            return
        if frame.state_after != NO_GOALS or len(frames) == 1:
            self._cut_unless_calc(step, step.end, frame.state_after, frame)
        elif following and self._is_valid(following[0]):
            return  # a step that changes nothing: the cut comes after it
        elif following or not frame.block.complete:
            self._cut_after_block(step.end, frames)
        # else: the step that contains this block ends here too, and is cut by the caller

    def _cut_after_block(self, end: int, frames: list[_Frame]) -> None:
        """Add a segment after a finished block that is followed by failing text: the enclosing block is open there."""
        for frame, inner in zip(frames[-2::-1], frames[:0:-1], strict=True):
            step = frame.step
            last = step.blocks[-1] is inner.block and not step.has_unread_alternatives
            # Lean recovers from the failing text as if the block were finished, unless the block builds data.
            data = step.head in _DATA or "?" in (frame.state_before or "?")
            if not last or data or not self._diagnostics.completed or not self._diagnostics.is_valid(step.start, end):
                return
            if frame.state_after is None:
                return
            if frame.state_after != NO_GOALS or frame is frames[0]:
                self._cut_unless_calc(step, end, frame.state_after, frame)
                return

    def _cut_unless_calc(self, step: TacticStep, end: int, goals: str, frame: _Frame) -> None:
        """Add a segment after a step, unless Lean would read the next line as a step of a `calc` at its end.

        Lean does so if that line does not stand left of the second step of the `calc`.
        """
        tokens = self._reader.tokens_between(step.start, end)
        calc = max((k for k, t in enumerate(tokens) if t.text == "calc" and t.depth == tokens[0].depth), default=None)
        steps = tokens[calc:] if calc is not None else []
        if calc is None or any(t.breaks and t.text == "_" and t.column > frame.block.column for t in steps):
            self._add_segment(end, goals, frame)

    def _outer_key(self, frame: _Frame, block: TacticBlock) -> str:
        """Return the key of `Segment.outer` for the current step, which contains `block`."""
        step = frame.step
        finished = [b for b in step.blocks if b.start < block.start]
        head = [
            t.text
            for t in self._reader.tokens_between(step.start, block.start)
            if not any(b.start <= t.start < b.end for b in finished)
        ]
        return f"{frame.state_before or self._text[: step.start]}\n{' '.join(head)}"

    def _block_states(self, block: TacticBlock) -> list[str | None]:
        """Return the tactic states before each step of a block and after the last one; None where unknown."""
        steps = block.steps
        first_states = [self._reader.goals_before(s.start, s.end) for s in steps]
        states = first_states[:1] or [None]  # a block begins with one goal, so that a `·` shows all of the state
        for number, step in enumerate(steps, start=1):
            state = common_state(t.goals_after for t in step.runs)
            if state is None and number < len(steps) and steps[number].runs:
                state = first_states[number]
            if state is None and number == len(steps) and block.complete:
                state = self._diagnostics.unsolved_goals.get(block.opener, NO_GOALS if self._is_valid(step) else None)
            states.append(state or self._derive_state(step, states[-1]))
        return states

    def _derive_state(self, step: TacticStep, state_before: str | None) -> str | None:
        """Return the state after a `·` or a chain of `<;>`, computed from the state before it."""
        if state_before is None or "?" in state_before:  # the other goals may change, too
            return None
        if step.head in ("·", "."):
            return _other_goals(state_before)
        if step.last_runs is not None:
            parts = [*(t.goals_after for t in step.last_runs), _other_goals(state_before)]
            return "\n".join(p for p in parts if p != NO_GOALS) or NO_GOALS
        return None
