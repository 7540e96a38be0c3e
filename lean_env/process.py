"""A REPL process: start it, send it one request at a time, kill it. Knows the protocol's framing, nothing of Lean."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

from lean_env.cpu_time import CpuClock, add_cpu_seconds
from lean_env.lean import Lean

START = 120.0  # seconds that a process may take to its first answer
MAX_ANSWER = 256 * 1024 * 1024  # bytes
GRACE = 4.0  # seconds past a request's own limit: the driver stops itself after 2 of them
# As in driver/watchdog.cjs: the most wall time, as a multiple of the limit; the share of it that a busy process works.
PATIENCE, IDLE = 10, 0.005
_STDERR_KEPT = 4096  # bytes


class ProcessDied(Exception):
    """The Lean process ended or was killed before it answered; the message says why."""


class OutOfTime(ProcessDied):
    """The process ignored its time limit and was killed."""


class OutOfMemory(ProcessDied):
    """The process reached its memory limit."""


class MemoryRetry(ProcessDied):
    """The process reached its memory limit, perhaps for earlier calls: a new process may have room for this one."""


class StackOverflow(ProcessDied):
    """The process's stack overflowed: another try would end the same way."""


class ReplProcess:
    """A running REPL process. Not safe for two requests at once; after any exception it must be thrown away.

    ran_code: the process has announced that it runs code of a request's text. From then on its answers may be forged
    by that code. damaged: it has reported that the snapshot that it was to start from is damaged.
    """

    def __init__(self, process: asyncio.subprocess.Process, read_answer: Callable[[bytes], dict[str, Any]]) -> None:
        self._process = process
        self._read_answer = read_answer
        self.ran_code = self.damaged = False
        self._stderr = b""
        self._stderr_task = asyncio.create_task(self._keep_stderr())

    @classmethod
    async def start(cls, lean: Lean) -> ReplProcess:
        """Start a process in a session of its own, so that Ctrl-C in the terminal reaches only us."""
        process = await asyncio.create_subprocess_exec(
            *lean.argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=MAX_ANSWER,
            start_new_session=True,
        )
        from lean_env.protocol import read_answer  # now, while Lean starts: it takes a tenth of a second

        return cls(process, read_answer)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Has the process ended?"""
        return self._process.returncode is not None

    async def request(self, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Send one request and return its answer. `timeout` in seconds of processor time (driver/watchdog.cjs).

        A process that has not answered GRACE seconds after its limit is killed.
        Raises ProcessDied or a subclass. A cancelled request leaves the process unusable: kill it.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        clock, loop = CpuClock(self.pid), asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []

        def expire_when_late() -> None:
            """Let the wait end, unless the process is busy and has processor time left: then look again in 1 s."""
            if IDLE * clock.wall < clock.cpu < timeout and clock.wall < PATIENCE * timeout:
                timers.append(loop.call_later(1.0, expire_when_late))
            elif not limit.expired():
                limit.reschedule(loop.time())

        try:
            async with asyncio.timeout(None) as limit:
                timers.append(loop.call_later(timeout + GRACE, expire_when_late))
                stdin.write(json.dumps(request).encode("ascii") + b"\n\n")
                await stdin.drain()
                answer = self._read_answer(await stdout.readuntil(b"\n\n"))
                while answer.keys() & {"runsCode", "snapshot"}:
                    self.ran_code |= "runsCode" in answer
                    self.damaged |= "snapshot" in answer
                    answer = self._read_answer(await stdout.readuntil(b"\n\n"))
        except TimeoutError:
            await self.kill()
            raise OutOfTime("it ignored its time limit and was killed") from None
        except asyncio.LimitOverrunError:
            await self.kill()
            raise ProcessDied(f"its answer was larger than {MAX_ANSWER} bytes") from None
        except (asyncio.IncompleteReadError, ConnectionError, ValueError) as error:
            death = await self._death(error)
            late = clock.wall >= timeout  # then the driver has ended itself
            raise (OutOfTime("it ignored its time limit and ended itself") if late else death) from None
        finally:
            for timer in timers[-1:]:
                timer.cancel()
            add_cpu_seconds(clock.cpu)
        if "fatal" in answer or answer.get("last"):
            await self.kill()
        if "fatal" in answer:
            raise self._fatal(answer["fatal"])
        return answer

    async def kill(self) -> None:
        """End the process now and wait until it is gone."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await self._stderr_task

    async def _keep_stderr(self) -> None:
        """Read standard error until it is closed, keeping its last bytes."""
        stderr = self._process.stderr
        assert stderr is not None
        while chunk := await stderr.read(_STDERR_KEPT):
            self._stderr = (self._stderr + chunk)[-_STDERR_KEPT:]

    def _fatal(self, why: str) -> ProcessDied:
        """The error for an answer `fatal`."""
        if why == "stack overflow":
            return StackOverflow("its stack overflowed")
        if "out of memory" in why.lower():
            return OutOfMemory("it reached its memory limit")
        return ProcessDied(f"Lean failed: {why}")

    async def _death(self, error: Exception) -> ProcessDied:
        """Kill the process, of which reading an answer raised `error`; returns what to raise in its place."""
        await self.kill()
        code, said = self._process.returncode, self._stderr.decode("utf-8", "replace").strip()
        if "out of memory" in said.lower():
            return OutOfMemory("it reached its memory limit")
        if isinstance(error, ValueError):
            return ProcessDied(f"its answer has not the form of one: {error}")
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
        return ProcessDied(f"the process {how}" + (f": {said.splitlines()[-1]}" if said else ""))
