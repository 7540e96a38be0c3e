"""`prover data validate`: which statements this Lean can express, and which have a known defect."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from data import benchmarks
from data.problems import Problem, ProblemError
from data.tasks import map_ordered
from eval.attempts import Entry
from eval.audit import Duplicates, compare_copies
from eval.problems import screen_problems, select_problems
from eval.screen import Screen
from lean_env import LeanPool
from lean_env.console import CommandError, Exit, err, installed_lean, out, printable


def validate(
    benchmark: Annotated[str, typer.Argument(metavar="NAME|PATH", help="A fetched benchmark, a file or a folder.")],
    split: Annotated[str, typer.Option(help="Only this split.")] = "",
    against: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="Another copy: flag the problems that differ there.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Lean processes; default: one per core.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each problem.")] = False,
) -> None:
    """Tell which statements this Lean can express, and look for the defects that benchmarks are known to have."""
    try:
        paths = [benchmarks.benchmark_path(name) for name in (benchmark, against) if name]
        asyncio.run(_validate(paths, split, workers, as_json))
    except (benchmarks.BenchmarkMissing, ProblemError) as error:
        raise CommandError(str(error), Exit.INPUT) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"{error.filename or benchmark}: {error.strerror}", Exit.INPUT) from None


async def _validate(paths: list[Path], split: str, workers: int | None, as_json: bool) -> None:
    flagged, counts = Counter[str](), Counter[bool]()
    async with (
        LeanPool(installed_lean(), workers=workers) as pool,
        aclosing(_screened_entries(pool, paths, split)) as entries,
    ):
        async for entry in entries:
            counts[entry.asked] += 1
            flagged.update({flag.kind for flag in entry.flags})
            if as_json:
                flags = [asdict(flag) for flag in entry.flags]
                print(json.dumps({"name": entry.name, "asked": entry.asked, "why": entry.why, "flags": flags}))
                continue
            if not entry.asked:
                out.print(f"[yellow]not expressible[/yellow]  {printable(entry.name)}: {printable(entry.why)}")
            for flag in entry.flags:
                out.print(f"[red]{flag.kind}[/red]  {printable(entry.name)}: {printable(flag.detail)}")
    if not counts:
        raise CommandError(f"{paths[0]}: it has no problems", Exit.INPUT)
    found = ", ".join(f"{count} {kind}" for kind, count in flagged.most_common()) or "nothing"
    total = counts[True] + counts[False]
    err.print(
        f"{total} problems: {counts[True]} can be asked of this Lean, {counts[False]} cannot. The audit found: {found}"
    )


async def _screened_entries(pool: LeanPool, paths: list[Path], split: str) -> AsyncGenerator[Entry]:
    """Yield the entries of the first file, flagged where a second file differs."""
    copies: dict[str, Entry] = {}
    for path in paths[1:]:
        problems = (p for p in select_problems(path) if isinstance(p, Problem))
        async with aclosing(map_ordered(Screen(pool).entry, problems, 2 * pool.size)) as others:
            copies = {other.name: other async for other in others}
    screened = screen_problems(pool, select_problems(paths[0], split), Duplicates())
    async with aclosing(screened) as entries:
        async for entry in entries:
            yield await compare_copies(pool, entry, copies.get(entry.name))
