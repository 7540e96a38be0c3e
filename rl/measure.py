"""Evaluation of a checkpoint on held-out theorems: pass@k with intervals, in all and by tag."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from data.problems import Problem
from eval.metrics import mean_interval, pass_at_k
from lean_env import LeanPool
from rl import runs
from rl.groups import RolloutGroup
from rl.model import ModelSource, Placement, tokenizer_of
from rl.rollout import rollout_all
from rl.samplers import RolloutConfig


async def measure(
    folder: Path, problems: Sequence[Problem], pool: LeanPool, rollout: RolloutConfig, seed: int = 0
) -> dict[str, Any]:
    """Evaluate a checkpoint: pass@k for k = 1, 2, 4, …, for all problems and for each of their tags, as JSON.

    `pass`: lists of k, the unbiased estimate, and the bounds of its 95 % interval over theorems. `checks`: different
    answers that Lean was asked about. `proved`: the number of proofs among the answers to each theorem, in order.
    Raises ConfigError, PolicyUnavailable.
    """
    source = ModelSource(folder=str(folder))
    tokenizer = tokenizer_of(source, ())
    graded = runs.judges(pool, rollout)
    async with (
        runs.open_sampler(source, tokenizer, rollout, Placement()) as sampler,
        aclosing(rollout_all(sampler, graded, problems, rollout, seed)) as every,
    ):
        groups = [group async for group in every]
    parts: dict[str, list[RolloutGroup]] = defaultdict(list)
    for group in groups:
        for tag in group.asked.problem.tags:
            parts[tag].append(group)
    proved = [group.proved for group in groups]
    tags = {tag: _figures(some) for tag, some in sorted(parts.items())}
    return {"all": _figures(groups), "proved": proved, "tags": tags}


def _figures(groups: Sequence[RolloutGroup]) -> dict[str, Any]:
    rates, most = [], min(len(group.answers) for group in groups)
    for k in (2**n for n in range(most.bit_length())):
        if k <= most:
            found = mean_interval([pass_at_k(len(group.answers), group.proved, k) for group in groups])
            rates.append([k, found.value, found.low, found.high])
    distinct = sum(len({answer.text for answer in group.answers}) for group in groups)
    return {"theorems": len(groups), "pass": rates, "checks": distinct}
