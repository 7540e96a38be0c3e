"""Reports of evaluation runs: an HTML page, the same figures as Markdown, and their data as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.records.files import write_file
from eval.report import markdown, page, store


def write(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write `report.html`, `report.md` and `report.json` of a report, made by eval/summary.py, into the folder.

    An earlier report there is replaced. Returns the files, the page first. Raises OSError; ValueError for a figure that
    is not finite, and then writes nothing.
    """
    files = {
        folder / "report.html": page.page(report),
        folder / "report.md": markdown.dumps(report),
        folder / "report.json": store.dumps(report),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        write_file(path, content)
    return list(files)
