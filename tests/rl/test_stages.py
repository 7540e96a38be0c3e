"""The stages that draw answers, end to end with Lean: they learn, go on after a kill, and outlive what they lose."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray

from data import Theorem, pairs, problems
from data.pairs import Pair, as_row
from data.problems import Problem
from data.records.config import ConfigError
from lean_env import LeanPool
from lean_env.ray_workers import as_future
from prover.model import checkpoint
from rl import dpo, remote, sft, stages
from rl.config import DPOConfig, ExpertIterationConfig, GRPOConfig, SFTConfig
from rl.folder import TrainFolder
from rl.measure import measure
from rl.model import ModelSource, tokenizer_of
from rl.samplers import RolloutConfig
from rl.trainer import Stage
from tests.rl.runs import MODEL, corpus, metrics


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("corpus") / "toy.jsonl")


@pytest.fixture(scope="module")
def half(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt the toy corpus by half."""
    given = SFTConfig.model_validate(
        {
            "model": MODEL,
            "data": [data],
            "context": 192,
            "batch": 6,
            "epochs": 8,
            "optimiser": {"lr": 6e-3, "warmup": 5},
        }
    )
    folder = TrainFolder(tmp_path_factory.mktemp("half") / "run")
    with folder.working("sft", given, {}):
        sft.run(given, folder)
    return folder.path / "model"


def grpo(data: Path, model: Path, **changes: Any) -> GRPOConfig:
    fields: dict[str, Any] = {
        "model": {"folder": str(model)},
        "problems": [data],
        "context": 256,
        "rollout": {"num_generations": 6, "max_tokens": 40},
        "prompts_per_step": 3,
        "updates": 8,
        "save_every": 2,
        "optimiser": {"lr": 5e-4},
    }
    return GRPOConfig.model_validate(fields | changes)


def iterated(data: Path, model: Path, **changes: Any) -> ExpertIterationConfig:
    fields = {"model": {"folder": str(model)}, "problems": [data], "rollout": {"num_generations": 4, "max_tokens": 40}}
    return ExpertIterationConfig.model_validate(fields | {"context": 192} | changes)


async def run(stage: str, config: Stage, path: Path, pool: LeanPool | None, lines: list[str] | None = None) -> Path:
    folder = TrainFolder(path, (lines if lines is not None else []).append)
    with folder.working(stage, config, {}):
        await stages.run(config, folder, pool)
    return path


def answers(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("staleness", [0, 1])
async def test_answers_get_better_by_what_lean_says(
    staleness: int, data: Path, half: Path, pool: LeanPool, tmp_path: Path
) -> None:
    lines: list[str] = []
    given = grpo(data, half, staleness=staleness, updates=40, prompts_per_step=8, save_every=100)
    folder = await run("grpo", given, tmp_path / "run", pool, lines)
    rows = metrics(folder)
    assert len(rows) == 40
    assert max(row["staleness"] for row in rows) == staleness
    assert all(row["groups"] == 8 for row in rows)
    assert rows[0]["mismatch"] < 1e-4  # sampler and trainer compute the same
    assert "proved" in lines[-1]
    every, rollout = list(problems.read(data)), RolloutConfig(num_generations=8, max_tokens=40)
    before, after = [await measure(model, every, pool, rollout) for model in (half, folder / "model")]
    (_, old, _, high), (_, new, low, _) = before["all"]["pass"][0], after["all"]["pass"][0]
    assert new > old + 0.08
    assert new > high
    assert low > old


async def test_what_was_drawn_is_kept_in_order(data: Path, half: Path, pool: LeanPool, tmp_path: Path) -> None:
    given = grpo(data, half, updates=3, reward={"format": 0.5})
    folder = await run("grpo", given, tmp_path / "run", pool)
    drawn = answers(folder / "answers.jsonl")
    assert [row["number"] for row in drawn] == sorted(row["number"] for row in drawn)
    assert {answer["reward"] for row in drawn for answer in row["answers"]} <= {0.0, 1.0, -0.5}
    for row in drawn:
        for answer in row["answers"]:
            assert (answer["reward"] == 1) == (answer["reason"] == "proved")
            assert (answer["reward"] == -0.5) == (answer["reason"] == "answer")
    assert checkpoint.read_config(folder / "model") == checkpoint.read_config(half)


async def test_what_earlier_runs_found_tells_what_is_asked_first(
    data: Path, half: Path, pool: LeanPool, tmp_path: Path
) -> None:
    given = grpo(data, half, updates=1, prompts_per_step=1)
    first = answers(await run("grpo", given, tmp_path / "first", pool) / "answers.jsonl")[0]
    *proved, other = problems.read(data)
    proved.append(Problem(other.name, Theorem(other.name, f"theorem {other.name} : True")))  # another of its name
    known = {**first["answers"][0], "reward": 1.0, "reason": "proved"}
    rows = [{**first, **as_row(Pair(problem, "")), "answers": [known] * 999} for problem in proved]
    earlier = tmp_path / "earlier.jsonl"  # which proved all theorems but one, every time
    earlier.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    given = grpo(data, half, updates=1, prompts_per_step=1, selection={"answers": [earlier], "min_weight": 0})
    assert answers(await run("grpo", given, tmp_path / "second", pool) / "answers.jsonl")[0]["name"] == other.name
    earlier.write_text(json.dumps({**first, "answers": [{"answer": "x"}]}))
    with pytest.raises(ConfigError, match=r"earlier\.jsonl: not what a run writes"):
        await run("grpo", given, tmp_path / "third", pool)


PROGRAM = """
import asyncio, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from lean_env import LeanPool
from rl import stages
from rl.folder import TrainFolder
from rl.measure import measure
async def main():
    config = stages.read(sys.argv[1], Path(sys.argv[2]))
    folder = TrainFolder(Path(sys.argv[3]))
    async with LeanPool(workers=1, cache=True) as pool:
        with folder.working(sys.argv[1], config, {}):
            await stages.run(config, folder, pool)
asyncio.run(main())
"""


def started(stage: str, given: Path, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, stage, str(given), str(folder)])


def lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


@pytest.mark.slow
def test_reinforcement_killed_at_any_time_goes_on_as_if_nothing_had_been(
    data: Path, half: Path, pool: LeanPool, tmp_path: Path
) -> None:
    given = tmp_path / "config.yaml"
    given.write_text(grpo(data, half, staleness=0, updates=6).model_dump_json(), "utf-8")
    assert started("grpo", given, tmp_path / "whole").wait() == 0
    running = started("grpo", given, tmp_path / "broken")
    while lines(tmp_path / "broken" / "metrics.jsonl") < 3 and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL, "it ended before it could be killed"
    assert started("grpo", given, tmp_path / "broken").wait() == 0
    whole, broken = metrics(tmp_path / "whole"), metrics(tmp_path / "broken")
    assert [row["step"] for row in broken] == [1, 2, 3, 4, 5, 6]
    for one, other in zip(whole, broken, strict=True):  # which answers are written side by side is chance: rounding
        for name in ("loss", "norm", "proved", "entropy", "kl", "tokens"):
            assert other[name] == pytest.approx(one[name], rel=1e-3, abs=1e-5), (name, one["step"])
    kept = [
        [(row["number"], row["name"]) for row in answers(tmp_path / n / "answers.jsonl")] for n in ("whole", "broken")
    ]
    assert kept[0] == kept[1]


@pytest.mark.slow
async def test_expert_iteration_goes_on_where_it_was_and_its_proofs_are_learnt(
    data: Path, half: Path, pool: LeanPool, tmp_path: Path
) -> None:
    schedule = {"lr": 2e-3, "warmup": 5, "schedule": "cosine"}
    given = iterated(data, half, iterations=2, epochs=5, optimiser=schedule)
    said: list[str] = []
    folder = await run("expert-iteration", given, tmp_path / "run", pool, said)
    first, second = (answers(folder / f"iteration-{n}" / "answers.jsonl") for n in (1, 2))
    assert [row["name"] for row in first] == [f"t{n}" for n in range(60)]
    proved = [sum(answer["reward"] for row in rows for answer in row["answers"]) for rows in (first, second)]
    assert proved[1] > proved[0] + 20
    assert proved[0] > 20
    learnt = list(pairs.read(folder / "iteration-2" / "pairs.jsonl"))
    assert 2 <= len(learnt) <= 2 * given.proofs  # up to the names of variables there are two theorems
    for pair in learnt[:5]:
        assert (await pool.judge(pair.problem.theorem.claim(pair.proof))).proved
    assert checkpoint.load(folder / "model").config == checkpoint.load(half).config
    # What is there already is not drawn again.
    before = (folder / "iteration-1" / "answers.jsonl").stat().st_mtime_ns
    await run("expert-iteration", given, folder, pool)
    assert (folder / "iteration-1" / "answers.jsonl").stat().st_mtime_ns == before


async def test_proofs_stay_with_the_theorem_that_they_prove(half: Path, pool: LeanPool, tmp_path: Path) -> None:
    """Although others have its name."""
    both = [corpus(tmp_path / "a.jsonl", 6), corpus(tmp_path / "b.jsonl", 6, first=1)]
    given = iterated(both[0], half, problems=both, rollout={"num_generations": 8, "max_tokens": 40})
    folder = await run("expert-iteration", given, tmp_path / "run", pool)
    learnt = list(pairs.read(folder / "iteration-1" / "pairs.jsonl"))
    assert {"omega" in pair.proof for pair in learnt} == {True, False}
    for pair in learnt:
        assert (await pool.judge(pair.problem.theorem.claim(pair.proof))).proved


@pytest.mark.parametrize("stage", [grpo, iterated])
async def test_statements_that_lean_cannot_read_are_told_at_once(
    stage: Callable[[Path, Path], Stage], pool: LeanPool, tmp_path: Path
) -> None:
    row = {"name": "t", "header": "import Mathlib\n", "formal_statement": "theorem t (x : ℝ) : x = x := by"}
    file = tmp_path / "real.jsonl"
    file.write_text(json.dumps(row) + "\n", "utf-8")
    with pytest.raises(ConfigError, match=r"can read none of 1 statements.*t: .*Mathlib"):
        await stages.run(stage(file, tmp_path), TrainFolder(tmp_path / "run"), pool)


