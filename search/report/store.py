"""Traces as JSON files.

One line for everything about the search, then one line per node and per attempt: the first line is enough to list the
traces of a folder, and a line can be found with grep.
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
from search.trace import Attempt, Node, Trace


def dumps(trace: Trace) -> bytes:
    """The Trace as UTF-8 JSON. Raises ValueError for a value or time that is not finite: JSON has no word for it."""
    head = {key: value for key, value in vars(trace).items() if key not in ("nodes", "attempts")}
    text = f'{_json(head)[:-1]},\n"nodes": [{_lines(trace.nodes)}],\n"attempts": [{_lines(trace.attempts)}]}}\n'
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate becomes `\udXXX`, which is JSON for it


def read(path: Path) -> Trace:
    """The Trace in a file that `write` wrote. Raises OSError; ValueError if it holds something else."""
    try:
        fields = parse_json(path.read_bytes())
        nodes = [Node(**node) for node in fields.pop("nodes")]
        attempts = [Attempt(**{**attempt, "reached": tuple(attempt["reached"])}) for attempt in fields.pop("attempts")]
        return Trace(**{**fields, "found": tuple(fields["found"])}, nodes=nodes, attempts=attempts)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is not a trace: {error}") from None


def heads(folder: Path) -> list[tuple[str, Trace]]:
    """File name (without ending) and Trace, less nodes and attempts, of every trace in a folder, in the order in which
    they were written: that of the theorems in their file."""
    found = []
    for path in sorted(folder.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name)):
        with path.open("rb") as file:
            line = file.readline()
        try:
            found.append((path.stem, Trace(**parse_json(line.rstrip().removesuffix(b",") + b"}"))))
        except (ValueError, TypeError):
            continue  # some other JSON file
    return found


def file_name(theorem: str) -> str:
    """A file name, without ending, that is safe everywhere and that no other theorem has.

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


def _lines(items: Iterable[Node | Attempt]) -> str:
    lines = ",\n".join(_json(vars(item)) for item in items)
    return f"\n{lines}\n" if lines else ""
