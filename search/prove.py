"""Proving what a file leaves open, one declaration after the other, each with the ones before it at hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from data import Declaration, LeanFile, Theorem
from data.holes import Edit, Hole
from data.records.parsing import BYTE_ORDER_MARK
from lean_env import Ended, LeanPool, Reason, Verdict
from lean_env.check import ContextError
from lean_env.cpu_time import measure_cpu_time
from lean_env.process import ProcessDied
from search.budget import Budget, Meter
from search.minimise import minimised, shortened
from search.searcher import Searcher, SearchResult


class Status(StrEnum):
    """How it stands with a declaration of the file."""

    PROVED = "proved"  # we found a proof
    HOLDS = "holds"  # it has a proof, and the proof is right
    FAILS = "fails"  # it has a proof, and the proof is not right
    UNPROVED = "unproved"  # we found none
    OPEN = "open"  # it rests on what is left open, or is no proposition: nothing could be proved


@dataclass
class Outcome:
    """How it stands with a declaration.

    result: the search's, if there was one. verdict: on the proof, if there is one.
    filled: the proofs found of its holes, with the edits that put them there; left: the holes that are still open.
    whole: the proof that takes the place of all that was written. value: what then stands in the file, from `:=` on.
    """

    declaration: Declaration
    status: Status
    result: SearchResult | None = None
    verdict: Verdict | None = None
    filled: tuple[tuple[Hole, str, Edit], ...] = ()
    whole: Edit | None = None
    left: tuple[Hole, ...] = ()
    said: str = ""
    value: str = ""

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What is to be changed in the file."""
        return (self.whole,) if self.whole else tuple(edit for _, _, edit in self.filled)

    @property
    def proof(self) -> str | None:
        """What stands after `:= by`, where all of it was found; else what stands after `:=`, if it is proved now."""
        if self.status is not Status.PROVED:
            return None
        return self.whole.text if self.whole else self.value.removeprefix(":=").strip()

    @property
    def detail(self) -> str:
        """What there is to say of it, for people."""
        if self.said:
            return self.said
        if self.verdict:
            return self.verdict.detail
        return (self.result.problem or self.result.summary) if self.result else ""

    @property
    def samples(self) -> int:
        return self.result.samples if self.result else 0

    @property
    def checks(self) -> int:
        return self.result.checks if self.result else 1 if self.verdict else 0

    @property
    def seconds(self) -> float:
        return self.result.seconds if self.result else self.verdict.seconds if self.verdict else 0.0


def wanted(file: LeanFile, names: Collection[str] = ()) -> list[Declaration]:
    """The declarations of these names (none: of all) that are theorems or left open."""
    return [d for d in file.declarations if (d.theorem or d.open) and (not names or d.name in names)]


async def prove_file(
    pool: LeanPool,
    file: LeanFile,
    searcher: Searcher,
    budget: Budget,
    names: Collection[str] = (),
    minimise: float = 0.0,
    holes: Searcher | None = None,
) -> AsyncIterator[Outcome]:
    """Prove what a file leaves open and check the other theorems, in order; `budget` holds for each declaration.

    `names`: only these; all others are taken as they stand. `minimise`: seconds for making each found proof shorter;
    without it, only each `first | …` in it gives way to what was needed. `holes`: what works on single holes (default:
    `searcher`).
    """
    known: dict[str, Sequence[Edit]] = {}
    for declaration in wanted(file, names):
        if open_names := _left_open(declaration, file, known):
            said = f"its statement rests on what is left open: {', '.join(open_names)}"
            yield Outcome(declaration, Status.OPEN, said=said, left=declaration.holes)
        elif not declaration.open:
            yield await _checked(pool, file, declaration, known)
        else:
            task = _Declaration(pool, file, declaration, known, minimise)
            try:
                with measure_cpu_time():
                    outcome = await task.run(searcher, holes or searcher, budget)
            except asyncio.CancelledError:  # what is found must not be lost
                if task.found:
                    yield task.found
                raise
            if outcome.edits:
                known[declaration.name] = outcome.edits
            yield outcome


def _left_open(declaration: Declaration, file: LeanFile, known: dict[str, Sequence[Edit]]) -> list[str]:
    """What a statement rests on and that is open, but for what has been filled by now."""
    closed = [d.constant for d in file.declarations if d.name in known and len(known[d.name]) >= len(d.holes)]
    return [o for o in declaration.rests_on if not any(o == c or o.startswith(f"{c}.") for c in closed)]


async def _checked(
    pool: LeanPool, file: LeanFile, declaration: Declaration, known: dict[str, Sequence[Edit]]
) -> Outcome:
    """The outcome of a theorem that has a proof."""
    verdict = await pool.judge(file.written(declaration, known))
    if verdict.proved:
        return Outcome(declaration, Status.HOLDS, verdict=verdict)
    if verdict.reason is Reason.SORRY:
        return Outcome(declaration, Status.OPEN, verdict=verdict)
    if declaration.errors:  # where they stand in the file, not in what was judged
        verdict = replace(verdict, detail=str(declaration.errors[0]))
    return Outcome(declaration, Status.FAILS, verdict=verdict)


