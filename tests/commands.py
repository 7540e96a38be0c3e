"""The `prover` command, called in this process: a wrong input is told without the start of a Python and its imports."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from prover.cli import main


def prover_here(*args: object, cwd: Path | None = None, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Call `prover ARGS…` in `cwd`: its exit code and all that it wrote. What it does not explain it raises."""
    out, err = io.StringIO(), io.StringIO()
    command = ["prover", *map(str, args)]
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", command)
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        patch.setenv("PROVER_SANDBOX", os.environ.get("PROVER_SANDBOX", "auto"))  # the command sets it
        patch.chdir(cwd or Path.cwd())
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())
