"""`prover serve`: a model behind an OpenAI-compatible address, and the prover itself behind an HTTP API."""

from __future__ import annotations

import asyncio
import importlib.util
import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from data.records.config import ConfigError, read_config, validated
from lean_env.console import CommandError, Exit, err, installed_lean, lean_pool, out, printable
from prover.policy import PolicyConfig, open_policy
from prover.policy.options import BaseURL, Family, MaxTokens, PolicyName, policy_config
from search.api.limits import APIConfig, APILimits

_TOKEN_VARIABLE = "PROVER_API_KEY"  # environment variable
_PORT, _API_PORT = 8000, 8080
_SERVER_FLAGS = ("--enable-prompt-tokens-details", "--uvicorn-log-level", "warning")  # of the server, not of the engine


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
    token: Annotated[
        str | None,
        typer.Option(
            envvar=_TOKEN_VARIABLE,
            help="With --api: what clients must send as `Authorization: Bearer TOKEN`; needed where others than this"
            " machine can reach the address. Better in the environment: other users can see the command line.",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --api: a YAML file with limits on what clients may take.")
    ] = None,
) -> None:
    """Serve MODEL with vLLM, or with --api the prover itself (with MODEL, if one is given)."""
    if not model and not api:
        raise CommandError("give a MODEL, or --api", Exit.INPUT)
    if model.startswith("-"):
        raise CommandError(f"flags for vLLM need a MODEL before them: {model}", Exit.INPUT)
    if model and (policy != "tactics" or base_url):
        raise CommandError("with a MODEL, it is what writes the proofs: --policy and --base-url do not fit", Exit.INPUT)
    if trainable and (api or not model):
        raise CommandError("--trainable is for a MODEL that is served by itself", Exit.INPUT)
    if policy == "vllm":
        raise CommandError("the model for vLLM is the argument of this command", Exit.INPUT)
    token_source = context.get_parameter_source("token")
    if not api and (config or (token_source is not None and token_source.name == "COMMANDLINE")):
        raise CommandError("--token and --config are for --api", Exit.INPUT)
    api_settings = None
    if api:
        name, address = ("openai", "its own") if model else (policy, base_url)
        chosen = policy_config(name, address, model, family, max_tokens)
        api_settings = _APISettings(
            chosen, host, _API_PORT if port is None else port, workers, _token(token), _limits(config)
        )
    model_server = (
        _ModelServer(model, host, gpus, context_length, patience, trainable, tuple(context.args)) if model else None
    )
    asyncio.run(_run(model_server, api_settings, _PORT if port is None else port))


def _token(token: str | None) -> str | None:
    """Return the token without a trailing line end. Raises CommandError for an empty one."""
    if token is None:
        token = os.environ.get(_TOKEN_VARIABLE)  # typer ignores an empty variable
    if token is not None and not token.strip():
        raise CommandError(
            f"the token is empty, which protects nothing: give one, or unset {_TOKEN_VARIABLE}", Exit.INPUT
        )
    return None if token is None else token.strip()


def _limits(path: Path | None) -> APILimits:
    """Return the limits in a configuration file. Raises CommandError, with a line for each wrong field."""
    try:
        return APILimits() if path is None else validated(APIConfig, read_config(path), str(path)).limits
    except ConfigError as error:
        raise CommandError(str(error), Exit.INPUT) from None
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", Exit.INPUT) from None


@dataclass(frozen=True)
class _APISettings:
    """The settings of the API."""

    policy: PolicyConfig
    host: str
    port: int
    workers: int | None
    token: str | None
    limits: APILimits


@dataclass(frozen=True)
class _ModelServer:
    """The settings of a vLLM server for a model (see `serve`)."""

    model: str
    host: str
    gpus: int | None
    context: int | None
    patience: float
    trainable: bool
    flags: tuple[str, ...]


