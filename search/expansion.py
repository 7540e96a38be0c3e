"""Trying what a policy wrote after the beginning of a proof: two ways to ask Lean, one form of answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from data import Theorem
from data.syntax.layout import INDENT, indented, lines_left
from lean_env import Check, Ended, LeanPool, Position, Reason, Step
from lean_env.check import SUGGEST
from search.tree import State
from search.truncate import NO_GOALS, SHOW_ALL, segments


@dataclass(frozen=True)
class Reached:
    """A state on the way: the whole proof up to it, and the column where it must be continued."""

    state: State
    proof: str
    column: int = 0


@dataclass(frozen=True)
class Tried:
    """What became of a text.

    outcome: None if it works as far as it goes. failed: the tactic that does not work after what was reached, if known.
    proof: the whole proof, if it seems complete; only a Verdict says so for certain.
    """

    reached: tuple[Reached, ...] = ()
    outcome: Reason | None = None
    detail: str = ""
    failed: str = ""
    proof: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For the journal."""
        return {
            "reached": [[*r.state, r.proof, r.column] for r in self.reached],
            "outcome": self.outcome,
            "detail": self.detail,
            "failed": self.failed,
            "proof": self.proof,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        return cls(
            tuple(Reached((goals, tuple(outer)), proof, column) for goals, outer, proof, column in row["reached"]),
            None if row["outcome"] is None else Reason(row["outcome"]),
            row["detail"],
            row["failed"],
            row["proof"],
        )


class Expansion(Protocol):
    """A way to try a text. Both spend one check, whatever the length of what stands before the text."""

    async def __call__(self, theorem: Theorem, before: str, text: str, seconds: float) -> Tried:
        """Try `text` after the proof `before` (lines from column 0; empty at the start); `seconds`: see Worker."""
        ...


def joined(before: str, text: str) -> str:
    """A proof and the lines that follow it."""
    return f"{before}\n{text}" if before else text


def written_out(step: Step) -> str:
    """A step's text; of `try?` the first line that Lean suggests in its place, where there is one."""
    if step.text != SUGGEST:
        return step.text
    lines = [line.split("[apply] ", 1)[1] for info in step.infos for line in info.splitlines() if "[apply] " in line]
    return next((line for line in lines if not line.startswith("·")), step.text)


class Stepwise:
    """Tactics are run one by one on kept proof states: for policies that write a few tactics at a time."""

    def __init__(self, pool: LeanPool) -> None:
        self.pool = pool

    async def __call__(self, theorem: Theorem, before: str, text: str, seconds: float) -> Tried:
        found = await self.pool.steps(theorem.challenge, text, after=before, context=theorem.context, timeout=seconds)
        reached, proof = [], before
        for step in found.steps:
            proof = joined(proof, written_out(step))
            if step.goals:
                reached.append(Reached(("\n\n".join(step.goals), ()), proof))
        if found.steps and not found.steps[-1].goals:
            return Tried(tuple(reached), proof=proof)
        return Tried(tuple(reached), _reason(found.ended, bool(found.problem)), found.problem, found.failed)


class Whole:
    """The whole proof is checked and cut at its first error: for policies that write proofs to the end (V1.5, §3.1)."""

    def __init__(self, pool: LeanPool) -> None:
        self.pool = pool

    async def __call__(self, theorem: Theorem, before: str, text: str, seconds: float) -> Tried:
        proof = joined(before, text)
        code = theorem.solution(proof)
        context = (*theorem.context, SHOW_ALL)
        check = await self.pool.check(
            code, context=context, timeout=seconds, tactics=True, reuse=True, challenge=theorem.challenge
        )
        if check.ok and not check.sorries:
            return Tried(proof=proof)
        if check.ended is Ended.FORBIDDEN:
            return Tried(outcome=Reason.FORBIDDEN, detail=check.detail)
        reached = [r for r in self._reached(theorem, proof, check) if len(r.proof) > len(before)]
        return Tried(tuple(reached), _failure(check), _complaint(check))

    def _reached(self, theorem: Theorem, proof: str, check: Check) -> list[Reached]:
        head = theorem.solution("")
        body = indented(proof)
        line = head.count("\n") + 1
        reached, end = [], 0
        for segment in segments(body, check, Position(line, 0)):
            end += len(segment.text)
            if segment.goals == NO_GOALS:
                continue
            so_far = lines_left(body[:end], INDENT).removesuffix("\n")
            reached.append(Reached((segment.goals, segment.outer), so_far, segment.column - INDENT))
        return reached


def _failure(check: Check) -> Reason | None:
    if check.sorries and check.ok:
        return Reason.SORRY
    return _reason(check.ended, not check.ok)


def _complaint(check: Check) -> str:
    return str(check.errors[0]) if check.errors else check.detail


def _reason(ended: Ended, failed: bool) -> Reason | None:
    if ended is Ended.COMPLETED:
        return Reason.ERROR if failed else None
    return Reason(ended.value) if ended.value in Reason._value2member_map_ else Reason.CHALLENGE
