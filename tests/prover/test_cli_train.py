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
    done = prover("train", "sft", config, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "trainer" in done.stdout
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("stage", "change", "said"),
    [
        ("sft", "optimiser.lr=fast", "optimiser.lr: Input should be a valid number"),
        ("sft", "optimizer.lr=1", "optimizer: Extra inputs are not permitted"),
        ("sft", "context", "a change is FIELD=VALUE"),
        ("sft", "data=[nowhere.jsonl]", "nowhere.jsonl: No such file or directory"),
        ("sft", "model={folder: runs/x/model}", "runs/x/model: there is no such folder"),
        ("sft", "model.preset=huge", "no preset is called 'huge'"),
        ("grpo", "problems=[x.jsonl]", "data: Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_said(stage: str, change: str, said: str, config: Path, tmp_path: Path) -> None:
    done = prover("train", stage, config, "--set", change, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr


def test_the_configurations_that_come_along_can_be_read() -> None:
    from rl import stages

    named = {"sft": "sft", "expert-iteration": "expert-iteration", "dpo": "dpo", "grpo": "grpo"}
    named |= {"grpo-7b": "grpo", "grpo-671b": "grpo"}
    for name, stage in named.items():
        stages.read(stage, CONFIGS / f"{name}.yaml")


@pytest.mark.slow
def test_interrupted_it_says_how_to_go_on(config: Path, tmp_path: Path) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "prover", "train", "sft", str(config), "--set", "epochs=500"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    file = tmp_path / "runs" / "toy" / "metrics.jsonl"
    while not (file.exists() and file.read_bytes().count(b"\n") > 4) and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "goes on from the newest checkpoint" in said
    assert "Traceback" not in said
