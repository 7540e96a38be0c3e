"""VLLMServer: vLLM's server as a process that is started, awaited and stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

import httpx2

_POLL = 0.5  # seconds between two checks whether it is ready
_GRACE = 30.0  # seconds that it may take to stop before it is killed


class ServerFailed(Exception):
    """The server has ended, or has not become ready; its own output says why."""


class VLLMServer:
    """A vLLM server for one model on this machine; its output goes to standard error.

    An async context manager: inside the block the server is ready, afterwards it and all its processes are gone.
    """

    def __init__(
        self, model: str, flags: Sequence[str], environment: Mapping[str, str], *, host: str, port: int, patience: float
    ) -> None:
        """Prepare the server. Raises ServerFailed if the address cannot be listened on.

        port: 0 for any free one. patience: seconds that loading the model may take.
        """
        self.host, self.port, self._patience = host, _free_port(host, port), patience
        self._argv = [sys.executable, "-m", "prover.serving.vllm_main", "serve", model]
        self._argv += ["--host", host, "--port", str(self.port), *flags]
        self._environment = {**environment, **os.environ}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """The base URL for an OpenAI client."""
        return f"http://{self.host}:{self.port}/v1"

    async def __aenter__(self) -> VLLMServer:
        """Start the server and wait until it is ready. Raises ServerFailed."""
        self._process = await asyncio.create_subprocess_exec(
            *self._argv, env=self._environment, stdout=sys.stderr, stderr=sys.stderr, start_new_session=True
        )
        try:
            await asyncio.wait_for(self._ready(), self._patience)
        except TimeoutError:
            await self._stop()
            raise ServerFailed(f"vLLM was not ready after {self._patience:.0f} s") from None
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the server."""
        await self._stop()

    async def failure(self) -> None:
        """Wait until the server ends by itself; then raise ServerFailed."""
        assert self._process is not None
        raise self._exit_error(await self._process.wait())

    async def _ready(self) -> None:
        assert self._process is not None
        while not await _healthy(self.host, self.port):
            if self._process.returncode is not None:
                raise self._exit_error(self._process.returncode)
            await asyncio.sleep(_POLL)

    @staticmethod
    def _exit_error(status: int) -> ServerFailed:
        return ServerFailed(f"vLLM ended with status {status}; its output above says why")

    async def _stop(self) -> None:
        process = self._process
        assert process is not None
        try:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _GRACE)
        finally:
            with suppress(ProcessLookupError):  # processes of its group that are left
                os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _healthy(host: str, port: int) -> bool:
    """Return whether `/health` answers 200."""
    try:
        async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:  # this machine needs no proxy
            return (await client.get(f"http://{host}:{port}/health")).status_code == 200
    except httpx2.HTTPError:
        return False


def _free_port(host: str, port: int) -> int:
    """Return the port, or a free one for 0. Raises ServerFailed if it is in use."""
    try:
        with socket.create_server((host, port)) as probe:
            free_port: int = probe.getsockname()[1]
            return free_port
    except OSError as error:
        raise ServerFailed(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
