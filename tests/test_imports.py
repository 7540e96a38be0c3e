"""Imports point upwards in one list of packages; only the command line may import anything."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = ["lean_env", "data", "prover", "search", "eval", "rl"]
FILES = [path for package in ORDER for path in sorted((ROOT / package).rglob("*.py"))]


def imported_packages(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_upwards(path: Path) -> None:
    relative = path.relative_to(ROOT)
    if relative.parts[:2] == ("prover", "cli"):
        return
    allowed = ORDER[: ORDER.index(relative.parts[0]) + 1]
    wrong = {name for name in imported_packages(ast.parse(path.read_text("utf-8"))) if name in ORDER} - set(allowed)
    assert not wrong, f"{relative} imports {', '.join(sorted(wrong))}"


def test_importing_the_command_line_is_light() -> None:
    """`prover --help` must not wait for anything heavy."""
    import subprocess
    import sys

    heavy = ("torch", "ray", "transformers", "vllm", "networkx")
    code = f"import sys, prover.cli; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
