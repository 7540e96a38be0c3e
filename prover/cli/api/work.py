"""What a request asks for, without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from data import LeanFile, parse
from data.headers import HEADERS
from data.judging import judge_pair, theorem_names, verdict_row
from data.lean_file import FileError, with_header
from data.statements import parse_statement
from lean_env import LeanPool
from prover.cli.api.errors import Refused
from prover.cli.api.schema import CheckAnswer, CheckRequest, CheckRow, ProveAnswer, ProveRequest, ProveRow
from prover.policy import Policy, PolicyUnavailable
from search import Budget
from search.prove import Outcome, prove_file
from search.searches import searcher

T = TypeVar("T")
_SECONDS = 60.0  # for a theorem, where the client does not say


@dataclass(frozen=True)
class Limits:
    """What clients may take.

    running: requests worked on at once. They share the pool's workers: more of them are slower each.
    waiting: requests that may wait for that; any further one is sent away.
    seconds: the longest time for one theorem, and for Lean to read what was sent.
    body: bytes of a request.
    """

    running: int = 4
    waiting: int = 64
    seconds: float = 300.0
    body: int = 10 * 1024 * 1024


async def prove(pool: LeanPool, policy: Policy, limits: Limits, asked: ProveRequest) -> ProveAnswer:
    """Prove the open theorems and check the others, as `prover prove` does it.

    A found proof has been judged by two Lean processes of the pool (if it has `confirm`), but not, as there, by a new
    one: that would take seconds. Raises Refused, FileError, InputError, ProcessDied, PolicyUnavailable, PoolClosed.
    """
    seconds = _allowed(asked.seconds, limits)
    file = await _read(_file(pool, asked), limits)
    have = [place.name for place in file.places]
    if unknown := set(asked.theorems) - set(have):
        raise FileError(f"no theorem is called {', '.join(sorted(unknown))}; there is: {', '.join(have) or 'none'}")
    if not have:
        raise FileError("it has no theorem")
    search = searcher(asked.search, pool, policy, seed=asked.seed)
    outcomes = [o async for o in prove_file(pool, file, search, Budget(seconds=seconds), asked.theorems)]
    if policy.trouble and not any(o.proof for o in outcomes):
        raise PolicyUnavailable(policy.trouble)
    proofs = {o.place.name: o.proof for o in outcomes if o.proof is not None}
    return ProveAnswer(theorems=[_row(o) for o in outcomes], code=file.with_proofs(proofs))


async def check(pool: LeanPool, limits: Limits, asked: CheckRequest) -> CheckAnswer:
    """The verdicts of `prover check`. Raises as `prove` does."""
    seconds = _allowed(asked.seconds, limits)
    names = asked.theorems or await _read(theorem_names(pool, asked.challenge), limits)
    verdicts = await judge_pair(pool, asked.challenge, asked.solution, names, seconds)
    return CheckAnswer(theorems=[CheckRow(**verdict_row(name, verdict)) for name, verdict in verdicts.items()])


def _allowed(seconds: float | None, limits: Limits) -> float:
    if seconds is not None and seconds > limits.seconds:
        raise Refused(422, "the request is not as it should be", [f"seconds: at most {limits.seconds:g} here"])
    return min(_SECONDS, limits.seconds) if seconds is None else seconds


async def _read(reading: Awaitable[T], limits: Limits) -> T:
    """Commands of a file run while it is read: a loop among them must not keep a worker."""
    try:
        async with asyncio.timeout(limits.seconds):
            return await reading
    except TimeoutError:
        raise FileError(f"it could not be read within {limits.seconds:g} s") from None


async def _file(pool: LeanPool, asked: ProveRequest) -> LeanFile:
    header = HEADERS.get(asked.header or "", asked.header)
    if asked.statement is not None:
        return await parse_statement(pool, asked.statement, header or "")
    assert asked.code is not None
    text = asked.code if header is None else await with_header(pool, asked.code, header)
    return await parse(pool, text, "<code>")


def _row(outcome: Outcome) -> ProveRow:
    return ProveRow(
        name=outcome.place.name,
        line=outcome.place.line,
        status=outcome.status,
        proof=outcome.proof,
        reason=outcome.verdict.reason if outcome.verdict else None,
        detail=outcome.detail,
        samples=outcome.samples,
        checks=outcome.checks,
        seconds=round(outcome.seconds, 3),
    )
