"""The reports of a search: an HTML page, its data as JSON, and its tree as GraphML."""

from __future__ import annotations

from pathlib import Path

from data.records.files import write_file
from search.report import network, page, store
from search.report.network import graph
from search.report.store import read
from search.trace import Trace

__all__ = ["graph", "read", "write"]


def write(trace: Trace, folder: Path) -> list[Path]:
    """Write `<name>.html`, `<name>.json`, `<name>.graphml` and an `index.html` of all traces in the folder.

    An earlier trace of the same theorem is replaced. Returns the files, the page first. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base = store.file_name(trace.theorem)
    files = {
        folder / f"{base}.html": page.page(trace, base),
        folder / f"{base}.json": store.dumps(trace),
        folder / f"{base}.graphml": network.dumps(trace),
    }
    for path, content in files.items():
        write_file(path, content)
    index = folder / "index.html"
    write_file(index, page.index(store.read_summaries(folder)))
    return [*files, index]
