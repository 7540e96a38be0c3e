"""`prover data generate`: synthetic theorems of core Lean for training, with proofs that a search finds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from data import pairs as corpora
from data import synthesis
from data.cli.files import write_lines
from data.pairs import Pair
from data.problems import Problem
from data.records.jsonl import JsonlError
from lean_env import LeanPool
from lean_env.console import CommandError, Exit, PipedProgress, installed_lean, out, printable, progress_bar, track
from prover.policy import TacticsPolicy
from search import Budget, corpus
from search.searches import SEARCHES


def generate(
    target: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.jsonl", help="Where the theorems go.")],
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
    problems = synthesis.generate(seed, count, family or synthesis.FAMILIES)
    try:
        if not checks:
            rows = (corpora.as_row(Pair(problem, "")) for problem in track(problems, "making", count))
            out.print(printable(f"{write_lines(target, rows)} theorems in {target}"))
            return
        progress = asyncio.run(
            _search_proofs(problems, count, target, Budget(checks=checks, seconds=max(30, checks)), search, workers)
        )
    except (synthesis.SynthesisError, JsonlError, ValueError) as error:
        raise CommandError(str(error), Exit.INPUT) from None
    except OSError as error:
        raise CommandError(f"{error.filename or target}: {error.strerror}", Exit.INPUT) from None
    out.print(printable(f"{progress.done} theorems, {progress.found} of them with a proof, in {target}"))


async def _search_proofs(
    problems: Iterable[Problem], count: int, target: Path, budget: Budget, search: str, workers: int | None
) -> corpus.CorpusProgress:
    with progress_bar() as bar:
        task, piped = bar.add_task("searching", total=count, text=""), PipedProgress()

        def show(state: corpus.CorpusProgress) -> None:
            bar.update(task, completed=state.done, description=f"{state.found} proved")
            piped.tell(f"searching, {state.found} proved", state.done, count)

        async with LeanPool(installed_lean(), workers=workers, cache=True) as pool:
            return await corpus.find_proofs(
                pool,
                TacticsPolicy(),
                problems,
                target,
                budget,
                search,
                show,
            )
