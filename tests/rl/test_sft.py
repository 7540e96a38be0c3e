"""Supervised runs: they learn, go on exactly after a kill, and several processes compute what one does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from data import pairs
from data.records.config import ConfigError
from data.records.run_folder import RunError
from lean_env import LeanPool
from prover.model import checkpoint, tokenizer
from prover.model.sampling_params import SamplingParams
from prover.policy import Prompt, Usage
from prover.prompts import FAMILIES, ProofReader
from rl import runs, samplers, sft, stages
from rl.config import SFTConfig
from rl.folder import TrainFolder
from rl.inputs import read_all
from tests.rl.runs import MODEL, corpus, metrics

FAMILY = "deepseek-v1.5-noncot"


def config(data: Path, **changes: object) -> SFTConfig:
    fields: dict[str, object] = {
        "model": MODEL,
        "data": [data],
        "held_out": [data],
        "context": 192,
        "batch": 6,
        "micro_batch": 4,
        "optimiser": {"lr": 3e-3, "warmup": 3, "schedule": "cosine"},
        "save_every": 4,
    }
    return SFTConfig.model_validate(fields | changes)


def train(given: SFTConfig, path: Path) -> TrainFolder:
    folder = TrainFolder(path)
    with folder.working("sft", given, {}):
        sft.run(given, folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("corpus") / "toy.jsonl")


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learnt the toy corpus."""
    given = config(data, epochs=25, save_every=50, optimiser={"lr": 6e-3, "warmup": 5, "schedule": "cosine"})
    folder = train(given, tmp_path_factory.mktemp("trained") / "run")
    return folder.path


def test_it_learns_and_tells(trained: Path) -> None:
    rows = metrics(trained)
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1]["nll"] < 0.3 < 3 < rows[0]["nll"]
    assert rows[-1]["held_out"] == pytest.approx(rows[-1]["nll"], abs=0.15)
    assert rows[-1]["mtp"] < rows[0]["mtp"]
    assert rows[-1]["lr"] < rows[4]["lr"] / 4
    assert sorted(path.name for path in (trained / "checkpoints").iterdir())[-1] == f"step-{len(rows):08}"
    assert any((trained / "tensorboard").iterdir())


async def test_what_it_learnt_proves(trained: Path, data: Path, pool: LeanPool) -> None:
    """Its model is a checkpoint for `native`, and Lean accepts what that writes."""
    words = tokenizer.load(str(trained / "model"))
    engine = samplers.load_native_engine(str(trained / "model"), words, 8)
    pair = next(pairs.read(data))
    prompt, family = Prompt(pair.problem.theorem), FAMILIES[FAMILY]
    judge = runs.judges(pool, runs.RolloutConfig())[FAMILY]
    given = engine.generate(
        family.request(prompt), 8, SamplingParams(max_tokens=60), lambda: ProofReader(family, prompt), Usage()
    )
    grades = [await judge.grade(prompt, answer.text, answer.finished) async for answer in given]
    await engine.close()
    assert sum(grade.reward for grade in grades) >= 4


PROGRAM = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from rl import sft
from rl.config import SFTConfig, read
from rl.folder import TrainFolder
given = read(SFTConfig, Path(sys.argv[1]))
folder = TrainFolder(Path(sys.argv[2]))
with folder.working("sft", given, {}):
    sft.run(given, folder)
