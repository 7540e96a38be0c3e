"""Our own kernel, which shares no code with Lean's: a Node process that checks exported declarations (kernel.cjs).

`LeanPool.export` makes the exports, in lean4export's format (NDJSON 3.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, get_args

from lean_env.embedded.node import locks, node
from lean_env.sandbox import SandboxPolicy, sandbox_command

MEMORY = 4 << 30  # bytes of private memory
STACK = 80_000 * 1024  # bytes; terms recurse deeply
_NODE_STACK = 60_000 * 1024  # of it, for JavaScript
_GRACE = 5.0  # seconds past its own limit after which the process is killed
_MAX_ANSWER = 64 << 20  # bytes that an answer may have: the axioms of a file are listed in it
_STDERR_KEPT = 4096  # bytes
_HERE = Path(__file__).parent

Conclusion = Literal["accepts", "rejects", "undecided"]


@dataclass(frozen=True)
class Finding:
    """The kernel's result for an export.

    axioms: those among the checked declarations. Lean's own three say what they say in Lean (axioms.cjs); whoever needs
    a proof looks for other ones. last: the last declaration that was checked, which tells a file that was cut short.
    checked, given: numbers of declarations that were checked, and believed. constant: the one that is not accepted;
    rule: the rule that it breaks, or the limit that was met; detail: more about it, for people.
    """

    verdict: Conclusion
    axioms: tuple[str, ...] = ()
    last: str = ""
    checked: int = 0
    given: int = 0
    constant: str = ""
    rule: str = ""
    detail: str = ""


class Kernel:
    """Our kernel in a process that checks one export after another, each from the same fresh state (check.cjs).

    It starts when it is first needed, behind the sandbox's locks, and is ended by the `async with` block or `close`.
    After a check that met a limit, was cancelled or killed it, the next one has a new process. Checks wait for each
    other: who wants several at once has several kernels.
    """

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._stderr = b""
        self._stderr_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Kernel:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def pid(self) -> int | None:
        """Id of the process that runs now, or None."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process now, if none runs."""
        async with self._lock:
            await self._ensure_running()

    async def close(self) -> None:
        """End the process; a check under way is undecided. A later check starts a new one."""
        await self._end()

    async def check(self, ndjson: str, given: int = 0, seconds: float = 60.0) -> Finding:
        """Check an export in lean4export's format.

        given: how many declarations, the first ones, are believed (those of the library).
        seconds: wall time. What meets a limit of time, of memory or of the stack is undecided.
        """
        export = ndjson.encode("utf-8", "surrogatepass")
        head = json.dumps({"given": given, "seconds": seconds, "bytes": len(export)}).encode()
        async with self._lock:
            try:
                async with asyncio.timeout(seconds + _GRACE):
                    process = await self._ensure_running()
                    assert process.stdin is not None
                    assert process.stdout is not None
                    process.stdin.write(head + b"\n" + export)
                    await process.stdin.drain()
                    finding, ends = _read(await process.stdout.readuntil(b"\n"))
            except TimeoutError:
                await self._end()
                return Finding("undecided", rule="limit.time", detail=f"it took more than {seconds:g} s")
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
                await self._end()
                lines = self._stderr.decode("utf-8", "replace").strip().splitlines()
                return Finding(
                    "undecided", rule="limit.process", detail=lines[-1] if lines else "it ended without an answer"
                )
            except BaseException:  # cancelled: its answer would be taken for that to the next check
                await self._end()
                raise
            if ends:
                await self._end()
            return finding

    async def _ensure_running(self) -> asyncio.subprocess.Process:
        """The process, started now if none runs."""
        if self._process is not None and self.pid is None:
            await self._end()
        if self._process is None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                *_command(), stdin=pipe, stdout=pipe, stderr=pipe, limit=_MAX_ANSWER, start_new_session=True
            )
            self._stderr = b""
            self._stderr_task = asyncio.create_task(self._keep_stderr(self._process))
        return self._process

    async def _keep_stderr(self, process: asyncio.subprocess.Process) -> None:
        """Read standard error until it is closed, keeping its last bytes."""
        assert process.stderr is not None
        while chunk := await process.stderr.read(_STDERR_KEPT):
            self._stderr = (self._stderr + chunk)[-_STDERR_KEPT:]

    async def _end(self) -> None:
        """Kill the process, if there is one."""
        process, stderr_task = self._process, self._stderr_task
        self._process = self._stderr_task = None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if stderr_task is not None:
            await stderr_task


async def check(ndjson: str, given: int = 0, seconds: float = 60.0) -> Finding:
    """Check an export as `Kernel.check` does, in a process of its own."""
    async with Kernel() as kernel:
        return await kernel.check(ndjson, given, seconds)


def _command() -> Sequence[str]:
    """The command of a sandboxed process that answers requests."""
    command = [str(node()), *locks([_HERE], _NODE_STACK), str(_HERE / "kernel.cjs"), "--serve"]
    policy = SandboxPolicy(read=(str(_HERE), str(node().parents[1])), folder=str(_HERE), data=MEMORY, stack=STACK)
    return sandbox_command(command, policy)


def _read(answer: bytes) -> tuple[Finding, bool]:
    """Read an answer: the finding, and whether the process ends after it. Raises ValueError."""
    fields = json.loads(answer)
    try:
        finding, ends = fields["finding"], fields["ends"]
        found = Finding(**{**finding, "axioms": tuple(finding["axioms"])})
    except (TypeError, KeyError) as error:
        raise ValueError(str(error)) from None
    if found.verdict not in get_args(Conclusion):
        raise ValueError(found.verdict)
    return found, ends is True
