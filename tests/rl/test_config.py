"""Configurations: what is read, changed, and refused with the place and the reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from data.records.config import ConfigError, fields
from data.records.run_folder import RunError
from rl.config import STAGES, DPOConfig, ExpertIterationConfig, GRPOConfig, SFTConfig, read
from rl.field_names import ELSEWHERE, OLD_KINDS, OLD_NAMES
from rl.folder import TrainFolder
from rl.losses import PolicyLoss
from rl.trainer import Stage

SFT = "model: {preset: tiny, changes: {num_hidden_layers: 2}}\ndata: [pairs.jsonl]\n"
OLD_RUNS = Path(__file__).with_name("old_runs")  # of the version before the fields got their names of today
GRPO = "model: {folder: model}\nproblems: [theorems.jsonl]\n"


def written(place: Path, text: str) -> Path:
    file = place / "run.yaml"
    file.write_text(text, "utf-8")
    return file


def test_a_file_is_read_and_changed(tmp_path: Path) -> None:
    file = written(tmp_path, SFT + "optimiser: {lr: 0.001}\n")
    plain = read(SFTConfig, file)
    assert (plain.optimiser.lr, plain.optimiser.warmup, plain.mtp, plain.kinds) == (0.001, 0, 0.3, ["proof"])
    assert plain.data == [Path("pairs.jsonl")]
    changes = [
        "optimiser.lr=1.0e-5",
        "optimiser.warmup=100",
        "kinds=[cot, fim]",
        "placement.trainers=2",
        "moe.aux_loss_coef=0",
    ]
    changed = read(SFTConfig, file, changes)
    assert (changed.optimiser.lr, changed.optimiser.warmup, changed.kinds) == (1e-5, 100, ["cot", "fim"])
    assert changed.placement.on_ray
    assert not plain.placement.on_ray
    assert read(SFTConfig, file) == plain


def test_a_change_like_1e_5_is_a_number(tmp_path: Path) -> None:
    """YAML 1.1 reads it as text."""
    assert read(SFTConfig, written(tmp_path, SFT), ["optimiser.lr=1e-5"]).optimiser.lr == 1e-5
    assert read(SFTConfig, written(tmp_path, SFT + "optimiser: {lr: 1e-5}\n")).optimiser.lr == 1e-5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("optimiser.lr", "FIELD=VALUE"),
        ("=3", "FIELD=VALUE"),
        ("seed.lr=3", "seed has no fields"),
        ("seed=[", "not YAML"),
        ("seed={a: 1, a: 2}", "the key 'a' is there twice"),
        ("optimiser.lr=" + "[" * 20_000 + "]" * 20_000, "the value is nested more than"),
        ("model.changes." + "a." * 5000 + "a=1", "nested too deeply"),
        ("optimiser.rate=3", "optimiser.rate"),
        ("optimiser.lr=-1", "optimiser.lr"),
        ("kinds=[plain]", "kinds"),
        ("model.folder=x", "to start from"),
        ("model={}", "to start from"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, change: str, said: str) -> None:
    file = written(tmp_path, SFT + "seed: 1\n")
    with pytest.raises(ConfigError) as error:
        read(SFTConfig, file, [change])
    assert said in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("loss.beta", "; do you mean loss.kl?"),
        ("num_generations", "; do you mean rollout.num_generations?"),
        ("loss.lr", "; do you mean optimiser.lr?"),
        ("rollout.temprature", "; do you mean rollout.temperature?"),
        ("lora_rank", ""),
    ],
)
def test_an_unknown_field_is_told_with_the_one_that_is_meant(tmp_path: Path, field: str, meant: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(GRPOConfig, written(tmp_path, GRPO), [f"{field}=1"])
    assert str(error.value).endswith(f"{field}: there is no such field{meant}")


def test_the_names_that_others_have_stand_for_fields_that_there_are() -> None:
    there = {path for kind in STAGES.values() for path in fields(kind)}
    assert {path for meant in ELSEWHERE.values() for path in meant} <= there


OLD = """\
writing: {answers: 8, room: 24}
groups: 6
moe: {bias_rate: 0.002, sequence: 0.0003}
placement: {lean: 2, experts: 1, recompute: true}
loss: {correction: 1.5, off_policy: 0.1}
selection: {replace: false, floor: 0.01}
"""
NEW = """\
rollout: {num_generations: 8, max_num_seqs: 24}
prompts_per_step: 6
moe: {bias_update_speed: 0.002, aux_loss_coef: 0.0003}
placement: {lean_workers: 2, expert_parallel_degree: 1, activation_checkpointing: true}
loss: {importance_ratio_cap: 1.5, off_policy_mask_threshold: 0.1}
selection: {drop_zero_variance_groups: false, min_weight: 0.01}
"""


def test_the_names_of_earlier_versions_are_read(tmp_path: Path) -> None:
    old, new = read(GRPOConfig, written(tmp_path, GRPO + OLD)), read(GRPOConfig, written(tmp_path, GRPO + NEW))
    assert old == new != read(GRPOConfig, written(tmp_path, GRPO))
    given = "kinds: [text, whole, fill, cot]"
    assert read(SFTConfig, written(tmp_path, SFT + given)).kinds == ["full_text", "proof", "fim", "cot"]


def test_every_old_name_stands_for_a_field_that_there_is(tmp_path: Path) -> None:
    there = set(fields(GRPOConfig))
    for part, names in OLD_NAMES.items():
        assert {".".join(filter(None, (part, name))) for name in names.values()} <= there
        assert not {".".join(filter(None, (part, name))) for name in names} & there
    assert read(SFTConfig, written(tmp_path, SFT), [f"kinds=[{', '.join(OLD_KINDS)}]"]).kinds == [*OLD_KINDS.values()]


@pytest.mark.parametrize("names", [OLD, NEW])
def test_changes_may_have_either_names_whichever_the_file_has(tmp_path: Path, names: str) -> None:
    file = written(tmp_path, GRPO + names)
    for change in ("writing.answers=3", "rollout.answers=3", "writing.num_generations=3", "rollout.num_generations=3"):
        rollout = read(GRPOConfig, file, [change]).rollout
        assert (rollout.num_generations, rollout.max_num_seqs) == (3, 24)
    for change in ("writing={answers: 3}", "rollout={num_generations: 3}"):
        rollout = read(GRPOConfig, file, [change]).rollout
        assert (rollout.num_generations, rollout.max_num_seqs) == (3, 128)
    assert read(GRPOConfig, file, ["groups=2", "moe.sequence=0"]).prompts_per_step == 2


@pytest.mark.parametrize(
    ("text", "changes", "said"),
    [
        ("", ["writing.answers=0"], "rollout.num_generations: "),
        ("writing: {answers: none}", [], "rollout.num_generations: "),
        ("groups: 0", [], "prompts_per_step: "),
        ("writing: {}\nrollout: {}", [], "writing is an old name of rollout, and both are there: take out writing"),
        ("loss: {correction: 1, importance_ratio_cap: 1}", [], "take out loss.correction"),
        ("writing: 3", [], "rollout: "),
        ("", ["writing=[1]"], "rollout: "),
        ("", ["moe.sequence.x=1"], "moe.aux_loss_coef: "),
    ],
)
def test_messages_have_the_names_of_today(tmp_path: Path, text: str, changes: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(GRPOConfig, written(tmp_path, GRPO + text), changes)
    assert said in str(error.value)


@pytest.mark.parametrize("stage", ["grpo", "expert-iteration"])
def test_a_run_that_an_earlier_version_began_goes_on(stage: str, tmp_path: Path) -> None:
    shutil.copytree(OLD_RUNS / stage, tmp_path / "run")
    fields = json.loads((OLD_RUNS / stage / "run.json").read_text("utf-8"))["config"]
    config = read(STAGES[stage], written(tmp_path, json.dumps(fields)))
    assert "writing" in fields
    said: list[str] = []
    with TrainFolder(tmp_path / "run", said.append).working(stage, config, {}):
        assert said == ["goes on"]
    other = read(STAGES[stage], tmp_path / "run.yaml", ["writing.answers=9"])
    with (
        pytest.raises(RunError, match=r"rollout\.num_generations: there 8, now 9"),
        TrainFolder(tmp_path / "run").working(stage, other, {}),
    ):
        pass


@pytest.mark.parametrize("text", ["[1, 2]", "model: [", "just text", ""])
def test_files_that_are_no_configurations_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        read(GRPOConfig, written(tmp_path, text))
    with pytest.raises(OSError, match="missing"):
        read(GRPOConfig, tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["rollout.temperature=0.7", "rollout.engine=vllm"], "temperature must be 1"),
        (["rollout.temperature=0.7", "rollout.base_url=http://127.0.0.1:1"], "temperature must be 1"),
        (["rollout.temperature=0.7", "rollout.top_p=0.9", "replay_truncation=false"], "replay_truncation"),
        (["prompts_per_step=6", "minibatches=4"], "6 prompts_per_step"),
        (["rollout.top_p=0.9", "rollout.engine=vllm"], "rollout.top_p must be 1"),
        (["rollout.max_tokens=2048", "context=2048"], "has to have room"),
        (["model.changes={rms_norm_eps: 0.5}"], "changes are for presets"),
        (["rollout.top_p=0"], "top_p"),
        (["rollout.top_p=1.1"], "top_p"),
        (["staleness=-1"], "staleness"),
        (["loss.weighting=mean"], "weighting"),
        (["problems=[]"], "problems"),
        (["reward.format=2"], "format"),
    ],
)
def test_what_training_could_not_be_right_with_is_refused(tmp_path: Path, changes: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(GRPOConfig, written(tmp_path, GRPO), changes)
    assert said in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        ["rollout.temperature=0.7", "rollout.top_p=0.9"],
        ["rollout.temperature=0.7", "replay_truncation=false"],
        ["rollout.top_p=0.9", "replay_truncation=false"],
        [
            "prompts_per_step=6",
            "minibatches=3",
            "staleness=0",
            "loss.importance_ratio_cap=null",
            "loss.off_policy_mask_threshold=0.1",
        ],
    ],
)
def test_what_can_be_right_is_taken(tmp_path: Path, changes: list[str]) -> None:
    assert isinstance(read(GRPOConfig, written(tmp_path, GRPO), changes), GRPOConfig)


def test_by_default_it_is_what_the_papers_do(tmp_path: Path) -> None:
    """V1.5 §2.3."""
    config = read(GRPOConfig, written(tmp_path, GRPO))
    assert (config.optimiser.lr, config.optimiser.schedule, config.loss.kl) == (5e-6, "constant", 0.02)
    assert (config.rollout.num_generations, config.rollout.max_tokens, config.rollout.temperature) == (32, 2048, 1)
    assert config.prompts_per_step * config.rollout.num_generations == 512
    assert (config.reward.consistency, config.reward.format, config.loss.weighting) == (0, 0, "sequence")


def test_expert_iteration_writes_with_the_models_of_its_rounds(tmp_path: Path) -> None:
    """A server has one model."""
    with pytest.raises(ConfigError, match="has not"):
        read(ExpertIterationConfig, written(tmp_path, GRPO), ["rollout.base_url=http://localhost:1/v1"])


@pytest.mark.parametrize("kind", [SFTConfig, GRPOConfig, DPOConfig, ExpertIterationConfig])
def test_what_was_written_down_is_read_again(kind: type[Stage]) -> None:
    needed: dict[str, Any] = {"model": {"folder": "m"}}
    needed |= {name: ["x"] for name in ("data", "problems", "answers") if name in kind.model_fields}
    config = kind.model_validate(needed)
    assert kind.model_validate_json(config.model_dump_json()) == config
    assert not (PolicyLoss.model_fields.keys() & kind.model_fields.keys())
