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

from data import LeanFile, parse
from data.headers import HEADERS
from data.lean_file import FileError, with_header
from data.statements import parse_statement
from lean_env import LeanPool
from lean_env.check import InputError
from prover.cli import INTERRUPTED
from prover.cli.common import (
    Exit,
    Stop,
    Strict,
    err,
    installed_lean,
    kernels_said,
    lean_pool,
    out,
    printable,
    read_text,
    show_errors,
    write_text,
)
from prover.cli.writer import BaseURL, Family, MaxTokens, Model, PolicyName, Writer
from prover.policy import PolicyUnavailable, companion
from search import Budget, Meter, report
from search.journal import JournalError
from search.prove import Outcome, Status, prove_file
from search.searches import SEARCHES, searcher

_MARK = {
    Status.PROVED: "[green]proved[/green]  ",
    Status.HOLDS: "[green]holds[/green]   ",
    Status.FAILS: "[red]fails[/red]   ",
    Status.UNPROVED: "[yellow]unproved[/yellow]",
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
    timeout: Annotated[float, typer.Option(help="Seconds for each theorem.", min=0.1)] = 60.0,
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
        Path | None, typer.Option("--out", help="Write the file with the found proofs filled in.")
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
        raise Stop("give either a FILE or --statement TEXT", Exit.INPUT)
    writer = Writer(policy, base_url, model, family, max_tokens)
    writer.validate()
    if search not in SEARCHES:
        raise Stop(f"no search is called {search!r}; there are: {', '.join(SEARCHES)}", Exit.INPUT)
    if output is not None and not output.parent.is_dir():
        raise Stop(f"{output}: there is no folder {output.parent}", Exit.INPUT)
    text = statement if statement is not None else read_text(file)
    replacement = None if header is None else HEADERS.get(header) or read_text(Path(header))
    options = _Options(
        writer, search, seed, timeout, workers, ray, output, trace, minimise, checkpoints, strict, as_json
    )
    session = _Session(options)
    try:
        for folder in (trace, checkpoints):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
        code = asyncio.run(session.run(text, None if statement is not None else str(file), replacement, theorem or []))
    except FileError as error:
        raise Stop(show_errors(str(error), error.messages) + _advice(error), Exit.INPUT) from None
    except InputError as error:
        raise Stop(f"{file}: {error}", Exit.INPUT) from None
    except (JournalError, OSError) as error:
        raise Stop(str(error), Exit.INPUT) from None
    raise typer.Exit(code)


def _advice(error: FileError) -> str:
    if any(m.kind == "import" and "Mathlib" in m.text for m in error.messages):
        return "\nThe embedded Lean has no Mathlib. `--header core` tries the statements without it."
    return ""


@dataclass(frozen=True)
class _Options:
    """What the command was told (see `prove`)."""

    writer: Writer
    search: str
    seed: int
    timeout: float
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
        self.interrupted = False

    async def run(self, text: str, path: str | None, header: str | None, names: list[str]) -> int:
        lean, output = installed_lean(), self.options.output
        problem: Exception | None = None
        async with lean_pool(lean, self.options.workers, self.options.ray, True, self.options.strict) as pool:
            pool.expect_proofs()
            file = await self._file(pool, text, path, header)
            unknown = set(names) - {p.name for p in file.places}
            if unknown:
                have = ", ".join(p.name for p in file.places) or "none"
                raise Stop(
                    f"{file.path}: no theorem is called {', '.join(sorted(unknown))}; it has: {have}", Exit.INPUT
                )
            if not file.places:
                raise Stop(f"{file.path}: it has no theorem", Exit.INPUT)
            first = file.theorem(next(p for p in file.places if not names or p.name in names), {})
            pool.expect_proofs((*first.context, first.challenge))
            try:
                await self._prove(pool, file, names)
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
            return INTERRUPTED
        good = sum(o.status in (Status.PROVED, Status.HOLDS) for o in self.outcomes)
        return Exit.PROVED if good == len(self.outcomes) else Exit.NOT_PROVED

    async def _file(self, pool: LeanPool, text: str, path: str | None, header: str | None) -> LeanFile:
        if path is None:
            return await parse_statement(pool, text, header or "")
        if header is not None:
            text = await with_header(pool, text, header)
        return await parse(pool, text, path)

    async def _prove(self, pool: LeanPool, file: LeanFile, names: list[str]) -> None:
        total, options = len(names) or len(file.places), self.options
        async with options.writer.opened() as policy, _Line() as line:
            search = searcher(
                options.search,
                pool,
                policy,
                seed=options.seed,
                journals=options.checkpoints,
                progress=lambda meter: line.show(len(self.outcomes), total, meter),
                beside=companion(options.writer.policy, options.writer.model),
            )
            minimise = _MINIMISE if options.minimise else 0.0
            async for outcome in prove_file(pool, file, search, Budget(seconds=options.timeout), names, minimise):
                self.outcomes.append(outcome)
                if not options.as_json:  # a program gets all of it at the end
                    with line.hidden():
                        _tell(outcome, policy.trouble)
                if options.trace is not None and outcome.result is not None and outcome.result.trace is not None:
                    report.write(outcome.result.trace, options.trace)
                if options.output is not None:
                    self._write(file, options.output)  # so that a killed run can go on from there
                line.show(len(self.outcomes), total, None)

    def _write(self, file: LeanFile, output: Path) -> None:
        write_text(output, file.with_proofs({o.place.name: o.proof for o in self.outcomes if o.proof is not None}))

    def _sum_up(self) -> None:
        if self.options.as_json:
            for outcome in self.outcomes:
                print(json.dumps(_row(outcome)))
            return
        proved = sum(o.status is Status.PROVED for o in self.outcomes)
        wanted = sum(o.status in (Status.PROVED, Status.UNPROVED) for o in self.outcomes)
        if wanted:
            alone = sum(o.verdict is not None and o.verdict.one_kernel for o in self.outcomes)
            again = (
                f"; Lean's kernel and ours accept {'every proof' if not alone else f'all but {alone}'}"
                if proved
                else ""
            )
            out.print(f"\n{proved} of {wanted} proved{again}")


def _tell(outcome: Outcome, trouble: str) -> None:
    result, verdict = outcome.result, outcome.verdict
    alone = printable(kernels_said(verdict)) if verdict is not None else ""
    spent = f"  [dim]{result.seconds:.1f} s, {result.checks} checks[/dim]" if result is not None else ""
    out.print(f"{_MARK[outcome.status]} {printable(outcome.place.name)}{alone}{spent}")
    if outcome.proof is not None:
        out.print("\n".join(f"    {row}" for row in ["by", *("  " + r for r in printable(outcome.proof).splitlines())]))
    elif outcome.status is Status.FAILS and verdict is not None:
        out.print(f"    {verdict.reason}: {printable(verdict.detail)}")
    elif result is not None:
        out.print(f"    {_how_far(outcome)}")
        if trouble:
            out.print(f"    [red]at present no answers come:[/red] {printable(trouble)}")


def _how_far(outcome: Outcome) -> str:
    result = outcome.result
    assert result is not None
    if result.problem:
        return printable(result.problem)
    counts = ", ".join(f"{n} {reason}" for reason, n in result.reasons.most_common())
    return f"{result.samples} proofs tried: {counts}" if counts else "no proof could be tried in this time"


def _row(outcome: Outcome) -> dict[str, object]:
    result, verdict = outcome.result, outcome.verdict
    return {
        "theorem": outcome.place.name,
        "line": outcome.place.line,
        "status": str(outcome.status),
        "proof": outcome.proof,
        "axioms": list(verdict.axioms) if verdict else [],
        "kernels": list(verdict.kernels) if verdict else [],
        "reason": str(verdict.reason) if verdict else None,
        "detail": outcome.detail,
        "samples": outcome.samples,
        "checks": outcome.checks,
        "tokens": asdict(result.usage) if result else {},
        "seconds": round(outcome.seconds, 3),
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
