"""Workers and the pool when things go wrong: limits, deaths, cancellation, closing, contexts, and many callers.

Every test runs on local processes and on Ray actors.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from lean_env import Claim, Ended, Lean, LeanPool, PoolClosed, Reason, Verdict, WorkerLimits, embedded
from lean_env.process import ReplProcess
from tests.lean_env.processes import alive, gone, parent, until
from tests.lean_env.recording import Asked, record

ROOT = Path(__file__).parents[2]
# A minute and more of the kernel's time, which heeds the cancel token.
SEARCH = "example : ∀ a b c : Fin 400, a.val + b.val + c.val < 5000 := by decide +kernel"
# Half a second of it, and then an answer.
SHORT_SEARCH = "example : ∀ a b : Fin 40, a.val + b.val < 5000 := by decide +kernel\n#check (7 : Nat)"
DEAF = "partial def loop (n : Nat) : Nat := loop (n + 1)\n#eval loop 0"  # compiled code heeds nothing
BOMB = "#eval (Array.replicate 1000000000 0).size"
RIGHT = Claim("theorem t : 1 + 1 = 2 := by sorry", "theorem t : 1 + 1 = 2 := rfl", "t")
WRONG = Claim("theorem t : 1 + 1 = 3 := by sorry", "theorem t : 1 + 1 = 3 := by decide", "t")


Pools = Callable[..., LeanPool]


@pytest.fixture(scope="module", params=["local", pytest.param("ray", marks=[pytest.mark.slow, pytest.mark.alone])])
def backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.fixture(scope="module")
def recorded(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file in which it stands what processes are asked. For Ray: a Ray on this machine whose actors write there."""
    path = tmp_path_factory.mktemp("asked") / "requests"
    path.touch()
    if backend == "local":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ReplProcess, "request", ReplProcess.request)  # to be restored
            record(path)
            yield path
    else:
        import ray

        ray.init(
            "local",
            num_cpus=8,  # several pools at once
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=100_000_000,
            runtime_env={"worker_process_setup_hook": lambda: record(path), "env_vars": {"PYTHONPATH": str(ROOT)}},
        )
        yield path
        ray.shutdown()


@pytest.fixture(scope="module")
def pools(backend: str, recorded: Path) -> Pools:
    """Makes pools."""
    return partial(LeanPool, backend=backend)


@pytest_asyncio.fixture(scope="module")
async def pool(pool: LeanPool, backend: str, pools: Pools) -> AsyncIterator[LeanPool]:
    """Two workers; the pool of all tests where it will do."""
    if backend == "local":
        yield pool
    else:
        async with pools(workers=2) as running:
            yield running


@pytest_asyncio.fixture(scope="module")
async def one(pool: LeanPool, pools: Pools) -> AsyncIterator[LeanPool]:
    """A pool of one process, which the tests may kill. (`pool` is asked for only because it installs Lean.)"""
    async with pools(workers=1, confirm=False) as running:
        yield running


@pytest.fixture
def asked(recorded: Path) -> Asked:
    """(process, request) of everything that any process is asked during the test."""
    return Asked(recorded)


def askers(asked: Asked, code: str) -> list[int]:
    """The processes that were asked to elaborate this code."""
    return [pid for pid, request in asked if request.get("cmd") == code]


async def check_number(pool: LeanPool, number: int) -> None:
    """The pool works, and answers what was asked."""
    check = await pool.check(f"#check ({number} : Nat)")
    assert [m.text for m in check.messages] == [f"{number} : Nat"], check.detail


# ---- limits ----


async def test_an_endless_search_is_stopped_and_its_process_goes_on(one: LeanPool) -> None:
    await check_number(one, 1)
    before = one.pids
    check = await one.check(SEARCH, timeout=0.3)
    assert check.ended is Ended.TIMEOUT
    assert check.seconds < 2.5
    await check_number(one, 2)
    assert one.pids == before


async def test_what_heeds_no_token_is_killed(one: LeanPool) -> None:
    check = await one.check(DEAF, timeout=1)
    assert check.ended is Ended.TIMEOUT
    assert "ignored its time limit" in check.detail
    await check_number(one, 3)


async def test_a_memory_bomb_reaches_the_memory_limit(one: LeanPool) -> None:
    check = await one.check(BOMB)
    assert (check.ended, check.detail) == (Ended.MEMORY, "it reached its memory limit")


async def test_a_stack_overflow_is_a_crash_and_not_tried_again(one: LeanPool, asked: Asked) -> None:
    code = "def f : Nat → Nat | 0 => 0 | n + 1 => f n + 1\n#eval f 1000000"
    check = await one.check(code)
    assert (check.ended, check.detail) == (Ended.CRASH, "its stack overflowed")
    assert len(askers(asked, code)) == 1


async def test_a_heap_that_others_filled_is_not_held_against_a_check(pools: Pools) -> None:
    """Each import list stays in the heap; the array has room in a new process only."""
    async with pools(embedded(memory=600 * 2**20), workers=1, confirm=False) as pool:
        for module in ("Init.Data.List", "Init.Data.Nat", "Init.Omega"):
            assert (await pool.check(f"import {module}")).ok
        check = await pool.check("#eval (Array.replicate 40000000 0).size")
        assert [m.text for m in check.messages] == ["40000000"], check


