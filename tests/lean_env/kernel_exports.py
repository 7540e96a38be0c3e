"""Exports in lean4export's format, read into parts that can be changed and written again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Line = dict[str, Any]
CHILDREN = {  # of an expression: by its kind, the fields that are expressions, and how many binders are between
    "app": (("fn", 0), ("arg", 0)),
    "lam": (("type", 0), ("body", 1)),
    "forallE": (("type", 0), ("body", 1)),
    "letE": (("type", 0), ("value", 0), ("body", 1)),
    "proj": (("struct", 0),),
}
ITEMS = ("in", "il", "ie")


@dataclass(frozen=True)
class Export:
    """An export in parts: the lines that define names, levels and expressions; then the declarations."""

    meta: Line
    items: tuple[Line, ...]
    given: tuple[Line, ...]
    own: tuple[Line, ...]
    what: str = ""
    tables: dict[str, dict[int, Line]] = field(default_factory=dict, compare=False)
    reach: dict[int, int] = field(default_factory=dict, compare=False)
    """By expression: how many binders around it it needs."""

    @classmethod
    def read(cls, ndjson: str, given: int) -> Export:
        meta, *lines = map(json.loads, ndjson.splitlines())
        items = [line for line in lines if line.keys() & set(ITEMS)]
        declarations = [line for line in lines if not line.keys() & set(ITEMS)]
        tables: dict[str, dict[int, Line]] = {kind: {} for kind in ITEMS}
        reach: dict[int, int] = {}
        for line in items:
            kind = next(kind for kind in ITEMS if kind in line)
            tables[kind][line[kind]] = line
            if kind == "ie":
                inner = [reach[index] - binders for _, index, binders in children(line)]
                reach[line["ie"]] = max(0, line["bvar"] + 1 if "bvar" in line else 0, *inner, 0)
        return cls(meta, tuple(items), tuple(declarations[:given]), tuple(declarations[given:]), "", tables, reach)

    def ndjson(self) -> str:
        lines = [self.meta, *self.items, *self.given, *self.own]
        return "\n".join(json.dumps(line, separators=(",", ":")) for line in lines) + "\n"

    def name(self, index: int) -> str:
        if index == 0:
            return ""
        line = self.tables["in"][index]
        part = line.get("str") or line["num"]
        return f"{self.name(part['pre'])}.{part.get('str', part.get('i'))}".lstrip(".")


def kind_of(line: Line) -> str:
    return next(key for key in line if key != "ie")


def children(line: Line) -> Iterator[tuple[str, int, int]]:
    """(field, expression, binders between) for an expression's parts."""
    kind = kind_of(line)
    for key, binders in CHILDREN.get(kind, ()):
        yield key, line[kind][key], binders
