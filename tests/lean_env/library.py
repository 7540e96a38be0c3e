"""The embedded Lean's own library as something to check: constants with bodies, and exports of them (library.cjs)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from lean_env import Lean, LeanPool, embedded

_HERE = Path(__file__).parent
# The kernel looks at what these say, given or not, so that they must come behind what they rest on.
_ON_NUMBERS = {f"Nat.{name}" for name in ("add", "sub", "pred", "mul", "pow", "beq", "ble", "shiftLeft", "shiftRight")}


def lean(file: str = "library.cjs") -> Lean:
    """The embedded Lean with a file of the tests that is loaded before its driver."""
    found = embedded(read=[_HERE])
    driver = next(k for k, word in enumerate(found.argv) if word.endswith("repl.cjs"))
    return dataclasses.replace(found, argv=(*found.argv[:driver], "-r", str(_HERE / file), *found.argv[driver:]))


async def with_bodies(pool: LeanPool, imports: str) -> list[str]:
    """The names of all safe constants with a body, in alphabetical order. (Theorems mostly come without one.)"""
    listed, _ = await pool.export(imports, ["*"])
    return sorted(name for name, _, has_body in map(json.loads, listed.splitlines()) if has_body)


async def accepted(pool: LeanPool, imports: str, names: Sequence[str]) -> list[str]:
    """Those of them that Lean's own kernel accepts; others rest on private constants, which do not come along."""
    found, _ = await pool.export(imports, ["?", *names])
    return found.splitlines()


async def export(pool: LeanPool, imports: str, names: Sequence[str]) -> tuple[str, int]:
    """An export in which these constants of the library are to be checked; and how many others, which are given."""
    ndjson, _ = await pool.export(imports, names)
    return checking(ndjson, {plain(name) for name in names} | _ON_NUMBERS)


def checking(ndjson: str, names: Collection[str]) -> tuple[str, int]:
    """An export with the declarations of these names at its end, in their order, and the number of the others."""
    ends: tuple[list[str], list[str]] = ([], [])
    items: list[str] = []
    for name, line in _declarations(ndjson.splitlines()):
        (items if name is None else ends[name in names]).append(line)
    return "\n".join([*items, *ends[0], *ends[1]]) + "\n", len(ends[0])


def _declarations(lines: Sequence[str]) -> Iterator[tuple[str | None, str]]:
    """The lines, with the names that they declare."""
    names = {0: ""}
    for line in lines:
        item = json.loads(line)
        if "in" in item:
            part = item.get("str") or item["num"]
            names[item["in"]] = f"{names[part['pre']]}.{part.get('str', part.get('i'))}".lstrip(".")
        if item.keys() & {"meta", "in", "il", "ie"}:
            yield None, line
        else:
            (declared,) = item.values()
            yield names[declared.get("types", [declared])[0]["name"]], line


def plain(name: str) -> str:
    """A name as Lean writes it, without its quotes."""
    return name.replace("«", "").replace("»", "")
