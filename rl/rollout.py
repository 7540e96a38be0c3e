"""Rollouts: the answers to each prompt are sampled, and judged by Lean while others are still being written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from itertools import product

from data.problems import Problem
from data.tasks import map_ordered
from prover.engines.base import Answer
from prover.model.sampling_params import SamplingParams, request_seed
from rl.groups import RolloutGroup, RolloutRequest
from rl.reward import Judge, RewardResult
from rl.samplers import RolloutConfig, Sampler

_SEEDS_PER_RUN = 7919  # a prime, so that runs with other seeds sample other answers


@dataclass
class StageTimer:
    """A stopwatch of overlapping work: seconds with answers being written, being checked, and only being checked."""

    written: float = 0.0
    checked: float = 0.0
    only_checked: float = 0.0
    _running: dict[str, int] = field(default_factory=lambda: {"writing": 0, "checking": 0})
    _since: float = field(default_factory=time.monotonic)

    @contextmanager
    def measure(self, work: str) -> Iterator[None]:
        """Count the time of the block as `work`, which is "writing" or "checking"; blocks may overlap."""
        self.settle()
        self._running[work] += 1
        try:
            yield
        finally:
            self.settle()
            self._running[work] -= 1

    def settle(self) -> None:
        """Bring the counts up to now."""
        now = time.monotonic()
        passed, self._since = now - self._since, now
        writing, checking = self._running["writing"] > 0, self._running["checking"] > 0
        self.written += passed * writing
        self.checked += passed * checking
        self.only_checked += passed * (checking and not writing)


async def rollout_group(
    sampler: Sampler,
    judges: Mapping[str, Judge],
    asked: RolloutRequest,
    n: int,
    sampling: SamplingParams,
    busy: StageTimer,
) -> RolloutGroup:
    """Sample `n` answers to a prompt, and judge each one as soon as it is there; equal answers are judged once.

    judges: by family. Raises PolicyUnavailable, and ConfigError if the user's reward function fails.
    """
    judge, answers = judges[asked.family], list[Answer]()
    checks: dict[tuple[str, bool], asyncio.Task[RewardResult]] = {}

    async def grade(answer: Answer) -> RewardResult:
        with busy.measure("checking"):
            return await judge.grade(asked.prompt, answer.text, answer.finished)

    try:
        with busy.measure("writing"):
            given = sampler.answers(asked.prompt, asked.family, n, sampling)
            async with aclosing(given):
                async for answer in given:
                    if answer.failure:  # the prompt does not fit the context
                        continue
                    answers.append(answer)
                    if _key(answer) not in checks:
                        checks[_key(answer)] = asyncio.create_task(grade(answer))
        grades = dict(zip(checks, await asyncio.gather(*checks.values()), strict=True))
    finally:
        for check in checks.values():
            check.cancel()
        await asyncio.gather(*checks.values(), return_exceptions=True)
    answers.sort(key=lambda answer: (answer.tokens, answer.text))  # they come in as they end, which is chance
    graded = [grades[_key(answer)] for answer in answers]
    return RolloutGroup(
        asked, tuple(answers), tuple(await judge.group(asked.problem, [answer.text for answer in answers], graded))
    )


async def rollout_all(
    sampler: Sampler,
    judges: Mapping[str, Judge],
    problems: Sequence[Problem],
    rollout: RolloutConfig,
    seed: int,
    start: int = 0,
) -> AsyncGenerator[RolloutGroup]:
    """The groups of all problems in order, each problem once in each family, from group number `start` on.

    Raises PolicyUnavailable, and ConfigError if the user's reward function fails.
    """
    every = enumerate(product(problems, rollout.families))
    asked = (RolloutRequest(n, problem, family) for n, (problem, family) in every if n >= start)
    busy, window = StageTimer(), max(2 * rollout.max_num_seqs // rollout.num_generations, 2)

    async def one(which: RolloutRequest) -> RolloutGroup:
        return await rollout_group(
            sampler, judges, which, rollout.num_generations, sampling_params(rollout, seed, which.number), busy
        )

    async with aclosing(map_ordered(one, asked, window)) as groups:
        async for group in groups:
            yield group


def sampling_params(rollout: RolloutConfig, seed: int, number: int, replay: bool = False) -> SamplingParams:
    """The sampling parameters of group `number`, with seeds that no other group of the run has."""
    return SamplingParams(
        temperature=rollout.temperature,
        top_p=rollout.top_p,
        max_tokens=rollout.max_tokens,
        seed=request_seed(number, _SEEDS_PER_RUN * seed),
        replay=replay,
    )


def _key(answer: Answer) -> tuple[str, bool]:
    return answer.text, answer.finished
