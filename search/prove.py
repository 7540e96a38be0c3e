"""Proof search for a file: each open declaration in order, with the declarations before it available."""

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
from search.minimise import minimise_proof, resolve_alternatives
from search.negation import Refutation
from search.searcher import Searcher, SearchResult


class Status(StrEnum):
    """The state of a declaration of the file."""

    PROVED = "proved"  # we found a proof
    HOLDS = "holds"  # it has a proof, and the proof is right
    FAILS = "fails"  # it has a proof, and the proof is not right
    REFUTED = "refuted"  # it does not hold: its negation is proved
    UNPROVED = "unproved"  # we found none
    OPEN = "open"  # it uses an open declaration, or is no proposition: nothing could be proved


@dataclass
class Outcome:
    """The result for a declaration.

    result: the search's, if there was one. verdict: on the proof, if there is one.
    filled: for each hole that was proved, its proof and the edit that puts it there. open_holes: the other holes.
    whole_proof: the edit that replaces all of the proof. value: the text from `:=` on after the edits.
    message: why nothing was proved, if neither result nor verdict says so.
    """

    declaration: Declaration
    status: Status
    result: SearchResult | None = None
    verdict: Verdict | None = None
    filled: tuple[tuple[Hole, str, Edit], ...] = ()
    whole_proof: Edit | None = None
    open_holes: tuple[Hole, ...] = ()
    message: str = ""
    value: str = ""

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits that put the found proofs into the file."""
        return (self.whole_proof,) if self.whole_proof else tuple(edit for _, _, edit in self.filled)

    @property
    def proof(self) -> str | None:
        """The text after `:= by`, if all of it was found (with open lemmas, where the status is OPEN); else the text
        after `:=`, if it is proved now."""
        if self.whole_proof:
            return self.whole_proof.text
        return self.value.removeprefix(":=").strip() if self.status is Status.PROVED else None

    @property
    def detail(self) -> str:
        """The explanation of the status, for people."""
        if self.message:
            return self.message
        if self.refutation:
            return self.refutation.summary
        if self.verdict:
            return self.verdict.detail
        return (self.result.problem or self.result.summary) if self.result else ""

    @property
    def refutation(self) -> Refutation | None:
        """That what it states does not hold."""
        return self.result.refutation if self.result and self.status is Status.REFUTED else None

    @property
    def samples(self) -> int:
        """Proofs requested from the policy."""
        return self.result.samples if self.result else 0

    @property
    def checks(self) -> int:
        """Requests to Lean."""
        return self.result.checks if self.result else 1 if self.verdict else 0

    @property
    def seconds(self) -> float:
        """Wall time of the search, or of the verdict."""
        return self.result.seconds if self.result else self.verdict.seconds if self.verdict else 0.0


def select_declarations(file: LeanFile, names: Collection[str] = ()) -> list[Declaration]:
    """Return the declarations with these names (none: all) that are theorems or have a hole."""
    return [d for d in file.declarations if (d.theorem or d.open) and (not names or d.name in names)]


async def prove_file(
    pool: LeanPool,
    file: LeanFile,
    searcher: Searcher,
    budget: Budget,
    names: Collection[str] = (),
    minimise: float = 0.0,
    holes: Searcher | None = None,
    use_open_lemmas: bool = False,
) -> AsyncIterator[Outcome]:
    """Prove the open declarations of a file and check its other theorems, in order, each within `budget`.

    names: only these; all others are taken as they stand. minimise: seconds to shorten each found proof; 0: only each
    `first | …` in it is replaced by the needed alternative. holes: the search for single holes (default: `searcher`).
    use_open_lemmas: whole proofs may use theorems above that are still open; what rests on one is OPEN, with its proof
    and a verdict that names what it rests on.
    """
    known: dict[str, Sequence[Edit]] = {}
    assumed = {d.name: file.assumed(d) for d in file.declarations if d.open} if use_open_lemmas else {}
    for declaration in select_declarations(file, names):
        if open_names := _open_dependencies(declaration, file, known):
            message = f"its statement rests on what is left open: {', '.join(open_names)}"
            yield Outcome(declaration, Status.OPEN, message=message, open_holes=declaration.holes)
        elif not declaration.open:
            yield await _check_existing_proof(pool, file, declaration, known)
        else:
            task = _DeclarationTask(pool, file, declaration, known, minimise, assumed)
            try:
                with measure_cpu_time():
                    outcome = await task.run(searcher, holes or searcher, budget)
            except asyncio.CancelledError:  # found proofs must not be lost
                if task.best_outcome:
                    yield task.best_outcome
                raise
            if outcome.edits:
                known[declaration.name] = outcome.edits
            if outcome.proof is not None:
                assumed.pop(declaration.name, None)
            yield outcome


def _open_dependencies(declaration: Declaration, file: LeanFile, known: dict[str, Sequence[Edit]]) -> list[str]:
    """Return the open declarations that a statement uses, except those that are proved by now."""
    closed = [d.constant for d in file.declarations if d.name in known and len(known[d.name]) >= len(d.holes)]
    return [o for o in declaration.rests_on if not any(o == c or o.startswith(f"{c}.") for c in closed)]


async def _check_existing_proof(
    pool: LeanPool, file: LeanFile, declaration: Declaration, known: dict[str, Sequence[Edit]]
) -> Outcome:
    """Return the outcome of a theorem that has a proof."""
    verdict = await pool.judge(file.written(declaration, known))
    if verdict.proved:
        return Outcome(declaration, Status.HOLDS, verdict=verdict)
    if verdict.reason is Reason.SORRY:
        return Outcome(declaration, Status.OPEN, verdict=verdict)
    if declaration.errors:  # with positions in the file, not in the judged text
        verdict = replace(verdict, detail=str(declaration.errors[0]))
    return Outcome(declaration, Status.FAILS, verdict=verdict)


class _DeclarationTask:
    """The work on one open declaration.

    search_result: the last search's result, with everything spent so far. best_outcome: the best one so far.
    """

    def __init__(
        self,
        pool: LeanPool,
        file: LeanFile,
        declaration: Declaration,
        known: dict[str, Sequence[Edit]],
        minimise: float,
        assumed: dict[str, tuple[Edit, ...]],
    ) -> None:
        self.pool, self.file, self.declaration, self.known, self.minimise = pool, file, declaration, known, minimise
        self.assumed = {name: edits for name, edits in assumed.items() if edits and name != declaration.name}
        self.filled: list[tuple[Hole, str, Edit]] = []
        self.search_result: SearchResult | None = None
        self.best_outcome: Outcome | None = None

    async def run(self, searcher: Searcher, holes: Searcher, budget: Budget) -> Outcome:
        """Prove each hole where it stands; if that does not prove a theorem, search for its whole proof."""
        declaration, verdict = self.declaration, None
        fillable = [] if declaration.is_blank else [h for h in declaration.holes if h.provable]
        can_prove_whole = declaration.theorem and (declaration.is_blank or all(h.layout for h in declaration.holes))
        blank_theorem = self._whole_theorem() if declaration.is_blank else None
        await _load_context(self.pool, blank_theorem or self._hole_theorem(fillable[0] if fillable else None))
        meter = Meter(budget)
        for number, hole in enumerate(fillable):
            theorem = self._hole_theorem(hole)
            result = await holes.prove(theorem, meter.fraction(1 / (len(fillable) - number + can_prove_whole)))
            self._add_spent(result, meter)
            if result.proof is None:
                continue
            proof = await self._shortened_proof(theorem, result)
            verdict = result.verdict
            self.filled.append((hole, proof, self.file.proof(declaration, hole, proof)))
            self.best_outcome = self._outcome(Status.UNPROVED, None)
        if self.filled and not self._open_holes:
            return self._outcome(Status.PROVED, verdict)
        if not can_prove_whole or (meter.exhausted and self.search_result is not None):
            return self._outcome(Status.UNPROVED if declaration.theorem else Status.OPEN, None)
        theorem = blank_theorem or self._whole_theorem()
        result = await searcher.prove(theorem, meter.fraction(1.0) if self.search_result else budget)
        self._add_spent(result, meter)
        if result.proof is None:
            return self._outcome(Status.REFUTED if result.refutation else Status.UNPROVED, None)
        if self.assumed:
            return await self._without_assumptions(await self._shortened_proof(theorem, result))
        self.best_outcome = self._proved_outcome(result.proof, result.verdict)
        return self._proved_outcome(await self._shortened_proof(theorem, result), result.verdict)

    def _whole_theorem(self) -> Theorem:
        """Return the declaration without its proof, after the open lemmas that it may use."""
        return self.file.theorem(self.declaration, {**self.known, **self.assumed})

    async def _without_assumptions(self, proof: str) -> Outcome:
        """Return the outcome of a proof that Lean has accepted where an axiom closes the open theorems above it.

        It is judged after these theorems as they stand: the axiom (LEFT_OPEN) is not there, and the verdict names the
        theorems that the proof rests on.
        """
        theorem = self.file.theorem(self.declaration, self.known)
        verdict = await self.pool.judge(theorem.claim(proof))
        outcome = self._proved_outcome(proof, verdict)
        if verdict.reason is Reason.SORRY:
            outcome.status = Status.OPEN
        elif not verdict.proved:
            outcome.status, outcome.whole_proof, outcome.open_holes = Status.UNPROVED, None, self._open_holes
        return outcome

    def _hole_theorem(self, hole: Hole | None) -> Theorem:
        """Return the declaration with one open hole, or, for None, as a theorem without its proof."""
        if hole is None:
            return self.file.theorem(self.declaration, self.known)
        return self.file.hole(self.declaration, hole, [edit for _, _, edit in self.filled], self.known)

    def _add_spent(self, result: SearchResult, meter: Meter) -> None:
        """Add what a search has spent and found."""
        if self.search_result is None:
            self.search_result = result
        elif result is not self.search_result:
            earlier, self.search_result = self.search_result, result
            result.samples += earlier.samples
            result.checks += earlier.checks
            result.usage.add(earlier.usage)
            result.reasons = earlier.reasons + result.reasons
        meter.samples, meter.checks, meter.usage = result.samples, result.checks, result.usage
        self.search_result.seconds, self.search_result.cpu = meter.seconds, meter.cpu

    async def _shortened_proof(self, theorem: Theorem, result: SearchResult) -> str:
        """Return a found proof, shortened; `result` then has its verdict."""
        assert result.proof is not None
        if not self.minimise:
            return await resolve_alternatives(self.pool, theorem, result.proof)
        shorter = await minimise_proof(self.pool, theorem, result.proof, self.minimise)
        verdict = await self.pool.judge(theorem.claim(shorter))  # as `minimise_proof` did: it may rest on other axioms
        if not verdict.proved:
            return result.proof
        result.verdict = verdict
        return shorter

    def _proved_outcome(self, proof: str, verdict: Verdict | None) -> Outcome:
        edit = self.file.proof(self.declaration, None, proof)
        return Outcome(self.declaration, Status.PROVED, self.search_result, verdict, whole_proof=edit)

    @property
    def _open_holes(self) -> tuple[Hole, ...]:
        return tuple(h for h in self.declaration.holes if all(h is not f for f, _, _ in self.filled))

    def _outcome(self, status: Status, verdict: Verdict | None) -> Outcome:
        outcome = Outcome(
            self.declaration, status, self.search_result, verdict, tuple(self.filled), open_holes=self._open_holes
        )
        outcome.value = self.file.value(self.declaration, outcome.edits)
        return outcome


async def _load_context(pool: LeanPool, theorem: Theorem) -> None:
    """Wait until a worker has loaded the context of a theorem, so that its time starts afterwards.

    Whoever confirms a proof loads it during the search.
    """
    with suppress(ContextError, ProcessDied):  # the search will report the error
        await pool.load(theorem.context)
    pool.expect_proofs((*theorem.context, theorem.challenge))


_FILE_SECONDS = 300.0  # seconds for a whole file


async def revoke_refused(pool: LeanPool, file: LeanFile, outcomes: Sequence[Outcome]) -> None:
    """Check the file with all found proofs, as it will be written; a proof that Lean refuses there is revoked."""
    with_proofs = [outcome for outcome in outcomes if outcome.edits]
    if not with_proofs or await _file_error(pool, file, with_proofs) is None:
        return
    accepted: list[Outcome] = []
    for outcome in with_proofs:
        error = await _file_error(pool, file, [*accepted, outcome])
        if error is None:
            accepted.append(outcome)
            continue
        outcome.status, outcome.filled, outcome.whole_proof = Status.UNPROVED, (), None
        outcome.open_holes, outcome.message = (
            outcome.declaration.holes,
            f"in the file as a whole Lean refuses it: {error}",
        )


async def _file_error(pool: LeanPool, file: LeanFile, outcomes: Sequence[Outcome]) -> str | None:
    """Return the error that found proofs cause in the whole file, beyond its earlier errors; None if there is none."""
    text = file.with_proofs({o.declaration.name: o.edits for o in outcomes}).removeprefix(BYTE_ORDER_MARK)
    check = await pool.check(text, timeout=_FILE_SECONDS)
    if check.ended is not Ended.COMPLETED:
        return check.detail
    known_errors = sum(len(d.errors) for d in file.declarations)
    return str(check.errors[-1]) if len(check.errors) > known_errors else None
