"""What a training run is told. Each stage has one configuration; the parts that they share stand first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from data.problems import ProblemError
from data.records.config import ConfigError, read_config, validated
from data.records.parsing import ParseError, is_deep, parse_yaml
from prover.prompts import prompt_format
from rl.field_names import ELSEWHERE, current, updated
from rl.reward import RewardSettings


class Part(BaseModel):
    """A part of a configuration: unknown fields are errors, and it does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSource(Part):
    """The model that training starts from.

    folder: a checkpoint: of our own architecture, or of any causal model that transformers knows (then a name on
        Hugging Face will do). Without one, fresh weights of the shape `preset` (prover.model.config.PRESETS) with
        `changes`, and a tokenizer of `vocabulary` tokens trained on the run's data.
    """

    folder: str = ""
    preset: str = ""
    changes: dict[str, Any] = {}
    vocabulary: PositiveInt = 1024

    @model_validator(mode="after")
    def _one(self) -> ModelSource:
        if bool(self.folder) == bool(self.preset):
            raise ValueError("give a folder, or the name of a preset, to start from")
        if self.folder and self.changes:
            raise ValueError("a folder's model is taken as it is; changes are for presets")
        return self


class Optimiser(Part):
    """AdamW (DeepSeek-V3 §4.2) and its schedule.

    lr is reached after `warmup` updates, linearly, and then stays (the papers' fine-tuning), or falls to a tenth along
    a cosine until the last update. clip: the largest norm of the gradient.
    """

    lr: PositiveFloat = 1e-4
    warmup: NonNegativeInt = 0
    schedule: Literal["constant", "cosine"] = "constant"
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: NonNegativeFloat = 0.1
    clip: PositiveFloat = 1.0


class Moe(Part):
    """Load balancing of experts (DeepSeek-V3, arXiv 2412.19437, §2.1.2), for models of our own.

    bias_update_speed: γ, by which a router's bias moves after each update. aux_loss_coef: α of the sequence-wise loss.
    """

    bias_update_speed: NonNegativeFloat = 1e-3
    aux_loss_coef: NonNegativeFloat = 1e-4


class Placement(Part):
    """Where a run works. By default all in this process.

    trainers: processes that share the model (FSDP2), by Ray where there are more than one. expert_parallel_degree:
        trainers that share one set of experts. rollouts: processes that write answers, by Ray; 0: this one does. gpus:
        for each trainer and for each rollout. lean_workers: Lean processes; default: one per core. address: of a Ray
        cluster; default: this machine.
    bfloat16: compute in it. activation_checkpointing: keep only each layer's input for the backward pass. compile:
        layers, by torch.
    """

    trainers: PositiveInt = 1
    expert_parallel_degree: PositiveInt = 1
    rollouts: NonNegativeInt = 0
    gpus: NonNegativeFloat = 0
    lean_workers: PositiveInt | None = None
    address: str = ""
    bfloat16: bool = False
    activation_checkpointing: bool = False
    compile: bool = False

    @property
    def on_ray(self) -> bool:
        return self.trainers > 1 or self.rollouts > 0 or bool(self.address)


class Stage(Part):
    """What all stages have.

    context: tokens of a row, into which texts are packed. micro_batch: rows that go through the model at a time.
    save_every: updates between two checkpoints, of which `keep` are kept. seed: of everything that is drawn.
    """

    model: ModelSource
    context: PositiveInt = 1024
    micro_batch: PositiveInt = 8
    optimiser: Optimiser = Optimiser()
    moe: Moe = Moe()
    placement: Placement = Placement()
    save_every: PositiveInt = 100
    keep: PositiveInt = 2
    seed: NonNegativeInt = 0


Kind = Literal["full_text", "proof", "cot", "continuation", "fim"]


class SFTConfig(Stage):
    """Supervised fine-tuning on pairs of theorem and proof (DeepSeek-Prover-V1.5 §2.2, DeepSeek-Prover-V2 §2.2).

    data: files of pairs (see data.pairs). held_out: such files, whose loss is told at each checkpoint. kinds: of
        examples that are made of each pair (see rl.examples). family: whose prompts `proof` is in.
    batch: rows of an update. epochs: passes over the data. mtp: λ of multi-token prediction (DeepSeek-V3 §2.2).
    """

    data: list[Path] = Field(min_length=1)
    held_out: list[Path] = []
    kinds: list[Kind] = Field(default=["proof"], min_length=1)
    family: str = "deepseek-v1.5-noncot"
    batch: PositiveInt = 16
    epochs: PositiveInt = 1
    mtp: NonNegativeFloat = 0.3


