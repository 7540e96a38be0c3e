"""The `prover` command: the front door. Each subcommand is a thin function around one library function.

A subcommand's module is imported when it is called: `prover --help` waits for nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, metadata
from typing import Annotated, Any, Literal, NoReturn

import typer
from typer.core import TyperGroup

COMMANDS = {  # what the list of commands says of each
    "prove": "Find proofs for the theorems of FILE that have none, and check the others.",
    "check": "Decide whether SOLUTION proves what CHALLENGE states, whatever SOLUTION looks like.",
    "serve": "Serve the HTTP API and, at /docs, its interactive documentation.",
    "doctor": "Look at everything that the prover needs, and say what is missing and what to do.",
    "lean": "The Lean that checks the proofs.",
    "data": "The problems: public benchmarks, files in their formats, and corpora of proofs.",
    "eval": "Run a prover over a benchmark, and report what came of it.",
    "train": "Train a prover from proofs and from Lean's feedback.",
}
_SETTINGS = {"serve": {"allow_extra_args": True, "ignore_unknown_options": False}}
INTERRUPTED = 130  # as shells have it for Ctrl-C


class _Commands(TyperGroup):
    """The commands of prover/cli/<name>.py: `app` there, or else the function of that name."""

    _named_only = False

    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        return _command(cmd_name, None if self._named_only else import_module(f"prover.cli.{cmd_name}"))

    @contextmanager
    def _names(self) -> Iterator[None]:
        """Only the commands' names and their lines in the list are wanted."""
        self._named_only = True
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


def _command(name: str, module: Any) -> Any:
    if hasattr(module, "app"):
        command = typer.main.get_command(module.app)
    else:
        one = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        function = getattr(module, name, lambda: None)
        one.command(name, help=None if module else COMMANDS[name], context_settings=_SETTINGS.get(name))(function)
        command = typer.main.get_command(one)
    command.name = name
    return command


app = typer.Typer(
    cls=_Commands,
    help="Prove Lean 4 theorems, with and without a language model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"prover {metadata.version('open-prover')}")
        raise typer.Exit


@app.callback()
def settings(
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

    Exit codes: 0 proved, 1 not proved, 2 the input is wrong, 3 the environment is.
    """
    try:
        app()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        from prover.cli.common import err, explained, printable  # here: only commands that need them raise

        text, code = explained(error)
        err.print(f"[red]prover:[/red] {printable(text)}")
        sys.exit(code)
    sys.exit(0)
