"""`prover prove`: proofs for the open theorems of a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Self

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from data import LeanFile
from data.choices import choose
from data.cli.files import check_output, write_text
from data.headers import HEADERS
from data.holes import Hole
from data.lean_file import FileError
from data.other_theorems import OtherTheorem
from data.records.files import is_stream
from data.statements import parse_source
from lean_env import LeanPool
from lean_env.check import InputError
from lean_env.console import (
    CommandError,
    Exit,
    Strict,
    err,
    installed_lean,
    kernels_note,
    lean_pool,
    out,
    printable,
    read_text,
    show_errors,
)
from prover.policy import PolicyConfig, PolicyUnavailable, fallback_policy, open_policy
from prover.policy.options import BaseURL, Family, MaxTokens, Model, PolicyName, policy_config
from prover.policy.tactics.policy import TacticsPolicy
from search import Budget, Meter, report
from search.journal import JournalError
from search.prove import Outcome, Status, prove_file, take_back, wanted
from search.searches import SEARCHES, searcher

_MARK = {
    Status.PROVED: "[green]proved[/green]  ",
    Status.HOLDS: "[green]holds[/green]   ",
    Status.FAILS: "[red]fails[/red]   ",
    Status.UNPROVED: "[yellow]unproved[/yellow]",
    Status.OPEN: "[yellow]open[/yellow]    ",
}

_MINIMISE = 60.0  # seconds for each proof


def prove(
    file: Annotated[
        Path | None, typer.Argument(help="A Lean file with `sorry` where proofs are wanted; `-` for stdin.")
    ] = None,
    theorem: Annotated[list[str] | None, typer.Option(help="Only this theorem (full name); may be repeated.")] = None,
    statement: Annotated[str | None, typer.Option(help="A theorem, or only a proposition, instead of a file.")] = None,
    policy: PolicyName = "tactics",
    base_url: BaseURL = "",
    model: Model = "",
    family: Family = "",
    max_tokens: MaxTokens = None,
    search: Annotated[str, typer.Option(help=f"How the time is spent: {', '.join(SEARCHES)}.")] = "auto",
    seed: Annotated[int, typer.Option(help="The same seed tries the same things in the same order.", min=0)] = 0,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds for each theorem; default: 60, or no limit with --cpu.", min=0.1)
    ] = None,
    cpu: Annotated[
        float | None,
        typer.Option(help="Seconds of Lean's processor time for each theorem: the same on a busy machine.", min=0.1),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(help="Proofs that may be asked of the policy for each theorem.", show_default="no limit", min=0),
    ] = None,
    checks: Annotated[
        int | None, typer.Option(help="Questions to Lean for each theorem.", show_default="no limit", min=0)
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Lean processes; default: one per core.", min=1)] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS|local", help="Run Lean on a Ray cluster, or on a Ray on this machine."),
    ] = None,
    header: Annotated[
        str | None,
        typer.Option(help=f"Replace the file's imports by this header: a file, or one of: {', '.join(HEADERS)}."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the file with the found proofs filled in.")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write what the search did: open DIR/index.html in a browser.")
    ] = None,
    minimise: Annotated[
        bool,
        typer.Option(
            "--minimise",
            help="Make found proofs shorter as far as Lean accepts it: steps dropped, automation in place of long "
            f"blocks. Takes up to {_MINIMISE:g} s more for each theorem.",
        ),
    ] = False,
    checkpoints: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep tree searches there; a killed run, started again, goes on.")
    ] = None,
    strict: Strict = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per theorem.")] = False,
) -> None:
    """Find proofs for the theorems of FILE that have none, and check the others."""
    if (file is None) == (statement is None):
        raise CommandError("give either a FILE or --statement TEXT", Exit.INPUT)
    chosen = policy_config(policy, base_url, model, family, max_tokens)
    try:
        choose("search", search, SEARCHES)
    except ValueError as error:
        raise CommandError(str(error), Exit.INPUT) from None
    check_output(output)
    text = statement if statement is not None else read_text(file)
    replacement = None if header is None else HEADERS.get(header) or read_text(Path(header))
    seconds = timeout if timeout is not None or cpu is not None else 60.0
    budget = Budget(samples, checks, None, seconds, cpu)
    options = _Options(
        chosen, search, seed, budget, workers, ray, output, trace, minimise, checkpoints, strict, as_json
    )
    session = _Session(options)
    try:
        for folder in (trace, checkpoints):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
        code = asyncio.run(session.run(text, None if statement is not None else str(file), replacement, theorem or []))
    except FileError as error:
        raise CommandError(show_errors(str(error), error.messages) + _advice(error), Exit.INPUT) from None
    except InputError as error:
        raise CommandError(f"{file}: {error}", Exit.INPUT) from None
    except (JournalError, OSError) as error:
        raise CommandError(str(error), Exit.INPUT) from None
    raise typer.Exit(code)


def _advice(error: FileError) -> str:
    if any(m.kind == "import" and "Mathlib" in m.text for m in error.messages):
        return "\nThe embedded Lean has no Mathlib. `--header core` tries the statements without it."
    return ""


@dataclass(frozen=True)
class _Options:
    """What the command was told (see `prove`)."""

    policy: PolicyConfig
    search: str
    seed: int
    budget: Budget
    workers: int | None
    ray: str | None
    output: Path | None
    trace: Path | None
    minimise: bool
    checkpoints: Path | None
    strict: bool
    as_json: bool


class _Session:
    """One run of the command."""

    def __init__(self, options: _Options) -> None:
        self.options = options
        self.outcomes: list[Outcome] = []
        self.made: list[OtherTheorem] = []  # what macros have made and left open
        self.interrupted = False

    async def run(self, text: str, path: str | None, header: str | None, names: list[str]) -> int:
        lean, output = installed_lean(), self.options.output
        problem: Exception | None = None
        async with lean_pool(lean, self.options.workers, self.options.ray, True, self.options.strict) as pool:
            pool.expect_proofs()
            file = await parse_source(pool, text, path, header)
            there = [d.name for d in wanted(file)]
            if unknown := set(names) - set(there):
                told = next((f": {o.said}" for o in file.others if o.name in unknown), "")
                have = ", ".join(there) or "none"
                raise CommandError(
                    f"{file.path}: no theorem is called {', '.join(sorted(unknown))}{told}; it has: {have}", Exit.INPUT
                )
            self.made = [] if names else [o for o in file.others if o.how == "made" and o.open]
            if not there and not self.made:
                raise CommandError(f"{file.path}: it has no theorem", Exit.INPUT)
            if blank := next((d for d in wanted(file, names) if d.is_blank and d.theorem), None):
                first = file.theorem(blank, {})
                pool.expect_proofs((*first.context, first.challenge))
            try:
                await self._prove(pool, file, names)
                if output is not None:
                    await self._take_back(pool, file)
            except asyncio.CancelledError:  # Ctrl-C: what has been found is still given out
                self.interrupted = True
                err.print("interrupted")
            except (PolicyUnavailable, JournalError, OSError) as error:  # what has been found is not lost with it
                problem = error
        self._sum_up()
        if output is not None:
            self._write(file, output)
            err.print(f"written to {output}")
        if problem is not None:
            raise problem
        if self.interrupted:
            return Exit.INTERRUPTED
        good = sum(o.status in (Status.PROVED, Status.HOLDS) for o in self.outcomes)
        return Exit.PROVED if good == len(self.outcomes) and not self.made else Exit.NOT_PROVED

    async def _take_back(self, pool: LeanPool, file: LeanFile) -> None:
        """What is written is checked as a whole before it is called proved."""
        before = [o.status for o in self.outcomes]
        await take_back(pool, file, self.outcomes)
        for outcome, status in zip(self.outcomes, before, strict=True):
            if outcome.status is not status and not self.options.as_json:
                _tell(outcome, "")

    async def _prove(self, pool: LeanPool, file: LeanFile, names: list[str]) -> None:
        total, options = len(wanted(file, names)), self.options
        async with open_policy(options.policy) as policy, _Line() as line:
            search = searcher(
                options.search,
                pool,
                policy,
                seed=options.seed,
                journals=options.checkpoints,
                progress=lambda meter: line.show(len(self.outcomes), total, meter),
                fallback=fallback_policy(options.policy),
            )
            minimise = _MINIMISE if options.minimise else 0.0
            # A model writes proofs of theorems; what is open in the middle of one is for the tactics.
            holes = None if policy.stepwise else searcher("auto", pool, TacticsPolicy(), seed=options.seed)
            async for outcome in prove_file(pool, file, search, options.budget, names, minimise, holes):
                self.outcomes.append(outcome)
                if not options.as_json:  # a program gets all of it at the end
                    with line.hidden():
                        _tell(outcome, policy.last_error)
                if options.trace is not None and outcome.result is not None and outcome.result.trace is not None:
                    report.write(outcome.result.trace, options.trace)
                if options.output is not None and not is_stream(options.output):
                    self._write(file, options.output)  # so that a killed run can go on from there
                line.show(len(self.outcomes), total, None)

    def _write(self, file: LeanFile, output: Path) -> None:
        write_text(output, file.with_proofs({o.declaration.name: o.edits for o in self.outcomes}))

    def _sum_up(self) -> None:
        if self.options.as_json:
            for outcome in self.outcomes:
                print(json.dumps(_row(outcome)))
            for other in self.made:
                print(json.dumps({"theorem": other.name, "line": other.line, "status": "open", "detail": other.said}))
            return
        for other in self.made:
            out.print(f"{_MARK[Status.OPEN]} {printable(other.name)}\n    it uses `sorry`; {printable(other.said)}")
        proved = sum(o.status is Status.PROVED for o in self.outcomes)
        asked = sum(o.status in (Status.PROVED, Status.UNPROVED, Status.OPEN) for o in self.outcomes) + len(self.made)
        if asked:
            alone = sum(o.verdict is not None and o.verdict.one_kernel for o in self.outcomes)
            every = "every proof" if not alone else f"all but {alone}"
            again = f"; Lean's kernel and ours accept {every}" if proved else ""
            out.print(f"\n{proved} of {asked} proved{again}")
        if left := [
            hole.line for outcome in self.outcomes if outcome.status is not Status.PROVED for hole in outcome.left
        ]:
            lines = ", ".join(map(str, left))
            out.print(f"{len(left)} `sorry` left open, in line{'s' * (len(left) > 1)} {lines}")


def _tell(outcome: Outcome, last_error: str) -> None:
    result, verdict = outcome.result, outcome.verdict
    alone = printable(kernels_note(verdict)) if verdict is not None else ""
    spent = f"  [dim]{result.seconds:.1f} s, {result.checks} checks[/dim]" if result is not None else ""
    out.print(f"{_MARK[outcome.status]} {printable(outcome.declaration.name)}{alone}{spent}")
    if outcome.whole is not None:
        _show(["by", *("  " + row for row in outcome.whole.text.split("\n"))])
        return
    for hole, proof, _ in outcome.filled:
        first, *more = proof.split("\n")
        _show([f"line {hole.line}: {first}", *(" " * len(f"line {hole.line}: ") + row for row in more)])
    if outcome.status in (Status.PROVED, Status.HOLDS):
        return
    if verdict is not None:
        out.print(f"    {verdict.reason}: {printable(outcome.detail)}")
    elif outcome.detail:
        out.print(f"    {printable(outcome.detail)}")
    for hole in outcome.left:
        if not outcome.declaration.is_blank:
            out.print(f"    line {hole.line} is left open: {printable(wanted_there(hole))}")
        elif not hole.proposition:
            out.print(f"    it is left open: {printable(wanted_there(hole))}")
    if last_error and result is not None:
        out.print(f"    [red]at present no answers come:[/red] {printable(last_error)}")


def _show(rows: list[str]) -> None:
    out.print("\n".join(f"    {printable(row)}" for row in rows))


def wanted_there(hole: Hole) -> str:
    """What is wanted in the place of a `sorry`, in a line."""
    goal = hole.goal.rpartition("⊢ ")[2].replace("\n", " ")
    return goal if hole.proposition else f"{goal} (no proposition: it is for you to say which)"


def _row(outcome: Outcome) -> dict[str, object]:
    result, verdict = outcome.result, outcome.verdict
    return {
        "theorem": outcome.declaration.name,
        "kind": outcome.declaration.kind,
        "line": outcome.declaration.line,
        "status": str(outcome.status),
        "proof": outcome.proof,
        "axioms": list(verdict.axioms) if verdict else [],
        "kernels": list(verdict.kernels) if verdict else [],
        "reason": str(verdict.reason) if verdict else None,
        "detail": outcome.detail,
        "filled": [{"line": h.line, "column": h.column, "proof": proof} for h, proof, _ in outcome.filled],
        "open": [{"line": h.line, "column": h.column, "goal": h.goal} for h in outcome.left],
        "samples": outcome.samples,
        "checks": outcome.checks,
        "tokens": asdict(result.usage) if result else {},
        "seconds": round(outcome.seconds, 3),
        "cpu": round(result.cpu, 3) if result else 0.0,
        "tried": {str(r): n for r, n in result.reasons.items()} if result else {},
    }


class _Line:
    """A line on standard error that moves: theorems done, checks spent on the present one."""

    def __init__(self) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        # Standard output stays what it is: it may be a file while standard error is a terminal.
        self._bar = Progress(*columns, console=err, transient=True, redirect_stdout=False, redirect_stderr=False)
        self._task = self._bar.add_task("starting Lean")

    async def __aenter__(self) -> Self:
        self._bar.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, done: int, total: int, meter: Meter | None) -> None:
        spent = f", {meter.checks} checks on the present one" if meter else ""
        self._bar.update(self._task, description=f"{done} of {total} theorems{spent}")

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Out of the way while something else is printed."""
        self._bar.stop()
        yield
        self._bar.start()
