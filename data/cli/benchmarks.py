"""`prover data`: the public benchmarks, fetched and looked at."""

from __future__ import annotations

import difflib
import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from data import benchmarks
from data.cli.files import known_problems
from data.problems import Problem
from lean_env.console import CommandError, Exit, err, out, printable, with_bar


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
        raise CommandError("name the benchmarks to fetch, or give --all", Exit.INPUT)
    wanted = [_named(name) for name in names or benchmarks.CATALOGUE]
    if source is not None and len(wanted) != 1:
        raise CommandError("--from is for one benchmark", Exit.INPUT)
    failed = []
    for benchmark in wanted:
        try:
            if source is not None or benchmarks.find(benchmark) is None:
                with_bar(partial(benchmarks.fetch, benchmark, source))
            out.print(f"{benchmark.name}: {printable(str(benchmarks.benchmark_path(benchmark.name)))}")
        except benchmarks.FetchError as error:
            failed.append(str(error))
    if failed:
        raise CommandError("\n".join(failed), Exit.ENVIRONMENT if source is None else Exit.INPUT)


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
            raise CommandError(f"no split is called {split!r}; there are: {', '.join(splits) or 'none'}", Exit.INPUT)
        found = [problem for problem in found if problem.split == split]
    for name in names or ():
        if not any(problem.name == name for problem in found):
            close = difflib.get_close_matches(name, {problem.name for problem in found}, n=5)
            hint = f"; did you mean {', '.join(sorted(close))}?" if close else ""
            raise CommandError(f"no problem is called {name}{hint}", Exit.INPUT)
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


def _named(name: str) -> benchmarks.Benchmark:
    try:
        return benchmarks.get_benchmark(name)
    except benchmarks.BenchmarkMissing as error:
        raise CommandError(str(error), Exit.INPUT) from None


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