class _Declaration:
    """One open declaration being worked on."""

    def __init__(
        self,
        pool: LeanPool,
        file: LeanFile,
        declaration: Declaration,
        known: dict[str, Sequence[Edit]],
        minimise: float,
    ) -> None:
        self.pool, self.file, self.declaration, self.known, self.minimise = pool, file, declaration, known, minimise
        self.filled: list[tuple[Hole, str, Edit]] = []
        self.total: SearchResult | None = None
        self.found: Outcome | None = None  # the best so far

    async def run(self, searcher: Searcher, holes: Searcher, budget: Budget) -> Outcome:
        """First each hole where it stands; then, if that does not prove it, all of a theorem's proof anew."""
        declaration, verdict = self.declaration, None
        fillable = [] if declaration.is_blank else [h for h in declaration.holes if h.provable]
        whole = declaration.theorem and (declaration.is_blank or all(h.layout for h in declaration.holes))
        first = self.file.theorem(declaration, self.known) if declaration.is_blank else None
        await _ready(self.pool, first or self._at(fillable[0] if fillable else None))
        meter = Meter(budget)
        for number, hole in enumerate(fillable):
            theorem = self._at(hole)
            result = await holes.prove(theorem, meter.part(1 / (len(fillable) - number + whole)))
            self._add(result, meter)
            if result.proof is None:
                continue
            proof = await self._shorter(theorem, result)
            verdict = result.verdict
            self.filled.append((hole, proof, self.file.proof(declaration, hole, proof)))
            self.found = self._outcome(Status.UNPROVED, None)
        if self.filled and not self._left:
            return self._outcome(Status.PROVED, verdict)
        if not whole or (meter.exhausted and self.total is not None):
            return self._outcome(Status.UNPROVED if declaration.theorem else Status.OPEN, None)
        theorem = first or self.file.theorem(declaration, self.known)
        result = await searcher.prove(theorem, meter.part(1.0) if self.total else budget)
        self._add(result, meter)
        if result.proof is None:
            return self._outcome(Status.UNPROVED, None)
        self.found = self._proved(result.proof, result.verdict)
        return self._proved(await self._shorter(theorem, result), result.verdict)

    def _at(self, hole: Hole | None) -> Theorem:
        """The declaration with one hole to be filled, or, for None, as a theorem without its proof."""
        if hole is None:
            return self.file.theorem(self.declaration, self.known)
        return self.file.hole(self.declaration, hole, [edit for _, _, edit in self.filled], self.known)

    def _add(self, result: SearchResult, meter: Meter) -> None:
        """Take over what a search has spent and found."""
        if self.total is None:
            self.total = result
        elif result is not self.total:
            earlier, self.total = self.total, result
            result.samples += earlier.samples
            result.checks += earlier.checks
            result.usage.add(earlier.usage)
            result.reasons = earlier.reasons + result.reasons
        meter.samples, meter.checks, meter.usage = result.samples, result.checks, result.usage
        self.total.seconds, self.total.cpu = meter.seconds, meter.cpu

    async def _shorter(self, theorem: Theorem, result: SearchResult) -> str:
        """A found proof, made shorter; the result has its verdict then."""
        assert result.proof is not None
        if not self.minimise:
            return await shortened(self.pool, theorem, result.proof)
        shorter = await minimised(self.pool, theorem, result.proof, self.minimise)
        verdict = await self.pool.judge(theorem.claim(shorter))  # as `minimised` did: it may rest on other axioms
        if not verdict.proved:
            return result.proof
        result.verdict = verdict
        return shorter

    def _proved(self, proof: str, verdict: Verdict | None) -> Outcome:
        edit = self.file.proof(self.declaration, None, proof)
        return Outcome(self.declaration, Status.PROVED, self.total, verdict, whole=edit)

    @property
    def _left(self) -> tuple[Hole, ...]:
        return tuple(h for h in self.declaration.holes if all(h is not f for f, _, _ in self.filled))

    def _outcome(self, status: Status, verdict: Verdict | None) -> Outcome:
        outcome = Outcome(self.declaration, status, self.total, verdict, tuple(self.filled), left=self._left)
        outcome.value = self.file.value(self.declaration, outcome.edits)
        return outcome


async def _ready(pool: LeanPool, theorem: Theorem) -> None:
    """Wait until a worker has loaded what stands before a theorem: its time begins then."""
    with suppress(ContextError, ProcessDied):  # the search will hear what is wrong
        await pool.load(theorem.context)


_WHOLE = 300.0  # seconds for a whole file


async def take_back(pool: LeanPool, file: LeanFile, outcomes: Sequence[Outcome]) -> None:
    """Check a file with all that was found, as it will be written; what Lean refuses there is found no longer."""
    found = [outcome for outcome in outcomes if outcome.edits]
    if not found or await _refused(pool, file, found) is None:
        return
    kept: list[Outcome] = []
    for outcome in found:
        said = await _refused(pool, file, [*kept, outcome])
        if said is None:
            kept.append(outcome)
            continue
        outcome.status, outcome.filled, outcome.whole = Status.UNPROVED, (), None
        outcome.left, outcome.said = outcome.declaration.holes, f"in the file as a whole Lean refuses it: {said}"


async def _refused(pool: LeanPool, file: LeanFile, outcomes: Sequence[Outcome]) -> str | None:
    """What Lean has against a file with what was found, beyond what it had before."""
    text = file.with_proofs({o.declaration.name: o.edits for o in outcomes}).removeprefix(BYTE_ORDER_MARK)
    check = await pool.check(text, timeout=_WHOLE)
    if check.ended is not Ended.COMPLETED:
        return check.detail
    known = sum(len(d.errors) for d in file.declarations)
    return str(check.errors[-1]) if len(check.errors) > known else None
