"""A kernel of our own, which shares no line with Lean's: it checks theorems as they are exported (kernel.cjs and its
neighbours, and `LeanPool.export`)."""

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
from lean_env.sandbox import Policy, confined

MEMORY = 4 << 30  # bytes of private memory
STACK = 80_000 * 1024  # bytes; terms recurse deeply
_NODE_STACK = 60_000 * 1024  # of it, for JavaScript
_GRACE = 5.0  # seconds past its own limit
_ANSWER = 64 << 20  # bytes that an answer may have: the axioms of a file are listed in it
_COMPLAINT = 4096  # bytes of its standard error that are kept
_HERE = Path(__file__).parent

Conclusion = Literal["accepts", "rejects", "undecided"]


@dataclass(frozen=True)
class Finding:
    """What the kernel says of an export: `constant` is what it does not accept, `rule` what is wrong with it."""

    verdict: Conclusion
    axioms: tuple[str, ...] = ()
    """Those among the checked declarations: whoever needs a proof looks for other ones than Lean's own three, which say
    what they say in Lean (axioms.cjs)."""
    last: str = ""
    """The last declaration that was checked: of a file that was cut short, not the wanted one."""
    checked: int = 0
    given: int = 0
    constant: str = ""
    rule: str = ""
    detail: str = ""


class Kernel:
    """A process that checks one export after another, each from the same fresh state (check.cjs).

    It starts when it is first needed, behind the sandbox's locks, and is ended by the `async with` block or `close`.
    After a check that met a limit, was cancelled or killed it, the next one has a new process. Checks wait for each
    other: who wants several at once has several kernels.
    """

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._complaint = b""
        self._hearing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Kernel:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process now, if none runs."""
        async with self._turn:
            await self._running()

    async def close(self) -> None:
        """End the process; a check under way is undecided. A later check starts a new one."""
        await self._end()

    async def check(self, ndjson: str, given: int = 0, seconds: float = 60.0) -> Finding:
        """Check an export in lean4export's format; its first `given` declarations are believed (the library's).

        Undecided is what meets a limit: of time, of memory, of the stack.
        """
        export = ndjson.encode("utf-8", "surrogatepass")
        head = json.dumps({"given": given, "seconds": seconds, "bytes": len(export)}).encode()
        async with self._turn:
            try:
                async with asyncio.timeout(seconds + _GRACE):
                    process = await self._running()
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
                lines = self._complaint.decode("utf-8", "replace").strip().splitlines()
                return Finding(
                    "undecided", rule="limit.process", detail=lines[-1] if lines else "it ended without an answer"
                )
            except BaseException:  # cancelled: its answer would be taken for that to the next check
                await self._end()
                raise
            if ends:
                await self._end()
            return finding

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is not None and self.pid is None:
            await self._end()
        if self._process is None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                *_command(), stdin=pipe, stdout=pipe, stderr=pipe, limit=_ANSWER, start_new_session=True
            )
            self._complaint = b""
            self._hearing = asyncio.create_task(self._hear(self._process))
        return self._process

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while said := await process.stderr.read(_COMPLAINT):
            self._complaint = (self._complaint + said)[-_COMPLAINT:]

    async def _end(self) -> None:
        process, hearing = self._process, self._hearing
        self._process = self._hearing = None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if hearing is not None:
            await hearing


async def check(ndjson: str, given: int = 0, seconds: float = 60.0) -> Finding:
    """Check an export as `Kernel.check` does, in a process of its own."""
    async with Kernel() as kernel:
        return await kernel.check(ndjson, given, seconds)


def _command() -> Sequence[str]:
    """The command of a process that serves."""
    command = [str(node()), *locks([_HERE], _NODE_STACK), str(_HERE / "kernel.cjs"), "--serve"]
    policy = Policy(read=(str(_HERE), str(node().parents[1])), folder=str(_HERE), data=MEMORY, stack=STACK)
    return confined(command, policy)


def _read(answer: bytes) -> tuple[Finding, bool]:
    """A finding as the process writes it, and whether it ends. Raises ValueError."""
    told = json.loads(answer)
    try:
        finding, ends = told["finding"], told["ends"]
        found = Finding(**{**finding, "axioms": tuple(finding["axioms"])})
    except (TypeError, KeyError) as error:
        raise ValueError(str(error)) from None
    if found.verdict not in get_args(Conclusion):
        raise ValueError(found.verdict)
    return found, ends is True
