"""`prover data`: the public benchmarks, fetched and looked at."""

from __future__ import annotations

import asyncio
import difflib
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from data import benchmarks
from data.problems import Problem, ProblemError
from data.tasks import in_order
from eval.attempts import Entry
from eval.audit import Duplicates, compared
from eval.problems import looked_at, selected
from eval.screen import Screen
from lean_env import LeanPool
from prover.cli import corpora
from prover.cli.common import Exit, Stop, err, installed_lean, out, printable, with_bar
from prover.cli.problem_files import known_problems

app = typer.Typer(
    help="The problems: public benchmarks, files in their formats, and corpora of proofs.", no_args_is_help=True
)
for _command in (corpora.pairs, corpora.generate, corpora.trace):
    app.command()(_command)


@app.command("list")
def list_() -> None:
    """List the benchmarks that can be fetched, and tell which are here."""
    rows = [("name", "problems", "licence", "written for", "here")]
    for benchmark in benchmarks.CATALOGUE.values():
        counts = ", ".join(f"{count} {split}".strip() for split, count in benchmark.problems.items())
        here = "yes" if benchmarks.find(benchmark) else "no"
        rows.append((benchmark.name, counts, benchmark.licence, benchmark.written_for, here))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:  # no table of rich's: that would crop these lines in a pipe
        out.print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    for benchmark in benchmarks.CATALOGUE.values():
        about = f"{benchmark.name}: {benchmark.title}. {benchmark.note}".rstrip()
        out.print(f"\n{about}\n  {benchmark.home}")


@app.command()
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME…", help="Benchmarks, as `list` names them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every benchmark.")] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="A file or folder fetched by other means; checked like a download.")
    ] = None,
) -> None:
    """Fetch benchmarks into the cache, at a fixed revision and with their checksum verified."""
    if bool(names) == everything:
        raise Stop("name the benchmarks to fetch, or give --all", Exit.INPUT)
    wanted = [_named(name) for name in names or benchmarks.CATALOGUE]
    if source is not None and len(wanted) != 1:
        raise Stop("--from is for one benchmark", Exit.INPUT)
    failed = []
    for benchmark in wanted:
        try:
            if source is not None or benchmarks.find(benchmark) is None:
                with_bar(partial(benchmarks.fetch, benchmark, source))
            out.print(f"{benchmark.name}: {printable(str(benchmarks.located(benchmark.name)))}")
        except benchmarks.FetchError as error:
            failed.append(str(error))
    if failed:
        raise Stop("\n".join(failed), Exit.ENVIRONMENT if source is None else Exit.INPUT)


@app.command()
def show(
    benchmark: Annotated[str, typer.Argument(metavar="NAME|PATH", help="A fetched benchmark, a file or a folder.")],
    names: Annotated[list[str] | None, typer.Argument(metavar="PROBLEM…", help="Show these in full.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the problems of a benchmark; show the statements of those that are named."""
    found, unreadable = known_problems(benchmark)
    splits = sorted({problem.split for problem in found if problem.split})
    if split is not None:
        if split not in splits:
            raise Stop(f"no split is called {split!r}; there are: {', '.join(splits) or 'none'}", Exit.INPUT)
        found = [problem for problem in found if problem.split == split]
    for name in names or ():
        if not any(problem.name == name for problem in found):
            close = difflib.get_close_matches(name, {problem.name for problem in found}, n=5)
            hint = f"; did you mean {', '.join(sorted(close))}?" if close else ""
            raise Stop(f"no problem is called {name}{hint}", Exit.INPUT)
    width = max((len(problem.name) for problem in found), default=0)
    for problem in found:
        if names and problem.name not in names:
            continue
        if as_json:
            print(json.dumps(_row(problem, full=bool(names)), ensure_ascii=False))
        elif names:
            out.print(printable(_lean(problem)), "\n")
        else:
            line = f"{problem.name:{width}}  {problem.split:5}  {', '.join(problem.tags)}"
            out.print(printable(line.rstrip()))
    if unreadable:
        lines = "\n".join(f"  {error}" for error in unreadable[:10])
        err.print(printable(f"{len(unreadable)} problems cannot be read:\n{lines}"))


@app.command()
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
        paths = [benchmarks.located(name) for name in (benchmark, against) if name]
        asyncio.run(_validate(paths, split, workers, as_json))
    except (benchmarks.BenchmarkMissing, ProblemError) as error:
        raise Stop(str(error), Exit.INPUT) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Stop(f"{error.filename or benchmark}: {error.strerror}", Exit.INPUT) from None


async def _validate(paths: list[Path], split: str, workers: int | None, as_json: bool) -> None:
    flagged, counts = Counter[str](), Counter[bool]()
    async with LeanPool(installed_lean(), workers=workers) as pool, aclosing(_looked_at(pool, paths, split)) as entries:
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
        raise Stop(f"{paths[0]}: it has no problems", Exit.INPUT)
    said = ", ".join(f"{count} {kind}" for kind, count in flagged.most_common()) or "nothing"
    total = counts[True] + counts[False]
    err.print(
        f"{total} problems: {counts[True]} can be asked of this Lean, {counts[False]} cannot. The audit found: {said}"
    )


async def _looked_at(pool: LeanPool, paths: list[Path], split: str) -> AsyncGenerator[Entry]:
    """The entries of the first file; with a second one, flagged where that differs."""
    copies: dict[str, Entry] = {}
    for path in paths[1:]:
        problems = (p for p in selected(path) if isinstance(p, Problem))
        async with aclosing(in_order(Screen(pool).entry, problems, 2 * pool.size)) as others:
            copies = {other.name: other async for other in others}
    ours = looked_at(pool, selected(paths[0], split), Duplicates())
    async with aclosing(ours) as entries:
        async for entry in entries:
            yield await compared(pool, entry, copies.get(entry.name))


def _named(name: str) -> benchmarks.Benchmark:
    try:
        return benchmarks.named(name)
    except benchmarks.BenchmarkMissing as error:
        raise Stop(str(error), Exit.INPUT) from None


def _row(problem: Problem, full: bool) -> dict[str, object]:
    row: dict[str, object] = {"name": problem.name, "split": problem.split, "tags": list(problem.tags)}
    if full:
        theorem = problem.theorem
        row |= {
            "theorem": theorem.name,
            "informal": theorem.informal,
            "header": theorem.header,
            "preamble": "".join(theorem.preamble),
            "statement": theorem.statement,
            "source": theorem.source,
        }
    return row


def _lean(problem: Problem) -> str:
    """A Lean file with the problem, its proof left open."""
    theorem = problem.theorem
    about = "; ".join(filter(None, (problem.name, problem.split, *problem.tags)))
    informal = f"/-- {theorem.informal.replace('-/', '- /')} -/\n" if theorem.informal else ""
    return f"{theorem.header}-- {about}\n{''.join(theorem.preamble)}{informal}{theorem.challenge}\n"