@pytest.mark.parametrize("limits", [WorkerLimits(max_calls=5), WorkerLimits(max_heap_bytes=1)], ids=["calls", "heap"])
async def test_a_process_is_replaced_when_it_is_used_up(pools: Pools, limits: WorkerLimits) -> None:
    async with pools(workers=1, confirm=False, limits=limits) as pool:
        await check_number(pool, 5)
        before = pool.pids
        for number in range(6, 100):
            await check_number(pool, number)
            if pool.pids != before:
                break
        assert number <= 20
        assert not any(map(alive, before))


# ---- deaths ----


async def test_a_process_that_dies_once_costs_nothing_but_time(one: LeanPool, asked: Asked) -> None:
    await check_number(one, 6)
    os.kill(one.pids[0], signal.SIGKILL)  # between two calls
    call = asyncio.create_task(one.check(SHORT_SEARCH))
    await until(lambda: askers(asked, SHORT_SEARCH))
    os.kill(askers(asked, SHORT_SEARCH)[0], signal.SIGKILL)  # during one
    check = await call
    assert [m.text for m in check.messages] == ["7 : Nat"], check


async def test_a_check_whose_process_dies_twice_is_a_crash(one: LeanPool, asked: Asked) -> None:
    call = asyncio.create_task(one.check(SEARCH))
    await until(lambda: len(askers(asked, SEARCH)) == 1)
    os.kill(askers(asked, SEARCH)[-1], signal.SIGKILL)
    await until(lambda: len(askers(asked, SEARCH)) == 2)
    os.kill(askers(asked, SEARCH)[-1], signal.SIGKILL)
    check = await call
    assert (check.ended, check.detail) == (Ended.CRASH, "the process was killed by signal 9")


async def test_a_lean_that_does_not_start_says_so(pools: Pools) -> None:
    broken = Lean("broken", "0", ("/bin/sh", "-c", "echo no such library >&2; exit 3"))
    async with pools(broken, workers=1) as pool:
        check = await pool.check("#check 1")
        assert check.ended is Ended.CRASH
        assert check.detail == "it did not start: the process ended with code 3: no such library"
        assert (await pool.judge(RIGHT)).reason is Reason.CRASH


# ---- cancellation and closing ----


async def test_a_cancelled_call_leaves_no_answer_to_the_next(one: LeanPool, asked: Asked) -> None:
    running = asyncio.create_task(one.check(SHORT_SEARCH))
    waiting = asyncio.create_task(one.check("#check 1234567"))
    after = asyncio.create_task(check_number(one, 9))
    await until(lambda: askers(asked, SHORT_SEARCH))
    waiting.cancel()
    running.cancel()
    await after
    assert waiting.cancelled()
    assert running.cancelled()
    assert not askers(asked, "#check 1234567")
    await check_number(one, 10)


@pytest.mark.parametrize("moment", ["starting", "checking"])
async def test_closing_ends_calls_and_processes(pools: Pools, asked: Asked, moment: str) -> None:
    pool = pools(workers=1)
    calls = [asyncio.create_task(pool.check(SEARCH)) for _ in range(3)]
    await until(lambda: askers(asked, "" if moment == "starting" else SEARCH))
    pids = [pid for pid, _ in asked]
    await pool.close()
    assert not any(map(alive, pids))
    assert pool.pids == []
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(a) for a in answers] == [PoolClosed] * 3
    with pytest.raises(PoolClosed):
        await pool.check("#check 1")
    assert pool.pids == []


SCRIPT = f"""
import asyncio, sys
from lean_env import LeanPool

async def main():
    async with LeanPool(workers=1, backend=sys.argv[1]) as pool:
        await pool.start()
        calls = [asyncio.create_task(pool.check({SEARCH!r})) for _ in range(3)]
        await asyncio.sleep(0.3)
        print(*pool.pids, flush=True)
        await asyncio.gather(*calls)

asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
async def test_no_process_outlives_its_python(pool: LeanPool, backend: str, how: signal.Signals) -> None:
    """Although Lean is busy: after Ctrl-C (which the terminal does not send to it) and after Python's sudden death."""
    python = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SCRIPT, backend),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert python.stdout is not None
    pids = [int(pid) for pid in (await python.stdout.readline()).split()]
    assert pids
    assert all(map(alive, pids))
    actors = {parent(pid) for pid in pids} - {python.pid}
    assert bool(actors) == (backend == "ray")
    if how is signal.SIGINT:
        os.killpg(python.pid, how)
        _, said = await asyncio.wait_for(python.communicate(), 30)
        assert not any(map(alive, pids))
        assert said.strip().endswith(b"KeyboardInterrupt"), said.decode()
    else:
        python.send_signal(how)
        await python.wait()
    await gone([*pids, *actors], 10)


# ---- contexts ----


