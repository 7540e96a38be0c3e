"""`prover data pairs|generate|trace`: corpora of proofs, made ready for training."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from data import pairs as corpora
from data import synthesis
from data import trace as tracing
from data.decontaminate import MOST, Met, Problems, deduplicated
from data.lines import LinesError
from data.pairs import Pair
from data.problems import Problem, ProblemError
from data.splits import held_out
from data.tasks import in_order
from data.writing import replacement
from lean_env import LeanPool, Verdict
from prover.cli.common import Exit, Stop, err, installed_lean, out, printable
from prover.cli.problem_files import known_problems
from prover.policy import TacticsPolicy
from search import Budget, corpus
from search.searches import SEARCHES

T = TypeVar("T")


def pairs(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="JSON lines, Lean files, folders of them.")],
    target: Annotated[Path, typer.Option("--out", metavar="FILE.jsonl", help="Where the pairs go.")],
    against: Annotated[
        list[str] | None, typer.Option(metavar="NAME|PATH", help="Drop what is in this benchmark; may be repeated.")
    ] = None,
    most: Annotated[int, typer.Option(help="Proofs kept of one statement, the shortest ones.", min=1)] = MOST,
    share: Annotated[float, typer.Option("--held-out", help="Share of the statements held out.", min=0, max=1)] = 0.0,
    held_out_to: Annotated[Path | None, typer.Option(metavar="FILE.jsonl", help="Where these go.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Let Lean judge each proof; drop what does not hold.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds for each proof.", min=0.1)] = 60.0,
    workers: Annotated[int | None, typer.Option(help="Lean processes; default: one per core.", min=1)] = None,
) -> None:
    """Make one corpus of theorems with proofs: no duplicates, nothing of a benchmark, a part held out by theorem."""
    if (share > 0) != (held_out_to is not None):
        raise Stop("--held-out and --held-out-to are given together", Exit.INPUT)
    if held_out_to == target:
        raise Stop("--out and --held-out-to are the same file", Exit.INPUT)
    evaluated = [problem.theorem for name in against or () for problem in known_problems(name)[0]]
    unreadable: list[ProblemError] = []
    unproved: list[str] = []
    try:
        given = [p for path in paths for p in _counted(corpora.read(path, unreadable, unproved), "reading", None)]
    except ProblemError as error:
        raise Stop(str(error), Exit.INPUT) from None
    except OSError as error:
        raise Stop(f"{error.filename}: {error.strerror}", Exit.INPUT) from None
    if not given:
        first = f": {unreadable[0]}" if unreadable else ": all its theorems are open" if unproved else ""
        raise Stop(f"no proof in it could be read{first}", Exit.INPUT)
    distinct = deduplicated(_counted(given, "comparing", len(given)), most)
    known = Problems(evaluated)
    looked = [(pair, known.met(pair)) for pair in _counted(distinct, "looking for the benchmarks", len(distinct))]
    kept, met = [pair for pair, found in looked if not found], [found for _, found in looked if found]
    failed = Counter[str]()
    if check:
        kept, failed = asyncio.run(_judged(kept, timeout, workers))
    away = [held_out(pair.problem.theorem, share) for pair in kept]
    _write_lines(target, (corpora.as_row(pair) for pair, out_ in zip(kept, away, strict=True) if not out_))
    if held_out_to:
        _write_lines(held_out_to, (corpora.as_row(pair) for pair, out_ in zip(kept, away, strict=True) if out_))
    _table(
        [
            ("no proof, or one with a sorry", len(unproved), ""),
            ("cannot be read", len(unreadable), _few(map(str, unreadable))),
            ("the same again, or more than enough proofs", len(given) - len(distinct), ""),
            ("in a benchmark", len(met), _few(map(_meeting, met))),
            ("does not hold", failed.total(), ", ".join(f"{n} {reason}" for reason, n in failed.most_common())),
        ],
        [(target, away.count(False)), *([(held_out_to, away.count(True))] if held_out_to else [])],
    )


async def _judged(given: list[Pair], timeout: float, workers: int | None) -> tuple[list[Pair], Counter[str]]:
    """The pairs that Lean finds proved, and the reasons why the others are not."""
    kept, failed = list[Pair](), Counter[str]()
    async with LeanPool(installed_lean(), workers=workers) as pool:

        async def verdict(pair: Pair) -> tuple[Pair, Verdict]:
            return pair, await pool.judge(pair.problem.theorem.claim(pair.proof), timeout)

        with _bar() as bar:
            task = bar.add_task("checking", total=len(given))
            async with aclosing(in_order(verdict, given, 2 * pool.size)) as verdicts:
                async for pair, found in verdicts:
                    bar.advance(task)
                    if found.proved:
                        kept.append(pair)
                    else:
                        failed[str(found.reason)] += 1
    return kept, failed


def generate(
    target: Annotated[Path, typer.Option("--out", metavar="FILE.jsonl", help="Where the theorems go.")],
    count: Annotated[int, typer.Option(help="Theorems.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Other seeds give other theorems.", min=0)] = 0,
    family: Annotated[
        list[str] | None, typer.Option(help=f"Only of this kind; may be repeated: {', '.join(synthesis.FAMILIES)}.")
    ] = None,
    checks: Annotated[
        int,
        typer.Option("--prove", metavar="CHECKS", help="Search a proof of each, with so many checks.", min=0),
    ] = 0,
    search: Annotated[str, typer.Option(help=f"How: {', '.join(SEARCHES)}.")] = "sampling",
    workers: Annotated[int | None, typer.Option(help="Lean processes; default: one per core.", min=1)] = None,
) -> None:
    """Make theorems of core Lean, of graded difficulty, to train on; with --prove also proofs, found by tactics.

    With --prove, killed and started again it goes on; with more checks it tries again what has no proof yet.
    """
    made = synthesis.generate(seed, count, family or synthesis.FAMILIES)
    try:
        if not checks:
            rows = (corpora.as_row(Pair(problem, "")) for problem in _counted(made, "making", count))
            out.print(printable(f"{_write_lines(target, rows)} theorems in {target}"))
            return
        found = asyncio.run(
            _searched(made, count, target, Budget(checks=checks, seconds=max(30, checks)), search, workers)
        )
    except (synthesis.SynthesisError, LinesError, ValueError) as error:
        raise Stop(str(error), Exit.INPUT) from None
    except OSError as error:
        raise Stop(f"{error.filename or target}: {error.strerror}", Exit.INPUT) from None
    out.print(printable(f"{found.done} theorems, {found.found} of them with a proof, in {target}"))


async def _searched(
    made: Iterable[Problem], count: int, target: Path, budget: Budget, search: str, workers: int | None
) -> corpus.Progress:
    with _bar() as bar:
        task = bar.add_task("searching", total=count)
        async with LeanPool(installed_lean(), workers=workers, cache=True) as pool:
            return await corpus.find(
                pool,
                TacticsPolicy(),
                made,
                target,
                budget,
                search,
                lambda state: bar.update(task, completed=state.done, description=f"{state.found} proved"),
            )


def trace(
    project: Annotated[Path, typer.Argument(help="The folder of a Lake project, a git repository.")],
    target: Annotated[Path, typer.Option("--out", metavar="FILE.jsonl", help="Where the rows go.")],
) -> None:
    """Trace a Lean project with lean-dojo: its theorems with their proofs, and the states of each proof's tactics."""
    unreadable: list[ProblemError] = []
    states = 0

    def seen() -> Iterator[dict[str, Any]]:
        nonlocal states
        for row in tracing.traced(project, unreadable):
            states += len(row["steps"])
            yield row

    try:
        written = _write_lines(target, _counted(seen(), "tracing", None))
    except tracing.ProjectError as error:
        raise Stop(str(error), Exit.INPUT) from None
    except tracing.TraceUnavailable as error:
        raise Stop(str(error), Exit.ENVIRONMENT) from None
    detail = f"; {len(unreadable)} cannot be read: {_few(map(str, unreadable))}" if unreadable else ""
    out.print(printable(f"{written} theorems with {states} states, in {target}{detail}"))


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=err, transient=True, redirect_stdout=False, redirect_stderr=False)


