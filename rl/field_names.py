"""Other names of configuration fields: of earlier versions, which are still read, and of other trainers."""

from __future__ import annotations

from typing import Any

from data.records.config import ConfigError

#: What earlier versions called the fields of each part ("": of the whole configuration), with the names they have now.
OLD_NAMES: dict[str, dict[str, str]] = {
    "": {"writing": "rollout", "groups": "prompts_per_step"},
    "rollout": {"answers": "num_generations", "room": "max_num_seqs"},
    "moe": {"bias_rate": "bias_update_speed", "sequence": "aux_loss_coef"},
    "placement": {
        "recompute": "activation_checkpointing",
        "lean": "lean_workers",
        "experts": "expert_parallel_degree",
    },
    "loss": {"correction": "importance_ratio_cap", "off_policy": "off_policy_mask_threshold"},
    "selection": {"replace": "drop_zero_variance_groups", "floor": "min_weight"},
}
#: What earlier versions called the kinds of examples.
OLD_KINDS = {"whole": "proof", "fill": "fim", "text": "full_text"}

#: What other trainers (TRL, verl) call these fields.
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "beta": ("loss.kl",),
    "kl_coef": ("loss.kl",),
    "epsilon": ("loss.clip_low",),
    "epsilon_high": ("loss.clip_high",),
    "clip_ratio": ("loss.clip_low", "loss.clip_high"),
    "loss_type": ("loss.weighting",),
    "importance_sampling_cap": ("loss.importance_ratio_cap",),
    "vllm_importance_sampling_cap": ("loss.importance_ratio_cap",),
    "max_completion_length": ("rollout.max_tokens",),
    "max_new_tokens": ("rollout.max_tokens",),
    "use_vllm": ("rollout.engine",),
    "vllm_server_base_url": ("rollout.base_url",),
    "reward_funcs": ("reward.function",),
    "reward_weights": ("reward.weight",),
    "num_iterations": ("minibatches",),
    "max_steps": ("updates",),
    "num_train_epochs": ("epochs",),
    "per_device_train_batch_size": ("micro_batch", "batch"),
    "gradient_accumulation_steps": ("batch", "prompts_per_step"),
    "max_length": ("context",),
    "max_seq_length": ("context",),
    "learning_rate": ("optimiser.lr",),
    "optimizer": ("optimiser",),
    "optim": ("optimiser",),
    "warmup_steps": ("optimiser.warmup",),
    "lr_scheduler_type": ("optimiser.schedule",),
    "max_grad_norm": ("optimiser.clip",),
    "adam_beta1": ("optimiser.betas",),
    "adam_beta2": ("optimiser.betas",),
    "save_steps": ("save_every",),
    "save_total_limit": ("keep",),
    "model_name_or_path": ("model.folder",),
    "train_file": ("data", "problems", "answers"),
    "dataset_name": ("data", "problems", "answers"),
    "train_dataset": ("data", "problems", "answers"),
    "eval_dataset": ("held_out",),
    "bf16": ("placement.bfloat16",),
    "gradient_checkpointing": ("placement.activation_checkpointing",),
    "torch_compile": ("placement.compile",),
}


def current(path: list[str]) -> list[str]:
    """The path of a field in today's names; it may have names of earlier versions in it."""
    outer = OLD_NAMES[""].get(path[0], path[0])
    return [outer, *(OLD_NAMES.get(outer, {}).get(name, name) for name in path[1:2]), *path[2:]]


def updated(fields: Any) -> Any:
    """A configuration's fields, not yet validated, in today's names. Raises ConfigError if one is there twice."""
    if not isinstance(fields, dict):
        return fields
    found = {name: _renamed(value, name) for name, value in _renamed(fields, "").items()}
    if isinstance(kinds := found.get("kinds"), list):
        found["kinds"] = [OLD_KINDS.get(kind, kind) if isinstance(kind, str) else kind for kind in kinds]
    return found


def _renamed(part: Any, name: str) -> Any:
    names = OLD_NAMES.get(name, {})
    if not isinstance(part, dict):
        return part
    for old, new in names.items():
        if old in part and new in part:
            before = f"{name}." if name else ""
            raise ConfigError(
                f"{before}{old} is an old name of {before}{new}, and both are there: take out {before}{old}"
            )
    return {names.get(field, field): value for field, value in part.items()}
