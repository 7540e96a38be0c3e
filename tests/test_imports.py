"""Imports point one way: up a list of packages, up a list of `prover`'s own, and never in a circle of files."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[1]
ORDER = ["lean_env", "data", "prover", "search", "eval", "rl"]
INSIDE = ["model", "serving", "engines", "prompts", "policy"]  # of `prover`
HEAVY = ("torch", "ray", "transformers", "vllm", "networkx", "pydantic", "lean_env", "data", "search", "eval", "rl")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for package in ORDER for path in sorted((ROOT / package).rglob("*.py"))}


def imported(tree: ast.AST) -> set[str]:
    """The modules of ours that a file imports, in functions and for types only, too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in FILES else str(node.module))
    return {name for name in found if name in FILES}


GRAPH = nx.DiGraph()
GRAPH.add_nodes_from(FILES)
GRAPH.add_edges_from(
    [(name, to) for name, path in FILES.items() for to in imported(ast.parse(path.read_text("utf-8")))]
)


def floor(module: str) -> tuple[int, int]:
    """Where a module stands; what belongs to `prover` itself (its command, its API) is above its packages."""
    package, _, rest = module.partition(".")
    inner = rest.partition(".")[0]
    number = INSIDE.index(inner) if package == "prover" and inner in INSIDE else len(INSIDE)
    return ORDER.index(package), number


@pytest.mark.parametrize("module", FILES)
def test_imports_point_upwards(module: str) -> None:
    wrong = [to for to in GRAPH.successors(module) if floor(to) > floor(module)]
    assert not wrong, f"{module} imports {', '.join(sorted(wrong))}"


def test_there_is_no_circle_of_files() -> None:
    circles = [sorted(part) for part in nx.strongly_connected_components(GRAPH) if len(part) > 1]
    assert not circles, circles


def test_an_engine_knows_no_theorem() -> None:
    engines = [name for name in FILES if name.startswith("prover.engines")]
    assert not [to for name in engines for to in GRAPH.successors(name) if to.startswith(("data", "prover.prompts"))]


@pytest.mark.parametrize("what", ["import prover", "import prover.cli", HELP := "the help"])
def test_importing_and_asking_for_help_is_light(what: str) -> None:
    """`prover --help` must not wait for anything, and `import prover` costs nothing."""
    code = what
    if what == HELP:
        code = "import sys\nfrom prover.cli import app\ntry: app(['--help'])\nexcept SystemExit: pass"
    code += f"\nimport sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
