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
from search.negation import Refutation
from search.prove import Outcome, Status, prove_file, revoke_refused, select_declarations
from search.searches import SEARCHES, searcher

_MARK = {
    Status.PROVED: "[green]proved[/green]  ",
    Status.HOLDS: "[green]holds[/green]   ",
    Status.FAILS: "[red]fails[/red]   ",
    Status.REFUTED: "[red]refuted[/red] ",
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
    use_open_lemmas: Annotated[
        bool,
        typer.Option(
            "--use-open-lemmas",
            help="Proofs may use theorems above that are still open. What rests on one is `open`, not proved.",
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
        chosen,
        search,
        seed,
        budget,
        workers,
        ray,
        output,
        trace,
        minimise,
        use_open_lemmas,
        checkpoints,
        strict,
        as_json,
    )
    session = _ProveSession(options)
    try:
        for folder in (trace, checkpoints):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
        code = asyncio.run(session.run(text, None if statement is not None else str(file), replacement, theorem or []))
    except FileError as error:
        raise CommandError(show_errors(str(error), error.messages) + _import_hint(error), Exit.INPUT) from None
    except InputError as error:
        raise CommandError(f"{file}: {error}", Exit.INPUT) from None
    except (JournalError, OSError) as error:
        raise CommandError(str(error), Exit.INPUT) from None
    raise typer.Exit(code)


def _import_hint(error: FileError) -> str:
    if any(m.kind == "import" and "Mathlib" in m.text for m in error.messages):
        return "\nThe embedded Lean has no Mathlib. `--header core` tries the statements without it."
    return ""


@dataclass(frozen=True)
class _Options:
    """The options of the command (see `prove`)."""

    policy: PolicyConfig
    search: str
    seed: int
    budget: Budget
    workers: int | None
    ray: str | None
    output: Path | None
    trace: Path | None
    minimise: bool
    use_open_lemmas: bool
    checkpoints: Path | None
    strict: bool
    as_json: bool


class _ProveSession:
    """One run of the command."""

    def __init__(self, options: _Options) -> None:
        self.options = options
        self.outcomes: list[Outcome] = []
        self.macro_theorems: list[OtherTheorem] = []  # what macros have made and left open
        self.interrupted = False

    async def run(self, text: str, path: str | None, header: str | None, names: list[str]) -> int:
        """Prove the theorems, print the results and return the exit code."""
        lean, output = installed_lean(), self.options.output
        failure: Exception | None = None
        async with lean_pool(lean, self.options.workers, self.options.ray, True, self.options.strict) as pool:
            pool.expect_proofs()
            file = await parse_source(pool, text, path, header)
            known_names = [d.name for d in select_declarations(file)]
            if unknown := set(names) - set(known_names):
                explanation = next((f": {o.said}" for o in file.others if o.name in unknown), "")
                listed_names = ", ".join(known_names) or "none"
                missing = f"{', '.join(sorted(unknown))}{explanation}"
                raise CommandError(f"{file.path}: no theorem is called {missing}; it has: {listed_names}", Exit.INPUT)
            self.macro_theorems = [] if names else [o for o in file.others if o.how == "made" and o.open]
            if not known_names and not self.macro_theorems:
                raise CommandError(f"{file.path}: it has no theorem", Exit.INPUT)
            if blank_declaration := next(
                (d for d in select_declarations(file, names) if d.is_blank and d.theorem), None
            ):
                first_theorem = file.theorem(blank_declaration, {})
                pool.expect_proofs((*first_theorem.context, first_theorem.challenge))
            try:
                await self._prove(pool, file, names)
                if output is not None:
                    await self._revoke_refused(pool, file)
            except asyncio.CancelledError:  # Ctrl-C: what has been found is still given out
                self.interrupted = True
                err.print("interrupted")
            except (PolicyUnavailable, JournalError, OSError) as error:  # what has been found is not lost with it
                failure = error
        self._print_summary()
        if output is not None:
            self._write(file, output)
            err.print(f"written to {output}")
        if failure is not None:
            raise failure
        if self.interrupted:
            return Exit.INTERRUPTED
        num_proved = sum(o.status in (Status.PROVED, Status.HOLDS) for o in self.outcomes)
        return Exit.PROVED if num_proved == len(self.outcomes) and not self.macro_theorems else Exit.NOT_PROVED

    async def _revoke_refused(self, pool: LeanPool, file: LeanFile) -> None:
        """Check the file as a whole, and print outcomes that change by it."""
        earlier_statuses = [o.status for o in self.outcomes]
        await revoke_refused(pool, file, self.outcomes)
        for outcome, status in zip(self.outcomes, earlier_statuses, strict=True):
            if outcome.status is not status and not self.options.as_json:
                _print_outcome(outcome, "")

    async def _prove(self, pool: LeanPool, file: LeanFile, names: list[str]) -> None:
        total, options = len(select_declarations(file, names)), self.options
        async with open_policy(options.policy) as policy, _StatusLine() as line:
            search = searcher(
                options.search,
                pool,
                policy,
                seed=options.seed,
                journals=options.checkpoints,
                progress=lambda meter: line.show(len(self.outcomes), total, meter),
                fallback=fallback_policy(options.policy),
                refute=True,
            )
            minimise = _MINIMISE if options.minimise else 0.0
            # A model writes whole proofs; single holes are searched with the tactics policy.
            holes = None if policy.stepwise else searcher("auto", pool, TacticsPolicy(), seed=options.seed)
            outcomes = prove_file(
                pool, file, search, options.budget, names, minimise, holes, use_open_lemmas=options.use_open_lemmas
            )
            async for outcome in outcomes:
                self.outcomes.append(outcome)
                if not options.as_json:  # a program gets all of it at the end
                    with line.hidden():
                        _print_outcome(outcome, policy.last_error)
                if options.trace is not None and outcome.result is not None and outcome.result.trace is not None:
                    report.write(outcome.result.trace, options.trace)
                if options.output is not None and not is_stream(options.output):
                    self._write(file, options.output)  # so that a killed run can go on from there
                line.show(len(self.outcomes), total, None)

    def _write(self, file: LeanFile, output: Path) -> None:
        write_text(output, file.with_proofs({o.declaration.name: o.edits for o in self.outcomes}))

    def _print_summary(self) -> None:
        if self.options.as_json:
            for outcome in self.outcomes:
                print(json.dumps(_json_row(outcome)))
            for other in self.macro_theorems:
                print(json.dumps({"theorem": other.name, "line": other.line, "status": "open", "detail": other.said}))
            return
        for other in self.macro_theorems:
            out.print(f"{_MARK[Status.OPEN]} {printable(other.name)}\n    it uses `sorry`; {printable(other.said)}")
        proved = sum(o.status is Status.PROVED for o in self.outcomes)
        refuted = sum(o.status is Status.REFUTED for o in self.outcomes)
        tried = (Status.PROVED, Status.REFUTED, Status.UNPROVED, Status.OPEN)
        num_tried = sum(o.status in tried for o in self.outcomes) + len(self.macro_theorems)
        if num_tried:
            one_kernel = sum(o.verdict is not None and o.verdict.one_kernel for o in self.outcomes)
            which = "every proof" if not one_kernel else f"all but {one_kernel}"
            kernels = f"; Lean's kernel and ours accept {which}" if proved else ""
            wrong = f"; {refuted} refuted" if refuted else ""
            out.print(f"\n{proved} of {num_tried} proved{kernels}{wrong}")
        if open_lines := [
            hole.line for outcome in self.outcomes if outcome.status is not Status.PROVED for hole in outcome.open_holes
        ]:
            lines = ", ".join(map(str, open_lines))
            out.print(f"{len(open_lines)} `sorry` left open, in line{'s' * (len(open_lines) > 1)} {lines}")


def _print_outcome(outcome: Outcome, last_error: str) -> None:
    result, verdict = outcome.result, outcome.verdict
    kernels = printable(kernels_note(verdict)) if verdict is not None else ""
    cost = f"  [dim]{result.seconds:.1f} s, {result.checks} checks[/dim]" if result is not None else ""
    out.print(f"{_MARK[outcome.status]} {printable(outcome.declaration.name)}{kernels}{cost}")
    if outcome.whole_proof is not None:
        _print_indented(["by", *("  " + row for row in outcome.whole_proof.text.split("\n"))])
    for hole, proof, _ in outcome.filled if outcome.whole_proof is None else ():
        first, *rest = proof.split("\n")
        _print_indented([f"line {hole.line}: {first}", *(" " * len(f"line {hole.line}: ") + row for row in rest)])
    if outcome.status in (Status.PROVED, Status.HOLDS):
        return
    if outcome.refutation is not None:
        print_refutation(outcome.refutation)
        return
    if verdict is not None:
        out.print(f"    {verdict.reason}: {printable(outcome.detail)}")
    elif outcome.detail:
        out.print(f"    {printable(outcome.detail)}")
    for hole in outcome.open_holes:
        if not outcome.declaration.is_blank:
            out.print(f"    line {hole.line} is left open: {printable(hole_goal(hole))}")
        elif not hole.proposition:
            out.print(f"    it is left open: {printable(hole_goal(hole))}")
    if last_error and result is not None:
        out.print(f"    [red]at present no answers come:[/red] {printable(last_error)}")


def print_refutation(refutation: Refutation) -> None:
    """Print the counterexample, and the Lean proof that it is one."""
    out.print(f"    {printable(refutation.summary)}")
    _print_indented(refutation.code.split("\n"))


def _print_indented(rows: list[str]) -> None:
    out.print("\n".join(f"    {printable(row)}" for row in rows))


def hole_goal(hole: Hole) -> str:
    """Return the goal of a `sorry`, in a line."""
    goal = hole.goal.rpartition("⊢ ")[2].replace("\n", " ")
    return goal if hole.proposition else f"{goal} (no proposition: it is for you to say which)"


def _json_row(outcome: Outcome) -> dict[str, object]:
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
        "refutation": refutation_row(outcome.refutation) if outcome.refutation else None,
        "filled": [{"line": h.line, "column": h.column, "proof": proof} for h, proof, _ in outcome.filled],
        "open": [{"line": h.line, "column": h.column, "goal": h.goal} for h in outcome.open_holes],
        "samples": outcome.samples,
        "checks": outcome.checks,
        "tokens": asdict(result.usage) if result else {},
        "seconds": round(outcome.seconds, 3),
        "cpu": round(result.cpu, 3) if result else 0.0,
        "tried": {str(r): n for r, n in result.reasons.items()} if result else {},
    }


def refutation_row(refutation: Refutation) -> dict[str, object]:
    """A refutation as JSON: the values, the Lean text that goes after the theorem, and what its Verdict says."""
    return {
        "counterexample": dict(refutation.counterexample),
        "negation": refutation.code,
        "axioms": list(refutation.verdict.axioms),
        "kernels": list(refutation.verdict.kernels),
    }


class _StatusLine:
    """A progress line on standard error: theorems done, checks spent on the current one."""

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
        """Update the line."""
        checks = f", {meter.checks} checks on the present one" if meter else ""
        self._bar.update(self._task, description=f"{done} of {total} theorems{checks}")

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Hide the line while something else is printed."""
        self._bar.stop()
        yield
        self._bar.start()
