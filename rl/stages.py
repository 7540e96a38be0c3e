"""The stages by name, as `prover train` runs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import HashStore

from lean_env import LeanPool
from rl import config as configs
from rl import expert_iteration, placement, runs
from rl.config import DPOConfig, ExpertIterationConfig, GRPOConfig, SFTConfig
from rl.folder import TrainFolder
from rl.shape import shape_of
from rl.trainer import Stage


def read(stage: str, path: Path, changes: list[str] | None = None) -> Stage:
    """Read a stage's configuration. Raises ConfigError, OSError."""
    return configs.read(configs.STAGES[stage], path, changes)


def plan(config: Stage) -> placement.PlacementPlan:
    """The processes that a run would consist of, and their memory. Raises ConfigError."""
    return placement.plan(config, shape_of(config.model))


def needs_lean(config: Stage) -> bool:
    """Whether a stage asks Lean anything."""
    return not isinstance(config, DPOConfig) and (not isinstance(config, SFTConfig) or "continuation" in config.kinds)


async def run(config: Stage, folder: TrainFolder, pool: LeanPool | None) -> None:
    """Run a stage, here or on Ray; `folder` is being worked in.

    Raises ConfigError, PolicyUnavailable, Interrupted.
    """
    with _alone(config):
        match config:
            case SFTConfig():
                await runs.run_sft(config, folder, pool)
            case DPOConfig():
                await runs.run_dpo(config, folder)
            case ExpertIterationConfig() if pool is not None:
                await expert_iteration.run(config, folder, pool)
            case GRPOConfig() if pool is not None:
                await runs.run_grpo(config, folder, pool)
            case _:
                raise TypeError(config)


@contextmanager
def _alone(config: Stage) -> Iterator[None]:
    """A process group of one, which torch needs for bfloat16 and activation checkpointing in one process."""
    where = config.placement
    if where.trainers > 1 or not (where.bfloat16 or where.activation_checkpointing or where.compile):
        yield
        return
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()
