"""Where Lean comes from: a command that starts a process speaking the community REPL's protocol."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path

from lean_env.embedded import install
from lean_env.embedded.node import node

NATIVE_STACK = 80_000 * 1024  # bytes; deep terms recurse on V8's native stack
STACK_RESERVE = 20_000 * 1024  # bytes of it that V8 must not use
MEMORY = 1536 * 1024 * 1024  # bytes; the build itself can address 2 GiB


class LeanUnavailable(Exception):
    """There is no Lean to run; the message says what is missing and what to do."""


@dataclass(frozen=True)
class Lean:
    """A Lean that can be started. (A user's own Lake project, through the community REPL, will be another one.)"""

    name: str
    version: str
    argv: tuple[str, ...]


def embedded(memory: int = MEMORY) -> Lean:
    """The embedded Lean; `memory` bounds each process's Lean heap (bytes).

    Raises LeanUnavailable if it is not installed (`lean_env.embedded.install.install` does that).
    """
    found = install.find()
    if found is None:
        raise LeanUnavailable("the embedded Lean is not installed: run `prover lean install`")
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    stack = NATIVE_STACK if hard == resource.RLIM_INFINITY else min(NATIVE_STACK, hard)
    v8 = (stack - STACK_RESERVE) // 1024
    driver = Path(__file__).parent / "embedded" / "driver" / "repl.cjs"
    # A stack limit can only be set on the way into a process, and only a shell does that without forking Python.
    shell = ("/bin/sh", "-c", 'ulimit -s "$1" && shift && exec "$@"', "prover-lean", str(stack // 1024))
    return Lean(
        name="embedded",
        version=found.version,
        argv=(*shell, str(node()), f"--stack-size={v8}", str(driver), str(found.root), str(memory)),
    )
