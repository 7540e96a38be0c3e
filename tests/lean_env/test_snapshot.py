"""Lean as a snapshot puts it back is the Lean that starts by itself; and no file makes it another one."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from lean_env import Claim, Lean, LeanPool, Verdict, Worker, embedded
from lean_env.embedded import install, snapshot
from lean_env.process import ReplProcess
from tests.lean_env.test_verdicts import CASES
from tests.lean_env.unlocked import without_snapshot

GOOD = "theorem t (a b : Nat) (h : a < b) : a + 1 < b + 1 := by omega"
FALSE = "theorem t (a b : Nat) : a + b = a := by omega"
EVALUATES = """\
#eval (List.range 20).foldl (· + ·) 0
def f (n : Nat) := n * 2
#eval f 21
macro "two" : term => `(2)
#eval two"""

MAKER = "from lean_env import embedded; print(embedded().snapshot)"


@pytest.fixture(scope="module")
def linked_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of these tests' own, with the installation and no snapshot."""
    found = install.find() or install.install()
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(found.root, folder / found.root.name, copy_function=_link)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVER_HOME", str(folder))
        yield folder


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


@pytest.fixture
def made(linked_home: Path) -> Path:
    """A snapshot in `linked_home`, whole."""
    file = embedded().snapshot
    assert file is not None
    assert snapshot.is_whole(file)
    return file


async def _answers(lean: Lean) -> list[Any]:
    """What a process says to texts of several kinds."""
    process = await ReplProcess.start(lean)
    asked = [
        {"cmd": text, "allTactics": True} for text in (GOOD, FALSE, EVALUATES, "import Std\n" + GOOD, "import Nowhere")
    ]
    asked += [{"cmd": "theorem u : ∃ n : Nat, n * n = 4 := by sorry"}, {"tactic": "exact ⟨2, rfl⟩", "proofState": 5}]
    try:
        return [await process.request(request, 60) for request in asked]
    finally:
        await process.kill()


async def _works(lean: Lean) -> None:
    worker = Worker(lean)
    try:
        assert (await worker.check(GOOD)).ok
        assert not (await worker.check(FALSE)).ok
    finally:
        await worker.close()


async def test_the_same_answers_as_without(made: Path) -> None:
    with_it, without = await asyncio.gather(_answers(embedded()), _answers(without_snapshot(embedded())))
    assert with_it == without


@pytest_asyncio.fixture(scope="module")
async def both(linked_home: Path) -> AsyncIterator[tuple[LeanPool, LeanPool]]:
    lean = embedded()
    async with LeanPool(lean, workers=1) as started, LeanPool(without_snapshot(lean), workers=1) as fresh:
        yield started, fresh


def _said(verdict: Verdict) -> tuple[object, ...]:
    return verdict.reason, verdict.detail, verdict.axioms, verdict.check.messages, verdict.check.ended


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_the_same_verdicts_as_without(both: tuple[LeanPool, LeanPool]) -> None:
    """Cheats and honest proofs of every file."""
    differ = []
    for case in CASES[::5]:
        claim = Claim(case["challenge"], case["solution"], case["name"])
        one, other = await asyncio.gather(*(pool.judge(claim, case.get("timeout", 20)) for pool in both))
        if _said(one) != _said(other):
            differ.append((case["file"], case["id"], one.detail, other.detail))
    assert differ == []


async def test_four_processes_begin_with_one_file(made: Path) -> None:
    await asyncio.gather(*(_works(embedded()) for _ in range(4)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_killed_sixty_times(made: Path) -> None:
    """Whenever a process is killed, the next one begins with the same file."""
    chance, lean = random.Random(0), embedded()
    for _ in range(60):
        process = await ReplProcess.start(lean)
        asking = asyncio.create_task(process.request({"cmd": GOOD, "discard": True}, 60))
        await asyncio.sleep(chance.uniform(0, 1.2))
        os.killpg(process.pid, signal.SIGKILL)
        await asyncio.wait([asking])
        if asking.exception() is None:
            assert asking.result() == {}
        await process.kill()
    assert snapshot.is_whole(made)
    await _works(lean)


def _flip(at: Callable[[int], int]) -> Callable[[bytearray], bytearray]:
    def change(content: bytearray) -> bytearray:
        content[at(len(content))] ^= 1
        return content

    return change


DAMAGES: dict[str, Callable[[bytearray], bytearray]] = {
    "empty": lambda content: content[:0],
    "cut in the header": lambda content: content[:300],
    "cut in the memory": lambda content: content[: len(content) // 2],
    "cut at the last byte": lambda content: content[:-1],
    "longer": lambda content: content + b"\0",
    "a bit of the hash": _flip(lambda size: 5),
    "a bit of the header": _flip(lambda size: 200),
    "a bit of the memory": _flip(lambda size: size // 2),
    "the last bit": _flip(lambda size: size - 1),
    "another file": lambda content: bytearray(b"#!/bin/sh\n" * 1000),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_damaged_file_is_not_used_and_removed(damage: Callable[[bytearray], bytearray], made: Path) -> None:
    """(That a file which is not there is made again is in the fixture of all tests here.)"""
    lean, whole = embedded(), made.read_bytes()
    made.write_bytes(damage(bytearray(whole)))
    await _works(lean)
    assert not made.exists()
    made.write_bytes(whole)


async def test_a_file_of_another_build_is_not_used(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lean = embedded()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "version", lambda package: "0.0.0")  # of Node
        other = embedded().snapshot
    assert other is not None
    assert other != made
    shutil.move(other, made)
    before = made.read_bytes()
    assert await _answers(lean) == await _answers(without_snapshot(lean))
    assert made.read_bytes() == before
    made.unlink()


async def test_without_the_file_it_starts_by_itself(made: Path) -> None:
    lean = embedded()
    made.unlink()
    await _works(lean)


async def test_where_nothing_can_be_written_it_starts_by_itself(
    made: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made.unlink()
    monkeypatch.setattr(Path, "open", _read_only(Path.open))  # the superuser of a container may write everywhere
    lean = embedded()
    monkeypatch.undo()
    assert lean.snapshot is None
    assert "starts slowly" in caplog.text
    await _works(lean)


def _read_only(opened: Callable[..., Any]) -> Callable[..., Any]:
    def refusing(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if mode not in ("r", "rb"):
            raise PermissionError(30, "Read-only file system")
        return opened(path, mode, *args, **kwargs)

    return refusing


def test_two_that_need_it_make_it_once(made: Path) -> None:
    made.unlink()
    processes = [subprocess.Popen([sys.executable, "-c", MAKER], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=200)[0].strip() for process in processes] == [str(made)] * 2
    assert snapshot.is_whole(made)
    assert sorted(path.name for path in made.parent.iterdir()) == sorted([made.name, "lock"])


def test_killed_while_it_is_made_it_is_made_again(made: Path) -> None:
    made.unlink()
    process = subprocess.Popen([sys.executable, "-c", MAKER], stdout=subprocess.PIPE, start_new_session=True)
    partial = made.with_suffix(".partial")
    while not partial.exists():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not made.exists()
    assert embedded().snapshot == made
    assert snapshot.is_whole(made)
    assert not partial.exists()


def test_only_some_of_other_builds_stay(made: Path) -> None:
    others = [made.with_name(f"{n}.snapshot") for n in range(5)]
    for n, other in enumerate(others):
        other.touch()
        os.utime(other, (n, n))
    made.unlink()
    embedded()
    assert [other.exists() for other in others] == [False, False, True, True, True]
    for other in others:
        other.unlink(missing_ok=True)
