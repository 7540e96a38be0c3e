"""Compares our listing of theorems with those that Lean sees in a folder of Lean files, and prints what is missing.

    python benchmarks/listing.py FOLDER

Lean's: after each command, the theorems that its environment has got and for which it knows a place in the file, and
what the declarations of the command have become. Ours: the declarations to be proved and checked, and what is named
with a reason (`LeanFile.others`). What Lean does not accept (it needs other modules, or another Lean) is left out.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from data import LeanFile, parse
from data.lean_file import FileError
from lean_env import LeanPool
from lean_env.check import InputError
from lean_env.process import ProcessDied


def lean_theorems(answer: dict[str, Any]) -> set[str]:
    """Return the theorems in Lean's answer about a file, by constant; an example without one by its position."""
    names = set()
    for command in answer.get("commands", ()):
        names |= {theorem["name"] for theorem in command.get("besides", ())}
        declared = (d for d in command["declarations"] if d["theorem"] and d["value"])
        names |= {d["constant"] or f"example at {d['keyword'][0]}" for d in declared}
    return names


def our_theorems(file: LeanFile) -> set[str]:
    """Return the theorems of our listing. (The head of an example starts at its keyword or before it.)"""
    named = {d.constant for d in file.theorems if d.kind != "example"}
    return named | {f"example at {file.text.index('example', d.head[0])}" for d in file.theorems if d.kind == "example"}


class _RecordingPool(LeanPool):
    """A pool that keeps the last answer about a file, so that one elaboration serves both sides."""

    last_answer: dict[str, Any]

    async def declarations(self, code: str, **how: Any) -> dict[str, Any]:
        """Return the declarations of a file, and remember them."""
        self.last_answer = await super().declarations(code, **how)
        return self.last_answer


async def main(folder: Path, paths: list[Path]) -> None:
    """Compare the files."""
    total: Counter[str] = Counter()
    pool = _RecordingPool(workers=1, confirm=False)
    async with pool:
        for path in paths:
            try:
                file = await parse(pool, path.read_text("utf-8", "replace"), path.name)
            except (FileError, InputError, ProcessDied) as error:
                total["left out"] += 1
                print(f"{path.relative_to(folder)}: {' '.join(str(error).split())[:150]}", file=sys.stderr, flush=True)
                continue
            lean, ours = lean_theorems(pool.last_answer), our_theorems(file)
            reasons = {other.name: other.how for other in file.others}
            total.update({"compared": 1, "theorems": len(lean), "listed": len(lean & ours)})
            total.update(reasons[name] for name in lean - ours if name in reasons)
            for name in sorted(lean - ours - reasons.keys()):
                total["missing"] += 1
                print(f"{path.relative_to(folder)}: {name}", flush=True)
    print(f"{len(paths)} files, {total['compared']} compared, {total['left out']} that this Lean does not accept")
    why = ", ".join(f"{how} {total[how]}" for how in ("field", "inside", "made"))
    counts = f"{total['listed']} listed, named with a reason: {why}; {total['missing']} missing"
    print(f"{total['theorems']} theorems: {counts}")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    asyncio.run(main(folder, sorted(folder.rglob("*.lean"))))
