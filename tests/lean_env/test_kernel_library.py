"""The kernel accepts the library: what Lean's own kernel accepts of it, definition by definition and proof by proof."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from lean_env import LeanPool
from lean_env.embedded import install
from lean_env.kernel import Finding, Kernel
from tests.lean_env import library

INIT = "import Init"
AT_ONCE = 500  # constants in one export
SECONDS = 120.0  # for one export


@pytest_asyncio.fixture(scope="module")
async def lean() -> AsyncIterator[LeanPool]:
    install.install()
    async with LeanPool(library.lean(), workers=1, confirm=False) as running:
        yield running


async def differences(lean: LeanPool, imports: str, names: list[str]) -> tuple[int, dict[str, Finding]]:
    """How many of these constants Lean's kernel accepts, and those that ours does not, with what it says."""
    agreed, found = 0, {}
    async with Kernel() as kernel:
        for start in range(0, len(names), AT_ONCE):
            left = await library.accepted(lean, imports, names[start : start + AT_ONCE])
            agreed += len(left)
            while left:
                ndjson, given = await library.export(lean, imports, left)
                finding = await kernel.check(ndjson, given, SECONDS)
                if finding.verdict == "accepts":
                    assert finding.checked >= len(left)
                    break
                found[finding.constant] = finding
                missed = [name for name in left if library.plain(name) == finding.constant]
                assert missed, finding
                left.remove(missed[0])
    return agreed, found


async def test_some_of_the_library(lean: LeanPool) -> None:
    names = await library.with_bodies(lean, INIT)
    agreed, found = await differences(lean, INIT, names[::50])
    assert agreed > 250
    assert found == {}


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_a_quarter_of_init(lean: LeanPool) -> None:
    """Definitions and theorems. Of all 15,321 that have a body, Lean's kernel accepts 14,813, and so does ours."""
    names = await library.with_bodies(lean, INIT)
    agreed, found = await differences(lean, INIT, names[::4])
    assert agreed >= 3000
    assert found == {}


async def test_what_does_not_come_along_is_missed(lean: LeanPool) -> None:
    """The other half of agreeing: a proof by `rfl` of what a private definition says, whose body is not there."""
    name = "_private.Init.Data.List.ToArray.0.Array.zip.eq_1"
    assert await library.accepted(lean, INIT, [name]) == []
    ndjson, given = await library.export(lean, INIT, [name])
    async with Kernel() as kernel:
        finding = await kernel.check(ndjson, given)
    assert (finding.verdict, finding.constant, finding.rule) == ("rejects", name, "declaration.value")
