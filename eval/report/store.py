"""Reports as JSON files: the same report is the same bytes, and every problem is one line, to be found with grep."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


def dumps(report: Mapping[str, Any]) -> bytes:
    """The report as UTF-8 JSON. Raises ValueError for a number that is not finite: JSON has no word for it."""
    rest = {key: value for key, value in report.items() if key != "runs"}
    runs = ",\n".join(_run(run) for run in report["runs"])
    return encoded(f'{text(rest)[:-1]},\n"runs": [\n{runs}\n]}}\n')


def lines(values: Iterable[Mapping[str, Any]]) -> bytes:
    """Each value as one line of UTF-8 JSON. Raises ValueError as `dumps` does."""
    return encoded("\n".join(map(text, values)))


def text(value: Mapping[str, Any]) -> str:
    """An object as JSON text."""
    return json.dumps(dict(value), ensure_ascii=False, allow_nan=False)


def encoded(json_text: str) -> bytes:
    """A lone surrogate becomes `\\udXXX`, which is JSON for it."""
    return json_text.encode("utf-8", "backslashreplace")


def _run(run: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in run.items() if key != "problems"}
    problems = ",\n".join(map(text, run["problems"]))
    return f'{text(rest)[:-1]},\n"problems": [\n{problems}\n]}}'
