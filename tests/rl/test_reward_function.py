"""Rewards of the user's own: added to Lean's verdict, and told clearly where they fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data import Theorem
from data.problems import Problem
from data.records.config import ConfigError
from lean_env import LeanPool, Reason, Verdict
from prover.prompts import FAMILIES
from rl.reward import Judge, RewardResult, RewardSettings

MODULE = """
def shorter(completions, **columns):
    return [1 / (1 + len(text)) for text in completions]

async def told(prompts, proof, proved, reason, name, statement, completions, **others):
    assert len(prompts) == len(completions) == len(name) == len(statement)
    return [None if yes else len(text) + (why == "error") for text, yes, why in zip(proof, proved, reason)]

def chat(prompts, completions, **columns):
    return [float(len(asked) > 0 and said[-1]["content"] == "long") for asked, said in zip(prompts, completions)]

def raises(**columns):
    return columns["nothing"]

def few(**columns):
    return [1]

def texts(completions, **columns):
    return completions

def endless(completions, **columns):
    return [float("inf")] * len(completions)

number = 3
"""
PROBLEM = Problem("t", Theorem("t", "theorem t : True"))
GRADED = [RewardResult(1.0, Verdict(Reason.PROVED), "trivial"), RewardResult(0.0, Verdict(Reason.ERROR), "omega")]


@pytest.fixture
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_rewards.py").write_text(MODULE, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


async def rewards(function: str, family: str = "deepseek-v1.5-noncot", **how: Any) -> list[float]:
    settings = RewardSettings(function=function, **how)
    judge = Judge(LeanPool(workers=1), FAMILIES[family], settings)  # which nobody starts
    return [grade.reward for grade in await judge.group(PROBLEM, ["long", "short"], GRADED)]


@pytest.mark.usefixtures("_module")
async def test_what_it_returns_is_added() -> None:
    assert await rewards("own_rewards:shorter", weight=2) == [1 + 2 / 5, 2 / 6]
    assert await rewards("own_rewards:told") == [1, 5 + 1]
    assert await rewards("own_rewards:chat", "deepseek-v2") == [2, 0]
    assert await rewards("") == [1, 0]


@pytest.mark.usefixtures("_module")
@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("own_rewards", "is not MODULE:FUNCTION"),
        ("own_rewards:missing", "has no attribute 'missing'"),
        ("nowhere_at_all:f", "No module named 'nowhere_at_all'"),
        ("own_rewards:number", "it is no function"),
        ("own_rewards:raises", r"own_rewards:raises: KeyError: 'nothing' \(line 13 of .*own_rewards.py"),
        ("own_rewards:few", "it returned 1 rewards for 2 answers"),
        ("own_rewards:texts", "not a number for each answer"),
        ("own_rewards:endless", "a number that is not finite"),
    ],
)
async def test_what_is_wrong_with_it_is_told(function: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        await rewards(function)
