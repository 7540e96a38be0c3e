"""The HTML pages: each one file that needs no other, asks the network for nothing, and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template

from search.report import store
from search.trace import Trace


def page(trace: Trace, base: str) -> bytes:
    """The page of one search. `base`: the name, without ending, of its files in the folder.

    The trace's texts stand in it as JSON, without any `<`, so that nothing in them can end the script element; the
    page's script makes text nodes of them, and the Content-Security-Policy admits that script alone.
    """
    script = _source("page.js")
    return _filled(
        "page.html",
        title=f"{escape(trace.theorem)} · {_outcome(trace)}",
        base=base,
        trace=store.dumps(trace).decode("utf-8").replace("<", "\\u003c"),
        script=script,
        script_hash=_hash(script),
    )


def index(traces: Sequence[tuple[str, Trace]]) -> bytes:
    """The page that lists the traces of a folder, given as `store.heads` does."""
    proved = sum(trace.proof is not None for _, trace in traces)
    return _filled("index.html", proved=proved, total=len(traces), rows="\n".join(_row(*item) for item in traces))


def _row(base: str, trace: Trace) -> str:
    outcome = _outcome(trace)
    return (
        f'<tr><th scope="row"><a href="{base}.html">{escape(trace.theorem)}</a></th>'
        f'<td><span class="badge {outcome.replace(" ", "-")}">{outcome}</span></td><td>{escape(trace.search)}</td>'
        f'<td class="number">{trace.checks:,}</td><td class="number">{trace.seconds:,.1f} s</td></tr>'
    )


def _outcome(trace: Trace) -> str:
    return "not proved" if trace.proof is None else "proved"


def _filled(template: str, **values: object) -> bytes:
    style = _source("page.css")
    text = Template(_source(template)).substitute(values, style=style, style_hash=_hash(style))
    return text.encode("utf-8", "backslashreplace")


def _source(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """As a Content-Security-Policy names what it admits."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
