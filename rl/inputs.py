"""The files that a stage reads, with errors that say where they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from data.problems import ProblemError
from data.records.config import ConfigError
from rl.config import STAGES

T = TypeVar("T")


def read_all(reader: Callable[[Path], Iterable[T]], paths: Iterable[Path]) -> list[T]:
    """All that a reader of corpora finds in some files. Raises ConfigError."""
    found: list[T] = []
    for path in paths:
        try:
            found += reader(path)
        except ProblemError as error:
            raise ConfigError(str(error)) from None
        except OSError as error:
            raise ConfigError(f"{error.filename or path}: {error.strerror or error}{made_by(path)}") from None
    return found


def made_by(path: str | Path) -> str:
    """A hint for messages that a file of another stage is missing: the command that writes it; empty for other
    files.
    """
    stage = next((part for part in Path(path).parts if part in STAGES), "")
    return f": run `prover train {stage} configs/{stage}.yaml` first" if stage else ""
