"""`prover eval`: evaluation on a whole benchmark."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Self

import typer

from data.benchmarks import BenchmarkMissing, benchmark_path
from data.problems import ProblemError
from data.records.config import ConfigError, read_config
from data.records.run_folder import RunError
from eval import proofs, run, summary
from eval import report as pages
from eval.config import SINGLE, RunConfig, run_config
from eval.export import export
from eval.folder import RunFolder
from eval.library import run_benchmark, run_name
from eval.metrics import proportion_interval
from eval.problems import problems_digest, select_problems
from lean_env import LeanUnavailable
from lean_env.console import CommandError, Exit, Strict, err, installed_lean, lean_pool, out, printable, progress_bar
from prover.policy import POLICIES, PolicyUnavailable
from search.searches import SEARCHES

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
Workers = Annotated[int | None, typer.Option(help="Lean processes; default: one per core.", min=1)]
Ray = Annotated[str | None, typer.Option(metavar="ADDRESS|local", help="Run Lean on a Ray cluster.")]
_NO_LIMIT = "no limit"
_LOG_SECONDS = 60.0  # seconds between two lines in the log
_REFRESH_SECONDS = 0.1  # seconds between two looks of the line that moves


def _default(field: str) -> str:
    """Return the default of a field of a run's configuration, as text."""
    value: Any = RunConfig(problems="")
    for name in field.split("."):
        value = getattr(value, name)
    return f"{value:g}" if isinstance(value, float) else str(value)


def run_(
    config: Annotated[
        Path | None, typer.Argument(metavar="CONFIG.yaml", help="As in configs/; options override it.")
    ] = None,
    problems: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="A benchmark, a file or a folder.")] = None,
    split: Annotated[str | None, typer.Option(help="Only problems of this split.", show_default="all")] = None,
    limit: Annotated[int | None, typer.Option(help="Only so many problems.", show_default="all")] = None,
    policy: Annotated[
        str | None,
        typer.Option(help=f"What writes the proofs: {', '.join(POLICIES)}.", show_default=_default("policy.name")),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Policies openai, vllm and native: the model.")] = None,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="Policy openai: the server.")] = None,
    family: Annotated[
        str | None,
        typer.Option(help="The prompt format: a name, or your own file (.yaml).", show_default="by the model's name"),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Length of an answer.", show_default="as published for the family")
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            help=f"{SINGLE} (every attempt is one proof), or {', '.join(SEARCHES)}.", show_default=_default("search")
        ),
    ] = None,
    attempts: Annotated[
        int | None,
        typer.Option("--attempts", "-k", help="For each problem; n of pass@k.", show_default=_default("attempts")),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="Proofs that a search may ask for.", show_default=_NO_LIMIT)
    ] = None,
    checks: Annotated[
        int | None, typer.Option(help="Questions to Lean that a search may ask.", show_default=_NO_LIMIT)
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(help="Tokens that a search may have written.", show_default=_NO_LIMIT)
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            help=f"Seconds for a search; with {SINGLE}, for each check.", show_default=_default("budget.seconds")
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same seed gives the same attempts.", show_default=_default("seed"))
    ] = None,
    refute: Annotated[
        bool, typer.Option("--refute", help="A share of each search is for a refutation, which ends it as `refuted`.")
    ] = False,
    workers: Workers = None,
    ray: Ray = None,
    strict: Strict = False,
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The run's folder; default: a telling name in runs/."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON when it is done.")] = False,
) -> None:
    """Make so many attempts at every problem. Killed and started again, it goes on where it was."""
    options = {
        "problems": problems,
        "split": split,
        "limit": limit,
        "policy": {"name": policy, "model": model, "base_url": base_url, "family": family, "max_tokens": max_tokens},
        "search": search,
        "attempts": attempts,
        "budget": {"samples": samples, "checks": checks, "tokens": tokens, "seconds": timeout},
        "seed": seed,
        "refute": refute or None,
        "strict": strict or None,
        "workers": workers,
        "ray": ray,
    }
    try:
        benchmark_run = run_config(_merge(read_config(config) if config else {}, options), str(config or "the options"))
        benchmark_run.policy.check()
        path = benchmark_path(benchmark_run.problems)
        count, _ = problems_digest(select_problems(path, benchmark_run.split, benchmark_run.limit))
    except (ConfigError, BenchmarkMissing, ProblemError) as error:
        raise CommandError(str(error), Exit.INPUT) from None
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", Exit.INPUT) from None
    if not count:
        raise CommandError(f"{benchmark_run.problems}: it has no problems", Exit.INPUT)
    folder = RunFolder(output or Path("runs") / (config.stem if config else run_name(benchmark_run)))
    try:
        if not asyncio.run(_run(folder, benchmark_run)):
            err.print("Nothing is left to do: all attempts are on record.")
    except RunError as error:
        raise CommandError(str(error), Exit.INPUT) from None
    except OSError as error:
        raise CommandError(f"{error.filename or folder.path}: {error.strerror or error}", Exit.ENVIRONMENT) from None
    except (KeyboardInterrupt, PolicyUnavailable, LeanUnavailable) as error:
        if folder.path.exists():
            folder.log(str(error) or "interrupted")
            err.print("What is done is kept: the same command goes on from here.")
        raise
    figures = summary.summarise(folder, texts=False)
    if as_json:
        print(json.dumps({key: value for key, value in figures.items() if key != "problems"}))
    else:
        _print_figures(figures)
        out.print(f"\nprover eval report {folder.path}    [dim]makes a page of it[/dim]")


