"""`prover data subgoals`: what the proofs of a file leave open, as problems of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from data import LeanFile, parse
from data.cli.files import check_output, write_lines
from data.lean_file import FileError
from data.subgoals import SubgoalTheorem, subgoal_theorems
from lean_env import LeanPool
from lean_env.check import InputError
from lean_env.console import CommandError, Exit, err, installed_lean, out, printable, read_text, show_errors


def subgoals(
    file: Annotated[Path, typer.Argument(help="A Lean file whose proofs have `sorry`s; `-` for stdin.")],
    target: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.jsonl", help="Where the problems go.")],
) -> None:
    """State each goal that FILE's proofs leave open as a theorem of its own, for training and evaluation.

    Each goal gives the theorem with all facts at hand (form b) and, where earlier `have`s brought some of them, the one
    without these (form a), as in DeepSeek-Prover-V2.
    """
    text = read_text(file)
    check_output(target)
    try:
        cut = asyncio.run(_parsed(text, str(file)))
    except FileError as error:
        raise CommandError(show_errors(str(error), error.messages), Exit.INPUT) from None
    except InputError as error:
        raise CommandError(f"{file}: {error}", Exit.INPUT) from None
    found = [*subgoal_theorems(cut)]
    stated = [one for one in found if isinstance(one, SubgoalTheorem)]
    for one in found:
        if not isinstance(one, SubgoalTheorem):
            hole, reason = one
            err.print(printable(f"line {hole.line}: not stated: {reason}"))
    if not found:
        raise CommandError(f"{file}: its proofs leave nothing open", Exit.INPUT)
    write_lines(target, (one.row(cut) for one in stated))
    goals = len({one.hole.span for one in stated})
    out.print(f"{goals} goals, {len(stated)} problems: {printable(str(target))}")


async def _parsed(text: str, path: str) -> LeanFile:
    async with LeanPool(installed_lean(), workers=1, confirm=False) as pool:
        return await parse(pool, text, path, subgoals=True)
