"""The `prover` command: the front door. Each subcommand is a thin function around one library function."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import typer

from prover.cli import corpora, data, eval, lean, train
from prover.cli.check import check
from prover.cli.common import guarded
from prover.cli.doctor import doctor
from prover.cli.prove import prove
from prover.cli.serve import serve

app = typer.Typer(
    help="Prove Lean 4 theorems, with and without a language model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def settings(
    sandbox: Annotated[
        Literal["auto", "required"],
        typer.Option(
            envvar="PROVER_SANDBOX",
            help="Lean's processes run behind every lock that this machine has (auto), or not without all of them.",
        ),
    ] = "auto",
) -> None:
    os.environ["PROVER_SANDBOX"] = sandbox  # also for the processes that this one starts


app.command("prove")(prove)
app.command("check")(check)
app.command("serve", context_settings={"allow_extra_args": True, "ignore_unknown_options": False})(serve)
app.command("doctor")(doctor)
app.add_typer(lean.app, name="lean")
for command in (corpora.pairs, corpora.generate, corpora.trace):
    data.app.command()(command)
app.add_typer(data.app, name="data")
app.add_typer(eval.app, name="eval")
app.add_typer(train.app, name="train")


def main() -> None:
    """Run the command line. Exit codes: 0 proved, 1 not proved, 2 the input is wrong, 3 the environment is."""
    guarded(app)
