"""`prover serve`: a model behind an OpenAI-compatible address, and the prover itself behind an HTTP API."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any

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
        int | None,
        typer.Option(help=f"Default: {_PORT}, with --api {_API_PORT}; 0: any that is free.", min=0, max=65535),
    ] = None,
    gpus: Annotated[int | None, typer.Option(help="Use so many GPUs; default: all.", min=0)] = None,
    context_length: Annotated[
        int | None, typer.Option("--context", help="Tokens of prompt and answer; default: as many as fit.", min=64)
    ] = None,
    patience: Annotated[float, typer.Option(help="Seconds that loading the model may take.", min=1)] = 3600.0,
    trainable: Annotated[
        bool,
        typer.Option(
            "--trainable",
            help="Let training on this machine replace the weights while it runs. Whoever reaches the address can then"
            " do that, stop it, and call vLLM's workers: keep it to yourself.",
        ),
    ] = False,
    policy: PolicyName = "tactics",
    base_url: BaseURL = "",
    family: Family = "",
    max_tokens: MaxTokens = None,
    workers: Annotated[
        int | None, typer.Option(help="With --api: Lean processes; default: one per core.", min=1)
    ] = None,
) -> None:
    """Serve MODEL with vLLM, or with --api the prover itself (with MODEL, if one is given)."""
    if not model and not api:
        raise Stop("give a MODEL, or --api", Exit.INPUT)
    if model.startswith("-"):
        raise Stop(f"flags for vLLM need a MODEL before them: {model}", Exit.INPUT)
    if model and (policy != "tactics" or base_url):
        raise Stop("with a MODEL, it is what writes the proofs: --policy and --base-url do not fit", Exit.INPUT)
    if trainable and (api or not model):
        raise Stop("--trainable is for a MODEL that is served by itself", Exit.INPUT)
    if policy == "vllm":
        raise Stop("the model for vLLM is the argument of this command", Exit.INPUT)
    writer = Writer("openai" if model else policy, "its own" if model else base_url, model, family, max_tokens)
    if api:
        writer.validate()
    served = _Served(model, host, gpus, context_length, patience, trainable, tuple(context.args)) if model else None
    asyncio.run(_run(served, writer if api else None, host, port, workers))


@dataclass(frozen=True)
class _Served:
    """A model for vLLM to serve (see `serve`)."""

    model: str
    host: str
    gpus: int | None
    context: int | None
    patience: float
    trainable: bool
    flags: tuple[str, ...]


class _End:
    """What the signals that end a command do: by default they cancel its task."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.how: Callable[[], object] = task.cancel
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, lambda: self.how())


async def _run(served: _Served | None, writer: Writer | None, host: str, port: int | None, workers: int | None) -> None:
    """Serve until a signal says that it is enough; what was started is stopped, and that is a success."""
    task = asyncio.current_task()
    assert task is not None
    end = _End(task)
    with suppress(asyncio.CancelledError):
        if served is not None:
            await _model(served, writer, port, workers, end)
        elif writer is not None:
            await _api(writer, host, port, workers, end)


async def _model(served: _Served, writer: Writer | None, port: int | None, workers: int | None, end: _End) -> None:
    if importlib.util.find_spec("vllm") is None:
        raise Stop("vLLM is not installed here: pip install 'open-prover[vllm]'", Exit.ENVIRONMENT)
    from prover.serving import Model, ModelError, ServerFailed, VLLMServer, weights
    from prover.serving.model import machine

    try:
        model, here = Model.read(served.model), machine(served.gpus)
    except ModelError as error:
        raise Stop(str(error), Exit.INPUT) from None
    # With --api the model is for the prover alone.
    address = ("127.0.0.1", 0) if writer else (served.host, _PORT if port is None else port)
    flags, environment = [*model.flags(here, served.context), *_FLAGS], model.environment(here)
    if served.trainable:
        flags, environment = [*flags, *weights.FLAGS], environment | weights.ENVIRONMENT
    flags += served.flags
    err.print(f"vLLM serves {printable(served.model)} with: {printable(' '.join(flags))}")
    try:
        server = VLLMServer(
            served.model, flags, environment, host=address[0], port=address[1], patience=served.patience
        )
        async with server:
            if writer is None:
                out.print(server.address)
                await server.failure()
            else:
                await _either(
                    _api(replace(writer, base_url=server.address), served.host, port, workers, end), server.failure()
                )
    except ServerFailed as error:
        raise Stop(str(error), Exit.ENVIRONMENT) from None


async def _either(*ways: Coroutine[Any, Any, None]) -> None:
    """Until one of them ends, and as it ends."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _api(writer: Writer, host: str, port: int | None, workers: int | None, end: _End) -> None:
    try:
        import uvicorn

        from prover.cli.api.app import create
    except ImportError as error:
        raise Stop(f"--api needs more ({error}): pip install 'open-prover[api]'", Exit.ENVIRONMENT) from None
    key = os.environ.get(_KEY, "").strip() or None
    if key is None and host not in ("127.0.0.1", "localhost"):
        err.print(f"anyone who reaches {host} can use it: set {_KEY} to a key that clients have to send")
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(_listening(host, _API_PORT if port is None else port))
        pool = await stack.enter_async_context(lean_pool(installed_lean(), workers, None))
        policy = await stack.enter_async_context(writer.opened())
        app = create(pool, policy, key=key)
        server = uvicorn.Server(
            uvicorn.Config(app, lifespan="off", log_level="warning", timeout_graceful_shutdown=_GRACE)
        )
        end.how = lambda: setattr(server, "should_exit", True)
        out.print("http://{}:{}".format(*listener.getsockname()[:2]))
        await server.serve([listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise Stop(f"cannot listen on {host}:{port}: {error.strerror}", Exit.ENVIRONMENT) from None
