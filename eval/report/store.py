"""Reports as JSON files: the same report gives the same bytes, with one line per problem for grep."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


def dumps(report: Mapping[str, Any]) -> bytes:
    """Return the report as UTF-8 JSON. Raises ValueError for a number that is not finite."""
    rest = {key: value for key, value in report.items() if key != "runs"}
    runs = ",\n".join(_run(run) for run in report["runs"])
    return encoded(f'{text(rest)[:-1]},\n"runs": [\n{runs}\n]}}\n')


def lines(values: Iterable[Mapping[str, Any]]) -> bytes:
    """Return each value as one line of UTF-8 JSON. Raises ValueError as `dumps` does."""
    return encoded("\n".join(map(text, values)))


def text(value: Mapping[str, Any]) -> str:
    """Return an object as JSON text."""
    return json.dumps(dict(value), ensure_ascii=False, allow_nan=False)


def encoded(json_text: str) -> bytes:
    """Return JSON text as UTF-8; a lone surrogate becomes `\\udXXX`, which is its JSON escape."""
    return json_text.encode("utf-8", "backslashreplace")


def _run(run: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in run.items() if key != "problems"}
    problems = ",\n".join(map(text, run["problems"]))
    return f'{text(rest)[:-1]},\n"problems": [\n{problems}\n]}}'
