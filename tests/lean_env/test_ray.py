"""Workers in Ray actors when actors and nodes are lost, when CPUs are few, and from the command line.

(What they have in common with local workers is in test_pool.py.)
"""

from __future__ import annotations

import asyncio
import http.server
import json
import operator
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from lean_env import Claim, LeanPool, LeanUnavailable, Position, Reason, WorkerLimits, ray_workers
from lean_env.check import ContextError, InputError
from lean_env.process import OutOfMemory
from tests.lean_env.processes import gone, parent, until

CHECKS = 2_000
CALLERS = 12
SECONDS = "example : ∀ a b c : Fin 20, a.val + b.val + c.val < 5000 := by decide +kernel\n#check (7 : Nat)"
pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cluster(pool: LeanPool) -> Iterator[Cluster]:
    """A cluster of one node with one CPU. (`pool` is asked for only because it installs Lean.)"""
    args = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 100_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=args)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def pool_on(cluster: Cluster, workers: int | None = None, limits: WorkerLimits | None = None) -> LeanPool:
    return LeanPool(backend="ray", address=cluster.address, workers=workers, limits=limits, confirm=False)


async def outcome(pool: LeanPool, number: int) -> str:
    """What Lean says of a check of its own kind; one of twenty is a claim that is true or not."""
    if number % 20:
        check = await pool.check(f"#check ({number} : Nat)", timeout=300)
        return " ".join(m.text for m in check.messages) or check.detail
    claim = f"theorem t : {number} % 40 = 0"
    verdict = await pool.judge(Claim(f"{claim} := by sorry", f"{claim} := by decide", "t"), timeout=300)
    return f"{number} {verdict.reason}"


def expected(number: int) -> str:
    if number % 20:
        return f"{number} : Nat"
    return f"{number} {Reason.ERROR if number % 40 else Reason.PROVED}"


def raylet(pid: int) -> int:
    """The process of Ray's that stands for the node on which a Lean process's actor lives."""
    return parent(parent(pid))


