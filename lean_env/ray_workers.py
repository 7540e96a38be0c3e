"""Workers that live in Ray actors, on this machine or across a cluster, behind the methods of a local Worker.

What becomes of a check comes back as it would from a local Worker. The loss of an actor or of its node is not the
check's: the call is made again on a new actor, wherever Ray finds room for one.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import math
import os
import socket
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import ray
import ray._private.worker
from ray.actor import ActorHandle
from ray.exceptions import RayError, RayTaskError, TaskCancelledError

from lean_env.embedded import install
from lean_env.lean import Lean, LeanUnavailable, embedded
from lean_env.worker import Context, Limits, Worker

T = TypeVar("T")

CONNECT = 5.0  # seconds to reach a cluster
ROOM = 15  # seconds to find room for an actor with a CPU of its own
ARRIVAL = 120  # seconds for an actor that asks for none
STOP = 15.0  # seconds for an actor to stop what it does
PAUSES = 0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0  # seconds before each actor that one call may lose

_STORE = 200_000_000  # bytes of shared memory for a Ray of our own: texts above 100 KB pass through it
_OWN = 0.99  # CPUs of a worker that has one for itself: what is left of it is room for those that need next to none
_LITTLE = 0.0001  # the least that Ray counts
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}


@dataclass(frozen=True)
class _Answer:
    """What a call to the actor's Worker came to, and what has changed in the Worker since the last answer."""

    value: Any
    error: tuple[type[Exception], tuple[Any, ...], dict[str, Any]] | None  # whose constructor may want something else
    pid: int | None
    loaded: frozenset[bytes]  # contexts, by their digests
    forgotten: frozenset[bytes]


class _Host:
    """The actor: a Worker, on whatever machine. Made of `lean`, or of that machine's embedded Lean."""

    def __init__(self, lean: Lean | None, limits: Limits | None) -> None:
        self._lean, self._limits = lean, limits
        self._worker: Worker | None = None
        self._told: frozenset[Context] = frozenset()

    async def arrived(self) -> None:
        """Answers as soon as the actor runs."""

    async def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Answer:
        value, failure = None, None
        try:
            if self._worker is None:
                if self._lean is None:
                    self._lean = await asyncio.to_thread(_installed)
                self._worker = Worker(self._lean, self._limits)
            await self._worker.recycle()
            value = await getattr(self._worker, method)(*args, **kwargs)
        except Exception as error:
            error.add_note(f"in a Ray actor:\n{traceback.format_exc()}")
            failure = type(error), error.args, vars(error)
        loaded = frozenset[Context]()
        if self._worker is not None:
            loaded = frozenset((*self._worker._kept, *self._worker._states))
        told, self._told = self._told, loaded
        return _Answer(
            value,
            failure,
            self._worker.pid if self._worker else None,
            frozenset(map(_digest, loaded - told)),
            frozenset(map(_digest, told - loaded)),
        )


