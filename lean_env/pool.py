"""A pool of workers with the calls of one worker: local processes, or Ray actors across machines."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from lean_env.check import Check, Context, ContextError, Ended, Steps
from lean_env.confirmation import require_both_kernels
from lean_env.lean import Lean, LeanUnavailable, embedded
from lean_env.premises import Premises
from lean_env.process import MemoryRetry, ProcessDied
from lean_env.session import WorkerLimits
from lean_env.verdict import Claim, Reason, Verdict, stopped_verdict
from lean_env.worker import Worker

if TYPE_CHECKING:
    from lean_env.ray_cluster import RayCluster

T = TypeVar("T")
_MAX_CACHED = 10_000  # verdicts: the same proof comes again while its theorem is at hand
# Verdicts for these reasons would be the same another time; the others depend on the state of the machine.
_CACHEABLE = frozenset(Reason) - {Reason.TIMEOUT, Reason.MEMORY, Reason.CRASH, Reason.KERNEL, Reason.UNCONFIRMED}


class PoolClosed(Exception):
    """The pool was closed before the call had its answer."""


class LeanWorker(Protocol):
    """What the pool needs of a worker: the methods of Worker, which documents them, wherever its process runs."""

    @property
    def pid(self) -> int | None: ...

    def has(self, context: Context) -> bool: ...

    def is_ready(self, context: Context) -> bool: ...

    async def start(self) -> None: ...

    async def load(self, context: Context) -> None: ...

    async def recycle(self) -> None: ...

    async def close(self) -> None: ...

    async def check(
        self,
        code: str,
        *,
        context: Context = (),
        timeout: float = 60.0,
        tactics: bool = False,
        axioms: Sequence[str] = (),
        reuse: bool = False,
        challenge: str | None = None,
    ) -> Check: ...

    async def steps(
        self, challenge: str, text: str, *, after: str = "", context: Context = (), timeout: float = 60.0
    ) -> Steps: ...

    async def premises(self, challenge: str, *, after: str = "", context: Context = ()) -> Premises | None: ...

    async def elaborate_solution(self, claim: Claim, timeout: float = 60.0) -> tuple[Verdict, str]: ...

    async def confirm(self, claim: Claim, additions: str, timeout: float = 60.0) -> Verdict: ...

    async def declarations(
        self,
        code: str,
        *,
        context: Context = (),
        timeout: float = 60.0,
        keep: bool = False,
        challenge: str | None = None,
        subgoals: bool = False,
    ) -> dict[str, Any]: ...

    async def export(self, code: str, names: Sequence[str]) -> tuple[str, int]: ...


class LeanPool:
    """Several workers that check and judge at once, with the calls of a Worker.

    A call waits for a free worker, preferring one that has its context loaded. A check whose process died is tried once
    more in a new process. What a worker finds proved is confirmed by a worker of a second group, whose processes see no
    solution; with `confirm=False`, by one of the same group. Processes start when they are first needed and end with
    the `async with` block.

    strict: proved is only what our own kernel accepts, too. cache: remember verdicts by the content of the claim.
    backend: "ray" has the workers in Ray actors; ray_cluster.RayCluster tells on which machines, and what `address` is.
    There `lean=None` is the embedded Lean of each node.

    Calls raise PoolClosed once the pool is closed, and LeanUnavailable where no Lean can be started.
    """

    def __init__(
        self,
        lean: Lean | None = None,
        *,
        workers: int | None = None,
        limits: WorkerLimits | None = None,
        confirm: bool = True,
        strict: bool = False,
        cache: bool = False,
        backend: Literal["local", "ray"] = "local",
        address: str | None = None,
    ) -> None:
        self.lean = lean
        self.strict = strict
        if backend == "ray":
            cluster = _ray_cluster(address)
            size = workers or cluster.size
            provers: Sequence[LeanWorker] = cluster.workers(size, lean, limits, reserve=True)
            confirmers: Sequence[LeanWorker] = cluster.workers(
                max(1, size // 4) if confirm else 0, lean, limits, reserve=False
            )
        else:
            self.lean = local = lean or embedded()
            size = workers or os.cpu_count() or 1
            provers = [Worker(local, limits) for _ in range(size)]
            confirmers = [Worker(local, limits) for _ in range(max(1, size // 4) if confirm else 0)]
        self._provers, self._confirmers = _WorkerGroup(provers), _WorkerGroup(confirmers)
        self._cache: OrderedDict[str, Verdict] | None = OrderedDict() if cache else None
        self.size = size

    async def __aenter__(self) -> LeanPool:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all processes. Calls under way and later ones raise PoolClosed."""
        await asyncio.gather(self._provers.close(), self._confirmers.close())

    def expect_proofs(self, context: Context = ()) -> None:
        """Start a process to confirm proofs, and let it load a context, now instead of when something is proved.

        context: may have a challenge as its last piece.
        """
        self._confirmers.prepare(context)

    async def load(self, context: Context) -> None:
        """Wait until a worker has a process with this context. Raises ContextError, ProcessDied."""
        await self._provers.run(context, lambda w: w.load(context))

    async def start(self) -> None:
        """Start every worker's process now instead of at its first use."""
        await asyncio.gather(*(self._provers.run((), lambda w: w.start()) for _ in self._provers.workers))

    def share(self, size: int) -> LeanPool:
        """The same pool with another `size`, for a caller that sends as many calls at once as the pool's `size`."""
        shared = copy.copy(self)
        shared.size = size
        return shared

    @property
    def pids(self) -> list[int]:
        """Ids of the Lean processes that run now."""
        return [w.pid for w in (*self._provers.workers, *self._confirmers.workers) if w.pid is not None]

    async def check(
        self,
        code: str,
        *,
        context: Context = (),
        timeout: float = 60.0,
        tactics: bool = False,
        axioms: Sequence[str] = (),
        reuse: bool = False,
        challenge: str | None = None,
    ) -> Check:
        """See Worker.check; a process that dies twice gives Ended.CRASH."""

        async def job(worker: LeanWorker) -> Check:
            return await worker.check(
                code, context=context, timeout=timeout, tactics=tactics, axioms=axioms, reuse=reuse, challenge=challenge
            )

        try:
            return await self._provers.run(context, job)
        except ProcessDied as error:
            return Check(Ended.CRASH, detail=str(error))

    async def steps(
        self, challenge: str, text: str, *, after: str = "", context: Context = (), timeout: float = 60.0
    ) -> Steps:
        """See Worker.steps; a process that dies twice gives Ended.CRASH."""
        try:
            return await self._provers.run(
                (*context, challenge, after),
                lambda w: w.steps(challenge, text, after=after, context=context, timeout=timeout),
            )
        except ProcessDied as error:
            return Steps(problem=str(error), ended=Ended.CRASH)

    async def premises(self, challenge: str, *, after: str = "", context: Context = ()) -> Premises | None:
        """See Worker.premises; None, too, where the process dies twice."""
        try:
            return await self._provers.run(
                (*context, challenge, after), lambda w: w.premises(challenge, after=after, context=context)
            )
        except ProcessDied:
            return None

    async def judge(self, claim: Claim, timeout: float = 60.0) -> Verdict:
        """Does the claim's solution prove its challenge's theorem? `timeout` in seconds is for the solution alone.

        What a worker finds proved counts as proved if a second one finds so, too, from the challenge and the export of
        the first one, and if our own kernel does. See verdict.py.
        """
        key = _cache_key(claim)
        if self._cache is not None and key in self._cache:
            return self._cache[key]
        verdict = await self._judge(claim, timeout)
        if self.strict:
            verdict = require_both_kernels(verdict)
        if self._cache is not None and verdict.reason in _CACHEABLE:
            self._cache[key] = verdict
            if len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)
        return verdict

    async def declarations(
        self,
        code: str,
        *,
        context: Context = (),
        timeout: float = 60.0,
        keep: bool = False,
        challenge: str | None = None,
        subgoals: bool = False,
    ) -> dict[str, Any]:
        """See Worker.declarations."""
        wanted = (*context, code) if keep else context if challenge is None else (*context, challenge)
        return await self._provers.run(
            wanted,
            lambda w: w.declarations(
                code, context=context, timeout=timeout, keep=keep, challenge=challenge, subgoals=subgoals
            ),
        )

    async def export(self, code: str, names: Sequence[str]) -> tuple[str, int]:
        """See Worker.export."""
        return await self._provers.run((code,), lambda w: w.export(code, names))

    async def _judge(self, claim: Claim, timeout: float) -> Verdict:
        """`judge`, whatever is cached, and with `strict` left aside."""
        context = (*claim.context, claim.challenge)
        try:
            first, additions = await self._provers.run(context, lambda w: w.elaborate_solution(claim, timeout))
        except ProcessDied as error:
            return stopped_verdict(Check(Ended.CRASH, detail=str(error)))
        if not first.proved:
            return first
        limit = 4 * timeout + 10  # this only guards against a hang
        group = self._confirmers if self._confirmers.workers else self._provers
        try:
            second = await group.run(context, lambda w: w.confirm(claim, additions, limit))
        except ProcessDied as error:
            second = stopped_verdict(Check(Ended.CRASH, detail=str(error)))
        seconds = first.seconds + second.seconds
        if second.proved or second.reason is Reason.KERNEL:
            return replace(second, check=first.check, seconds=seconds)
        detail = f"a second worker says {second.reason}: {second.detail}"
        return Verdict(Reason.UNCONFIRMED, detail, first.check, seconds=seconds)