async def _run(folder: RunFolder, config: RunConfig) -> bool:
    """Make the attempts; return False if there were none to make."""
    installed_lean()  # if it is fetched now, that has a progress bar of its own
    with _LiveProgress(folder) as live:
        return await run_benchmark(folder, config, live.show)


def report_(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN…", help="Folders of runs; several are shown side by side.")
    ],
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder for the report; default: report/ in the first run's.")
    ] = None,
    texts: Annotated[
        bool, typer.Option(help="With --no-texts: figures only, no statements or proofs, to publish results.")
    ] = True,
) -> None:
    """Write what came of runs as a page, as Markdown and as JSON."""
    figures = [_figures(path, texts) for path in runs]
    try:
        files = pages.write(summary.build_report(figures), output or runs[0] / "report")
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", Exit.INPUT) from None
    for file in files:
        out.print(printable(str(file)))


def export_(
    folder: Run,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder for the files; default: export/ in the run's.")
    ] = None,
    texts: Annotated[bool, typer.Option(help="With --no-texts: no statements or proofs, to publish results.")] = True,
) -> None:
    """Write a run's attempts as JSON lines, and its results in the form of lm-evaluation-harness."""
    with _run_errors(folder):
        for file in export(RunFolder(folder), output or folder / "export", texts):
            out.print(printable(str(file)))


