"""The HTML pages: each one file that needs no other, asks the network for nothing, and runs no script but its own."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from search.report import store
from search.report.document import data, filled
from search.trace import Trace


def page(trace: Trace, base: str) -> bytes:
    """The page of one search. `base`: the name, without ending, of its files in the folder.

    The trace's texts stand in it as JSON; the page's script makes text nodes of them, and the Content-Security-Policy
    admits that script alone.
    """
    return filled(
        __package__,
        "page.html",
        title=f"{escape(trace.theorem)} · {_outcome(trace)}",
        base=base,
        trace=data(store.dumps(trace)),
    )


def index(traces: Sequence[tuple[str, Trace]]) -> bytes:
    """The page that lists the traces of a folder, given as `store.heads` does."""
    proved = sum(trace.proof is not None for _, trace in traces)
    rows = "\n".join(_row(*item) for item in traces)
    return filled(__package__, "index.html", proved=proved, total=len(traces), rows=rows)


def _row(base: str, trace: Trace) -> str:
    outcome = _outcome(trace)
    return (
        f'<tr><th scope="row"><a href="{base}.html">{escape(trace.theorem)}</a></th>'
        f'<td><span class="badge {outcome.replace(" ", "-")}">{outcome}</span></td><td>{escape(trace.search)}</td>'
        f'<td class="number">{trace.checks:,}</td><td class="number">{trace.seconds:,.1f} s</td></tr>'
    )


def _outcome(trace: Trace) -> str:
    return "not proved" if trace.proof is None else "proved"
