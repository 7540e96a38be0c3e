"""Stages put together from their configuration: trainers, samplers and judges, on this machine or on Ray."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING

from data import pairs, problems
from data.problems import Problem
from data.records.config import ConfigError
from lean_env import LeanPool
from prover.prompts import prompt_format
from rl import dpo, grpo, sft
from rl.config import DPOConfig, GRPOConfig, SFTConfig
from rl.continuations import states
from rl.examples import States
from rl.folder import TrainFolder
from rl.inputs import read_all
from rl.learner import Learner
from rl.model import ModelSource, Placement, tokenizer_of
from rl.reward import Judge, RewardSettings
from rl.samplers import EngineSampler, RolloutConfig, Sampler, open_engine
from rl.stop import unless
from rl.trainer import Stage

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_LOOKED_AT = 8  # statements
_SHOWN = 300  # characters of what Lean says


def read_problems(paths: Iterable[Path]) -> list[Problem]:
    """All problems in some files. Raises ConfigError, also if there are none."""
    found = read_all(problems.read, paths)
    if not found:
        raise ConfigError("problems: there are none")
    return found


async def check_statements_elaborate(problems: Sequence[Problem], pool: LeanPool) -> None:
    """Check with Lean that at least one of a few statements has no error, before a run begins. Raises ConfigError."""
    said: list[str] = []
    for problem in problems[:: -(-len(problems) // _LOOKED_AT)]:
        check = await pool.check(problem.theorem.challenge, context=problem.theorem.context)
        if not check.errors:
            return
        said.append(f"{problem.name}: {' '.join(check.errors[0].text.split())}"[:_SHOWN])
    raise ConfigError(f"problems: Lean can read none of {len(said)} statements that it was asked, such as {said[0]}")


def judges(pool: LeanPool, rollout: RolloutConfig, reward: RewardSettings | None = None) -> dict[str, Judge]:
    """A judge for each family that theorems are asked in. Raises ConfigError."""
    return {name: Judge(pool, prompt_format(name), reward, rollout.check_seconds) for name in rollout.families}


@asynccontextmanager
async def open_sampler(
    source: ModelSource, tokenizer: PreTrainedTokenizerFast, rollout: RolloutConfig, placement: Placement
) -> AsyncGenerator[Sampler]:
    """A sampler in this process, at a URL or on Ray; it may have other weights than the learner until it is updated.

    Raises ConfigError, PolicyUnavailable.
    """
    sampler: Sampler
    if placement.rollouts and not rollout.base_url:
        from rl.remote import RolloutWorkers

        sampler = RolloutWorkers(source, rollout, placement.rollouts, placement.gpus)
        await sampler.start()
    else:
        sampler = EngineSampler(await open_engine(source, tokenizer, rollout), restarts=bool(rollout.base_url))
    try:
        yield sampler
    finally:
        await sampler.close()


async def run_sft(config: SFTConfig, folder: TrainFolder, pool: LeanPool | None) -> None:
    """Run supervised fine-tuning. pool: for tactic states, if the kinds need them. Raises ConfigError, Interrupted."""
    known: States = {}
    if "continuation" in config.kinds:
        assert pool is not None
        folder.say("reading the tactic states of the proofs")
        reading = states(pool, read_all(pairs.read, config.data), folder.path / "states.jsonl")
        known = await unless(folder.stop, reading, "stopped while tactic states were read: those read are kept")
    if config.placement.trainers == 1:
        await asyncio.to_thread(sft.run, config, folder, known)
    else:
        await _shared(config, folder, known)


async def run_dpo(config: DPOConfig, folder: TrainFolder) -> None:
    """Run direct preference optimisation. Raises ConfigError, Interrupted."""
    if config.placement.trainers == 1:
        await asyncio.to_thread(dpo.run, config, folder)
    else:
        await _shared(config, folder, {})


async def _shared(config: Stage, folder: TrainFolder, known: States) -> None:
    """Run a stage in several processes that share the model."""
    from rl.remote import TrainerGroup

    with closing(await asyncio.to_thread(TrainerGroup, config)) as trainers:
        await trainers.run(config, folder, known)


async def run_grpo(config: GRPOConfig, folder: TrainFolder, pool: LeanPool) -> None:
    """Run GRPO. Raises ConfigError, PolicyUnavailable, Interrupted."""
    every = read_problems(config.problems)
    await check_statements_elaborate(every, pool)
    tokenizer = tokenizer_of(config.model, ())
    graded = judges(pool, config.rollout, config.reward)
    async with open_sampler(config.model, tokenizer, config.rollout, config.placement) as sampler:
        if config.placement.trainers == 1:
            learner = await asyncio.to_thread(Learner, config, tokenizer)
            await grpo.GRPOLoop(config, folder, every, learner, sampler, graded).run()
            return
        from rl.remote import TrainerGroup

        with closing(await asyncio.to_thread(TrainerGroup, config)) as trainers:
            await asyncio.to_thread(trainers.learner, config)
            await grpo.GRPOLoop(config, folder, every, trainers, sampler, graded).run()
