"""Workers in Ray actors, on this machine or across a cluster, with the methods of a local Worker.

A check ends as it would on a local Worker. The loss of an actor or of its node is not the check's: the call is made
again on a new actor, wherever Ray finds room for one.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import traceback
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar, cast

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError, RayTaskError, TaskCancelledError

from lean_env.check import Check, Context, Steps
from lean_env.embedded import install
from lean_env.lean import Lean, LeanUnavailable, embedded
from lean_env.premises import Premises
from lean_env.session import WorkerLimits
from lean_env.verdict import Claim, Verdict
from lean_env.worker import Worker

T = TypeVar("T")
Job = Callable[[Worker], Coroutine[Any, Any, T]]
"""A call of a Worker's method, as it is sent to the actor: the method, or a `partial` of it with the arguments."""

RESERVED_START_SECONDS = 15  # for an actor with a CPU of its own to start, before it shares those of others
START_SECONDS = 120  # for an actor that reserves none
STOP_SECONDS = 15.0  # for an actor to stop what it does
RETRY_DELAYS = 0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0  # seconds before each actor that one call may lose


@dataclass(frozen=True)
class _CallResult(Generic[T]):
    """The result of a job on the actor's Worker, and what has changed in the Worker since the last one."""

    value: T | None
    error: tuple[type[Exception], tuple[Any, ...], dict[str, Any]] | None  # type, args and attributes
    pid: int | None
    loaded: frozenset[bytes]  # digests of contexts
    forgotten: frozenset[bytes]


class WorkerActor:
    """A Ray actor with a Worker for `lean`, or for the embedded Lean of the actor's machine."""

    def __init__(self, lean: Lean | None, limits: WorkerLimits | None) -> None:
        self._lean, self._limits = lean, limits
        self._worker: Worker | None = None
        self._reported: frozenset[Context] = frozenset()

    async def wait_started(self) -> None:
        """Return as soon as the actor runs."""

    async def run(self, job: Job[T]) -> _CallResult[T]:
        """Run a job on the Worker; what it raises is part of the result."""
        value, failure = None, None
        try:
            if self._worker is None:
                if self._lean is None:
                    self._lean = await asyncio.to_thread(_install_lean)
                self._worker = Worker(self._lean, self._limits)
            await self._worker.recycle()
            value = await job(self._worker)
        except Exception as error:
            error.add_note(f"in a Ray actor:\n{traceback.format_exc()}")
            failure = type(error), error.args, vars(error)
        loaded = self._worker.session.loaded if self._worker else frozenset()
        reported, self._reported = self._reported, loaded
        return _CallResult(
            value,
            failure,
            self._worker.pid if self._worker else None,
            frozenset(map(_digest, loaded - reported)),
            frozenset(map(_digest, reported - loaded)),
        )