def _counted(items: Iterable[T], what: str, total: int | None) -> Iterator[T]:
    """The items, under a progress bar."""
    with _bar() as bar:
        task = bar.add_task(what, total=total)
        for item in items:
            yield item
            bar.advance(task)


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Replace a file by JSON lines, and tell how many; it stays as it is if they cannot be had."""
    count = 0
    try:
        with replacement(path) as file:
            for row in rows:
                file.write(json.dumps(row).encode("ascii") + b"\n")
                count += 1
    except OSError as error:
        raise Stop(f"{path}: {error.strerror}", Exit.INPUT) from None
    return count


def _meeting(met: Met) -> str:
    return f"{met.pair.problem.name} is {met.theorem.name} ({met.how})"


def _few(texts: Iterable[str], most: int = 3) -> str:
    given = list(texts)
    return "; ".join(given[:most]) + (f"; … and {len(given) - most} more" if len(given) > most else "")


def _table(dropped: list[tuple[str, int, str]], written: list[tuple[Path, int]]) -> None:
    """What was dropped, and why; what is where."""
    width = max(len(why) for why, _, _ in dropped)
    for why, count, detail in dropped:
        if count:
            out.print(printable(f"{count:8,}  {why:{width}}  {detail}".rstrip()))
    for path, count in written:
        out.print(printable(f"{count:8,}  {'written':{width}}  {path}"))