class _WorkerGroup:
    """Workers for one purpose, lent to one caller each, the longest waiting caller first."""

    def __init__(self, workers: Sequence[LeanWorker]) -> None:
        self.workers = workers
        self._free = list(workers)  # longest idle first
        self._permits = asyncio.Semaphore(len(workers))
        self._running: set[asyncio.Task[Any]] = set()
        self._preparing: set[asyncio.Task[None]] = set()
        self._closed = False

    async def run(self, context: Context, job: Callable[[LeanWorker], Awaitable[T]]) -> T:
        """Run a job on a free worker, and once more if its process dies. Raises PoolClosed, and what the job raises."""
        async with self._permits:
            if self._closed:
                raise PoolClosed
            worker = self._acquire(context)
            task = asyncio.create_task(self._run(worker, job))  # its own task, for `close` to cancel
            self._running.add(task)
            try:
                return await task
            except asyncio.CancelledError:
                caller = asyncio.current_task()
                if self._closed and not (caller and caller.cancelling()):
                    raise PoolClosed from None
                raise
            finally:
                self._running.discard(task)
                self._free.append(worker)

    async def _run(self, worker: LeanWorker, job: Callable[[LeanWorker], Awaitable[T]]) -> T:
        """Run a job on a worker; see `run`."""
        died = False
        while True:
            try:
                await worker.recycle()
                return await job(worker)
            except MemoryRetry:  # never raised for the first job of a new process
                continue
            except ProcessDied:
                if died:
                    raise
                died = True

    def prepare(self, context: Context) -> None:
        """Load a context in the background."""

        async def load() -> None:
            # The call that needs the context will meet the error.
            with contextlib.suppress(ContextError, ProcessDied, PoolClosed, LeanUnavailable, OSError):
                await self.run(context, lambda w: w.load(context))

        if self.workers:
            task = asyncio.create_task(load())
            self._preparing.add(task)
            task.add_done_callback(self._preparing.discard)

    def _acquire(self, context: Context) -> LeanWorker:
        """A free worker: one that has the context loaded, else one whose process fits, else the longest idle one."""
        loaded = [w for prefix in (context, context[:-1]) if prefix for w in self._free if w.has(prefix)]
        worker = [*loaded, *(w for w in self._free if w.is_ready(context)), *self._free][0]
        self._free.remove(worker)
        return worker

    async def close(self) -> None:
        """Cancel the jobs under way, which then raise PoolClosed, and end the processes."""
        self._closed = True
        for task in self._running:
            if not task.cancelling():  # a second time would keep it from waiting for its process's end
                task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.gather(*(w.close() for w in self.workers))


def _ray_cluster(address: str | None) -> RayCluster:
    """The Ray cluster at an address. Raises LeanUnavailable, also where Ray is not installed."""
    try:
        from lean_env.ray_cluster import RayCluster  # here: most programs do without Ray
    except ModuleNotFoundError as error:
        raise LeanUnavailable(f"{error.name} is not installed: run `pip install -e '.[ray]'`") from None
    return RayCluster(address)


def _cache_key(claim: Claim) -> str:
    """SHA-256 of all parts of a claim."""
    digest = hashlib.sha256()
    for part in (*claim.context, claim.challenge, claim.solution, claim.theorem, f"{claim.single} {claim.definition}"):
        digest.update(f"{len(part)}:{part}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