"""


def started(given: Path, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(given), str(folder)])


def lines(folder: Path) -> int:
    file = folder / "metrics.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


@pytest.mark.slow
def test_killed_at_any_time_it_goes_on_as_if_nothing_had_been(data: Path, tmp_path: Path) -> None:
    given = tmp_path / "config.yaml"
    given.write_text(config(data, epochs=4, save_every=3).model_dump_json(), "utf-8")  # JSON is YAML
    assert started(given, tmp_path / "whole").wait() == 0
    for kills_after in (4, 11):
        running = started(given, tmp_path / "broken")
        while lines(tmp_path / "broken") < kills_after and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL, "it ended before it could be killed"
    assert started(given, tmp_path / "broken").wait() == 0
    whole, broken = metrics(tmp_path / "whole"), metrics(tmp_path / "broken")
    assert len(whole) == len(broken) > 11
    for one, other in zip(whole, broken, strict=True):
        for name in ("step", "nll", "mtp", "norm", "lr", "imbalance"):
            assert one[name] == other[name], (name, one["step"])
    before, after = (checkpoint.load(tmp_path / name / "model").state_dict() for name in ("whole", "broken"))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert "goes on after update" in (tmp_path / "broken" / "run.log").read_text("utf-8")


def test_a_run_with_other_settings_wants_a_folder_of_its_own(data: Path, tmp_path: Path) -> None:
    train(config(data), tmp_path)
    with pytest.raises(RunError, match="seed: there 0, now 1"):
        train(config(data, seed=1), tmp_path)
    train(config(data, keep=1, placement={"lean_workers": 1}), tmp_path)  # where it runs is its own affair


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("experts", [1, 2])
async def test_two_processes_compute_what_one_does(experts: int, data: Path, tmp_path: Path, local_ray: None) -> None:
    one = train(config(data, epochs=2), tmp_path / "one")
    shared = config(data, epochs=2, placement={"trainers": 2, "expert_parallel_degree": experts})
    two = TrainFolder(tmp_path / "two")
    with two.working("sft", shared, {}):
        await stages.run(shared, two, None)
    for row, other in zip(metrics(one.path), metrics(two.path), strict=True):
        for name in ("nll", "mtp", "norm"):
            assert other[name] == pytest.approx(row[name], rel=2e-5), (name, row["step"])
    assert checkpoint.load(two.path / "model").config == checkpoint.load(one.path / "model").config


def test_any_causal_model_of_transformers_can_be_trained(data: Path, tmp_path: Path) -> None:
    words = tokenizer.train(sft.corpus_text(FAMILY, read_all(pairs.read, [data])), 320)
    shape = LlamaConfig(
        vocab_size=len(words), hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4
    )
    torch.manual_seed(0)
    LlamaForCausalLM(shape).save_pretrained(tmp_path / "llama")
    words.save_pretrained(tmp_path / "llama")
    given = config(data, model={"folder": str(tmp_path / "llama")}, epochs=8, optimiser={"lr": 1e-2})
    folder = train(given, tmp_path / "run")
    rows = metrics(folder.path)
    assert rows[-1]["nll"] < rows[0]["nll"] / 2
    assert "imbalance" not in rows[0]
    found = AutoModelForCausalLM.from_pretrained(folder.path / "model")
    assert any(
        not torch.equal(a, b) for a, b in zip(found.parameters(), LlamaForCausalLM(shape).parameters(), strict=True)
    )


async def test_continuations_are_read_from_lean(data: Path, tmp_path: Path, pool: LeanPool) -> None:
    given = config(data, kinds=["proof", "continuation", "fim"], context=256)
    folder = TrainFolder(tmp_path / "run")
    with folder.working("sft", given, {}):
        await stages.run(given, folder, pool)
    found = [json.loads(line) for line in (folder.path / "states.jsonl").read_text("utf-8").splitlines()]
    assert len(found) == 60
    assert found[0][0][:2] == ["have g := h\n", 0]
    assert "⊢ " in found[0][0][2]
    assert found[1] == []  # one tactic only


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": {"preset": "small"}}, "no preset is called 'small'"),
        ({"model": {"folder": "configs"}}, "holds no tokenizer"),
        ({"data": Path("nowhere.jsonl")}, "nowhere.jsonl"),
        ({"family": "gpt"}, "no family is called 'gpt'"),
        ({"model": {"preset": "tiny", "changes": {"hidden_size": 7}}}, "hidden_size is 7"),
        ({"context": 20}, "no example fits"),
    ],
)
def test_what_cannot_be_done_is_said(changes: dict[str, object], said: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        train(config(**{"data": data, **changes}), tmp_path / "run")