class RayWorker:
    """A worker on the driver's side, whose calls run on an actor, one at a time. Worker documents the methods.

    A lost actor is replaced and the call made again; LeanUnavailable is raised where that failed after each of
    RETRY_DELAYS. What the actor's Worker raises, ProcessDied among it, is raised here. A cancelled call stops its Lean.
    """

    def __init__(self, make: Callable[[float], ActorHandle[Any]], wanted_cpus: Callable[[], float]) -> None:
        """`make` makes an actor that reserves so many CPUs; `wanted_cpus` says how many that should be now."""
        self._make, self._wanted_cpus = make, wanted_cpus
        self._actor: ActorHandle[Any] | None = None
        self.pid: int | None = None  # of the Lean process, on its machine, at the last result
        self._loaded: set[bytes] = set()

    def has(self, context: Context) -> bool:
        """See Worker.has; as of the last result."""
        return not context or _digest(context) in self._loaded

    def is_ready(self, context: Context) -> bool:
        """Was there a Lean process at the last result? Whether it may serve this context its actor knows."""
        return self.pid is not None

    async def start(self) -> None:
        await self._call(Worker.start)

    async def load(self, context: Context) -> None:
        await self._call(partial(Worker.load, context=context))

    async def recycle(self) -> None:
        """Do nothing: the actor itself recycles its Worker before each call."""

    async def close(self) -> None:
        """End the Lean process and the actor; a later call makes new ones."""
        actor = self._forget()
        if actor is not None and ray.is_initialized():
            await asyncio.wait([as_future(actor.run.remote(Worker.close))], timeout=STOP_SECONDS)
            ray.kill(actor)

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
        return await self._call(
            partial(
                Worker.check,
                code=code,
                context=context,
                timeout=timeout,
                tactics=tactics,
                axioms=axioms,
                reuse=reuse,
                challenge=challenge,
            )
        )

    async def steps(
        self, challenge: str, text: str, *, after: str = "", context: Context = (), timeout: float = 60.0
    ) -> Steps:
        return await self._call(
            partial(Worker.steps, challenge=challenge, text=text, after=after, context=context, timeout=timeout)
        )

    async def premises(self, challenge: str, *, after: str = "", context: Context = ()) -> Premises | None:
        return await self._call(partial(Worker.premises, challenge=challenge, after=after, context=context))

    async def elaborate_solution(self, claim: Claim, timeout: float = 60.0) -> tuple[Verdict, str]:
        return await self._call(partial(Worker.elaborate_solution, claim=claim, timeout=timeout))

    async def confirm(self, claim: Claim, additions: str, timeout: float = 60.0) -> Verdict:
        return await self._call(partial(Worker.confirm, claim=claim, additions=additions, timeout=timeout))

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
        call = partial(Worker.declarations, code=code, context=context, timeout=timeout)
        return await self._call(partial(call, keep=keep, challenge=challenge, subgoals=subgoals))

    async def export(self, code: str, names: Sequence[str]) -> tuple[str, int]:
        return await self._call(partial(Worker.export, code=code, names=names))

    async def _call(self, job: Job[T]) -> T:
        """Run a job on the actor, and on a new one if that is lost. Raises LeanUnavailable, and what the job raises."""
        for delay in RETRY_DELAYS:
            await asyncio.sleep(delay)
            try:
                if self._actor is None:
                    self._actor = await self._started_actor()
                if self.pid is None and job is not Worker.start:
                    await self._ask(Worker.start)  # so that the process is known while it works
                return await self._ask(job)
            except RayError as error:
                if isinstance(error, RayTaskError) and not isinstance(error, TaskCancelledError):
                    raise  # the actor runs, and has a bug
                lost = error
            self._kill()
        raise LeanUnavailable(f"{len(RETRY_DELAYS)} Ray actors were lost one after the other, the last one so:\n{lost}")

    async def _ask(self, job: Job[T]) -> T:
        """Run a job on the present actor. Raises RayError where the actor is lost, and what the job raises."""
        assert self._actor is not None
        reference: ray.ObjectRef[_CallResult[T]] = self._actor.run.remote(job)
        call = as_future(reference)
        try:
            result = await asyncio.shield(call)
        except asyncio.CancelledError:
            ray.cancel(reference)
            await self._stop(call)
            raise
        self.pid = result.pid
        self._loaded = (self._loaded - result.forgotten) | result.loaded
        if result.error is not None:
            kind, args, attributes = result.error
            error = kind.__new__(kind, *args)  # its constructor may want other arguments
            error.__dict__.update(attributes)
            raise error
        return cast(T, result.value)

    async def _stop(self, call: asyncio.Future[_CallResult[T]]) -> None:
        """Wait until Lean has stopped with a call that was cancelled."""
        self.pid = None
        self._loaded.clear()
        stopped, _ = await asyncio.wait([call], timeout=STOP_SECONDS)
        if not stopped:
            self._kill()

    async def _started_actor(self) -> ActorHandle[Any]:
        """A new actor that runs. One that finds no CPU for itself in time shares those of others."""
        cpus = self._wanted_cpus()
        while True:
            actor = self._make(cpus)
            start: asyncio.Future[None] = as_future(actor.wait_started.remote())
            try:
                for _ in range(START_SECONDS if cpus == 0 else RESERVED_START_SECONDS):
                    started, _ = await asyncio.wait([start], timeout=1)
                    if started:
                        start.result()
                        return actor
                    if self._wanted_cpus() < cpus:  # the cluster has become smaller
                        break
            except BaseException:
                ray.kill(actor)
                raise
            ray.kill(actor)
            if cpus == 0:
                raise LeanUnavailable(f"Ray did not start an actor within {START_SECONDS} s")
            cpus = self._wanted_cpus() if self._wanted_cpus() < cpus else 0.0

    def _forget(self) -> ActorHandle[Any] | None:
        """Let go of the actor and of what is known of its Worker; returns the actor."""
        actor, self._actor, self.pid = self._actor, None, None
        self._loaded.clear()
        return actor

    def _kill(self) -> None:
        """Kill the actor. (Its Lean process ends with it.)"""
        actor = self._forget()
        if actor is not None:
            ray.kill(actor)


def as_future(reference: ray.ObjectRef[T]) -> asyncio.Future[T]:
    """The result of a remote call as an asyncio Future. Not to be cancelled: a thread of Ray's sets it."""
    future: asyncio.Future[T] = asyncio.wrap_future(reference.future())
    future.add_done_callback(lambda f: f.cancelled() or f.exception())  # asyncio logs errors that nobody retrieved
    return future


def _install_lean() -> Lean:
    """The embedded Lean of this machine, installed now if it is not there yet."""
    install.install()
    return embedded()


@functools.lru_cache(maxsize=4096)
def _digest(context: Context) -> bytes:
    """A hash of a context, in place of its texts, which may be long, between actor and driver."""
    digest = hashlib.blake2b(digest_size=16)
    for piece in context:
        digest.update(f"{len(piece)}:{piece}".encode("utf-8", "surrogatepass"))
    return digest.digest()