class RayWorker:
    """On the driver's side: has the methods of Worker and hands each call to its actor, one at a time.

    A lost actor is replaced and the call made again; LeanUnavailable is raised if that was so for every one of PAUSES.
    What the actor's Worker raises, ProcessDied among it, is raised here as it is. A cancelled call stops its Lean.
    """

    def __init__(self, make: Callable[[float], ActorHandle[Any]], wish: Callable[[], float]) -> None:
        """`make` makes an actor with so many CPUs of its own, `wish` says how many it should have."""
        self._make, self._wish = make, wish
        self._actor: ActorHandle[Any] | None = None
        self.pid: int | None = None  # of the Lean process, on its machine, at the last answer
        self._loaded: set[bytes] = set()

    def has(self, context: Context) -> bool:
        """See Worker.has; as of the last answer."""
        return not context or _digest(context) in self._loaded

    def is_ready(self, context: Context) -> bool:
        """Was there a Lean process at the last answer? Whether it may serve this context its actor knows."""
        return self.pid is not None

    async def recycle(self) -> None:
        """Nothing: the actor itself does it before each call."""

    def __getattr__(self, method: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        if method.startswith("_"):
            raise AttributeError(method)
        return functools.partial(self._call, method)

    async def close(self) -> None:
        """End the Lean process and the actor; a later call makes new ones."""
        actor = self._forget()
        if actor is not None and ray.is_initialized():
            await asyncio.wait([_future(actor.call.remote("close", (), {}))], timeout=STOP)
            ray.kill(actor)

    async def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        for pause in PAUSES:
            await asyncio.sleep(pause)
            try:
                if self._actor is None:
                    self._actor = await self._arrival()
                if self.pid is None and method != "start":
                    await self._ask("start")  # so that the process is known while it works
                return await self._ask(method, *args, **kwargs)
            except RayError as error:
                if isinstance(error, RayTaskError) and not isinstance(error, TaskCancelledError):
                    raise  # the actor runs, and has a bug
                lost = error
            self._kill()
        raise LeanUnavailable(f"{len(PAUSES)} Ray actors were lost one after the other, the last one so:\n{lost}")

    async def _ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        assert self._actor is not None
        reference: ray.ObjectRef[_Answer] = self._actor.call.remote(method, args, kwargs)
        call = _future(reference)
        try:
            answer = await asyncio.shield(call)
        except asyncio.CancelledError:
            ray.cancel(reference)
            await self._stop(call)
            raise
        self.pid = answer.pid
        self._loaded = (self._loaded - answer.forgotten) | answer.loaded
        if answer.error is not None:
            kind, given, fields = answer.error
            error = kind.__new__(kind, *given)
            error.__dict__.update(fields)
            raise error
        return answer.value

    async def _stop(self, call: asyncio.Future[_Answer]) -> None:
        """Wait until Lean has stopped with a call that was cancelled."""
        self.pid = None
        self._loaded.clear()
        stopped, _ = await asyncio.wait([call], timeout=STOP)
        if not stopped:
            self._kill()

    async def _arrival(self) -> ActorHandle[Any]:
        """A new actor that runs. One that finds no CPU for itself in time shares those of others."""
        wish = self._wish()
        while True:
            actor = self._make(wish)
            arrival: asyncio.Future[None] = _future(actor.arrived.remote())
            try:
                for _ in range(ARRIVAL if wish == 0 else ROOM):
                    arrived, _ = await asyncio.wait([arrival], timeout=1)
                    if arrived:
                        arrival.result()
                        return actor
                    if self._wish() < wish:  # the cluster has become smaller
                        break
            except BaseException:
                ray.kill(actor)
                raise
            ray.kill(actor)
            if wish == 0:
                raise LeanUnavailable(f"Ray did not start an actor within {ARRIVAL} s")
            wish = self._wish() if self._wish() < wish else 0.0

    def _forget(self) -> ActorHandle[Any] | None:
        actor, self._actor, self.pid = self._actor, None, None
        self._loaded.clear()
        return actor

    def _kill(self) -> None:
        """Have no actor any more. (Without one its Lean process ends, too.)"""
        actor = self._forget()
        if actor is not None:
            ray.kill(actor)


class Cluster:
    """The Ray that the workers live in: the one this process is connected to, else that at `address`, else a new one.

    `address` is the cluster's `host:port` for a machine of the cluster, `ray://host:port` for any other, or "auto".
    A cluster is given our code; the rest must be on its nodes: the same versions of Python and Ray, and what
    `pip install open-prover` installs. (A node without the embedded Lean installs it when its first actor starts.) Any
    node may be lost but the head: without that one Ray ends this process after a minute.
    A new Ray is on this machine alone and ends with this process. Raises LeanUnavailable if there is none to be had.
    """

    _address: str | None = None  # that this process was connected to from here

    def __init__(self, address: str | None = None) -> None:
        if not ray.is_initialized():
            _connect(address)
            Cluster._address = address
        elif address not in (None, Cluster._address):
            raise LeanUnavailable(f"not connected to {address}: this process has another Ray already")
        self._cpus = _cpus()

    @property
    def size(self) -> int:
        """Workers that have a CPU each."""
        return max(1, int(self._cpus))

    def workers(self, count: int, lean: Lean | None, limits: Limits | None, reserve: bool) -> list[Worker]:
        """Workers spread over the nodes, their actors not made yet.

        `reserve` a CPU for each, or an equal part of one if they are more than the CPUs. But if nodes were lost since,
        the actors that replace theirs go to the nodes that are left, like those that reserve none.
        """
        # The same part on every node, so that the actors fit in whole numbers on each.
        part = _OWN / math.ceil(count / self._cpus) if reserve and self._cpus and count else _LITTLE

        def wish() -> float:
            return part if _cpus() >= self._cpus else _LITTLE

        def make(cpus: float) -> ActorHandle[Any]:
            actor = ray.remote(_Host).options(num_cpus=cpus, scheduling_strategy="SPREAD").remote(lean, limits)
            return cast(ActorHandle[Any], actor)

        return [cast(Worker, RayWorker(make, wish)) for _ in range(count)]  # it stands in for one


def _cpus() -> float:
    """CPUs of the nodes that Ray takes to be alive."""
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources.get("CPU", 0.0)


def _connect(address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        if address is None:
            ray.init("local", include_dashboard=False, object_store_memory=_STORE, **_QUIET)
        else:
            _knock(address)
            settings = {name: os.environ[name] for name in ("PROVER_SANDBOX",) if name in os.environ}
            ray.init(address, runtime_env={"py_modules": _ours(), "env_vars": settings}, **_QUIET)
        # Ray prints what befalls nodes and processes to our standard output, where results go, and offers no switch.
        ray._private.worker._worker_logs_enabled = False
    except Exception as error:
        what = "Ray does not start" if address is None else f"cannot connect to a Ray cluster at {address}"
        raise LeanUnavailable(f"{what}: {_root(error)}") from error


def _ours() -> list[str]:
    """The folders of our packages, whose code the nodes are given."""
    home = Path(__file__).parents[1]
    names = ("lean_env", "data", "prover", "search", "eval", "rl")
    return [str(home / name) for name in names if (home / name).is_dir()]


def _knock(address: str) -> None:
    """Raise OSError unless something at the address speaks HTTP/2, as Ray does. (Ray itself would try for minutes.)"""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto" or os.environ.get("RAY_USE_TLS") == "1":
        return
    if not host or not port.isdigit():
        raise ValueError("an address is host:port or ray://host:port")
    with socket.create_connection((host.strip("[]"), int(port)), CONNECT) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")  # an empty SETTINGS frame
        answer = connection.recv(9)
    if answer[3:4] != b"\4":
        raise ConnectionError("what answers there is not Ray")


def _future(reference: ray.ObjectRef[T]) -> asyncio.Future[T]:
    """What a call comes to. Not to be cancelled: a thread of Ray's sets it."""
    future: asyncio.Future[T] = asyncio.wrap_future(reference.future())
    future.add_done_callback(lambda f: f.cancelled() or f.exception())  # asyncio complains of errors nobody looked at
    return future


def _installed() -> Lean:
    install.install()
    return embedded()


@functools.lru_cache(maxsize=4096)
def _digest(context: Context) -> bytes:
    """What a context is known by on both sides: its texts may be long."""
    digest = hashlib.blake2b(digest_size=16)
    for piece in context:
        digest.update(f"{len(piece)}:{piece}".encode("utf-8", "surrogatepass"))
    return digest.digest()


def _root(error: BaseException) -> str:
    """The last line of what an error came from: with Ray that is where the reason stands."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
