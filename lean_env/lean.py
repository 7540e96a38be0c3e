"""The Lean that is run: the command that starts a process with leanprover-community/repl's protocol."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lean_env.embedded import install, snapshot
from lean_env.embedded.node import locks, node
from lean_env.errors import Unavailable
from lean_env.sandbox import SandboxPolicy, active_locks, sandbox_command

NATIVE_STACK = 80_000 * 1024  # bytes; deep terms recurse on V8's native stack
STACK_RESERVE = 20_000 * 1024  # bytes of it that V8 must not use
MEMORY = 1536 * 1024 * 1024  # bytes; the build itself can address 2 GiB
OVERHEAD = 2560 * 1024 * 1024  # bytes that Node may take beside Lean's heap, the compiled module most of all


class LeanUnavailable(Unavailable):
    """No Lean can be run; the message says what is missing and what to do."""


@dataclass(frozen=True)
class Lean:
    """A Lean that can be started: name, version, and the command `argv` of its REPL process."""

    name: str
    version: str
    argv: tuple[str, ...]
    snapshot: Path | None = None
    """The snapshot that the process starts from, if there is one."""


def embedded(
    memory: int = MEMORY, *, read: Sequence[Path] = (), folder: Path | None = None, notices: bool = True
) -> Lean:
    """The embedded Lean, in the sandbox. Raises LeanUnavailable if it is not installed (embedded.install.install).

    memory: the most bytes of the Lean heap of each process. read: files and folders that the REPL's `path` may name,
    relative to `folder`; by default none. notices: the process announces that it runs code of a text, which the
    community's clients do not expect. The environment variable PROVER_SANDBOX is `auto` (every lock that this machine
    has; the default) or `required` (no start where one is missing).
    The first call after an installation takes some seconds, to make a snapshot (embedded/snapshot.py).
    """
    found = install.find()
    if found is None:
        raise LeanUnavailable("the embedded Lean is not installed: run `prover lean install`")
    mode = os.environ.get("PROVER_SANDBOX", "auto")
    if mode not in ("auto", "required"):
        raise LeanUnavailable(f"PROVER_SANDBOX is {mode!r}: it is `auto` or `required`")
    if mode == "required" and (missing := {name: why for name, why in active_locks().items() if why}):
        raise LeanUnavailable(
            "this machine does not have all locks of the sandbox, and it is required: "
            + "; ".join(f"{name}: {why}" for name, why in missing.items())
        )
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    stack = NATIVE_STACK if hard == resource.RLIM_INFINITY else min(NATIVE_STACK, hard)
    command = _LaunchCommand(found, memory, stack, mode)
    options = ["--notices"] if notices else []
    key = snapshot.key()
    started = snapshot.get(key, command.argv("--save-snapshot", "--key", key))
    if started is not None:
        options += ["--snapshot", str(started), "--key", key]
        read = (*read, started)
    return Lean("embedded", found.version, command.argv(*options, read=read, folder=folder), started)


@dataclass(frozen=True)
class _LaunchCommand:
    """The command that starts a process of the embedded Lean; memory and stack in bytes."""

    installation: install.Installation
    memory: int
    stack: int
    sandbox: str

    def argv(self, *options: str, read: Sequence[Path] = (), folder: Path | None = None) -> tuple[str, ...]:
        """The command with options of driver/repl.cjs. read, folder: as of `embedded`."""
        root, empty = self.installation.root, self.installation.empty
        readable = tuple(str(path.absolute()) for path in (root, install.DRIVER, *read))
        policy = SandboxPolicy(
            read=(*readable, str(node().parents[1])),
            folder=str(folder.absolute() if folder else empty),
            data=self.memory + OVERHEAD,
            stack=self.stack,
            required=self.sandbox == "required",
        )
        driver = str(install.DRIVER / "repl.cjs"), "--root", str(root), "--memory", str(self.memory), *options
        flags = [
            *locks(readable, self.stack - STACK_RESERVE),
            "--allow-worker",  # for the watchdog's thread
            "--wasm-lazy-validation",  # the module's hash was checked when it was installed
        ]
        return sandbox_command([str(node()), *flags, *driver], policy)
