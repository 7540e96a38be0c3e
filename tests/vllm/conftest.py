"""Real vLLM on the CPU, started as users start it: with `prover serve`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from prover.engines.vllm import VLLMEngine
from tests.vllm.models import CONTEXT, save

KINDS = ("llama", "deepseek")
LAST = ("nice", "-n", "10")  # its turn, behind the test's: they can have a core together
# Its threads never rest: without a core of its own Lean would stand still on a machine of two.
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_NUM_OF_RESERVED_CPU": "1"}


class Serving:
    """A running `prover serve`, which can be killed and started again at the same address."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder, self.address, self._port = kind, folder, "", "0"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = [*LAST, sys.executable, "-m", "prover", "serve", str(self.folder), "--port", self._port]
        command += ["--context", str(CONTEXT), "--patience", "240"]
        self._process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, start_new_session=True, env={**os.environ, **ENVIRONMENT}
        )
        assert self._process.stdout is not None
        self.address = (await self._process.stdout.readline()).decode().strip()
        assert self.address, "`prover serve` has ended"
        self._port = self.address.split(":")[2].split("/")[0]

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal to the command alone; its exit status."""
        assert self._process is not None
        self._process.send_signal(how)
        return await self._process.wait()

    def kill(self) -> None:
        """kill -9 of vLLM and all that belongs to it; the command that watches over it ends by itself."""
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = line.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"prover.serving.vllm_main" in words and self._port.encode() in words:
                os.killpg(int(line.parent.name), signal.SIGKILL)

    async def ended(self) -> int:
        assert self._process is not None
        return await self._process.wait()


@pytest.fixture(scope="session", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest_asyncio.fixture(scope="session")
async def serving(kind: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    folder = tmp_path_factory.mktemp("models") / f"random-{kind}"
    save(kind, folder)
    server = Serving(kind, folder)
    await server.start()
    yield server
    assert await server.stop() == 0


@pytest_asyncio.fixture(scope="session")
async def in_process(serving: Serving) -> AsyncIterator[VLLMEngine]:
    engine = await VLLMEngine.load(str(serving.folder), CONTEXT)
    yield engine
    await engine.close()
