"""`prover train` as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.commands import prover_here
from tests.rl.runs import MODEL, corpus, metrics

CONFIGS = Path(__file__).parents[2] / "configs"


def prover(*args: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "prover", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def config(tmp_path: Path) -> Path:
    fields = {
        "model": MODEL,
        "data": [str(corpus(tmp_path / "toy.jsonl"))],
        "context": 192,
        "batch": 6,
        "save_every": 2,
    }
    file = tmp_path / "toy.yaml"
    file.write_text(yaml.safe_dump(fields), "utf-8")
    return file


@pytest.mark.slow
def test_a_run_tells_where_its_model_is_and_goes_on(config: Path, tmp_path: Path) -> None:
    done = prover("train", "sft", config, "--set", "optimiser.lr=2e-3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "million parameters" in done.stdout
    assert "update 4 of 4" in done.stdout
    assert "--policy native --model runs/toy/model" in done.stdout
    folder = tmp_path / "runs" / "toy"
    assert json.loads((folder / "run.json").read_text("utf-8"))["config"]["optimiser"]["lr"] == 2e-3
    again = prover("train", "sft", config, "--set", "optimiser.lr=2e-3", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "goes on after update 4" in again.stdout
    other = prover("train", "sft", config, cwd=tmp_path)
    assert other.returncode == 2
    assert "is another run" in other.stderr
    assert len(metrics(folder)) == 4


def test_a_dry_run_only_tells(config: Path, tmp_path: Path) -> None:
    done = prover_here("train", "sft", config, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "trainer" in done.stdout
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("stage", "change", "said"),
    [
        ("sft", "optimiser.lr=fast", "optimiser.lr: Input should be a valid number"),
        ("sft", "optimizer.lr=1", "optimizer: there is no such field; do you mean optimiser?"),
        ("sft", "context", "a change is FIELD=VALUE"),
        ("sft", "data=[nowhere.jsonl]", "nowhere.jsonl: No such file or directory"),
        ("sft", "model={folder: runs/x/model}", "runs/x/model: there is no such folder"),
        ("sft", "model={folder: runs/grpo/model}", "no such folder: run `prover train grpo configs/grpo.yaml` first"),
        ("sft", "data=[runs/sft/x.jsonl]", "No such file or directory: run `prover train sft configs/sft.yaml` first"),
        ("sft", "model.preset=huge", "no preset is called 'huge'"),
        ("grpo", "problems=[x.jsonl]", "data: there is no such field"),
    ],
)
def test_what_is_wrong_is_said(stage: str, change: str, said: str, config: Path, tmp_path: Path) -> None:
    done = prover_here("train", stage, config, "--set", change, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr


def test_the_configurations_that_come_along_can_be_read() -> None:
    from rl import stages

    named = {"sft": "sft", "expert-iteration": "expert-iteration", "dpo": "dpo", "grpo": "grpo"}
    named |= {"grpo-7b": "grpo", "grpo-671b": "grpo"}
    for name, stage in named.items():
        stages.read(stage, CONFIGS / f"{name}.yaml")


def interrupted(args: list[object], cwd: Path, file: str, lines: int, *signals: int) -> subprocess.Popen[str]:
    """A training that is sent signals when a file has so many lines; it has ended, and what it said can be read."""
    running = subprocess.Popen(
        [sys.executable, "-m", "prover", "train", *map(str, args)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    watched = cwd / "runs" / file
    while not (watched.exists() and watched.read_bytes().count(b"\n") >= lines) and running.poll() is None:
        time.sleep(0.01)
    for number in signals:
        running.send_signal(number)
        time.sleep(0.1)
    running.wait(timeout=120)
    return running


def said(ended: subprocess.Popen[str]) -> str:
    assert ended.stderr is not None
    text = ended.stderr.read()
    assert "Traceback" not in text, text
    return text


@pytest.mark.slow
def test_on_sigterm_it_writes_a_checkpoint_and_goes_on_with_the_same_numbers(config: Path, tmp_path: Path) -> None:
    changes = ["--set", "epochs=15", "--set", "save_every=100"]
    ended = interrupted(["sft", config, *changes], tmp_path, "toy/metrics.jsonl", 5, signal.SIGTERM)
    assert ended.returncode == 128 + signal.SIGTERM
    done = len(metrics(tmp_path / "runs" / "toy"))
    assert 5 <= done < 60
    assert f"stopped after update {done} of 60, with a checkpoint: the same command goes on with" in said(ended)
    whole = prover("train", "sft", config, *changes, "--out", "runs/whole", cwd=tmp_path)
    again = prover("train", "sft", config, *changes, cwd=tmp_path)
    assert (whole.returncode, again.returncode) == (0, 0), again.stderr
    assert f"goes on after update {done}" in again.stdout
    one, other = (metrics(tmp_path / "runs" / name) for name in ("whole", "toy"))
    assert [(row["step"], row["nll"], row["norm"]) for row in one] == [
        (row["step"], row["nll"], row["norm"]) for row in other
    ]


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(config: Path, tmp_path: Path) -> None:
    args = ["sft", config, "--set", "epochs=500"]
    ended = interrupted(args, tmp_path, "toy/metrics.jsonl", 3, signal.SIGINT, signal.SIGINT)
    assert ended.returncode in (-signal.SIGINT, 128 + signal.SIGINT)  # the latter if the first one was quick enough
    assert "the same signal again ends it at once" in said(ended)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_stages_that_ask_lean_stop_where_they_can_go_on(config: Path, tmp_path: Path) -> None:
    assert (
        prover("train", "sft", config, "--set", "epochs=8", "--set", "optimiser.lr=6e-3", cwd=tmp_path).returncode == 0
    )
    shared = {"model": {"folder": "runs/toy/model"}, "context": 384}
    asked = {**shared, "problems": [str(tmp_path / "toy.jsonl")], "rollout": {"num_generations": 6, "max_tokens": 40}}
    updates = {"prompts_per_step": 3, "updates": 6, "save_every": 100, "staleness": 0}
    files = {
        "expert-iteration": asked,
        "grpo": {**asked, **updates},
        "dpo": {**shared, "answers": ["runs/grpo/answers.jsonl"], "batch": 2, "epochs": 20},
    }
    stops = {
        "expert-iteration": ("iteration-1/answers.jsonl", 5, "of 60 theorems asked, which are kept"),
        "grpo": ("metrics.jsonl", 2, "of 6, with a checkpoint"),
        "dpo": ("metrics.jsonl", 2, "with a checkpoint"),
    }
    for stage, fields in files.items():
        file = tmp_path / f"{stage}.yaml"
        file.write_text(yaml.safe_dump(fields), "utf-8")
        watched, lines, words = stops[stage]
        ended = interrupted([stage, file], tmp_path, f"{stage}/{watched}", lines, signal.SIGINT)
        assert ended.returncode == 128 + signal.SIGINT, stage
        assert words in said(ended)
        again = prover("train", stage, file, cwd=tmp_path)
        assert again.returncode == 0, again.stderr
    steps = [row["step"] for row in metrics(tmp_path / "runs" / "grpo")]
    assert steps == [1, 2, 3, 4, 5, 6]
    first = metrics(tmp_path / "runs" / "dpo")[0]
    assert first["right"] == 0  # nothing has been learnt: no pair is preferred
