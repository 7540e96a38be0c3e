"""The Ray cluster that workers live in: connect to one or start one, and make workers on its nodes."""

from __future__ import annotations

import logging
import math
import os
import socket
from pathlib import Path
from typing import Any, cast

import ray
import ray._private.worker
from ray.actor import ActorHandle

from lean_env.lean import Lean, LeanUnavailable
from lean_env.ray_workers import RayWorker, WorkerActor
from lean_env.session import WorkerLimits

_CONNECT_SECONDS = 5.0  # to reach a cluster
_OBJECT_STORE_BYTES = 200_000_000  # shared memory of a Ray of our own: texts above 100 KB pass through it
_FULL_CPU = 0.99  # CPUs of a worker with one for itself; the rest is room for workers that reserve next to none
_MIN_CPUS = 0.0001  # the least that Ray counts
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}


class RayCluster:
    """The Ray cluster of the workers: the one this process is connected to, else that at `address`, else a new one.

    `address` is the cluster's `host:port` for a machine of the cluster, `ray://host:port` for any other, or "auto".
    Our code is sent to the cluster; the rest must be on its nodes: the same versions of Python and Ray, and what
    `pip install open-prover` installs. (A node without the embedded Lean installs it when its first actor starts.) Any
    node may be lost but the head: without that one Ray ends this process after a minute.
    A new Ray is on this machine alone and ends with this process. Raises LeanUnavailable if Ray cannot be reached or
    started.
    """

    _address: str | None = None  # that this process was connected to from here

    def __init__(self, address: str | None = None) -> None:
        if not ray.is_initialized():
            _connect(address)
            RayCluster._address = address
        elif address not in (None, RayCluster._address):
            raise LeanUnavailable(f"not connected to {address}: this process has another Ray already")
        self._cpus = _cpus()

    @property
    def size(self) -> int:
        """The number of workers that can have a CPU each."""
        return max(1, int(self._cpus))

    def workers(self, count: int, lean: Lean | None, limits: WorkerLimits | None, reserve: bool) -> list[RayWorker]:
        """Make workers spread over the nodes; their actors start with their first calls.

        reserve: a CPU for each, or an equal share of one if there are more workers than CPUs. Where nodes were lost
        since, the actors that replace theirs go to the nodes that are left, like those that reserve none.
        """
        # The same share on every node, so that the actors fit in whole numbers on each.
        share = _FULL_CPU / math.ceil(count / self._cpus) if reserve and self._cpus and count else _MIN_CPUS

        def wanted_cpus() -> float:
            return share if _cpus() >= self._cpus else _MIN_CPUS

        def make(cpus: float) -> ActorHandle[Any]:
            actor = ray.remote(WorkerActor).options(num_cpus=cpus, scheduling_strategy="SPREAD").remote(lean, limits)
            return cast(ActorHandle[Any], actor)

        return [RayWorker(make, wanted_cpus) for _ in range(count)]


def _cpus() -> float:
    """The number of CPUs of the nodes that Ray takes to be alive."""
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources.get("CPU", 0.0)


def _connect(address: str | None) -> None:
    """Start a Ray on this machine or, if there is an address, connect to that cluster. Raises LeanUnavailable."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        if address is None:
            ray.init("local", include_dashboard=False, object_store_memory=_OBJECT_STORE_BYTES, **_QUIET)
        else:
            _require_http2(address)
            settings = {name: os.environ[name] for name in ("PROVER_SANDBOX",) if name in os.environ}
            ray.init(address, runtime_env={"py_modules": _package_folders(), "env_vars": settings}, **_QUIET)
        # Ray prints what befalls nodes and processes to our standard output, where results go, and offers no switch.
        ray._private.worker._worker_logs_enabled = False
    except Exception as error:
        what = "Ray does not start" if address is None else f"cannot connect to a Ray cluster at {address}"
        raise LeanUnavailable(f"{what}: {_root_cause(error)}") from error


def _package_folders() -> list[str]:
    """The folders of our packages, whose code is sent to the nodes."""
    root = Path(__file__).parents[1]
    names = ("lean_env", "data", "prover", "search", "eval", "rl")
    return [str(root / name) for name in names if (root / name).is_dir()]


def _require_http2(address: str) -> None:
    """Raise OSError unless something at the address speaks HTTP/2, as Ray does. (Ray itself would try for minutes.)"""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto" or os.environ.get("RAY_USE_TLS") == "1":
        return
    if not host or not port.isdigit():
        raise ValueError("an address is host:port or ray://host:port")
    with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")  # an empty SETTINGS frame
        answer = connection.recv(9)
    if answer[3:4] != b"\4":
        raise ConnectionError("what answers there is not Ray")


def _root_cause(error: BaseException) -> str:
    """The last line of the first error in a chain of causes: with Ray that is where the reason stands."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
