"""The command `prover doctor`: report what works on this machine, and what to do for the rest."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
import time

import typer

from lean_env import Claim, Lean, Reason, Worker, embedded
from lean_env.console import Exit, out, printable
from lean_env.embedded import install
from lean_env.embedded.node import NodeError, node

_CHALLENGE = "theorem doctor (a b : Nat) (h : a < b) : a + 1 ≤ b := by sorry"
_TRIALS = [
    ("a proof is accepted", "theorem doctor (a b : Nat) (h : a < b) : a + 1 ≤ b := by omega", Reason.PROVED),
    ("a wrong proof is not", "theorem doctor (a b : Nat) (h : a < b) : a + 1 ≤ b := by rfl", Reason.ERROR),
    ("a `sorry` is not", "theorem doctor (a b : Nat) (h : a < b) : a + 1 ≤ b := sorry", Reason.SORRY),
]
_MEMORY = 1.5e9  # bytes that a Lean process may take


def doctor() -> None:
    """Tell what works here, and what to do for the rest."""
    works = [_python(), _node(), _machine(), _lean()]
    out.print()
    if all(works):
        out.print("Everything needed is here. Try: [bold]prover prove examples/first.lean[/bold]")
        return
    raise typer.Exit(Exit.ENVIRONMENT)


def _line(good: bool, what: str, advice: str = "") -> bool:
    """Print a result, with advice if it is bad; returns `good`."""
    out.print(f"{'[green]ok[/green]  ' if good else '[red]no[/red]  '}{printable(what)}")
    if not good and advice:
        out.print(f"    [yellow]{printable(advice)}[/yellow]")
    return good


def _python() -> bool:
    """Is this version of Python supported?"""
    good = (3, 11) <= sys.version_info < (3, 13)
    return _line(good, f"Python {platform.python_version()}", "Python 3.11 or 3.12 is needed")


def _node() -> bool:
    """Is Node there?"""
    try:
        return _line(True, f"Node for the embedded Lean: {node()}")
    except NodeError as error:
        return _line(False, "Node for the embedded Lean", str(error))


def _machine() -> bool:
    """Report cores, memory and disk; never a failure."""
    cores, memory = os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    room = int(memory / _MEMORY)
    # One process per core, and one to confirm what is found.
    advice = f"memory for about {max(room, 1)} Lean processes: use `--workers {max(room - 1, 1)}`"
    free = shutil.disk_usage(install.home().parent if install.home().parent.exists() else os.path.expanduser("~")).free
    return (
        _line(
            room > cores, f"{cores} cores, {memory / 1e9:.0f} GB memory, {free / 1e9:.0f} GB free for the cache", advice
        )
        or True
    )


def _lean() -> bool:
    """Is the embedded Lean installed and whole, and does it judge some proofs right?"""
    found = install.find()
    if found is None:
        return _line(False, f"the embedded Lean is not in {install.home()}", "run `prover lean install` (121 MB, once)")
    problems = install.check(found)
    if problems:
        return _line(
            False, f"the embedded Lean in {found.root}: {problems[0]}", "run `prover lean install` to repair it"
        )
    _line(True, f"the embedded Lean {found.version} in {found.root} ({found.size / 1e6:.0f} MB)")
    return asyncio.run(_trial(embedded()))


async def _trial(lean: Lean) -> bool:
    """Does Lean start, accept a proof, and refuse what is none?"""
    worker, good = Worker(lean), True
    try:
        start = time.perf_counter()
        await worker.start()
        _line(True, f"it starts in {time.perf_counter() - start:.1f} s")
        for what, solution, reason in _TRIALS:
            verdict = await worker.judge(Claim(_CHALLENGE, solution, "doctor"))
            good &= _line(
                verdict.reason is reason,
                f"{what} ({verdict.seconds * 1000:.0f} ms)",
                f"{verdict.reason}: {verdict.detail}",
            )
    finally:
        await worker.close()
    return good
