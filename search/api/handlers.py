"""The work of each request, without HTTP."""

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
from search.api.errors import invalid_request
from search.api.limits import APILimits
from search.api.schema import CheckAnswer, CheckRequest, CheckRow, ProveAnswer, ProveRequest, ProveRow
from search.prove import Outcome, Status, prove_file, select_declarations
from search.searcher import cancel_tasks
from search.searches import searcher

T = TypeVar("T")
_DEFAULT_SECONDS = 60.0  # for a theorem, by default
_START_SECONDS = 5.0  # further seconds to start a Lean process before it reads


async def prove(pool: LeanPool, policy: Policy, limits: APILimits, payload: ProveRequest) -> ProveAnswer:
    """Prove the open theorems and check the others, like `prover prove`, until the time is up.

    Two Lean processes of the pool have judged each found proof (if the pool has `confirm`). Raises RequestRefused,
    FileError, InputError, ProcessDied, PolicyUnavailable, PoolClosed.
    """
    seconds, end = _theorem_seconds(payload.seconds, limits), _now() + limits.request_seconds
    file = await _within_limit(_parse_file(pool, payload), limits)
    names = [d.name for d in select_declarations(file)]
    if unknown := set(payload.theorems) - set(names):
        raise FileError(f"no theorem is called {', '.join(sorted(unknown))}; there is: {', '.join(names) or 'none'}")
    if not names:
        raise FileError("it has no theorem")
    theorems = select_declarations(file, payload.theorems)
    _check_count(theorems, limits)
    search = searcher(payload.search, pool, policy, seed=payload.seed, refute=True)
    outcomes: list[Outcome] = []
    try:
        async with asyncio.timeout_at(end) as limit:
            async for outcome in prove_file(pool, file, search, Budget(seconds=seconds), payload.theorems):
                outcomes.append(outcome)
    except TimeoutError:
        if not limit.expired():
            raise
    rows = [*map(_prove_row, outcomes), *(_unreached_row(d, limits) for d in theorems[len(outcomes) :])]
    if policy.last_error and not any(o.proof for o in outcomes):
        raise PolicyUnavailable(policy.last_error)
    return ProveAnswer(theorems=rows, code=file.with_proofs({o.declaration.name: o.edits for o in outcomes}))


async def check(pool: LeanPool, limits: APILimits, payload: CheckRequest) -> CheckAnswer:
    """Return the verdicts of `prover check`, as many as the time allows. Raises the errors of `prove`."""
    seconds, end = _theorem_seconds(payload.seconds, limits), _now() + limits.request_seconds
    challenge = await _within_limit(read_challenge(pool, payload.challenge), limits)
    names = payload.theorems or challenge.names
    _check_count(names, limits)
    timeout_verdict = Verdict(Reason.TIMEOUT, _timeout_text(limits))
    tasks = {name: asyncio.create_task(challenge.judge(pool, payload.solution, [name], seconds)) for name in names}
    try:
        await asyncio.wait(tasks.values(), timeout=end - _now(), return_when=asyncio.FIRST_EXCEPTION)
        verdicts = {name: task.result()[name] if task.done() else timeout_verdict for name, task in tasks.items()}
    finally:
        await cancel_tasks(tasks.values())
    return CheckAnswer(theorems=[CheckRow(**verdict_row(name, verdict)) for name, verdict in verdicts.items()])


def _now() -> float:
    return asyncio.get_running_loop().time()


def _check_count(theorems: Sized, limits: APILimits) -> None:
    if len(theorems) > limits.theorems:
        raise invalid_request(f"theorems: at most {limits.theorems} in a request, not {len(theorems)}")


def _timeout_text(limits: APILimits) -> str:
    return f"the {limits.request_seconds:g} s of the request were over"


def _theorem_seconds(seconds: float | None, limits: APILimits) -> float:
    if seconds is not None and seconds > limits.seconds:
        raise invalid_request(f"seconds: at most {limits.seconds:g} here")
    return min(_DEFAULT_SECONDS, limits.seconds) if seconds is None else seconds


async def _within_limit(read: Awaitable[T], limits: APILimits) -> T:
    """Await a read of a file within the time limit: commands in a file run while it is read, and one could loop."""
    try:
        async with asyncio.timeout(limits.seconds + _START_SECONDS):
            return await read
    except TimeoutError:
        raise FileError(f"it could not be read within {limits.seconds:g} s") from None


async def _parse_file(pool: LeanPool, payload: ProveRequest) -> LeanFile:
    header = HEADERS.get(payload.header or "", payload.header)
    if payload.statement is not None:
        return await parse_source(pool, payload.statement, None, header)
    assert payload.code is not None
    return await parse_source(pool, payload.code, "<code>", header)


def _unreached_row(declaration: Declaration, limits: APILimits) -> ProveRow:
    return ProveRow(
        name=declaration.name,
        line=declaration.line,
        status=Status.UNPROVED,
        proof=None,
        reason=None,
        detail=_timeout_text(limits),
        kernels=[],
        samples=0,
        checks=0,
        seconds=0.0,
        counterexample=None,
        negation=None,
    )


def _prove_row(outcome: Outcome) -> ProveRow:
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
        counterexample=dict(outcome.refutation.counterexample) if outcome.refutation else None,
        negation=outcome.refutation.code if outcome.refutation else None,
    )
