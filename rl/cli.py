"""`prover train`: the stages of training, each one command and one YAML."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.records.config import ConfigError
from data.records.run_folder import RunError
from lean_env.console import CommandError, Exit, err, installed_lean, lean_pool, out, printable

if TYPE_CHECKING:
    from rl.folder import TrainFolder
    from rl.trainer import Stage

_SIGNALLED = 128  # the exit code is this and the signal's number, as shells have it

Config = Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="As in configs/.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Instead of what the file says, such as optimiser.lr=1e-5."),
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="The run's folder; default: runs/ and the configuration's name.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would run where, and what memory it takes.")]


def sft(config: Config, changes: Changes = None, output: Out = None, dry_run: DryRun = False) -> None:
    """Supervised fine-tuning on theorems and their proofs."""
    _train("sft", config, changes, output, dry_run)


def expert_iteration(config: Config, changes: Changes = None, output: Out = None, dry_run: DryRun = False) -> None:
    """Draw proofs, keep what Lean accepts, train on it; over and over."""
    _train("expert-iteration", config, changes, output, dry_run)


def grpo(config: Config, changes: Changes = None, output: Out = None, dry_run: DryRun = False) -> None:
    """Reinforcement learning from Lean's feedback."""
    _train("grpo", config, changes, output, dry_run)


def dpo(config: Config, changes: Changes = None, output: Out = None, dry_run: DryRun = False) -> None:
    """Preference optimisation from answers that Lean has judged."""
    _train("dpo", config, changes, output, dry_run)


def _train(stage: str, path: Path, changes: list[str] | None, output: Path | None, dry_run: bool) -> None:
    """Started again, it goes on where its newest checkpoint is; SIGINT and SIGTERM write one."""
    missing = [name for name in ("torch", "transformers", "safetensors") if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandError(f"{missing[0]} is not installed: run `pip install -e '.[train]'`", Exit.ENVIRONMENT)
    from rl import stages
    from rl.folder import TrainFolder
    from rl.placement import lines
    from rl.stop import Interrupted

    got: list[int] = []
    try:
        config = stages.read(stage, path, changes)
        plan = stages.plan(config)
        for line in lines(plan):
            out.print(printable(line))
        if dry_run and plan.problems:
            raise typer.Exit(Exit.ENVIRONMENT)
        if dry_run:
            return
        folder = TrainFolder(output or Path("runs") / path.stem, lambda line: out.print(printable(line)))
        asyncio.run(_run(stage, config, folder, got))
    except (ConfigError, RunError) as error:
        raise CommandError(str(error), Exit.INPUT) from None
    except OSError as error:
        raise CommandError(f"{error.filename or path}: {error.strerror or error}", Exit.INPUT) from None
    except Interrupted as end:
        err.print(printable(str(end)))
        raise typer.Exit(_SIGNALLED + got[0]) from None
    out.print(f"\nThe model is in [bold]{printable(str(folder.path / 'model'))}[/bold]")
    out.print(f"prover prove FILE.lean --policy native --model {printable(str(folder.path / 'model'))}")


async def _run(stage: str, config: Stage, folder: TrainFolder, got: list[int]) -> None:
    """got: takes the number of the signal that stops it. Raises Interrupted."""
    from rl import stages
    from rl.stop import on_signals

    def tell(number: int) -> None:
        got.append(number)
        err.print("Stopping as soon as a checkpoint is written; the same signal again ends it at once.")

    with on_signals(folder.stop, tell):
        if not stages.needs_lean(config):
            with folder.working(stage, config, _versions()):
                await stages.run(config, folder, None)
            return
        placement = config.placement
        ray = (placement.address or "local") if placement.on_ray else None
        async with lean_pool(installed_lean(), placement.lean_workers, ray, cache=True) as pool:
            with folder.working(stage, config, _versions()):
                await stages.run(config, folder, pool)


def _versions() -> dict[str, str]:
    names = ("open-prover", "torch", "transformers")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in names}}
