"""One pool of real Lean processes for all tests."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from lean_env import LeanPool
from lean_env.embedded import install
from tests.lean_env.unlocked import open_glue

if importlib.util.find_spec("vllm") is None:
    collect_ignore = ["vllm"]  # `make test-vllm` runs them, in an environment of their own


@pytest_asyncio.fixture(scope="session")
async def pool() -> AsyncIterator[LeanPool]:
    install.install()  # at once where it is there already
    async with LeanPool(workers=2) as running:
        yield running


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the installation whose glue lets attacks find all of JavaScript (see tests/lean_env/unlocked.py)."""
    install.install()
    folder = tmp_path_factory.mktemp("opened")
    open_glue(folder)
    return folder


@pytest.fixture
def local_ray() -> Iterator[None]:
    """For a test that starts a Ray on this machine: shuts it down afterwards, so that the next can start its own."""
    yield
    import ray

    ray.shutdown()
