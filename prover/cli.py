"""The `prover` command: a table of names, each with the function that it calls.

A function's module is imported when its command is asked for: `prover --help` waits for nothing.
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
class _Entry:
    """A command of the list. help: its line there. target: module:function; or commands: the targets of a group's."""

    help: str
    target: str = ""
    commands: Mapping[str, str] = field(default_factory=dict)


COMMANDS = {
    "prove": _Entry(
        "Find proofs for the theorems of FILE that have none, and check the others.", "search.cli.prove:prove"
    ),
    "check": _Entry(
        "Decide whether SOLUTION proves what CHALLENGE states, whatever SOLUTION looks like.", "data.cli.check:check"
    ),
    "serve": _Entry("Serve the HTTP API and, at /docs, its interactive documentation.", "search.cli.serve:serve"),
    "doctor": _Entry(
        "Look at everything that the prover needs, and say what is missing and what to do.", "lean_env.doctor:doctor"
    ),
    "lean": _Entry(
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
    "data": _Entry(
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
    "eval": _Entry(
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
    "train": _Entry(
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


class _Command(TyperCommand):
    """A command whose options are also known under their old names."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = {name for option in self.params for name in option.opts}
        end = args.index("--") if "--" in args else len(args)
        for place in range(end):
            name, *value = args[place].split("=", 1)
            if name in _OLD_NAMES and name not in known and _OLD_NAMES[name] in known:
                args[place] = "=".join((_OLD_NAMES[name], *value))
        return super().parse_args(ctx, args)


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no remarks: only results, and what went wrong.")
]


def _with_quiet(function: Callable[..., object]) -> Callable[..., object]:
    """A command's function with the option `--quiet`."""

    @wraps(function)
    def command(*args: Any, quiet: bool, **given: Any) -> object:
        if quiet:
            from lean_env.console import err

            err.quiet = True
        return function(*args, **given)

    signature = inspect.signature(function, eval_str=True)
    option = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
    command.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), option]
    )
    return command


class _Table(TyperGroup):
    """A group whose commands are known by name, and loaded when they are called.

    entries: the functions as module:function, or groups.
    """

    entries: ClassVar[Mapping[str, _Entry]] = {}
    _named_only = False

    def list_commands(self, ctx: Any) -> list[str]:
        return [*self.entries]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        return _group(cmd_name, entry) if entry.commands else _function(cmd_name, entry, load=not self._named_only)

    @contextmanager
    def _names(self) -> Iterator[None]:
        """Only the commands' names and their lines in the list are wanted; those that have no line are loaded."""
        self._named_only = all(entry.help for entry in self.entries.values())
        try:
            yield
        finally:
            self._named_only = False

    def format_help(self, ctx: Any, formatter: Any) -> None:
        with self._names():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        with self._names():
            return super().shell_complete(ctx, incomplete)


class _Commands(_Table):
    entries = COMMANDS


def _function(name: str, entry: _Entry, load: bool) -> Any:
    one = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    function: Callable[..., object] = lambda: None  # noqa: E731
    line = entry.help
    if load:
        module, _, wanted = entry.target.partition(":")
        function, line = _with_quiet(getattr(import_module(module), wanted)), ""
    one.command(name, cls=_Command, help=line or None, context_settings=_SETTINGS.get(name))(function)
    command = typer.main.get_command(one)
    command.name = name
    return command


def _group(name: str, entry: _Entry) -> Any:
    entries = {command: _Entry("", target) for command, target in entry.commands.items()}
    table = type("_Group", (_Table,), {"entries": entries})
    group = typer.Typer(cls=table, help=entry.help, no_args_is_help=True, add_completion=False)
    group.callback()(lambda: None)
    command = typer.main.get_command(group)
    command.name = name
    return command


app = typer.Typer(
    cls=_Commands,
    help="Prove Lean 4 theorems, with and without a language model.",
    epilog=ENVIRONMENT,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
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
    """Run the command line; a user's mistake ends in a message, never in a traceback.

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
