"""Proving the theorems of a file, one after the other, each with the ones before it at hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from enum import StrEnum

from data import LeanFile, Place
from lean_env import Claim, LeanPool, Verdict
from search.budget import Budget
from search.minimise import minimised, shortened
from search.searcher import Searcher, SearchResult


class Status(StrEnum):
    """How it stands with a theorem of the file."""

    PROVED = "proved"  # we found a proof
    HOLDS = "holds"  # it has a proof, and the proof is right
    FAILS = "fails"  # it has a proof, and the proof is not right
    UNPROVED = "unproved"  # we found none


@dataclass
class Outcome:
    """One theorem's outcome. `result` is the search's, if there was one; `verdict` is of the proof, if there is one."""

    place: Place
    status: Status
    result: SearchResult | None = None
    verdict: Verdict | None = None

    @property
    def proof(self) -> str | None:
        return self.result.proof if self.result and self.status is Status.PROVED else None

    @property
    def detail(self) -> str:
        """What there is to say of it, for people."""
        return self.verdict.detail if self.verdict else self.result.problem if self.result else ""

    @property
    def samples(self) -> int:
        return self.result.samples if self.result else 0

    @property
    def checks(self) -> int:
        return self.result.checks if self.result else 1

    @property
    def seconds(self) -> float:
        return self.result.seconds if self.result else self.verdict.seconds if self.verdict else 0.0


async def prove_file(
    pool: LeanPool,
    file: LeanFile,
    searcher: Searcher,
    budget: Budget,
    names: Collection[str] = (),
    minimise: float = 0.0,
) -> AsyncIterator[Outcome]:
    """Prove the open theorems of a file and check the others, in order; `budget` holds for each theorem.

    `names`: only these; all others are taken as they stand. `minimise`: seconds for making each found proof shorter;
    without it, only each `first | …` in it gives way to what was needed.
    """
    proofs: dict[str, str] = {}
    for place in file.places:
        if names and place.name not in names:
            continue
        theorem = file.theorem(place, proofs)
        if not place.open:
            claim = Claim(theorem.challenge, file.as_written(place), place.name, theorem.context)
            verdict = await pool.judge(claim)
            yield Outcome(place, Status.HOLDS if verdict.proved else Status.FAILS, verdict=verdict)
            continue
        result = await searcher.prove(theorem, budget)
        if result.proof is None:
            yield Outcome(place, Status.UNPROVED, result=result)
            continue
        try:
            if minimise:
                shorter = await minimised(pool, theorem, result.proof, minimise)
                verdict = await pool.judge(theorem.claim(shorter))  # as `minimised` did: it may rest on other axioms
                if verdict.proved:
                    result.proof, result.verdict = shorter, verdict
            else:
                result.proof = await shortened(pool, theorem, result.proof)
        except asyncio.CancelledError:  # the proof is found, and must not be lost
            yield Outcome(place, Status.PROVED, result, result.verdict)
            raise
        proofs[place.name] = result.proof
        yield Outcome(place, Status.PROVED, result, result.verdict)
