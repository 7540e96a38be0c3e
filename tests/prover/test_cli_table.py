"""The table of commands: each can be loaded, takes the options that all have, and goes by its old names."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lean_env.console import err
from prover.cli import COMMANDS, app

LINES = [
    [name, *([command] if command else [])] for name, entry in COMMANDS.items() for command in ("", *entry.commands)
]


def asked(*args: str) -> tuple[int, str]:
    """What a command prints, its lines joined, and its exit code."""
    done = CliRunner().invoke(app, list(args), env={"COLUMNS": "200", "NO_COLOR": "1"})
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_every_command_has_its_help(line: list[str]) -> None:
    code, said = asked(*line, "-h")
    assert code == 0
    assert f"Usage: root {' '.join(line)}" in said
    group = len(line) == 1 and bool(COMMANDS[line[0]].commands)
    assert group or "--quiet -q" in said
    assert "--out -o" in said or "--out" not in said
    assert "--seconds" not in said


def test_the_help_names_the_environment_and_the_defaults() -> None:
    _, said = asked("--help")
    for name in ("PROVER_HOME", "PROVER_SANDBOX", "PROVER_API_KEY", "OPENAI_API_KEY", "--install-completion"):
        assert name in said
    _, said = asked("eval", "run", "--help")
    for default in ("(tactics)", "(single)", "(60)", "(no limit)"):
        assert f"[default: {default}]" in said
    assert "prover " in asked("--version")[1]


@pytest.mark.parametrize("option", [["--seconds", "0"], ["--seconds=0"], ["--timeout", "0"]])
def test_a_time_limit_goes_by_its_old_name(option: list[str], tmp_path: Path) -> None:
    code, said = asked("lean", "kernel", str(tmp_path / "none"), *option)
    assert code == 2
    assert "Invalid value for '--timeout'" in said  # it came where it belongs, and is too small
    code, said = asked("prove", "--header", "core", "--", "--seconds=0")
    assert code != 2 or "Invalid value" not in said  # a file of that name


def test_quiet_silences_remarks_and_nothing_else(tmp_path: Path) -> None:
    quiet = err.quiet
    try:
        code, _ = asked("check", "-q", "--jsonl", str(tmp_path / "none.jsonl"))
        assert err.quiet
        assert code == 1  # raised, for `main` to tell
    finally:
        err.quiet = quiet


def test_an_unknown_command_is_no_command() -> None:
    code, said = asked("data", "nothing")
    assert code == 2
    assert "No such command" in said
