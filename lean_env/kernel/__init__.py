"""A kernel of our own, which shares no line with Lean's: it checks theorems as they are exported (kernel.cjs and its
neighbours, and `LeanPool.export`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from lean_env.embedded.node import locks, node
from lean_env.sandbox import Policy, confined

MEMORY = 4 << 30  # bytes of private memory
STACK = 80_000 * 1024  # bytes; terms recurse deeply
_NODE_STACK = 60_000 * 1024  # of it, for JavaScript
_GRACE = 5.0  # seconds past its own limit
_HERE = Path(__file__).parent

Conclusion = Literal["accepts", "rejects", "undecided"]


@dataclass(frozen=True)
class Finding:
    """What the kernel says of an export: `constant` is what it does not accept, `rule` what is wrong with it."""

    verdict: Conclusion
    axioms: tuple[str, ...] = ()
    """Those among the checked declarations: whoever needs a proof looks for other ones than Lean's own three."""
    last: str = ""
    """The last declaration that was checked: of a file that was cut short, not the wanted one."""
    checked: int = 0
    given: int = 0
    constant: str = ""
    rule: str = ""
    detail: str = ""


async def check(ndjson: str, given: int = 0, seconds: float = 60.0) -> Finding:
    """Check an export in lean4export's format; its first `given` declarations are believed (the library's).

    The kernel runs in a process of its own behind the sandbox's locks. Undecided is what meets a limit: of time, of
    memory, of the stack.
    """
    command = [str(node()), *locks([_HERE], _NODE_STACK), str(_HERE / "kernel.cjs")]
    command += ["--given", str(given), "--seconds", str(seconds), "-"]
    policy = Policy(read=(str(_HERE), str(node().parents[1])), folder=str(_HERE), data=MEMORY, stack=STACK)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *confined(command, policy), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
    )
    try:
        async with asyncio.timeout(seconds + _GRACE):
            said, complaint = await process.communicate(ndjson.encode("utf-8", "surrogatepass"))
    except TimeoutError:
        return Finding("undecided", rule="limit.time", detail=f"it took more than {seconds:g} s")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    try:
        told = json.loads(said)
        assert told["verdict"] in get_args(Conclusion)
        return Finding(**{**told, "axioms": tuple(told["axioms"])})
    except (ValueError, TypeError, KeyError, AssertionError):
        lines = complaint.decode("utf-8", "replace").strip().splitlines()
        return Finding("undecided", rule="limit.process", detail=lines[-1] if lines else "it ended without an answer")
