"""The parts of a run put together from its configuration, on this machine."""

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
from rl.config import DPOConfig, GRPOConfig, ModelSource, Placement, RolloutConfig, SFTConfig, Stage, read_all
from rl.continuations import states
from rl.examples import States
from rl.folder import TrainFolder
from rl.learner import Learner
from rl.model import tokenizer_of
from rl.reward import Judge, RewardSettings
from rl.samplers import EngineSampler, Sampler, open_engine
from rl.stop import unless

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_LOOKED_AT = 8  # statements
_SHOWN = 300  # characters of what Lean says


def read_problems(paths: Iterable[Path]) -> list[Problem]:
    """Raises ConfigError."""
    found = read_all(problems.read, paths)
    if not found:
        raise ConfigError("problems: there are none")
    return found


async def check_statements_elaborate(problems: Sequence[Problem], pool: LeanPool) -> None:
    """Let Lean read some of the statements, before all else. Raises ConfigError if it has errors in all of them."""
    said: list[str] = []
    for problem in problems[:: -(-len(problems) // _LOOKED_AT)]:
        check = await pool.check(problem.theorem.challenge, context=problem.theorem.context)
        if not check.errors:
            return
        said.append(f"{problem.name}: {' '.join(check.errors[0].text.split())}"[:_SHOWN])
    raise ConfigError(f"problems: Lean can read none of {len(said)} statements that it was asked, such as {said[0]}")


def judges(pool: LeanPool, rollout: RolloutConfig, reward: RewardSettings | None = None) -> dict[str, Judge]:
    """For each family that theorems are asked in."""
    return {name: Judge(pool, prompt_format(name), reward, rollout.check_seconds) for name in rollout.families}


@asynccontextmanager
async def sampling(
    source: ModelSource, tokenizer: PreTrainedTokenizerFast, rollout: RolloutConfig, placement: Placement
) -> AsyncGenerator[Sampler]:
    """What writes the answers, in this process, at a URL or on Ray; it may still have other weights than the learner.

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
    """pool: for examples that need tactic states. Raises ConfigError."""
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
    """Raises ConfigError."""
    if config.placement.trainers == 1:
        await asyncio.to_thread(dpo.run, config, folder)
    else:
        await _shared(config, folder, {})


async def _shared(config: Stage, folder: TrainFolder, known: States) -> None:
    """A stage in several processes."""
    from rl.remote import TrainerGroup

    with closing(await asyncio.to_thread(TrainerGroup, config)) as trainers:
        await trainers.run(config, folder, known)


async def run_grpo(config: GRPOConfig, folder: TrainFolder, pool: LeanPool) -> None:
    """Raises ConfigError, PolicyUnavailable."""
    every = read_problems(config.problems)
    await check_statements_elaborate(every, pool)
    tokenizer = tokenizer_of(config.model, ())
    graded = judges(pool, config.rollout, config.reward)
    async with sampling(config.model, tokenizer, config.rollout, config.placement) as sampler:
        if config.placement.trainers == 1:
            learner = await asyncio.to_thread(Learner, config, tokenizer)
            await grpo.Loop(config, folder, every, learner, sampler, graded).run()
            return
        from rl.remote import TrainerGroup

        with closing(await asyncio.to_thread(TrainerGroup, config)) as trainers:
            await asyncio.to_thread(trainers.learner, config)
            await grpo.Loop(config, folder, every, trainers, sampler, graded).run()
