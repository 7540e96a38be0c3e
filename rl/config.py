"""The configuration of each training stage, and how it is read. Its parts stand with what they configure."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from data.records.config import ConfigError, StrictModel, read_config, validated
from data.records.parsing import ParseError, is_deep, parse_yaml
from rl.examples import Kind
from rl.field_names import ELSEWHERE, current, updated
from rl.losses import PolicyLoss
from rl.reward import RewardSettings
from rl.samplers import RolloutConfig
from rl.selection import Selection
from rl.trainer import Optimiser, Stage


class SFTConfig(Stage):
    """The configuration of supervised fine-tuning (DeepSeek-Prover-V1.5, arXiv 2408.08152, §2.2).

    data: files of pairs of theorem and proof (see data.pairs). held_out: such files, whose loss is measured at each
        checkpoint. kinds: the examples that are made of each pair (see rl.examples). family: the prompt format.
    batch: rows of an update. epochs: passes over the data.
    mtp: λ, the weight of multi-token prediction (DeepSeek-V3, arXiv 2412.19437, §2.2).
    """

    data: list[Path] = Field(min_length=1)
    held_out: list[Path] = Field(default=[])
    kinds: list[Kind] = Field(default=["proof"], min_length=1)
    family: str = "deepseek-v1.5-noncot"
    batch: PositiveInt = 16
    epochs: PositiveInt = 1
    mtp: NonNegativeFloat = 0.3


class ExpertIterationConfig(Stage):
    """The configuration of expert iteration (DeepSeek-Prover, arXiv 2405.14333, §3.4): train on what Lean accepts.

    problems: theorems to prove. data: pairs to train on besides. proofs: the number kept of each theorem, shortest
    first. iterations: rounds of sampling and training; each trains the model of the round before, for `epochs` passes.
    Other fields: as in SFTConfig.
    """

    problems: list[Path] = Field(min_length=1)
    data: list[Path] = Field(default=[])
    held_out: list[Path] = Field(default=[])
    rollout: RolloutConfig = RolloutConfig()
    kinds: list[Kind] = Field(default=["proof"], min_length=1)
    proofs: PositiveInt = 4
    iterations: PositiveInt = 1
    batch: PositiveInt = 16
    epochs: PositiveInt = 1
    mtp: NonNegativeFloat = 0.3

    @model_validator(mode="after")
    def _writes_with_its_own_models(self) -> ExpertIterationConfig:
        if self.rollout.base_url:
            raise ValueError("each round writes with the model of the one before, which rollout.base_url has not")
        return self


class GRPOConfig(Stage):
    """The configuration of GRPO with Lean's verdict as the reward (DeepSeek-Prover-V1.5, arXiv 2408.08152, §2.3).

    problems: theorems to prove. prompts_per_step: prompts of an update, with `rollout.num_generations` answers each.
    updates: their number. minibatches: steps of the optimiser that an update is divided into.
    staleness: updates that the sampling model may be behind; 0: sampling waits for the newest weights, 1: it goes on
        while the next update is computed.
    replay_experts, replay_truncation: train with the experts, and among the candidate tokens, that sampling used
        (DeepSeek-V3.2, arXiv 2512.02556, §3.1). Our own generator records both, vLLM no experts.
    """

    problems: list[Path] = Field(min_length=1)
    rollout: RolloutConfig = RolloutConfig()
    reward: RewardSettings = RewardSettings()
    loss: PolicyLoss = PolicyLoss()
    selection: Selection = Selection()
    prompts_per_step: PositiveInt = 16
    updates: PositiveInt = 100
    minibatches: PositiveInt = 1
    staleness: NonNegativeInt = 1
    replay_experts: bool = True
    replay_truncation: bool = True
    optimiser: Optimiser = Optimiser(lr=5e-6, weight_decay=0.0)
    save_every: PositiveInt = 20
    context: PositiveInt = 4096

    @model_validator(mode="after")
    def _knows_probabilities(self) -> GRPOConfig:
        rollout = self.rollout
        for name in ("temperature", "top_p") if rollout.base_url or rollout.engine == "vllm" else ():
            if getattr(rollout, name) != 1:
                raise ValueError(f"vLLM tells log-probabilities before these; rollout.{name} must be 1")
        if rollout.max_tokens >= self.context:
            raise ValueError(f"context, {self.context}, has to have room for a prompt and rollout.max_tokens")
        if rollout.temperature != 1 and rollout.top_p < 1 and not self.replay_truncation:
            raise ValueError("with top_p below 1 and another temperature than 1, replay_truncation is needed")
        if self.prompts_per_step % self.minibatches:
            raise ValueError(
                f"{self.prompts_per_step} prompts_per_step do not fall into {self.minibatches} minibatches of one size"
            )
        return self


class DPOConfig(Stage):
    """The configuration of direct preference optimisation (DPO, arXiv 2305.18290) on answers that Lean has judged.

    answers: files `answers.jsonl` of earlier runs; proofs are preferred to what Lean refused. pairs: of each theorem at
        most. beta: β; the larger, the closer the model stays to where it began.
    """

    answers: list[Path] = Field(min_length=1)
    pairs: PositiveInt = 4
    beta: PositiveFloat = 0.1
    batch: PositiveInt = 32
    epochs: PositiveInt = 1


STAGES: dict[str, type[Stage]] = {
    "sft": SFTConfig,
    "expert-iteration": ExpertIterationConfig,
    "grpo": GRPOConfig,
    "dpo": DPOConfig,
}
_SHOWN = 100  # characters of a change in a message

C = TypeVar("C", bound=StrictModel)


def read(kind: type[C], path: Path, changes: list[str] | None = None) -> C:
    """The configuration in a YAML file, with `changes` such as `optimiser.lr=1e-5`. Raises ConfigError, OSError.

    Both may have the names that fields had in earlier versions (rl.field_names). Relative paths are taken from the
    current folder.
    """
    fields = _updated(path, read_config(path))
    for change in changes or []:
        _change(fields, change)
        fields = _updated(path, fields)  # the value may be a whole part
    if is_deep(fields):
        raise ConfigError(f"{path}: with these changes it is nested too deeply")
    return validated(kind, fields, str(path), ELSEWHERE)


def _updated(path: Path, fields: dict[str, Any]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = updated(fields)
        return found
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _change(fields: dict[str, Any], change: str) -> None:
    name, equals, value = change.partition("=")
    *outer, last = current(name.strip().split("."))
    shown = repr(change if len(change) <= _SHOWN else f"{change[:_SHOWN]}…")
    if not equals or not last:
        raise ConfigError(f"{shown}: a change is FIELD=VALUE, such as optimiser.lr=1e-5")
    for key in outer:
        inner = fields.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{shown}: {key} has no fields")
        fields = inner
    try:
        fields[last] = parse_yaml(value)
    except ParseError as error:
        raise ConfigError(f"{shown}: the value is {error}") from None
