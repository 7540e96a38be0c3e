"""The HTML page of evaluation runs: a self-contained file that loads nothing and runs only its own script."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from eval.report import store
from search.report.document import render_template, script_json

_LONG = ("proof", "shown")  # the texts of a problem that only whoever opens it needs


def page(report: Mapping[str, Any]) -> bytes:
    """Return the page of a report. Raises ValueError for a number that is not finite.

    The report stands in the page as JSON. The script makes text nodes of its texts, and the Content-Security-Policy
    admits that script alone. Proofs and attempts stand apart, one line for each problem of each run, in order: a report
    of 20,000 problems opens quickly because only the lines of opened problems are parsed.
    """
    runs = report["runs"]
    short = [{**run, "problems": [_without(problem, _LONG) for problem in run["problems"]]} for run in runs]
    long = ({key: problem[key] for key in _LONG} for run in runs for problem in run["problems"])
    return render_template(
        __package__,
        "page.html",
        title=escape(report["title"]),
        report=script_json(store.dumps({**report, "runs": short})),
        texts=script_json(store.lines(long)),
    )


def _without(problem: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in problem.items() if key not in keys}
