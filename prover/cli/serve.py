"""`prover serve`: a model behind an OpenAI-compatible address, and the prover itself behind an HTTP API."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import socket
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Annotated

import typer

from prover.cli.common import Exit, Stop, err, installed_lean, lean_pool, out, printable
from prover.cli.writer import BaseURL, Family, MaxTokens, PolicyName, Writer

_KEY = "PROVER_API_KEY"
_PORT, _API_PORT = 8000, 8080
_FLAGS = ("--enable-prompt-tokens-details", "--uvicorn-log-level", "warning")  # of the server, not of the engine
_GRACE = 5  # seconds that searches under way may take when the API is stopped


def serve(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(help="A model for vLLM: a folder or a name on Hugging Face. After `--`: flags for vLLM.")
    ] = "",
    api: Annotated[bool, typer.Option("--api", help="Serve the prover: prove statements, check proofs.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help=f"Default: {_PORT}, with --api {_API_PORT}; 0: any that is free.", min=0)
    ] = None,
    gpus: Annotated[int | None, typer.Option(help="Use so many GPUs; default: all.", min=0)] = None,
    context_length: Annotated[
        int | None, typer.Option("--context", help="Tokens of prompt and answer; default: as many as fit.", min=64)
    ] = None,
    patience: Annotated[float, typer.Option(help="Seconds that loading the model may take.", min=1)] = 3600.0,
    policy: PolicyName = "tactics",
    base_url: BaseURL = "",
    family: Family = "",
    max_tokens: MaxTokens = None,
    workers: Annotated[int | None, typer.Option(help="With --api: Lean processes; default: one per core.")] = None,
) -> None:
    """Serve MODEL with vLLM, or with --api the prover itself (with MODEL, if one is given)."""
    if not model and not api:
        raise Stop("give a MODEL, or --api", Exit.INPUT)
    if not model and context.args:
        raise Stop(f"flags for vLLM need a MODEL: {' '.join(context.args)}", Exit.INPUT)
    if model and (policy != "tactics" or base_url):
        raise Stop("with a MODEL, it is what writes the proofs: --policy and --base-url do not fit", Exit.INPUT)
    if policy == "vllm":
        raise Stop("the model for vLLM is the argument of this command", Exit.INPUT)
    writer = Writer("openai" if model else policy, "its own" if model else base_url, model, family, max_tokens)
    if api:
        writer.validate()
    served = _Served(model, host, gpus, context_length, patience, tuple(context.args)) if model else None
    asyncio.run(_run(served, writer if api else None, host, port, workers))


@dataclass(frozen=True)
class _Served:
    """A model for vLLM to serve (see `serve`)."""

    model: str
    host: str
    gpus: int | None
    context: int | None
    patience: float
    flags: tuple[str, ...]


async def _run(served: _Served | None, writer: Writer | None, host: str, port: int | None, workers: int | None) -> None:
    """Serve until a signal says that it is enough; what was started is stopped, and that is a success."""
    task = asyncio.current_task()
    assert task is not None
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, task.cancel)
    with suppress(asyncio.CancelledError):
        if served is None:
            assert writer is not None
            await _api(writer, host, port, workers)
        else:
            await _model(served, writer, port, workers)


async def _model(served: _Served, writer: Writer | None, port: int | None, workers: int | None) -> None:
    from prover.serving import Model, ServerFailed, VLLMServer
    from prover.serving.model import machine

    if importlib.util.find_spec("vllm") is None:
        raise Stop("vLLM is not installed here: pip install 'open-prover[vllm]'", Exit.ENVIRONMENT)
    try:
        model, here = Model.read(served.model), machine(served.gpus)
    except (OSError, ValueError, KeyError) as error:
        raise Stop(f"{served.model}: {error}", Exit.INPUT) from None
    # With --api the model is for the prover alone.
    address = ("127.0.0.1", 0) if writer else (served.host, _PORT if port is None else port)
    flags = [*model.flags(here, served.context), *_FLAGS, *served.flags]
    server = VLLMServer(
        served.model, flags, model.environment(here), host=address[0], port=address[1], patience=served.patience
    )
    err.print(f"vLLM serves {printable(served.model)} with: {printable(' '.join(flags))}")
    try:
        async with server:
            if writer is None:
                out.print(server.address)
                raise ServerFailed(f"vLLM ended with status {await server.ended()}; its output above says why")
            writer = Writer("openai", server.address, served.model, writer.family, writer.max_tokens)
            await _api(writer, served.host, port, workers)
    except ServerFailed as error:
        raise Stop(str(error), Exit.ENVIRONMENT) from None


async def _api(writer: Writer, host: str, port: int | None, workers: int | None) -> None:
    try:
        import uvicorn

        from prover.cli.api.app import create
    except ImportError as error:
        raise Stop(f"--api needs more ({error}): pip install 'open-prover[api]'", Exit.ENVIRONMENT) from None
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(lean_pool(installed_lean(), workers, None))
        policy = await stack.enter_async_context(writer.opened())
        key = os.environ.get(_KEY) or None
        app = create(pool, policy, key=key)
        if key is None and host not in ("127.0.0.1", "::1", "localhost"):
            err.print(f"anyone who reaches {host} can use it: set {_KEY} to a key that clients have to send")
        with _listening(host, _API_PORT if port is None else port) as listener:
            out.print("http://{}:{}".format(*listener.getsockname()[:2]))
            await uvicorn.Server(
                uvicorn.Config(app, lifespan="off", log_level="warning", timeout_graceful_shutdown=_GRACE)
            ).serve([listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise Stop(f"cannot listen on {host}:{port}: {error.strerror}", Exit.ENVIRONMENT) from None
