"""The parts of a run put together from its configuration, on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from data import problems as corpora
from data.problems import Problem, ProblemError
from eval.config import ConfigError
from lean_env import LeanPool
from prover.model import checkpoint
from prover.model.config import ConfigError as ShapeError
from prover.model.generate import Generator
from prover.policy.engine import Engine
from prover.policy.native import Native
from prover.prompts import FAMILIES
from prover.serving.model import ModelError
from rl import grpo
from rl.config import GRPOConfig, ModelSource, Writing
from rl.folder import TrainFolder
from rl.learner import Learner
from rl.model import device, tokenizer_of
from rl.reward import Judge, RewardSettings
from rl.samplers import EngineSampler

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def read_problems(paths: Iterable[Path]) -> list[Problem]:
    """Raises ConfigError."""
    found: list[Problem] = []
    for path in paths:
        try:
            found += corpora.read(path)
        except (ProblemError, OSError) as error:
            raise ConfigError(str(error)) from None
    if not found:
        raise ConfigError("problems: there are none")
    return found


def judges(pool: LeanPool, writing: Writing, reward: RewardSettings | None = None) -> dict[str, Judge]:
    """For each family that theorems are asked in. Raises ConfigError."""
    if unknown := [name for name in writing.families if name not in FAMILIES]:
        raise ConfigError(f"no family is called {unknown[0]!r}; there are: {', '.join(FAMILIES)}")
    return {name: Judge(pool, FAMILIES[name], reward, writing.check_seconds) for name in writing.families}


@asynccontextmanager
async def sampling(
    source: ModelSource, words: PreTrainedTokenizerFast, writing: Writing
) -> AsyncGenerator[EngineSampler]:
    """What writes the answers, in this process or at a URL; it may still have other weights than the learner.

    Raises ConfigError, PolicyUnavailable.
    """
    sampler = EngineSampler(await _engine(source, words, writing))
    try:
        yield sampler
    finally:
        await sampler.close()


async def _engine(source: ModelSource, words: PreTrainedTokenizerFast, writing: Writing) -> Engine:
    if writing.base_url:
        from prover.policy.server import Server

        return await Server.connect(writing.base_url, "")
    if not source.folder:
        raise ConfigError("model: answers are drawn from a model that has been trained before; give its folder")
    if writing.engine == "vllm":
        from prover.policy.vllm import InProcess

        return await InProcess.load(source.folder)
    return await asyncio.to_thread(native, source.folder, words, writing.room)


def native(folder: str, words: PreTrainedTokenizerFast, room: int) -> Native:
    """Our own generator, with a copy of the model of its own. Raises ConfigError."""
    try:
        at = device()
        network = checkpoint.load(folder, device=at, dtype=torch.bfloat16 if at.type == "cuda" else torch.float32)
    except (ModelError, ShapeError) as error:
        raise ConfigError(f"{error}\nOnly our own models can be written with by engine native") from None
    return Native(Generator(network.requires_grad_(False), room=room), words, folder)


async def run_grpo(config: GRPOConfig, folder: TrainFolder, pool: LeanPool) -> None:
    """Raises ConfigError, PolicyUnavailable."""
    every = read_problems(config.problems)
    words = tokenizer_of(config.model, ())
    graded = judges(pool, config.writing, config.reward)
    learner = await asyncio.to_thread(Learner, config, words)
    async with sampling(config.model, words, config.writing) as sampler:
        await grpo.train(config, folder, every, learner, sampler, graded)
