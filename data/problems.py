"""Reads the problems of the public benchmarks, from the formats they are published in."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from data.records.parsing import ParseError, nonblank_lines, parse_json
from data.syntax.declarations import SourceError, open_theorems, read_theorem
from data.theorem import Theorem

# Names of fields, the first that a row has: V1.5's JSONL (miniF2F, ProofNet), ProverBench, PutnamBench and their kin.
_NAME = ("name", "problem_name", "problem_id", "id")
_STATEMENT = ("formal_statement", "lean4_statement", "lean4_code")
INFORMAL = ("informal_prefix", "informal_stmt", "informal_statement", "nl_statement")
_TAGS = ("area", "tags", "difficulty", "source")

_SPLITS = frozenset(("train", "valid", "validation", "dev", "test"))

# What a name tells where a row has no tags: the naming scheme of miniF2F.
_NAMED = {
    "mathd_algebra_": ("mathd", "algebra"),
    "mathd_numbertheory_": ("mathd", "number theory"),
    "algebra_": ("algebra",),
    "numbertheory_": ("number theory",),
    "induction_": ("induction",),
    "aime": ("aime",),
    "amc": ("amc",),
    "imo": ("imo",),
}


class ProblemError(Exception):
    """A file of problems cannot be read; str() says where and why."""


@dataclass(frozen=True)
class Problem:
    """A theorem of a benchmark.

    name: the benchmark's own, which need not be the theorem's. split: test, valid or what it calls it; may be empty.
    tags: area, difficulty and the like.
    """

    name: str
    theorem: Theorem
    split: str = ""
    tags: tuple[str, ...] = ()


def read(path: Path, unreadable: list[ProblemError] | None = None) -> Iterator[Problem]:
    """Read the problems of a JSONL file, of a Lean file, or of all Lean files of a folder, in order.

    In a folder, what lies below a folder `Test`, `Valid` or the like belongs to that split. With `unreadable`, rows and
    files that cannot be read are appended there, and the rest is read. Raises ProblemError, OSError.
    """
    for found in _found(path):
        if isinstance(found, Problem):
            yield found
        elif unreadable is None:
            raise found
        else:
            unreadable.append(found)


def _found(path: Path) -> Iterator[Problem | ProblemError]:
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*.lean")) if not _only_imports(file)]
        if not files:
            raise ProblemError(f"{path}: it has no Lean files")
        for file in files:
            above = (path.absolute().name, *file.relative_to(path).parts[:-1])
            yield from _lean(file, next((name.lower() for name in reversed(above) if name.lower() in _SPLITS), ""))
    elif path.suffix == ".lean":
        yield from _lean(path)
    else:
        with path.open("rb") as lines:
            for number, line in nonblank_lines(lines):
                yield _line(line, f"{path}:{number}")


def _only_imports(path: Path) -> bool:
    """Whether a file just gathers others, as the root of a library does."""
    lines = [line for line in path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines() if line.strip()]
    return bool(lines) and all(line.startswith(b"import ") for line in lines)


def _lean(path: Path, split: str = "") -> Iterator[Problem | ProblemError]:
    """The theorem of a file, called as the file; of a file with several open ones each, called as it calls them."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        yield ProblemError(f"{path}: not UTF-8 at byte {error.start}")
        return
    names = open_theorems(text)
    for name in names if len(names) > 1 else [""]:
        try:
            theorem = read_theorem(text, name, source=str(path))
            yield Problem(name or path.stem, theorem, split, _named(name or path.stem))
        except SourceError as error:
            yield ProblemError(_placed(str(error), str(path)))


def _line(line: bytes, place: str) -> Problem | ProblemError:
    try:
        row = parse_json(line)
    except ParseError as error:
        return ProblemError(f"{place}: {error}")
    if not isinstance(row, dict):
        return ProblemError(f"{place}: not a JSON object")
    try:
        return problem_of(row, place)
    except (SourceError, ProblemError) as error:
        return ProblemError(_placed(str(error), place))


def _placed(message: str, place: str) -> str:
    return message if message.startswith(place) else f"{place}: {message}"


def problem_of(row: Mapping[str, Any], place: str) -> Problem:
    """The problem of a row; place: where it stands, for people. Raises ProblemError, SourceError."""
    statement = field(row, _STATEMENT)
    if not statement:
        raise ProblemError(f"{place}: none of the fields {', '.join(_STATEMENT)}")
    return problem(row, read_theorem(lean_text(row, statement), source=place))


def lean_text(row: Mapping[str, Any], statement: str) -> str:
    """A row's header and informal text, and a statement of it, as a Lean file."""
    informal = field(row, INFORMAL)
    if informal and not informal.lstrip().startswith("/-"):
        informal = f"/-- {informal.strip().replace('-/', '- /')} -/\n"
    parts = [field(row, ("header",)), informal, dedent(statement) if statement[:1].isspace() else statement]
    return "".join(part if part.endswith("\n") or not part else f"{part}\n" for part in parts)


def problem(row: Mapping[str, Any], theorem: Theorem) -> Problem:
    """A theorem with the name, split and tags of its row."""
    name = field(row, _NAME) or theorem.name
    tags = tuple(_tags(row))
    return Problem(name, theorem, field(row, ("split",)), tags if "tags" in row else tags or _named(name))


def _tags(row: Mapping[str, Any]) -> Iterator[str]:
    for key in _TAGS:
        value = row.get(key)
        for tag in value if isinstance(value, list) else [value]:
            if tag:
                yield str(tag).removesuffix(".lean")  # ProofNet's copies name the file of the book


def _named(name: str) -> tuple[str, ...]:
    return next((tags for prefix, tags in _NAMED.items() if name.startswith(prefix)), ())


def field(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first of these fields that holds something."""
    return next((str(row[name]) for name in names if row.get(name)), "")
