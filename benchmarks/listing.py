"""Are all theorems that Lean sees in a folder of Lean files in our listing? What is missing is printed.

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


def seen(answer: dict[str, Any]) -> set[str]:
    """The theorems of a file in an answer of Lean's, by their constants; an example without one by its place."""
    names = set()
    for command in answer.get("commands", ()):
        names |= {told["name"] for told in command.get("besides", ())}
        declared = (d for d in command["declarations"] if d["theorem"] and d["value"])
        names |= {d["constant"] or f"example at {d['keyword'][0]}" for d in declared}
    return names


def listed(file: LeanFile) -> set[str]:
    """The same of our listing. (An example's head begins at its keyword, or at what stands before that.)"""
    named = {d.constant for d in file.theorems if d.kind != "example"}
    return named | {f"example at {file.text.index('example', d.head[0])}" for d in file.theorems if d.kind == "example"}


class _Listened(LeanPool):
    """A pool that keeps the last answer about a file, so that one elaboration serves both sides."""

    heard: dict[str, Any]

    async def declarations(self, code: str, **how: Any) -> dict[str, Any]:
        self.heard = await super().declarations(code, **how)
        return self.heard


async def main(folder: Path, paths: list[Path]) -> None:
    total: Counter[str] = Counter()
    pool = _Listened(workers=1, confirm=False)
    async with pool:
        for path in paths:
            try:
                file = await parse(pool, path.read_text("utf-8", "replace"), path.name)
            except (FileError, InputError, ProcessDied) as error:
                total["left out"] += 1
                print(f"{path.relative_to(folder)}: {' '.join(str(error).split())[:150]}", file=sys.stderr, flush=True)
                continue
            lean, ours = seen(pool.heard), listed(file)
            named = {other.name: other.how for other in file.others}
            total.update({"compared": 1, "theorems": len(lean), "listed": len(lean & ours)})
            total.update(named[name] for name in lean - ours if name in named)
            for name in sorted(lean - ours - named.keys()):
                total["missing"] += 1
                print(f"{path.relative_to(folder)}: {name}", flush=True)
    print(f"{len(paths)} files, {total['compared']} compared, {total['left out']} that this Lean does not accept")
    why = ", ".join(f"{how} {total[how]}" for how in ("field", "inside", "made"))
    said = f"{total['listed']} listed, named with a reason: {why}; {total['missing']} missing"
    print(f"{total['theorems']} theorems: {said}")


if __name__ == "__main__":
    given = Path(sys.argv[1])
    asyncio.run(main(given, sorted(given.rglob("*.lean"))))
