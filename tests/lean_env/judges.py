"""Kernels that are not ours, to be asked about exports: the embedded Lean's, and that of a native Lean 4.35.0."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from types import TracebackType

from lean_env import LeanPool
from tests.lean_env import official_lean
from tests.lean_env.kernel_exports import Export, Line

_PROGRAM = Path(__file__).with_name("official_lean.py")
_LIMIT = 1 << 28  # bytes of an answer: none is long
_SECONDS = 300.0  # it ends by itself, but the machine may be busy

is_there = official_lean.library() is not None


async def embedded(lean: LeanPool, export: Export) -> str:
    """What the embedded Lean's kernel does not accept of an export, after `import Init`, which is given; or nothing.

    `lean` is one that answers questions (library.cjs). Of a family it is told types and constructors only.
    """
    lines = [json.dumps(line) for line in (export.meta, *export.items, *export.own)]
    refused, _ = await lean.export("", ["!", "\n".join(lines) + "\n"])
    return refused


class Official:
    """The native Lean (official_lean.py). Exports that begin with the same lines are read faster one after another."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._base: object = None

    async def __aenter__(self) -> Official:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def check(self, export: Export, base: Export) -> dict[str, str]:
        """What it says of an export that is `base`, changed behind what is given there."""
        if self._process is None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, str(_PROGRAM), stdin=pipe, stdout=pipe, limit=_LIMIT
            )
            self._base = None
        try:
            async with asyncio.timeout(_SECONDS):
                if self._base is not base:
                    await self._send("base", [base.meta, *base.items, *base.given])
                    self._base = base
                await self._send("rest", [*export.items[len(base.items) :], *export.own])
                assert self._process.stdout is not None
                answer: dict[str, str] = json.loads(await self._process.stdout.readuntil(b"\n"))
                return answer
        except (TimeoutError, EOFError, OSError):
            await self._end()
            return {"verdict": "crashes"}

    async def _send(self, what: str, lines: list[Line]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({what: [json.dumps(line) for line in lines]}).encode() + b"\n")
        await self._process.stdin.drain()

    async def _end(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None
