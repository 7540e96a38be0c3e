"""The kernel that is no part of Lean: it accepts what is proved, and rejects what Lean's own kernel wrongly accepts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from lean_env import LeanPool, kernel
from tests.lean_env.test_verdicts import CASES, HOLES

FIXTURES = Path(__file__).parent / "kernel_fixtures"
HONEST = [
    c for c in CASES if c["proved"] and "evaluation-of-the-challenge" not in c["id"]
]  # whose challenge is an error
SOME = HONEST[::40]  # of all of them tests/lean_env/test_verdicts.py asks what both kernels say

TEXT = """\
inductive Even : Nat → Prop
  | zero : Even 0
  | step (n : Nat) : Even n → Even (n + 2)
structure Pair where
  x : Nat
  y : Nat
def Pair.sum (p : Pair) : Nat := p.x + p.y
theorem t : Even 4 ∧ (Pair.mk 1 2).sum = 3 := ⟨.step 2 (.step 0 .zero), rfl⟩
"""


async def found(pool: LeanPool, text: str, name: str) -> kernel.Finding:
    ndjson, given = await pool.export(text, [name])
    return await kernel.check(ndjson, given)


@pytest.mark.parametrize("case", SOME, ids=lambda c: f"{c['file']}-{c['id']}")
async def test_it_accepts_what_is_proved(pool: LeanPool, case: dict[str, Any]) -> None:
    finding = await found(pool, case["solution"], case["name"])
    assert finding.verdict == "accepts", finding
    assert (finding.last, finding.axioms) == (case["name"], ())


@pytest.mark.parametrize("case", HOLES[::5], ids=lambda c: c["id"])  # all: tests/lean_env/test_verdicts.py
async def test_it_rejects_what_leans_kernel_accepts(pool: LeanPool, case: dict[str, Any]) -> None:
    finding = await found(pool, case["solution"], case["name"])
    assert (finding.verdict, finding.rule) == ("rejects", "inductive.sort")


def _edited(ndjson: str, edit: Callable[[dict[str, Any]], bool]) -> str:
    """An export in which `edit` has changed the first line that it says it has."""
    lines = ndjson.splitlines()
    for k, line in enumerate(lines):
        item = json.loads(line)
        if edit(item):
            lines[k] = json.dumps(item)
            return "\n".join(lines) + "\n"
    raise AssertionError("no line was edited")


def _within(kind: str, change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], bool]:
    """An edit of a declaration of a kind; of inductive types that of Even: two constructors, one index."""

    def edit(item: dict[str, Any]) -> bool:
        if kind not in item or (kind == "inductive" and len(item[kind]["ctors"]) != 2):
            return False
        if kind == "inductive" and item[kind]["types"][0]["numIndices"] != 1:
            return False
        change(item[kind])
        return True

    return edit


def _swap(what: dict[str, Any], key: str) -> None:
    what[key] = what[key][::-1]


EDITS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "a constructor is missing": _within("inductive", lambda i: i["ctors"].pop()),
    "the constructors change places": _within("inductive", lambda i: _swap(i["types"][0], "ctors")),
    "the recursor's rules change places": _within("inductive", lambda i: _swap(i["recs"][0], "rules")),
    "a rule is missing": _within("inductive", lambda i: i["recs"][0]["rules"].pop()),
    "a rule computes as another": _within(
        "inductive", lambda i: i["recs"][0]["rules"][1].update(rhs=i["recs"][0]["rules"][0]["rhs"])
    ),
    "the recursor has the type of a constructor": _within(
        "inductive", lambda i: i["recs"][0].update(type=i["ctors"][0]["type"])
    ),
    "it is said to be K": _within("inductive", lambda i: i["recs"][0].update(k=True)),
    "there is no recursor": _within("inductive", lambda i: i["recs"].clear()),
    "an index is a parameter": _within("inductive", lambda i: i["types"][0].update(numParams=1, numIndices=0)),
    "the theorem has another proof": lambda item: "thm" in item and item["thm"].update(value=0) is None,
    "the theorem proves itself by its type": lambda item: (
        "thm" in item and item["thm"].update(value=item["thm"]["type"]) is None
    ),
    "an index that is not there": lambda item: "thm" in item and item["thm"].update(value=10**9) is None,
    "a word is missing": lambda item: "thm" in item and item["thm"].pop("value") is not None,
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
async def test_what_was_changed_is_rejected(pool: LeanPool, edit: Callable[[dict[str, Any]], bool]) -> None:
    ndjson, given = await pool.export(TEXT, ["t"])
    assert (await kernel.check(ndjson, given)).verdict == "accepts"
    assert (await kernel.check(_edited(ndjson, edit), given)).verdict == "rejects"


BY_HAND: dict[str, dict[str, Any]] = json.loads((FIXTURES / "expected.json").read_text("utf-8"))


def _by_hand(name: str) -> str:
    return (FIXTURES / f"{name}.ndjson").read_text("utf-8")


@pytest_asyncio.fixture(scope="module")
async def process() -> AsyncIterator[kernel.Kernel]:
    async with kernel.Kernel() as running:
        yield running


@pytest.mark.parametrize("name", BY_HAND)
async def test_the_rules_one_by_one(process: kernel.Kernel, name: str) -> None:
    """Small inputs, each right or wrong in one thing: levels, reduction, conversion, inductive types, projections, …"""
    expected = BY_HAND[name]
    finding = await process.check(_by_hand(name), expected.get("given", 0))
    assert (finding.verdict, finding.rule) == (expected["verdict"], expected.get("rule", "")), finding


async def test_names_that_look_alike_are_told_apart() -> None:
    """Who reads that a proof rests on Quot.sound must not be told so of an axiom whose name is one part."""
    finding = await kernel.check(_by_hand("axiom_alike"))
    assert (finding.axioms, finding.last) == (("propext.x", "«Quot.sound»"), "«Quot.sound»")
    assert (await kernel.check(_by_hand("own_axioms"))).axioms == ("propext", "Quot.sound", "Classical.choice")


ODD_NAMES = """\
axiom «#a».b : True
axiom «#a.b» : True
axiom «x y» : True
axiom α.β₁' : True
axiom é : True
inductive «my type» : Type
  | «its constructor» : List «my type» → «my type»
theorem t : («my type» → True) ∧ True ∧ True ∧ True ∧ True := ⟨fun _ => «#a».b, «#a.b», «x y», α.β₁', é⟩
"""


async def test_odd_names(pool: LeanPool) -> None:
    finding = await found(pool, ODD_NAMES, "t")
    assert (finding.verdict, finding.last) == ("accepts", "t"), finding
    assert set(finding.axioms) == {"«#a».b", "«#a.b»", "«x y»", "α.β₁'", "é"}


@pytest.mark.parametrize(
    "ndjson", ["", "{", "[]", "3", '{"thm":{}}', '{"meta":{}}\n{"ie":-1,"bvar":0}', "\0", "\udcff"]
)
async def test_what_is_no_export_is_rejected(ndjson: str) -> None:
    assert (await kernel.check(ndjson)).verdict == "rejects"


async def test_depth_does_not_end_it() -> None:
    deep = "".join(f'{{"ie":{n + 1},"app":{{"fn":{n},"arg":0}}}}\n' for n in range(300_000))
    axiom = '{"axiom":{"name":1,"levelParams":[],"type":300000,"isUnsafe":false}}\n'
    head = '{"meta":{"format":{"version":"3.1.0"}}}\n{"in":1,"str":{"pre":0,"str":"a"}}\n{"ie":0,"sort":0}\n'
    assert (await kernel.check(head + deep + axiom)).verdict in ("rejects", "undecided")
