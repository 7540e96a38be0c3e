"""`prover data pairs|trace`: corpora of proofs, made ready for training."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any

import typer

from data import pairs as corpora
from data import trace as tracing
from data.cli.files import known_problems, write_lines
from data.decontaminate import MOST, Met, Problems, deduplicated
from data.pairs import Pair
from data.problems import ProblemError
from data.splits import held_out
from data.tasks import in_order
from lean_env import LeanPool, Verdict
from lean_env.console import CommandError, Exit, installed_lean, out, printable, progress_bar, track


def pairs(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="JSON lines, Lean files, folders of them.")],
    target: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.jsonl", help="Where the pairs go.")],
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
        raise CommandError("--held-out and --held-out-to are given together", Exit.INPUT)
    if held_out_to == target:
        raise CommandError("--out and --held-out-to are the same file", Exit.INPUT)
    evaluated = [problem.theorem for name in against or () for problem in known_problems(name)[0]]
    unreadable: list[ProblemError] = []
    unproved: list[str] = []
    try:
        given = [p for path in paths for p in track(corpora.read(path, unreadable, unproved), "reading", None)]
    except ProblemError as error:
        raise CommandError(str(error), Exit.INPUT) from None
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", Exit.INPUT) from None
    if not given:
        first = f": {unreadable[0]}" if unreadable else ": all its theorems are open" if unproved else ""
        raise CommandError(f"no proof in it could be read{first}", Exit.INPUT)
    distinct = deduplicated(track(given, "comparing", len(given)), most)
    known = Problems(evaluated)
    looked = [(pair, known.met(pair)) for pair in track(distinct, "looking for the benchmarks", len(distinct))]
    kept, met = [pair for pair, found in looked if not found], [found for _, found in looked if found]
    failed = Counter[str]()
    if check:
        kept, failed = asyncio.run(_judged(kept, timeout, workers))
    away = [held_out(pair.problem.theorem, share) for pair in kept]
    write_lines(target, (corpora.as_row(pair) for pair, out_ in zip(kept, away, strict=True) if not out_))
    if held_out_to:
        write_lines(held_out_to, (corpora.as_row(pair) for pair, out_ in zip(kept, away, strict=True) if out_))
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

        with progress_bar() as bar:
            task = bar.add_task("checking", total=len(given), text="")
            async with aclosing(in_order(verdict, given, 2 * pool.size)) as verdicts:
                async for pair, found in verdicts:
                    bar.advance(task)
                    if found.proved:
                        kept.append(pair)
                    else:
                        failed[str(found.reason)] += 1
    return kept, failed


def trace(
    project: Annotated[Path, typer.Argument(help="The folder of a Lake project, a git repository.")],
    target: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.jsonl", help="Where the rows go.")],
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
        written = write_lines(target, track(seen(), "tracing", None))
    except tracing.ProjectError as error:
        raise CommandError(str(error), Exit.INPUT) from None
    except tracing.TraceUnavailable as error:
        raise CommandError(str(error), Exit.ENVIRONMENT) from None
    detail = f"; {len(unreadable)} cannot be read: {_few(map(str, unreadable))}" if unreadable else ""
    out.print(printable(f"{written} theorems with {states} states, in {target}{detail}"))


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