class _ShutdownSignal:
    """The action of SIGINT and SIGTERM: by default they cancel the task of the command."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.action: Callable[[], object] = task.cancel
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, lambda: self.action())


async def _run(model_server: _ModelServer | None, api: _APISettings | None, port: int) -> None:
    """Serve until a signal arrives; then stop everything and return normally."""
    task = asyncio.current_task()
    assert task is not None
    shutdown = _ShutdownSignal(task)
    with suppress(asyncio.CancelledError):
        if model_server is not None:
            await _serve_model(model_server, api, port, shutdown)
        elif api is not None:
            await _serve_api(api, shutdown)


async def _serve_model(
    model_server: _ModelServer, api: _APISettings | None, port: int, shutdown: _ShutdownSignal
) -> None:
    if importlib.util.find_spec("vllm") is None:
        raise CommandError("vLLM is not installed here: pip install -e '.[vllm]'", Exit.ENVIRONMENT)
    from prover.model.config import ModelError
    from prover.serving import Model, ServerFailed, VLLMServer, weights
    from prover.serving.model import machine

    try:
        model, hardware = Model.read(model_server.model), machine(model_server.gpus)
    except ModelError as error:
        raise CommandError(str(error), Exit.INPUT) from None
    # With --api the model is for the prover alone.
    address = ("127.0.0.1", 0) if api else (model_server.host, port)
    flags, environment = (
        [*model.flags(hardware, model_server.context), *_SERVER_FLAGS],
        model.environment(hardware),
    )
    if model_server.trainable:
        flags, environment = [*flags, *weights.FLAGS], environment | weights.ENVIRONMENT
    flags += model_server.flags
    err.print(f"vLLM serves {printable(model_server.model)} with: {printable(' '.join(flags))}")
    try:
        server = VLLMServer(
            model_server.model, flags, environment, host=address[0], port=address[1], patience=model_server.patience
        )
        async with server:
            if api is None:
                out.print(server.address)
                await server.failure()
            else:
                policy = api.policy.model_copy(update={"base_url": server.address})
                await _run_until_first(_serve_api(replace(api, policy=policy), shutdown), server.failure())
    except ServerFailed as error:
        raise CommandError(str(error), Exit.ENVIRONMENT) from None


async def _run_until_first(*ways: Coroutine[Any, Any, None]) -> None:
    """Run coroutines until one of them ends; cancel the others and raise its error, if any."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _serve_api(api: _APISettings, shutdown: _ShutdownSignal) -> None:
    try:
        from search.api.app import create_app
        from search.api.server import APIServer, max_connections
    except ImportError as error:
        raise CommandError(f"--api needs more ({error}): pip install -e '.[api]'", Exit.ENVIRONMENT) from None
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(_open_listener(api))
        pool = await stack.enter_async_context(lean_pool(installed_lean(), api.workers, None))
        policy = await stack.enter_async_context(open_policy(api.policy))
        try:
            connections = max_connections(api.limits, 2 * pool.size)
        except ValueError as error:
            raise CommandError(str(error), Exit.ENVIRONMENT) from None
        if connections < api.limits.connections:
            err.print(f"at most {connections} connections, for the limit of open files (`ulimit -n`)")
        server = APIServer(create_app(pool, policy, api.limits, api.token), connections)
        shutdown.action = lambda: setattr(server, "should_exit", True)
        address, bound = listener.getsockname()[:2]
        out.print(f"http://[{address}]:{bound}" if ":" in address else f"http://{address}:{bound}")
        await server.serve([listener])


def _open_listener(api: _APISettings) -> socket.socket:
    """Return a socket on the address. Raises CommandError if it may not or cannot be served."""
    listener = socket.socket(socket.AF_INET6 if ":" in api.host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((api.host, api.port))
        if api.token is None and not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
            listener.close()
            raise CommandError(
                f"others than this machine can reach {api.host}: set {_TOKEN_VARIABLE} to a token"
                " that clients have to send",
                Exit.INPUT,
            )
        listener.listen()
    except OSError as error:
        listener.close()
        raise CommandError(f"cannot listen on {api.host}:{api.port}: {error.strerror}", Exit.ENVIRONMENT) from None
    return listener
