"""Lean's Verdict as a reward function of verl. Each process in which it computes rewards has Lean processes of its own.

    reward.custom_reward_function.path=pkg://rl.adapters.verl
    reward.custom_reward_function.name=compute_score
    +reward.custom_reward_function.reward_kwargs.family=deepseek-v2

verl reads parquet: pandas.DataFrame([row(problem, "deepseek-v2") for problem in problems]).to_parquet("train.parquet").
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from data.problems import ProblemError
from data.records.parsing import ParseError, parse_json
from lean_env import LeanPool
from prover.prompts import prompt_format
from rl.adapters import Grader, messages
from rl.reward import Judge, RewardSettings

_LOCK = threading.Lock()


def row(problem: Mapping[str, Any], family: str, source: str = "lean") -> dict[str, Any]:
    """A row of verl's data from one of our JSONL files; source: under which name verl reports it.

    Raises ProblemError.
    """
    asked = messages(problem, prompt_format(family))
    return {
        "data_source": source,
        "prompt": [{"role": "user", "content": asked}] if isinstance(asked, str) else asked,
        "reward_model": {"style": "rule", "ground_truth": json.dumps(problem, ensure_ascii=False)},
    }


async def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: Mapping[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """The reward (`score`), 1 or 0 for the Verdict itself (`acc`), and its reason.

    ground_truth: as `row` makes it. options: `family`; `workers`, Lean processes in each of verl's `reward.num_workers`
    processes (1); `seconds`, the limit of a check (60); those of RewardSettings. Raises ProblemError.
    """
    graded = await asyncio.wrap_future(_grader(**options).grade(_problem(ground_truth), solution_str))
    return {"score": graded.reward, "acc": float(graded.verdict.proved), "reason": str(graded.verdict.reason)}


def score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: Mapping[str, Any] | None = None, **options: Any
) -> float:
    """The reward alone, for what waits for no coroutine and reads no dictionary: verl.trainer.main_eval."""
    return _grader(**options).grade(_problem(ground_truth), solution_str).result().reward


def _grader(**options: Any) -> Grader:
    with _LOCK:  # verl calls `score` from many threads
        return _made(**options)


@lru_cache
def _made(family: str, workers: int = 1, seconds: float = 60.0, **settings: float) -> Grader:
    return Grader(
        Judge(
            LeanPool(workers=workers, cache=True),
            prompt_format(family),
            RewardSettings.model_validate(settings),
            seconds,
        )
    )


def _problem(ground_truth: str) -> dict[str, Any]:
    try:
        problem = parse_json(ground_truth)
    except ParseError as error:
        raise ProblemError(f"ground_truth: {error}") from None
    if not isinstance(problem, dict):
        raise ProblemError("ground_truth: not a JSON object")
    return problem
