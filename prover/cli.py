"""The `prover` command: a table of command names and the functions that they call.

The module of a function is imported when its command is called, so that `prover --help` is fast.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from importlib import import_module, metadata
from typing import Annotated, Any, ClassVar, Literal, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True)
class _CommandEntry:
    """A command of the list. help: its line there. target: module:function; or commands: the targets in a group."""

    help: str
    target: str = ""
    commands: Mapping[str, str] = field(default_factory=dict)


COMMANDS = {
    "prove": _CommandEntry(
        "Find proofs for the theorems of FILE that have none, and check the others.", "search.cli.prove:prove"
    ),
    "disprove": _CommandEntry(
        "Refute the theorems of FILE: a counterexample, or a proof of the negation.", "search.cli.disprove:disprove"
    ),
    "check": _CommandEntry(
        "Decide whether SOLUTION proves what CHALLENGE states, whatever SOLUTION looks like.", "data.cli.check:check"
    ),
    "serve": _CommandEntry(
        "Serve the HTTP API and, at /docs, its interactive documentation.", "search.cli.serve:serve"
    ),
    "doctor": _CommandEntry(
        "Look at everything that the prover needs, and say what is missing and what to do.", "lean_env.doctor:doctor"
    ),
    "lean": _CommandEntry(
        "The Lean that checks the proofs.",
        commands={
            "status": "lean_env.cli:status",
            "install": "lean_env.cli:install",
            "path": "lean_env.cli:path",
            "export": "data.cli.export:export",
            "kernel": "lean_env.cli:kernel",
            "repl": "lean_env.cli:repl",
        },
    ),
    "data": _CommandEntry(
        "The problems: public benchmarks, files in their formats, and corpora of proofs.",
        commands={
            "pairs": "data.cli.corpora:pairs",
            "generate": "search.cli.generate:generate",
            "trace": "data.cli.corpora:trace",
            "subgoals": "data.cli.subgoals:subgoals",
            "list": "data.cli.benchmarks:list_",
            "fetch": "data.cli.benchmarks:fetch",
            "show": "data.cli.benchmarks:show",
            "validate": "eval.cli.validate:validate",
        },
    ),
    "eval": _CommandEntry(
        "Run a prover over a benchmark, and report what came of it.",
        commands={
            "run": "eval.cli.runs:run_",
            "report": "eval.cli.runs:report_",
            "compare": "eval.cli.runs:compare",
            "export": "eval.cli.runs:export_",
            "recheck": "eval.cli.runs:recheck",
            "minimise": "eval.cli.runs:minimise",
        },
    ),
    "train": _CommandEntry(
        "Train a prover from proofs and from Lean's feedback.",
        commands={
            "sft": "rl.cli:sft",
            "expert-iteration": "rl.cli:expert_iteration",
            "grpo": "rl.cli:grpo",
            "dpo": "rl.cli:dpo",
        },
    ),
}
ENVIRONMENT = """\
Environment: PROVER_HOME (the folder of Lean, benchmarks and traces; default: the user's cache), PROVER_SANDBOX (as
--sandbox), PROVER_API_KEY (as serve's --token), OPENAI_API_KEY (the key for --policy openai)."""
_SETTINGS = {"serve": {"allow_extra_args": True, "ignore_unknown_options": False}}
_OLD_NAMES = {"--seconds": "--timeout"}  # options that go on working under the name that they had


class _AliasedCommand(TyperCommand):
    """A command whose options can also be given by their old names."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Replace old names of options, then parse."""
        option_names = {name for option in self.params for name in option.opts}
        end = args.index("--") if "--" in args else len(args)
        for index in range(end):
            name, *value = args[index].split("=", 1)
            if name in _OLD_NAMES and name not in option_names and _OLD_NAMES[name] in option_names:
                args[index] = "=".join((_OLD_NAMES[name], *value))
        return super().parse_args(ctx, args)


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no remarks: only results, and what went wrong.")
]


def _with_quiet(function: Callable[..., object]) -> Callable[..., object]:
    """Return a command's function with an additional option `--quiet`."""

    @wraps(function)
    def command(*args: Any, quiet: bool, **options: Any) -> object:
        if quiet:
            from lean_env.console import err

            err.quiet = True
        return function(*args, **options)

    signature = inspect.signature(function, eval_str=True)
    option = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
    command.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), option]
    )
    return command


class _LazyGroup(TyperGroup):
    """A group whose commands are listed by name and loaded when they are called.

    entries: the functions as module:function, or groups.
    """

    entries: ClassVar[Mapping[str, _CommandEntry]] = {}
    _names_only = False

    def list_commands(self, ctx: Any) -> list[str]:
        return [*self.entries]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        return (
            _load_group(cmd_name, entry)
            if entry.commands
            else _load_command(cmd_name, entry, load=not self._names_only)
        )

    @contextmanager
    def _without_loading(self) -> Iterator[None]:
        """In this block, list commands by name; load only those without a help line."""
        self._names_only = all(entry.help for entry in self.entries.values())
        try:
            yield
        finally:
            self._names_only = False

    def format_help(self, ctx: Any, formatter: Any) -> None:
        with self._without_loading():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        with self._without_loading():
            return super().shell_complete(ctx, incomplete)


class _RootGroup(_LazyGroup):
    """The commands of `prover`."""

    entries = COMMANDS


def _load_command(name: str, entry: _CommandEntry, load: bool) -> Any:
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    function: Callable[..., object] = lambda: None  # noqa: E731
    help_line = entry.help
    if load:
        module, _, name_in_module = entry.target.partition(":")
        function, help_line = _with_quiet(getattr(import_module(module), name_in_module)), ""
    single.command(name, cls=_AliasedCommand, help=help_line or None, context_settings=_SETTINGS.get(name))(function)
    command = typer.main.get_command(single)
    command.name = name
    return command


def _load_group(name: str, entry: _CommandEntry) -> Any:
    entries = {command: _CommandEntry("", target) for command, target in entry.commands.items()}
    table = type("_Group", (_LazyGroup,), {"entries": entries})
    group = typer.Typer(cls=table, help=entry.help, no_args_is_help=True, add_completion=False)
    group.callback()(lambda: None)
    command = typer.main.get_command(group)
    command.name = name
    return command


app = typer.Typer(
    cls=_RootGroup,
    help="Prove Lean 4 theorems, with and without a language model.",
    epilog=ENVIRONMENT,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(requested: bool) -> None:
    if requested:
        print(f"prover {metadata.version('open-prover')}")
        raise typer.Exit


@app.callback()
def _settings(
    sandbox: Annotated[
        Literal["auto", "required"],
        typer.Option(
            envvar="PROVER_SANDBOX",
            help="Lean's processes run behind every lock that this machine has (auto), or not without all of them.",
        ),
    ] = "auto",
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    os.environ["PROVER_SANDBOX"] = sandbox  # also for the processes that this one starts


def main() -> NoReturn:
    """Run the command line; a user's mistake ends with a message, without a traceback.

    Exit codes: 0 proved, 1 not proved, 2 the input is wrong, 3 the environment is, 130 interrupted.
    """
    try:
        app()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        from lean_env.console import err, explained, printable  # here: only commands that need them raise

        text, code = explained(error)
        err.quiet = False
        err.print(f"[red]prover:[/red] {printable(text)}")
        sys.exit(code)
    sys.exit(0)
