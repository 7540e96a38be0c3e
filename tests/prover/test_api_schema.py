"""The HTTP API against its own schema: requests made from it, right and wrong ones, by schemathesis."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from lean_env import LeanPool
from lean_env.embedded import install
from prover.policy import TacticsPolicy
from search.api.app import APILimits, create_app
from search.api.server import APIServer

KEY = "clef"
# A schema cannot say what Lean accepts: what it allows may well be refused.
LEFT_OUT: list[Any] = [positive_data_acceptance]


def application(pool: LeanPool) -> FastAPI:
    return create_app(pool, TacticsPolicy(), APILimits(seconds=0.2, body_bytes=100_000), KEY)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server in a thread of its own: schemathesis waits for its answers in this one."""
    install.install()
    listening = socket.create_server(("127.0.0.1", 0))
    servers: list[APIServer] = []

    async def serve() -> None:
        async with LeanPool(workers=1) as pool:
            servers.append(APIServer(application(pool)))
            await servers[0].serve([listening])

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    servers[0].should_exit = True
    thread.join()
    listening.close()


schema = schemathesis.openapi.from_dict(application(cast(LeanPool, None)).openapi())  # the schema needs no Lean


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=15, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_the_schema_says_is_what_the_server_does(case: schemathesis.Case[Any], url: str) -> None:
    case.call_and_validate(
        base_url=url, headers={"Authorization": f"Bearer {KEY}"}, excluded_checks=LEFT_OUT, timeout=120
    )