def compare(
    a: Run,
    b: Run,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Name the problems that only one of two runs proved, and tell whether the difference may be chance."""
    comparison = summary.compare_runs([_figures(a, False), _figures(b, False)], 0, 1)
    if not comparison["problems"]:
        hint = f"; {comparison['different']} of the same name say something else" if comparison["different"] else ""
        raise CommandError(f"{a} and {b} have no finished problem in common{hint}", Exit.INPUT)
    if as_json:
        print(json.dumps(comparison))
        return
    for path, names in ((a, comparison["only_a"]), (b, comparison["only_b"])):
        out.print(f"[bold]only {printable(str(path))}[/bold]: {len(names)}")
        for name in names:
            out.print(f"  {printable(name)}")
    both, neither, total = (comparison[key] for key in ("both", "neither", "problems"))
    out.print(f"both {both}, neither {neither}, of {total} problems that both have finished")
    if comparison["different"]:
        out.print(f"left out: {comparison['different']} problems that say something else in the other run")
    one, other = comparison["attempts"]
    out.print(f"p = {comparison['p']:.3g} (McNemar's exact test), by {one} and {other} attempts at each problem")


def recheck(
    folder: Run,
    workers: Workers = None,
    ray: Ray = None,
    strict: Strict = False,
) -> None:
    """Have Lean judge every proof of a run again, from the run's files alone."""
    with _run_errors(folder):
        code = asyncio.run(_recheck(RunFolder(folder), workers, ray, strict))
    raise typer.Exit(code)


async def _recheck(folder: RunFolder, workers: int | None, ray: str | None, strict: bool) -> Exit:
    num_refused = one_kernel = 0
    all_proofs = proofs.recorded_proofs(folder)
    with progress_bar() as bar:
        task = bar.add_task("proofs", total=len(all_proofs), text="")
        async with (
            lean_pool(installed_lean(), workers, ray, strict=strict) as pool,
            aclosing(proofs.recheck(folder, pool, all_proofs)) as judged,
        ):
            async for proof, verdict in judged:
                bar.update(task, advance=1)
                one_kernel += verdict.one_kernel
                if not verdict.proved:
                    num_refused += 1
                    which = "shorter proof" if proof.number is None else f"attempt {proof.number}"
                    message = f"{proof.entry.name}, {which}: {verdict.reason}. {verdict.detail}"
                    err.print(f"[red]refused[/red] {printable(message)}")
    by_one = f", {one_kernel} of them by Lean's kernel alone" if one_kernel else ""
    out.print(f"{len(all_proofs) - num_refused} of {len(all_proofs)} proofs hold{by_one}")
    return Exit.NOT_PROVED if num_refused else Exit.PROVED


def minimise(
    folder: Run,
    timeout: Annotated[float, typer.Option(help="Seconds for each proof.", min=0.1)] = 60.0,
    workers: Workers = None,
    ray: Ray = None,
) -> None:
    """Shorten the first proof of each problem as far as Lean still accepts it. Reports then show the shorter ones."""
    with _run_errors(folder):
        lines_before, lines_after = asyncio.run(_minimise(RunFolder(folder), timeout, workers, ray))
    out.print(f"{lines_before} lines before, {lines_after} after")


async def _minimise(folder: RunFolder, timeout: float, workers: int | None, ray: str | None) -> tuple[int, int]:
    with progress_bar() as bar:
        task = bar.add_task("proofs", text="")
        async with lean_pool(installed_lean(), workers, ray) as pool:
            return await proofs.minimise(
                folder, pool, timeout, lambda done, total: bar.update(task, completed=done, total=total)
            )


@contextmanager
def _run_errors(path: Path) -> Iterator[None]:
    """Turn errors of a run's folder into messages for the user."""
    try:
        RunFolder(path).manifest  # noqa: B018 - it says so if there is no run
        yield
    except RunError as error:
        raise CommandError(str(error), Exit.INPUT) from None
    except OSError as error:
        raise CommandError(f"{error.filename or path}: {error.strerror or error}", Exit.ENVIRONMENT) from None


def _figures(path: Path, texts: bool) -> dict[str, Any]:
    with _run_errors(path):
        return summary.summarise(RunFolder(path), texts)


def _merge(fields: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with the given options in their place; None is an option that was not given."""
    merged = dict(fields)
    for key, value in options.items():
        if isinstance(value, dict):
            inner = merged.get(key)
            value = _merge(inner if isinstance(inner, dict) else {}, value)
            if not value:
                continue
        if value is not None:
            merged[key] = value
    return merged


def _print_figures(figures: dict[str, Any]) -> None:
    counts, rate = figures["counts"], figures["proved_rate"]
    out.print(
        f"{counts['problems']} problems: {counts['asked']} asked, {counts['inexpressible']} this Lean cannot express"
    )
    if counts["replaced"]:
        out.print(f"asked without the library that they import, with core Lean's header: {counts['replaced']}")
    if rate:
        out.print(
            f"[bold]{counts['proved']} proved[/bold], "
            + (f"{counts['refuted']} refuted, " if counts["refuted"] else "")
            + f"{counts['failed']} failed: {rate['value']:.1%} of those asked"
            f" (95 %: {rate['low']:.1%} to {rate['high']:.1%})"
        )
    for row in figures["pass_at"] if figures["attempts"] > 1 else ():
        out.print(f"pass@{row['k']:<5} {row['value']:6.1%}  ({row['low']:.1%} to {row['high']:.1%})")
    if counts["one_kernel"]:
        out.print(f"proved by Lean's kernel alone, which ours could not decide: {counts['one_kernel']}")
    if counts["flagged"]:
        out.print(f"flagged by the audit: {counts['flagged']}, of which proved: {counts['proved_flagged']}")


class _LiveProgress:
    """A progress line: attempts done, their rate, problems proved so far with the interval, time left.

    In a file or a pipe it is a line every minute, as in the run's log.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder, self._bar = folder, progress_bar()
        self._task = self._bar.add_task("starting Lean", total=None, text="")
        self._stage = ""
        self._stage_start, self._start_count, self._last_log = time.monotonic(), 0, time.monotonic()
        self._last_refresh = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, state: run.EvalProgress) -> None:
        """Update the line, and the log once a minute."""
        if state.stage != self._stage:
            self._stage, self._stage_start, self._start_count = state.stage, time.monotonic(), state.done
            self._bar.reset(self._task, description=state.stage, completed=state.done, total=state.total, text="")
        now = time.monotonic()
        if now - self._last_refresh < _REFRESH_SECONDS and state.done < state.total:
            return
        self._last_refresh = now
        self._bar.update(self._task, completed=state.done, total=state.total, text=self._text(state, now))
        if now - self._last_log >= _LOG_SECONDS:
            self._last_log = now
            line = f"{state.stage} {state.done} of {state.total} {self._text(state, now)}"
            self._folder.log(line)
            if not err.is_terminal:
                err.print(printable(line))

    def _text(self, state: run.EvalProgress, now: float) -> str:
        parts = [f"{(state.done - self._start_count) / max(0.001, now - self._stage_start):.1f}/s"]
        if state.finished:
            share = proportion_interval(state.proved, state.finished)
            parts.append(f"{state.proved} of {state.finished} problems proved ({share.low:.0%} to {share.high:.0%})")
        if state.last_error:
            parts.append(f"no answers come: {state.last_error}")
        return ", ".join(parts)
