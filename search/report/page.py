"""The HTML pages of searches: self-contained files that load nothing and run only their own script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from search.report import store
from search.report.document import render_template, script_json
from search.trace import Trace


def page(trace: Trace, base: str) -> bytes:
    """Return the page of one search. `base`: the name, without extension, of its files in the folder.

    The trace stands in the page as JSON. The script makes text nodes of its texts, and the Content-Security-Policy
    admits that script alone.
    """
    return render_template(
        __package__,
        "page.html",
        title=f"{escape(trace.theorem)} · {_outcome(trace)}",
        base=base,
        trace=script_json(store.dumps(trace)),
    )


def index(traces: Sequence[tuple[str, Trace]]) -> bytes:
    """Return the page that lists the traces of a folder, as returned by `store.read_summaries`."""
    proved = sum(trace.proof is not None for _, trace in traces)
    rows = "\n".join(_row(*item) for item in traces)
    return render_template(__package__, "index.html", proved=proved, total=len(traces), rows=rows)


def _row(base: str, trace: Trace) -> str:
    outcome = _outcome(trace)
    return (
        f'<tr><th scope="row"><a href="{base}.html">{escape(trace.theorem)}</a></th>'
        f'<td><span class="badge {outcome.replace(" ", "-")}">{outcome}</span></td><td>{escape(trace.search)}</td>'
        f'<td class="number">{trace.checks:,}</td><td class="number">{trace.seconds:,.1f} s</td></tr>'
    )


def _outcome(trace: Trace) -> str:
    return "not proved" if trace.proof is None else "proved"
