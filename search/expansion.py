"""Expansion: runs the text that a policy wrote after the start of a proof, and returns the tactic states it reached."""

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
class ReachedState:
    """A tactic state that an expansion reached.

    proof: the whole proof up to the state. column: the column at which the proof must be continued.
    """

    state: State
    proof: str
    column: int = 0


@dataclass(frozen=True)
class ExpansionResult:
    """The result of running a text after the start of a proof.

    outcome: why it failed; None if no tactic failed. failed_tactic: the tactic after the last reached state that
    failed.
    proof: the whole proof, if it seems complete; only a Verdict decides that.
    """

    reached: tuple[ReachedState, ...] = ()
    outcome: Reason | None = None
    detail: str = ""
    failed_tactic: str = ""
    proof: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the row of this result in the journal."""
        return {
            "reached": [[*r.state, r.proof, r.column] for r in self.reached],
            "outcome": self.outcome,
            "detail": self.detail,
            "failed": self.failed_tactic,
            "proof": self.proof,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Return the result in a row of the journal. Raises KeyError, TypeError, ValueError for another row."""
        return cls(
            tuple(ReachedState((goals, tuple(outer)), proof, column) for goals, outer, proof, column in row["reached"]),
            None if row["outcome"] is None else Reason(row["outcome"]),
            row["detail"],
            row["failed"],
            row["proof"],
        )


class Expansion(Protocol):
    """Interface of running a text in Lean. One call spends one check, whatever the length of the prefix."""

    async def __call__(self, theorem: Theorem, prefix: str, text: str, seconds: float) -> ExpansionResult:
        """Run `text` after the proof `prefix` (lines from column 0; empty at the start) for at most `seconds`."""
        ...


def append_tactics(proof: str, text: str) -> str:
    """Return a proof with further lines after it."""
    return f"{proof}\n{text}" if proof else text


def expand_suggestion(step: Step) -> str:
    """Return a step's text; for `try?` the first line that Lean suggests in its place, if any."""
    if step.text != SUGGEST:
        return step.text
    lines = [line for info in step.infos for line in suggested(info)]
    return next((line for line in lines if not line.startswith("·")), step.text)


def suggested(message: str) -> list[str]:
    """The first lines of what Lean suggests in a message (`Try this: …`)."""
    return [line.split("[apply] ", 1)[1] for line in message.splitlines() if "[apply] " in line]


class StepwiseExpansion:
    """Runs tactics one by one on kept proof states: for policies that write a few tactics at a time."""

    def __init__(self, pool: LeanPool) -> None:
        self.pool = pool

    async def __call__(self, theorem: Theorem, prefix: str, text: str, seconds: float) -> ExpansionResult:
        run = await self.pool.steps(theorem.challenge, text, after=prefix, context=theorem.context, timeout=seconds)
        reached, proof = [], prefix
        for step in run.steps:
            proof = append_tactics(proof, expand_suggestion(step))
            if step.goals:
                reached.append(ReachedState(("\n\n".join(step.goals), ()), proof))
        if run.steps and not run.steps[-1].goals:
            return ExpansionResult(tuple(reached), proof=proof)
        return ExpansionResult(tuple(reached), _ended_reason(run.ended, bool(run.problem)), run.problem, run.failed)


class WholeProofExpansion:
    """Checks the whole proof and cuts it at its first error: for policies that write complete proofs.

    DeepSeek-Prover-V1.5 (arXiv 2408.08152), §3.1.
    """

    def __init__(self, pool: LeanPool) -> None:
        self.pool = pool

    async def __call__(self, theorem: Theorem, prefix: str, text: str, seconds: float) -> ExpansionResult:
        proof = append_tactics(prefix, text)
        code = theorem.solution(proof)
        context = (*theorem.context, SHOW_ALL)
        check = await self.pool.check(
            code, context=context, timeout=seconds, tactics=True, reuse=True, challenge=theorem.challenge
        )
        if check.ok and not check.sorries:
            return ExpansionResult(proof=proof)
        if check.ended is Ended.FORBIDDEN:
            return ExpansionResult(outcome=Reason.FORBIDDEN, detail=check.detail)
        reached = [r for r in self._reached(theorem, proof, check) if len(r.proof) > len(prefix)]
        return ExpansionResult(tuple(reached), _failure_reason(check), _first_error(check))

    def _reached(self, theorem: Theorem, proof: str, check: Check) -> list[ReachedState]:
        head = theorem.solution("")
        body = indented(proof)
        line = head.count("\n") + 1
        reached, end = [], 0
        for segment in segments(body, check, Position(line, 0)):
            end += len(segment.text)
            if segment.goals == NO_GOALS:
                continue
            so_far = lines_left(body[:end], INDENT).removesuffix("\n")
            reached.append(ReachedState((segment.goals, segment.outer), so_far, segment.column - INDENT))
        return reached


def _failure_reason(check: Check) -> Reason | None:
    if check.sorries and check.ok:
        return Reason.SORRY
    return _ended_reason(check.ended, not check.ok)


def _first_error(check: Check) -> str:
    return str(check.errors[0]) if check.errors else check.detail


def _ended_reason(ended: Ended, failed: bool) -> Reason | None:
    if ended is Ended.COMPLETED:
        return Reason.ERROR if failed else None
    return Reason(ended.value) if ended.value in Reason._value2member_map_ else Reason.CHALLENGE