class RolloutConfig(Part):
    """How answers are sampled while training (DeepSeek-Prover-V1.5, arXiv 2408.08152, §2.3).

    num_generations: answers to each prompt. families: whose prompts each theorem is asked with; one after the other.
    top_p below 1 and other temperatures than 1, which only our own generator can tell all of, are taken into account in
        training. max_tokens: length of an answer. check_seconds: limit of a check.
    engine: what writes: our own generator, or vLLM, in this process or in `placement.rollouts` others. base_url: a vLLM
        server instead, that takes new weights (`prover serve --trainable`). max_num_seqs: answers that are written at a
        time.
    """

    num_generations: PositiveInt = 32
    families: list[str] = Field(default=["deepseek-v1.5-noncot"], min_length=1)
    temperature: PositiveFloat = 1.0
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: PositiveInt = 2048
    check_seconds: PositiveFloat = 60.0
    engine: Literal["native", "vllm"] = "native"
    base_url: str = ""
    max_num_seqs: PositiveInt = 128

    @model_validator(mode="after")
    def _are_known(self) -> RolloutConfig:
        for name in self.families:
            prompt_format(name)
        return self


class ExpertIterationConfig(Stage):
    """Expert iteration (DeepSeek-Prover §3.4): answers are sampled, and what Lean accepts is trained on.

    problems: theorems to prove. data: pairs that are there already. proofs: kept of each theorem, the shortest.
    iterations: rounds of drawing and training; each training begins with the model of the round before and makes
        `epochs` passes.
    """

    problems: list[Path] = Field(min_length=1)
    data: list[Path] = []
    held_out: list[Path] = []
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


class PolicyLoss(Part):
    """The objective of GRPO (DeepSeekMath §4.1) with what makes it stable (DeepSeek-V3.2 §3.1); see rl.losses.

    clip_low, clip_high: the ratio to the old policy is clipped to [1 - low, 1 + high]. kl: coefficient of the distance
        to the model that training began with; V1.5 has 0.02. importance_ratio_cap: the weight by which tokens make up
        for the difference between the sampler's and the trainer's probabilities is cut off there; None: the ratio is to
        the sampler's itself. off_policy_mask_threshold: δ; answers with negative advantage that have become less likely
        since they were sampled, by more than δ nats a token, are left out; None: none are. weighting: what each token
        counts.
    """

    clip_low: PositiveFloat = 0.2
    clip_high: PositiveFloat = 0.2
    kl: NonNegativeFloat = 0.02
    importance_ratio_cap: PositiveFloat | None = 2.0
    off_policy_mask_threshold: PositiveFloat | None = None
    weighting: Literal["sequence", "token", "dr-grpo"] = "sequence"


class Selection(Part):
    """Which theorems are asked (DeepSeek-Prover-V1.5 §2.3: those that are proved sometimes).

    Theorems are drawn with chances proportional to p(1 - p) + min_weight, p being the share of proofs among their
    answers so far; their weight halves with each time that they are asked again. answers: files `answers.jsonl` of
    earlier runs, such as of expert iteration, that tell this share to begin with. drop_zero_variance_groups: a theorem
    all of whose answers earned the same is replaced by another.
    """

    answers: list[Path] = []
    min_weight: NonNegativeFloat = 0.005
    drop_zero_variance_groups: bool = True


class GRPOConfig(Stage):
    """Reinforcement learning from Lean's feedback (RLPAF; DeepSeek-Prover-V1.5 §2.3, DeepSeek-Prover-V2 §2.3).

    problems: theorems to prove. prompts_per_step: theorems of an update, with
        `rollout.num_generations` answers each. updates: in all.
    minibatches: steps of the optimiser that an update is divided into. staleness: updates that a model may be behind
        when it writes: 0 waits for the newest, 1 writes while the next update is worked out.
    replay_experts, replay_truncation: compute with the experts, and among the tokens, that were used when sampling, as
        far as what writes can tell: our own generator can, vLLM tells no experts.
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
    """Direct preference optimisation (Rafailov et al. 2023; DeepSeek LLM §4.2) from answers that have been judged.

    answers: files `answers.jsonl` of earlier runs: proofs are preferred to what Lean refused. pairs: of each theorem at
    most. beta: how far the model may go from where it began.
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

C = TypeVar("C", bound=Part)
T = TypeVar("T")


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


def read_all(reader: Callable[[Path], Iterable[T]], paths: Iterable[Path]) -> list[T]:
    """What a reader of corpora finds in some files. Raises ConfigError."""
    found: list[T] = []
    for path in paths:
        try:
            found += reader(path)
        except ProblemError as error:
            raise ConfigError(str(error)) from None
        except OSError as error:
            raise ConfigError(f"{error.filename or path}: {error.strerror or error}{made_by(path)}") from None
    return found


def made_by(path: str | Path) -> str:
    """What to add to a message that something of a stage's run is not there: which command writes it."""
    stage = next((part for part in Path(path).parts if part in STAGES), "")
    return f": run `prover train {stage} configs/{stage}.yaml` first" if stage else ""


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
