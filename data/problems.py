"""Problems of the public benchmarks, from the formats they are published in, in one form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.source import SourceError, read_theorem
from data.theorem import Theorem

# Names of fields, the first that a row has: V1.5's JSONL (miniF2F, ProofNet), ProverBench, PutnamBench and their kin.
_NAME = ("name", "problem_name", "problem_id", "id")
_STATEMENT = ("formal_statement", "lean4_statement", "lean4_code")
_INFORMAL = ("informal_prefix", "informal_stmt", "informal_statement", "nl_statement")
_TAGS = ("area", "tags", "difficulty", "source")


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


def read(path: Path) -> Iterator[Problem]:
    """The problems of a JSONL file, of a Lean file, or of all Lean files of a folder (one problem each), in order.

    Raises ProblemError, OSError.
    """
    if path.is_dir():
        files = sorted(path.rglob("*.lean"))
        if not files:
            raise ProblemError(f"{path}: it has no Lean files")
        for file in files:
            yield _lean(file)
    elif path.suffix == ".lean":
        yield _lean(path)
    else:
        yield from _jsonl(path)


def _lean(path: Path) -> Problem:
    try:
        theorem = read_theorem(path.read_text("utf-8"), source=str(path))
    except SourceError as error:
        raise ProblemError(str(error)) from None
    except UnicodeDecodeError as error:
        raise ProblemError(f"{path}: not UTF-8 at byte {error.start}") from None
    return Problem(path.stem, theorem)


def _jsonl(path: Path) -> Iterator[Problem]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            place = f"{path}:{number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ProblemError(f"{place}: not JSON: {error}") from None
            if not isinstance(row, dict):
                raise ProblemError(f"{place}: not a JSON object")
            try:
                yield _row(row, place)
            except SourceError as error:
                raise ProblemError(str(error)) from None


def _row(row: Mapping[str, Any], place: str) -> Problem:
    statement = _field(row, _STATEMENT)
    if not statement:
        raise ProblemError(f"{place}: none of the fields {', '.join(_STATEMENT)}")
    informal = _field(row, _INFORMAL)
    if informal and not informal.lstrip().startswith("/-"):
        informal = f"/-- {informal.strip().replace('-/', '- /')} -/\n"
    theorem = read_theorem(_field(row, ("header",)) + informal + statement, source=place)
    return Problem(_field(row, _NAME) or theorem.name, theorem, _field(row, ("split",)), tuple(_tags(row)))


def _tags(row: Mapping[str, Any]) -> Iterator[str]:
    for key in _TAGS:
        value = row.get(key)
        for tag in value if isinstance(value, list) else [value]:
            if tag:
                yield str(tag)


def _field(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first of these fields that holds something."""
    return next((str(row[name]) for name in names if row.get(name)), "")
