"""What a request asks for, without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sized
from typing import TypeVar

from data import Declaration, LeanFile
from data.headers import HEADERS
from data.judging import read_challenge, verdict_row
from data.lean_file import FileError
from data.statements import parse_source
from lean_env import LeanPool, Reason, Verdict
from prover.policy import Policy, PolicyUnavailable
from search import Budget
from search.api.errors import invalid
from search.api.limits import Limits
from search.api.schema import CheckAnswer, CheckRequest, CheckRow, ProveAnswer, ProveRequest, ProveRow
from search.prove import Outcome, Status, prove_file, wanted
from search.searcher import stop
from search.searches import searcher

T = TypeVar("T")
_SECONDS = 60.0  # for a theorem, where the client does not say
_START = 5.0  # seconds besides, in which a Lean process may have to start before it reads


async def prove(pool: LeanPool, policy: Policy, limits: Limits, asked: ProveRequest) -> ProveAnswer:
    """Prove the open theorems and check the others, as `prover prove` does it, as far as the time reaches.

    A found proof has been judged by two Lean processes of the pool (if it has `confirm`). Raises Refused, FileError,
    InputError, ProcessDied, PolicyUnavailable, PoolClosed.
    """
    seconds, end = _allowed(asked.seconds, limits), _now() + limits.request_seconds
    file = await _read(_file(pool, asked), limits)
    have = [d.name for d in wanted(file)]
    if unknown := set(asked.theorems) - set(have):
        raise FileError(f"no theorem is called {', '.join(sorted(unknown))}; there is: {', '.join(have) or 'none'}")
    if not have:
        raise FileError("it has no theorem")
    theorems = wanted(file, asked.theorems)
    _check_count(theorems, limits)
    search = searcher(asked.search, pool, policy, seed=asked.seed)
    outcomes: list[Outcome] = []
    try:
        async with asyncio.timeout_at(end) as limit:
            async for outcome in prove_file(pool, file, search, Budget(seconds=seconds), asked.theorems):
                outcomes.append(outcome)
    except TimeoutError:
        if not limit.expired():
            raise
    rows = [*map(_row, outcomes), *(_not_reached(d, limits) for d in theorems[len(outcomes) :])]
    if policy.last_error and not any(o.proof for o in outcomes):
        raise PolicyUnavailable(policy.last_error)
    return ProveAnswer(theorems=rows, code=file.with_proofs({o.declaration.name: o.edits for o in outcomes}))


async def check(pool: LeanPool, limits: Limits, asked: CheckRequest) -> CheckAnswer:
    """The verdicts of `prover check`, as far as the time reaches. Raises as `prove` does."""
    seconds, end = _allowed(asked.seconds, limits), _now() + limits.request_seconds
    challenge = await _read(read_challenge(pool, asked.challenge), limits)
    names = asked.theorems or challenge.names
    _check_count(names, limits)
    late = Verdict(Reason.TIMEOUT, _time_is_up(limits))
    judging = {name: asyncio.create_task(challenge.judge(pool, asked.solution, [name], seconds)) for name in names}
    try:
        await asyncio.wait(judging.values(), timeout=end - _now(), return_when=asyncio.FIRST_EXCEPTION)
        verdicts = {name: task.result()[name] if task.done() else late for name, task in judging.items()}
    finally:
        await stop(judging.values())
    return CheckAnswer(theorems=[CheckRow(**verdict_row(name, verdict)) for name, verdict in verdicts.items()])


def _now() -> float:
    return asyncio.get_running_loop().time()


def _check_count(theorems: Sized, limits: Limits) -> None:
    if len(theorems) > limits.theorems:
        raise invalid(f"theorems: at most {limits.theorems} in a request, not {len(theorems)}")


def _time_is_up(limits: Limits) -> str:
    return f"the {limits.request_seconds:g} s of the request were over"


def _allowed(seconds: float | None, limits: Limits) -> float:
    if seconds is not None and seconds > limits.seconds:
        raise invalid(f"seconds: at most {limits.seconds:g} here")
    return min(_SECONDS, limits.seconds) if seconds is None else seconds


async def _read(reading: Awaitable[T], limits: Limits) -> T:
    """Commands of a file run while it is read: a loop among them must not keep a worker."""
    try:
        async with asyncio.timeout(limits.seconds + _START):
            return await reading
    except TimeoutError:
        raise FileError(f"it could not be read within {limits.seconds:g} s") from None


async def _file(pool: LeanPool, asked: ProveRequest) -> LeanFile:
    header = HEADERS.get(asked.header or "", asked.header)
    if asked.statement is not None:
        return await parse_source(pool, asked.statement, None, header)
    assert asked.code is not None
    return await parse_source(pool, asked.code, "<code>", header)


def _not_reached(declaration: Declaration, limits: Limits) -> ProveRow:
    return ProveRow(
        name=declaration.name,
        line=declaration.line,
        status=Status.UNPROVED,
        proof=None,
        reason=None,
        detail=_time_is_up(limits),
        kernels=[],
        samples=0,
        checks=0,
        seconds=0.0,
    )


def _row(outcome: Outcome) -> ProveRow:
    return ProveRow(
        name=outcome.declaration.name,
        line=outcome.declaration.line,
        status=outcome.status,
        proof=outcome.proof,
        reason=outcome.verdict.reason if outcome.verdict else None,
        detail=outcome.detail,
        kernels=list(outcome.verdict.kernels) if outcome.verdict else [],
        samples=outcome.samples,
        checks=outcome.checks,
        seconds=round(outcome.seconds, 3),
    )
