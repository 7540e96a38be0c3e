"""Traces as JSON files.

The first line has everything about the search, each further line a node or an attempt: the first line is enough to list
the traces of a folder, and a line can be found with grep.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from data.records.parsing import parse_json
from search.trace import Trace, TraceAttempt, TraceNode


def dumps(trace: Trace) -> bytes:
    """Return the trace as UTF-8 JSON. Raises ValueError for a value or time that is not finite."""
    header = {key: value for key, value in vars(trace).items() if key not in ("nodes", "attempts")}
    text = f'{_json(header)[:-1]},\n"nodes": [{_lines(trace.nodes)}],\n"attempts": [{_lines(trace.attempts)}]}}\n'
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate becomes `\udXXX`, which is JSON for it


def read(path: Path) -> Trace:
    """Return the trace in a file that `write` wrote. Raises OSError; ValueError if the file holds something else."""
    try:
        fields = parse_json(path.read_bytes())
        nodes = [TraceNode(**node) for node in fields.pop("nodes")]
        attempts = [
            TraceAttempt(**{**attempt, "reached": tuple(attempt["reached"])}) for attempt in fields.pop("attempts")
        ]
        return Trace(**{**fields, "found": tuple(fields["found"])}, nodes=nodes, attempts=attempts)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is not a trace: {error}") from None


def read_summaries(folder: Path) -> list[tuple[str, Trace]]:
    """Return the file name (without extension) and Trace, without nodes and attempts, of every trace in a folder.

    They are in the order in which they were written, which is that of the theorems in their file.
    """
    summaries = []
    for path in sorted(folder.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name)):
        with path.open("rb") as file:
            line = file.readline()
        try:
            summaries.append((path.stem, Trace(**parse_json(line.rstrip().removesuffix(b",") + b"}"))))
        except (ValueError, TypeError):
            continue  # some other JSON file
    return summaries


def file_name(theorem: str) -> str:
    """Return a file name for a theorem, without extension, that is safe everywhere and unique to it.

    Names that file systems may change or confuse (by case, by Unicode form, by length) get a hash of the name.
    """
    if len(theorem) <= 80 and theorem != "index" and re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", theorem):
        return theorem
    ascii_part = unicodedata.normalize("NFKD", theorem).encode("ascii", "ignore").decode()
    readable = re.sub(r"[^A-Za-z0-9_.]+", "_", ascii_part)[:60].strip("._")
    digest = hashlib.sha256(theorem.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{readable or 'theorem'}-{digest}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _lines(items: Iterable[TraceNode | TraceAttempt]) -> str:
    lines = ",\n".join(_json(vars(item)) for item in items)
    return f"\n{lines}\n" if lines else ""
