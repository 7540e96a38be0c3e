"""Traces a user's Lake project by lean-dojo (an extra: `trace`): theorems, proofs, and the states of their tactics.

lean-dojo builds the project with its own toolchain, runs a program of its own in it, and reads what that wrote. That
takes git, elan's `lake` and `lean`, and GitHub. Our tests have none of these: they run lean-dojo's reader and its
classes on a trace that was written by hand in its format, and what is made of them here; not `lean_dojo.trace` itself.

For Lean files that need core Lean alone, search.steps says the same with the embedded Lean.
"""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.pairs import as_row, read
from data.problems import ProblemError
from lean_env.embedded.install import home

_PACKAGES = ".lake/packages"  # the projects that this one depends on


class TraceUnavailable(Exception):
    """This machine cannot trace, or tracing failed; str() says why and what to do."""


class ProjectError(Exception):
    """A folder is no project that can be traced; str() says why."""


def traced(project: Path, unreadable: list[ProblemError] | None = None) -> Iterator[dict[str, Any]]:
    """A row for each theorem with a proof in the project itself, as its last commit has it (see `rows`).

    Takes about one and a half times as long as building the project; what was traced is kept, by commit. Raises
    TraceUnavailable, ProjectError.
    """
    _validate(project)
    dojo = _dojo()
    try:
        repository = dojo.trace(dojo.LeanGitRepo.from_path(project.resolve()), build_deps=False)
    except Exception as error:  # its failures, those of git, of lake, of the network and of Ray have no common type
        raise TraceUnavailable(f"lean-dojo could not trace {project}: {type(error).__name__}: {error}") from error
    for file in sorted(repository.traced_files, key=lambda f: f.path):
        if not file.path.is_relative_to(_PACKAGES):
            yield from rows(file, unreadable)


def rows(file: Any, unreadable: list[ProblemError] | None = None) -> Iterator[dict[str, Any]]:
    """What data.pairs.as_row says of each theorem of a `lean_dojo.TracedFile`, with `steps`: its tactics as Lean ran
    them, outer ones before those in them, each with the `state` before it, `after` it, and the line and column (from 1)
    of its `start` and `end`. A proof by a term has none.
    """
    steps = {found.theorem.full_name: _steps(found) for found in file.get_traced_theorems()}
    for pair in read(file.abs_path, unreadable):
        yield as_row(pair) | {"steps": steps.get(pair.problem.theorem.name, [])}


def _steps(theorem: Any) -> list[dict[str, Any]]:
    return [
        {
            "state": tactic.state_before,
            "tactic": tactic.tactic,
            "after": tactic.state_after,
            "start": list(tactic.start),
            "end": list(tactic.end),
        }
        for tactic in theorem.get_traced_tactics()
    ]


def _validate(project: Path) -> None:
    if not project.is_dir():
        raise ProjectError(f"{project}: no such folder")
    if not any((project / name).exists() for name in ("lakefile.lean", "lakefile.toml")):
        raise ProjectError(f"{project}: no Lake project: it has neither lakefile.lean nor lakefile.toml")
    if not (project / "lean-toolchain").exists():
        raise ProjectError(f"{project}: it has no file lean-toolchain, which names its Lean")
    if not (project / ".git").exists():
        raise ProjectError(f"{project}: no git repository of its own; lean-dojo traces the last commit of one")


def _dojo() -> Any:
    """lean-dojo, if all that it needs is here. Raises TraceUnavailable."""
    missing = [name for name in ("git", "lake", "lean") if shutil.which(name) is None]
    if missing:
        raise TraceUnavailable(
            f"tracing needs {' and '.join(missing)} on the path. elan (https://lean-lang.org/install) brings lake and "
            "lean; the Lean that comes with this package cannot build a Lake project."
        )
    # Read when it is imported: otherwise it asks its authors' server for a trace of the user's project.
    os.environ.setdefault("DISABLE_REMOTE_CACHE", "1")
    os.environ.setdefault("CACHE_DIR", str(home() / "traces"))
    try:
        return importlib.import_module("lean_dojo")
    except ImportError as error:
        raise TraceUnavailable(f"lean-dojo is not installed ({error}): pip install -e '.[trace]'") from None
    except Exception as error:  # it looks at git, and at its settings, as it is imported
        raise TraceUnavailable(f"lean-dojo cannot be used here: {error}") from error