def test_preferences_are_different_and_so_many_of_each_theorem(half: Path, tmp_path: Path) -> None:
    """Although it was asked twice."""
    row = {"name": "t", "header": "", "formal_statement": "theorem t : 1 = 1 := by", "family": "deepseek-v1.5-noncot"}
    told = [{"finished": True, "proof": "", "reason": "proved" if k < 2 else "error"} for k in range(6)]
    judged = [answer | {"answer": f"a{k}", "reward": float(k < 2)} for k, answer in enumerate(told)]
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(row | {"answers": some}) + "\n" for some in (judged[:4], judged[1:])), "utf-8")
    words = tokenizer_of(ModelSource(folder=str(half)), ())
    for most, expected in ((3, 3), (100, 2 * 4)):
        given = DPOConfig.model_validate({"model": {"folder": str(half)}, "answers": [file], "pairs": most})
        found = dpo.preferences(given, words)
        assert len({(two.chosen.tokens, two.rejected.tokens) for two in found}) == len(found) == expected


def test_an_answer_ends_as_the_model_ended_it(half: Path, tmp_path: Path) -> None:
    """With a fence, which is not in the text, or with the token for the end; old files do not tell which."""
    row = {"name": "t", "header": "", "formal_statement": "theorem t : 1 = 1 := by"}
    words = tokenizer_of(ModelSource(folder=str(half)), ())

    def chosen(family: str, text: str, **told: object) -> tuple[int, ...]:
        judged = [
            {"answer": text, "finished": True, "reason": "proved", "reward": 1.0, **told},
            {"answer": "no", "finished": True, "reason": "error", "reward": 0.0},
        ]
        file = tmp_path / "answers.jsonl"
        file.write_text(json.dumps(row | {"family": family, "answers": judged}) + "\n", "utf-8")
        given = DPOConfig.model_validate({"model": {"folder": str(half)}, "answers": [file]})
        (two,) = dpo.preferences(given, words)
        return two.chosen.tokens[two.chosen.start :]

    def ids(text: str) -> tuple[int, ...]:
        return tuple(words.encode(text, add_special_tokens=False))

    text, end, family = "  rfl\n", (words.eos_token_id,), "deepseek-v1.5-noncot"
    assert chosen(family, text, finish_reason="stop") == chosen(family, text) == ids(f"{text}```")
    assert chosen(family, text, finish_reason="eos") == ids(text) + end
    assert chosen(family, text, finish_reason="length", finished=False) == ids(text) + end


@pytest.mark.slow
async def test_preferences_come_from_what_lean_said(data: Path, half: Path, pool: LeanPool, tmp_path: Path) -> None:
    drawn = await run("grpo", grpo(data, half, updates=3, prompts_per_step=6), tmp_path / "drawn", pool)
    given = DPOConfig.model_validate(
        {
            "model": {"folder": str(half)},
            "answers": [drawn / "answers.jsonl"],
            "context": 384,
            "batch": 4,
            "epochs": 6,
            "optimiser": {"lr": 3e-4},
        }
    )
    folder = await run("dpo", given, tmp_path / "run", None)
    rows = metrics(folder)
    assert rows[0]["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert rows[-1]["loss"] < 0.5
    assert rows[-1]["right"] >= rows[0]["right"]


@pytest.mark.slow
@pytest.mark.alone
async def test_on_ray_a_lost_writer_costs_a_retry(
    data: Path, half: Path, pool: LeanPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two trainers and two writers; writers are killed all the time."""
    given = grpo(data, half, updates=6, placement={"trainers": 2, "rollouts": 2})
    killed: list[int] = []

    async def kill() -> None:
        for place in list(workers[0]._slots):
            await asyncio.sleep(6)
            actor = await place.actor()
            pid = await as_future(actor.pid.remote())
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    workers: list[remote.RolloutWorkers] = []
    start = remote.RolloutWorkers.start

    async def noted(self: remote.RolloutWorkers) -> None:
        await start(self)
        workers.append(self)
        tasks.append(asyncio.create_task(kill()))

    tasks: list[asyncio.Task[None]] = []
    monkeypatch.setattr(remote.RolloutWorkers, "start", noted)
    try:
        folder = await run("grpo", given, tmp_path / "run", pool)
        await asyncio.gather(*tasks)
    finally:
        ray.shutdown()
    assert len(killed) == 2
    assert [row["step"] for row in metrics(folder)] == [1, 2, 3, 4, 5, 6]
    drawn = answers(folder / "answers.jsonl")
    assert all(len(row["answers"]) == 6 for row in drawn)


def test_a_model_that_cannot_write_is_said(data: Path) -> None:
    with pytest.raises(ConfigError, match="temperature must be 1"):
        stages.configs.validated(
            GRPOConfig,
            {"model": {"folder": "x"}, "problems": [data], "rollout": {"engine": "vllm", "temperature": 0.7}},
            "here",
        )