async def test_neither_a_lost_actor_nor_a_lost_node_loses_a_check(cluster: Cluster) -> None:
    node = cluster.add_node(num_cpus=1)
    waiting = iter(range(CHECKS))
    answers: dict[int, str] = {}
    lost: list[int] = []

    async with pool_on(cluster) as pool:
        assert pool.size == 2
        await pool.start()
        head, other = ray_processes = [n.all_processes["raylet"][0].process.pid for n in (cluster.head_node, node)]
        assert {raylet(pid) for pid in pool.pids} == set(ray_processes)

        async def caller() -> None:
            for number in waiting:
                answers[number] = await outcome(pool, number)

        async def trouble() -> None:
            await until(lambda: len(answers) > CHECKS // 4, 600)
            lost.extend(pid for pid in pool.pids if raylet(pid) == head)
            os.kill(parent(lost[0]), signal.SIGKILL)
            await until(lambda: len(answers) > CHECKS // 2, 600)
            lost.extend(pid for pid in pool.pids if raylet(pid) == other)
            cluster.remove_node(node, allow_graceful=False)

        await asyncio.gather(trouble(), *(caller() for _ in range(CALLERS)))
        assert answers == {number: expected(number) for number in range(CHECKS)}
        await pool.start()
        assert [raylet(pid) for pid in pool.pids] == [head, head]
        assert len(lost) >= 2
        await gone(lost, 5)


async def test_a_check_may_lose_its_actor_several_times(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """And a Lean process that was busy does not outlive its actor."""
    pids: list[int] = []
    async with pool_on(cluster, workers=1) as pool:
        call = asyncio.create_task(pool.check(SECONDS))
        for _ in range(4):
            await until(lambda: pool.pids and pool.pids[0] not in pids)
            pids.extend(pool.pids)
            os.kill(parent(pids[-1]), signal.SIGKILL)
        check = await call
        assert [m.text for m in check.messages] == ["7 : Nat"], check
        await gone(pids, 5)
    assert capsys.readouterr().out == "", "standard output is not for Ray"


async def test_more_workers_than_cpus_all_start(cluster: Cluster) -> None:
    async with pool_on(cluster, workers=2) as pool:
        await asyncio.wait_for(pool.start(), ray_workers.RESERVED_START_SECONDS)
        assert len(pool.pids) == 2


async def test_taken_cpus_are_shared_after_a_while(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_workers, "RESERVED_START_SECONDS", 3)
    async with pool_on(cluster, workers=1) as pool:

        class Other:
            def works(self) -> None:
                pass

        other = ray.remote(Other).options(num_cpus=1).remote()
        ray.get(other.works.remote())
        assert (await pool.check("#check 1")).ok
        ray.kill(other)


async def test_what_cannot_start_is_said_after_some_tries(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bad(WorkerLimits):
        def __reduce__(self) -> tuple[object, ...]:
            return operator.truediv, (1, 0)

    monkeypatch.setattr(ray_workers, "RETRY_DELAYS", (0, 0))
    async with pool_on(cluster, workers=1, limits=Bad()) as pool:
        with pytest.raises(LeanUnavailable, match="division by zero"):
            await pool.check("#check 1")


async def test_errors_arrive_as_themselves(cluster: Cluster) -> None:
    async with pool_on(cluster, workers=1) as pool:
        with pytest.raises(InputError) as unreadable:
            await pool.declarations("#check 1 \udcff")
        assert str(unreadable.value) == "not valid Unicode at character 9"
        with pytest.raises(ContextError) as broken:
            await pool.declarations("#check 1", context=("def x : Nat := true",))
        assert str(broken.value).startswith("1:15: error: Type mismatch")
        assert [m.position for m in broken.value.messages] == [Position(1, 15)]
        with pytest.raises(OutOfMemory):
            await pool.declarations("#eval (Array.replicate 1000000000 0).size")


async def test_the_nodes_are_given_our_code(cluster: Cluster) -> None:
    def found() -> list[Path]:
        return [path for folder in sys.path if (path := Path(folder, "lean_env/embedded/driver/repl.cjs")).exists()]

    async with pool_on(cluster, workers=1):
        assert any("py_modules" in str(path) for path in ray.get(ray.remote(found).remote()))


# ---- the command line ----


def prove(address: str, *options: str, without: str = "") -> subprocess.CompletedProcess[str]:
    """`prover prove --ray ADDRESS` for an easy theorem, as if a module were not installed."""
    code = f"import sys; sys.modules.update(dict.fromkeys({without.split()})); from prover.cli import main; main()"
    command = [sys.executable, "-c", code, "prove", "-", "--ray", address, "--workers", "1", *options]
    text = "theorem two : 1 + 1 = 2 := by sorry"
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_proves_on_a_ray_of_its_own() -> None:
    done = prove("local", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "proved"
    assert done.stderr.strip() == ""


def test_proves_on_a_cluster(cluster: Cluster) -> None:
    done = prove(cluster.address)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 proved" in done.stdout


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """The address of something that is not Ray."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_where_no_cluster_is_it_says_so(web: str, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nobody = f"127.0.0.1:{unused.getsockname()[1]}"
    for address, why in [
        (nobody, "refused"),
        (web, "is not Ray"),
        ("nowhere.invalid:6379", ""),
        ("nonsense", "host:port"),
    ]:
        start = time.monotonic()
        done = prove(scheme + address)
        assert time.monotonic() - start < 30
        assert done.returncode == 3, done
        assert f"cannot connect to a Ray cluster at {scheme}{address}: " in done.stderr
        assert why in done.stderr


def test_without_ray_it_says_what_to_install() -> None:
    done = prove("local", without="ray")
    assert done.returncode == 3
    assert "ray is not installed: run `pip install -e '.[ray]'`" in done.stderr
