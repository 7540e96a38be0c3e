"""A process in which the text of one client has run judges nothing for another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from lean_env import Claim, LeanPool, Worker
from lean_env.process import ReplProcess
from lean_env.session import LeanSession
from tests.lean_env.test_sandbox import ESCAPE
from tests.lean_env.unlocked import lean_behind

TIMES = 20  # 100 were tried once, on both backends
# From now on the process answers as if whatever it was asked about were proved (after shared/soundness/escape).
LIES = (
    ";if(!globalThis.lies){globalThis.lies=1;const fs=require('fs'),write=fs.writeSync;"
    "fs.writeSync=(fd,bytes,done)=>{if(fd!==1)return write(fd,bytes,done);const told=JSON.parse(bytes.toString());"
    "for(const name of ['holes','messages','refused','timeout'])delete told[name];"
    "const facts={challenge:'theorem',solution:'theorem',differs:[],axioms:[],computedSort:null,sorries:[]};"
    "facts.additions='';"
    "if(told.comparison)told.comparison=facts;"
    "if(told.confirmation)told.confirmation={refused:null,facts,types:[],"
    "export:{ndjson:JSON.stringify({meta:{}}),given:0,declarations:0}};"
    "write(fd,require('buffer').Buffer.from(JSON.stringify(told)+String.fromCharCode(10,10)));return bytes.length}}7"
)
POISON = ESCAPE.replace("PAYLOAD", LIES)
POISONED = Claim(f"{POISON}theorem a : False := by sorry", "theorem a : False := by trivial", "a")
FALSE = Claim("theorem b : 1 + 1 = 3 := by sorry", "theorem b : 1 + 1 = 3 := by decide", "b")
HONEST = Claim("theorem c : 1 + 1 = 2 := by sorry", "theorem c : 1 + 1 = 2 := by decide", "c")


async def judged(pool: LeanPool) -> None:
    await pool.judge(POISONED)


async def read(pool: LeanPool) -> None:
    await pool.declarations(POISON)


async def checked(pool: LeanPool) -> None:
    await pool.check(POISON)


async def in_context(pool: LeanPool) -> None:
    await pool.check("#check 1", context=(POISON,))


async def in_a_doc_comment(pool: LeanPool) -> None:
    await pool.check("#check 1", context=(f"set_option doc.verso true\n/-- x\n```lean\n{POISON}\n```\n-/\ndef x := 1",))


async def as_steps(pool: LeanPool) -> None:
    await pool.steps(POISONED.challenge, "trivial")


PART = """\
structure S where
  x : 1 + 1 = 2 := by decide
def S.x._autoParam._closed_0 : String := "ran" ++ toString (111 * 3)
theorem helper : S := {}"""
RECURSIVE = """\
unsafe def data._unsafe_rec : Lean.Syntax := .atom .none ("ran" ++ toString (111 * 3))
def data : Lean.Syntax := .missing
theorem helper (h : autoParam (1 = 1) data) : True := trivial
example : True := helper"""


def sessions(pool: LeanPool) -> list[LeanSession]:
    """Of the workers that elaborate solutions; they are local."""
    return [worker.session for worker in pool._provers.workers if isinstance(worker, Worker)]


@pytest.mark.parametrize("text", [PART, RECURSIVE], ids=["part", "recursive"])
async def test_code_in_the_place_of_data_is_told_of(pool: LeanPool, text: str) -> None:
    """What looks like data to the kernel is another program when compiled."""
    before = sum(session.code_runs for session in sessions(pool))
    await pool.check(text)
    assert sum(session.code_runs for session in sessions(pool)) == before + 1


WAYS: list[Callable[[LeanPool], Any]] = [judged, read, checked, in_context, in_a_doc_comment, as_steps]


def pool_of(opened: Path, **options: Any) -> LeanPool:
    """Processes in which a challenge's code can do what it likes."""
    return LeanPool(lean_behind(["guard", "interpreter"], opened), workers=1, confirm=False, **options)


@pytest_asyncio.fixture(scope="module")
async def shared(opened: Path) -> AsyncIterator[LeanPool]:
    async with pool_of(opened) as pool:
        yield pool


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_what_one_client_ran_is_nothing_to_the_next(shared: LeanPool, way: Callable[[LeanPool], Any]) -> None:
    (session,) = sessions(shared)
    before = session.starts
    await way(shared)
    assert not (await shared.judge(FALSE)).proved
    assert session.starts == before + 1 + (before == 0)  # the one that was poisoned judges no more
    assert (await shared.judge(HONEST)).proved


async def test_in_the_same_process_it_would_be_believed(opened: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the notice that code runs: so the tests here can fail."""
    monkeypatch.setattr(ReplProcess, "ran_code", property(lambda self: False, lambda self, value: None), raising=False)
    async with pool_of(opened) as pool:
        await pool.judge(POISONED)
        assert (await pool.judge(FALSE)).proved


async def test_the_text_that_ran_keeps_its_process(opened: Path) -> None:
    """Whoever has the same context has run the same code: no new process for each check."""
    async with pool_of(opened) as pool:
        harmless = "#eval 1 + 1"
        for _ in range(3):
            assert (await pool.check("example : 1 = 1 := rfl", context=(harmless,))).ok
        assert sessions(pool)[0].starts == 1
        assert (await pool.judge(HONEST)).proved
        assert sessions(pool)[0].starts == 2


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", ["local", pytest.param("ray", marks=pytest.mark.alone)])
async def test_again_and_again(opened: Path, backend: str, local_ray: None) -> None:
    async def chain(pool: LeanPool) -> int:
        believed = 0
        for _ in range(TIMES // 2):
            await pool.judge(POISONED)
            believed += (await pool.judge(FALSE)).proved
        return believed

    async with pool_of(opened, backend=backend) as one, pool_of(opened, backend=backend) as other:
        assert await asyncio.gather(chain(one), chain(other)) == [0, 0]
