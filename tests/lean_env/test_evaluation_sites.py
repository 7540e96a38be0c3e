"""docs/evaluation-sites.md names every place where this Lean evaluates, and a test for each."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from lean_env import Claim, LeanPool, Reason
from lean_env.embedded import install
from lean_env.embedded.node import node
from tests.lean_env.unlocked import LOCKS, lean_behind

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "evaluation-sites.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("|") and not line.startswith("| ---")
]
EVALUATORS = [
    "lean_eval_const", "lean_run_init", "l_Lean_Environment_evalConst", "l_Lean_Environment_evalConstCheck",
    "l_Lean_evalConst", "l_Lean_evalConstCheck", "l_Lean_Meta_evalExprCore", "l_Lean_Meta_evalExpr",
    "l_Lean_Meta_evalExpr_x27", "l_Lean_Elab_Term_evalTerm",
]  # fmt: skip
FIXTURES = ROOT / "tests" / "fixtures" / "verdicts"
CASES = {case["id"]: case for path in FIXTURES.glob("*.yaml") for case in yaml.safe_load(path.read_text("utf-8"))}
EVALUATED = [  # attacks of all kinds that get as far as the interpreter
    "simp-value", "extract-lets-value", "try-value", "bv-normalize-value", "value-of-a-library-function",
    "time-command", "guard-command", "extern-test", "panel-widgets", "simproc-of-definitions", "elaboration-rules",
    "attribute-command-elab", "attribute-formatter", "attribute-simproc", "attribute-hole-code-action",
]  # fmt: skip
_PRIVATE = re.compile(r"^__private_\w+?_0__")
_PART = re.compile(r"(___(boxed|e?lam__\d+))+$|_unsafe__\d+(___boxed)?$")
_HYGIENIC = re.compile(r"(.*)_00___x40_(\w+?)_\d+____hygCtx")  # what a macro named, and its module
_ESCAPED = {"_x27": "'", "_x3f": "?", "_x21": "!"}


def lean_name(symbol: str) -> str:
    """Lean's name for what a symbol of the module is, or is a part of; empty for parts of what is listed anyway."""
    if symbol.startswith("initialize_"):
        return ""
    if not symbol.startswith("l_"):
        return symbol
    name = _PART.sub("", _PRIVATE.sub("", symbol.removeprefix("l_"))).removesuffix("Unsafe")
    if found := _HYGIENIC.match(name):
        if not found[1].endswith("initFn"):
            return ""  # `declare_config_elab` makes an `evalUnsafe` beside the elaborator
        name = f"{found[2]}.initialize"
    for code, character in _ESCAPED.items():
        name = name.replace(code, character)
    return name.replace("_", ".")


@pytest.fixture(scope="module")
def sites() -> set[str]:
    """The functions of the installed Lean that evaluate."""
    found = install.find()
    assert found is not None
    command = [str(node()), str(Path(__file__).with_name("calls.cjs")), str(found.root), *EVALUATORS]
    users = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)
    assert all(names is not None for names in users.values())
    return {lean_name(symbol) for names in users.values() for symbol in names} - {""}


def test_every_place_is_listed(sites: set[str]) -> None:
    listed = {name for row in ROWS for name in re.findall(r"`([^`]+)`", row[0]) if len(row) == 4}
    listed |= set(re.findall(r"`([^`]+)`", PAGE.split("## The evaluators themselves")[1].split("## ")[0]))
    assert listed == sites


def test_every_place_has_its_tests() -> None:
    named = [row[-1].rstrip(")").split(" (") for row in ROWS if len(row) > 2 and row[-1] not in ("", "tests")]
    assert len(named) > 40
    attacks = {id for cell in named for id in cell[0].split(", ")}
    honest = {id for cell in named for id in ", ".join(cell[1:]).split(", ") if id}
    assert attacks | honest <= CASES.keys()
    assert not any(CASES[id]["proved"] for id in attacks)
    assert all(CASES[id]["proved"] for id in honest)


@pytest.mark.slow
async def test_the_interpreters_question_holds_without_the_guard(opened: Path) -> None:
    async with LeanPool(lean_behind(LOCKS - {"guard"}, opened), workers=1) as pool:
        for case in map(CASES.__getitem__, EVALUATED):
            verdict = await pool.judge(Claim(case["challenge"], case["solution"], case["name"]), timeout=60)
            assert verdict.reason is Reason.FORBIDDEN, f"{case['id']}: {verdict.detail}"
            assert verdict.detail.startswith("evaluation"), f"{case['id']}: {verdict.detail}"
