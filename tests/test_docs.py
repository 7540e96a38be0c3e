"""The README and docs/: links lead somewhere, commands are as the command line has them, and blocks run as pasted."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from prover.cli import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"(?:^<!-- (?P<mark>.+) -->\n)?^```(?P<kind>sh|python)\n(?P<text>.*?)^```$", re.M | re.S)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_INSTALL = re.compile(r"pip install -e '[^']*' *(?:&& *|$)")  # the tests' environment has all extras


@dataclass(frozen=True)
class Block:
    page: Path
    kind: str
    text: str
    mark: str  # why it is not run here; empty: it is run

    @property
    def commands(self) -> list[str]:
        joined = self.text.replace("\\\n", " ")
        return [bare for line in joined.splitlines() if (bare := _INSTALL.sub("", line.partition("   #")[0]).strip())]


def blocks(page: Path) -> Iterator[Block]:
    for found in _BLOCK.finditer(page.read_text("utf-8")):
        yield Block(page, found["kind"], found["text"], found["mark"] or "")


def prover_calls(block: Block) -> Iterator[list[str]]:
    """The arguments of each call of `prover` in a block, and of those that tables and text name are not looked at."""
    for line in block.commands if block.kind == "sh" else ():
        words, call = shlex.split(line, comments=True), list[str]()
        for word in [*words, "|"]:
            if word in ("|", "&&"):
                if call[:1] == ["prover"]:
                    yield call[1:]
                call = []
            else:
                call.append(word)


def parse(arguments: list[str]) -> None:
    """Parse a call as `prover` would, without running it. A file that is not there is no fault. Raises UsageError."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("prover", arguments)
    try:
        while hasattr(command, "resolve_command"):
            name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            context = command.make_context(name, rest, parent=context)
    except Exception as error:
        if "does not exist" not in str(getattr(error, "message", error)):
            raise


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text("utf-8")):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_site() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert [page.name for page in PAGES[1:] if f": {page.name}\n" not in navigation] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 135


CALLS = {shlex.join(call): call for page in PAGES for block in blocks(page) for call in prover_calls(block)}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_commands_are_known(call: list[str]) -> None:
    parse(call)


def test_a_command_that_is_not_known_is_found() -> None:
    for wrong in (["prove", "x.lean", "--no-such-option"], ["prov", "x.lean"], ["train", "grppo", "x.yaml"]):
        with pytest.raises(Exception, match=r"(?i)no such"):
            parse(wrong)


def test_public_classes_and_functions_have_docstrings() -> None:
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bare = [
        f"{file.relative_to(ROOT)}: {node.name}"
        for package in ("lean_env", "data", "prover", "search", "eval", "rl")
        for file in (ROOT / package).rglob("*.py")
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, kinds) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert bare == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_blocks_run_as_pasted(tmp_path: Path) -> None:
    """All that are not marked, page after page in one folder; a command that several pages have is run once."""
    for folder in ("examples", "configs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    first = (ROOT / "examples/first.lean").read_text("utf-8")
    shorter = re.split(r"(?=^theorem )", first, flags=re.M)  # `make prove` proves all of it
    wanted = [part for part in shorter[1:] if part.startswith("theorem gauss")]
    (tmp_path / "examples/first.lean").write_text("".join([*shorter[:3], *wanted]), "utf-8")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done: set[str] = set()
    for block in (block for page in PAGES for block in blocks(page) if not block.mark):
        runs = [["bash", "-ec", c] for c in block.commands if c not in done] if block.kind == "sh" else []
        done.update(block.commands if block.kind == "sh" else ())
        for run in runs or ([[sys.executable, "-c", block.text]] if block.kind == "python" else []):
            if run[-1].startswith(("make ", "source ")):
                continue
            ended = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
            where = f"{block.page.name}: {run[-1]}\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}"
            some_unproved = "--jsonl" in run[-1] or "--policy native" in run[-1]
            assert ended.returncode in ((0, 1) if some_unproved else (0,)), where
            assert "Traceback" not in ended.stderr, where