async def test_each_piece_of_a_context_is_loaded_once(pool: LeanPool, asked: Asked) -> None:
    first, second, other = "def one := 1", "def two := one + one", "def three := one + one + one"
    for context, code in [
        ((first, second), "#reduce two"),
        ((first, second), "#reduce two"),
        ((first, other), "#reduce three"),
    ]:
        check = await pool.check(code, context=context)
        assert check.ok, check
    assert [len(askers(asked, piece)) for piece in (first, second, other)] == [1, 1, 1]
    assert len({pid for pid, request in asked if "cmd" in request}) == 1  # the worker that has it is preferred


async def test_a_broken_context_is_its_own_reason(pools: Pools) -> None:
    async with pools(workers=1, confirm=False, limits=WorkerLimits(context_seconds=2)) as pool:
        for context, says in [
            ("def broken : Nat := true", "mismatch"),
            ("def broken := 'a\udc80'", "not valid Unicode"),
            (SEARCH, "took more than 2 s"),
        ]:
            check = await pool.check("#check 1", context=(context,))
            assert check.ended is Ended.CONTEXT
            assert says in check.messages[0].text
            verdict = await pool.judge(Claim(RIGHT.challenge, RIGHT.solution, "t", (context,)))
            assert verdict.reason is Reason.CHALLENGE
            assert says in verdict.detail


async def test_the_context_used_longest_ago_is_forgotten(one: LeanPool, asked: Asked) -> None:
    contexts = [f"def number := {n}" for n in range(70)]
    for n, context in [*enumerate(contexts), (0, contexts[0]), (69, contexts[69])]:
        check = await one.check("#reduce number", context=(context,))
        assert [m.text for m in check.messages] == [str(n)]
    assert len(askers(asked, contexts[0])) == 2
    assert len(askers(asked, contexts[69])) == 1
    assert sum("drop" in request for _, request in asked) == 7


# ---- many callers ----


async def test_a_thousand_calls_at_once_are_each_given_their_own_answer(pool: LeanPool) -> None:
    await asyncio.gather(*(check_number(pool, 1_000_000 + n) for n in range(1000)))


async def test_a_verdict_is_remembered_if_it_would_come_out_the_same(pools: Pools, asked: Asked) -> None:
    unlucky = Claim("theorem t : True := by sorry", f"{SEARCH}\ntheorem t : True := trivial", "t")
    async with pools(workers=1, confirm=False, cache=True) as pool:
        for claim, timeout, times in [(RIGHT, 60, 1), (WRONG, 60, 1), (unlucky, 0.3, 2)]:
            assert await pool.judge(claim, timeout) is not None
            assert await pool.judge(claim, timeout) is not None
            assert len(askers(asked, claim.solution)) == times


# ---- confirmation ----


async def test_the_second_worker_sees_only_what_the_first_found_proved(pool: LeanPool, asked: Asked) -> None:
    assert (await pool.judge(WRONG)).reason is Reason.ERROR
    assert len(askers(asked, WRONG.solution)) == 1
    assert (await pool.judge(RIGHT)).proved
    (first,) = set(askers(asked, RIGHT.solution))
    (second,) = {pid for pid, request in asked if "confirm" in request}
    assert first != second
    assert not [request for pid, request in asked if pid == second and request.get("cmd") == RIGHT.solution]


async def test_what_the_second_worker_does_not_find_is_not_proved(
    pool: LeanPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second worker is a fake: no claim is known on which two real ones disagree."""

    class Doubter:
        workers = (None,)

        async def run(self, *_: object) -> Verdict:
            return Verdict(Reason.AXIOM, "rests on luck")

    monkeypatch.setattr(pool, "_confirmers", Doubter())
    verdict = await pool.judge(RIGHT)
    assert verdict.reason is Reason.UNCONFIRMED
    assert "rests on luck" in verdict.detail
    assert (await pool.judge(WRONG)).reason is Reason.ERROR


# ---- input ----


@pytest.mark.parametrize("text", ["#check 1 -- \udcff", "-- " + "x" * 10_000_000], ids=["surrogate", "10-MB"])
async def test_text_that_lean_cannot_read_is_not_sent(pool: LeanPool, asked: Asked, text: str) -> None:
    assert (await pool.check(text)).ended is Ended.INPUT
    assert (await pool.judge(Claim(RIGHT.challenge, text, "t"))).reason is Reason.INPUT
    assert not askers(asked, text)


async def test_nul_is_a_character_like_any_other(pool: LeanPool) -> None:
    check = await pool.check('#check (1 : Nat)\n\0\n#check (2 : Nat)\n#eval "a\0b".length')
    assert [m.text for m in check.messages if m.severity == "info"] == ["1 : Nat", "2 : Nat", "3"]
    assert [(m.position.line, m.position.column) for m in check.errors if m.position] == [(2, 0)]


async def test_no_limit_is_too_small(pool: LeanPool) -> None:
    start = time.monotonic()
    assert (await pool.check(SEARCH, timeout=0)).ended is Ended.TIMEOUT
    assert time.monotonic() - start < 15
