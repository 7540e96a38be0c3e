"""`prover data pairs|trace`: corpora of proofs, made ready for training."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from data import trace as tracing
from data.cli.files import known_problems, write_lines
from data.corpus import Corpus, build_corpus
from data.decontaminate import MAX_PROOFS_PER_STATEMENT, Contamination
from data.pairs import as_row
from data.problems import ProblemError
from data.theorem import Theorem
from lean_env import LeanPool
from lean_env.console import CommandError, Exit, installed_lean, out, printable, track


def pairs(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="JSON lines, Lean files, folders of them.")],
    target: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.jsonl", help="Where the pairs go.")],
    against: Annotated[
        list[str] | None, typer.Option(metavar="NAME|PATH", help="Drop what is in this benchmark; may be repeated.")
    ] = None,
    most: Annotated[
        int, typer.Option(help="Proofs kept of one statement, the shortest ones.", min=1)
    ] = MAX_PROOFS_PER_STATEMENT,
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
    try:
        corpus = asyncio.run(_built(paths, evaluated, most, share, check, timeout, workers))
    except ProblemError as error:
        raise CommandError(str(error), Exit.INPUT) from None
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", Exit.INPUT) from None
    written = [(target, corpus.train), *([(held_out_to, corpus.held_out)] if held_out_to else [])]
    for path, kept in written:
        write_lines(path, map(as_row, kept))
    _table(corpus, [(path, len(kept)) for path, kept in written])


async def _built(
    paths: list[Path],
    against: list[Theorem],
    most: int,
    share: float,
    check: bool,
    timeout: float,
    workers: int | None,
) -> Corpus:
    async with LeanPool(installed_lean(), workers=workers) if check else nullcontext() as pool:
        return await build_corpus(paths, against, most, share, pool, timeout, track)


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


def _few(texts: Iterable[str], most: int = 3) -> str:
    given = list(texts)
    return "; ".join(given[:most]) + (f"; … and {len(given) - most} more" if len(given) > most else "")


def _overlap(found: Contamination) -> str:
    return f"{found.pair.problem.name} is {found.theorem.name} ({found.how})"


def _table(corpus: Corpus, written: list[tuple[Path, int]]) -> None:
    """Print how many pairs were dropped and why, and how many were written where."""
    refused = ", ".join(f"{count} {reason}" for reason, count in corpus.refused.most_common())
    dropped = [
        ("no proof, or one with a sorry", len(corpus.unproved), ""),
        ("cannot be read", len(corpus.unreadable), _few(map(str, corpus.unreadable))),
        ("the same again, or more than enough proofs", corpus.repeated, ""),
        ("in a benchmark", len(corpus.contaminated), _few(map(_overlap, corpus.contaminated))),
        ("does not hold", corpus.refused.total(), refused),
    ]
    width = max(len(why) for why, _, _ in dropped)
    for why, count, detail in dropped:
        if count:
            out.print(printable(f"{count:8,}  {why:{width}}  {detail}".rstrip()))
    for path, count in written:
        out.print(printable(f"{count:8,}  {'written':{width}}  {path}"))
