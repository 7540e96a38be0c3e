"""The size of a model, from its configuration alone: the numbers that memory depends on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from data.records.config import ConfigError
from prover.model import checkpoint
from prover.model.config import PRESETS, ModelConfig, ModelConfigError, ModelError
from prover.model.transformer import Transformer
from rl.inputs import made_by
from rl.model import ModelSource, is_ours

# Checkpoints that need not be here, by their names (DeepSeek-Prover-V1.5 §2.1, DeepSeek-Prover-V2 §2.3).
_LLAMA_7B = {
    "vocab_size": 102_400,
    "hidden_size": 4096,
    "num_hidden_layers": 30,
    "intermediate_size": 11_008,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
}
_PUBLISHED: tuple[tuple[str, ModelConfig | Mapping[str, Any]], ...] = (
    (r"deepseek-prover-(v1\.5-(base|sft|rl)|v2-7b)$", _LLAMA_7B),
    (r"deepseek-prover-v2-671b$", PRESETS["671b"]),
)


@dataclass(frozen=True)
class Shape:
    """The size of a model; sizes are numbers of elements, not bytes.

    source: the checkpoint's or preset's name. from_table: known from a table, because the checkpoint is not here.
        config: None for models that are not our own.
    total_params, active_params: parameters, and those that one token uses (without MTP). mtp_params: of the MTP
        modules. non_layer_params: outside the layers. layer_params, expert_params: of the largest layer, without its
        routed experts, and in these. largest_tensor: of all parameters.
    saved_activations: for each layer, MTP modules last, what it keeps of a token for the backward pass. hidden_size: of
        the residual stream. vocab_size: tokens. cache_per_token: in all layers, while generating. expert_choices:
        expert ids of a token, in all layers.
    """

    source: str
    from_table: bool
    config: ModelConfig | None
    total_params: int
    active_params: int
    mtp_params: int
    non_layer_params: int
    layer_params: int
    expert_params: int
    largest_tensor: int
    saved_activations: tuple[int, ...]
    hidden_size: int
    vocab_size: int
    cache_per_token: int
    expert_choices: int


def shape_of(source: ModelSource) -> Shape:
    """The shape of a model, from its configuration, its checkpoint or, for some that are not here, a table.

    Raises ConfigError.
    """
    try:
        if source.preset:
            if source.preset not in PRESETS:
                raise ConfigError(f"model: no preset is called {source.preset!r}; there are: {', '.join(PRESETS)}")
            fields = {"vocab_size": source.vocabulary, **source.changes}
            return _ours(PRESETS[source.preset].replace(**fields), f"preset {source.preset}")
        if is_ours(source.folder):
            return _ours(checkpoint.read_config(source.folder), source.folder)
        from transformers import AutoConfig, LlamaConfig

        local = Path(source.folder).is_dir()
        for pattern, known in () if local else _PUBLISHED:
            if not re.search(pattern, source.folder.lower()):
                continue
            if isinstance(known, ModelConfig):
                return replace(_ours(known, source.folder), from_table=True)
            return replace(_theirs(LlamaConfig(**known), source.folder), from_table=True)
        if not local and is_path(source.folder):
            raise FileNotFoundError
        return _theirs(AutoConfig.from_pretrained(source.folder, local_files_only=local), source.folder)
    except (ModelError, ModelConfigError, OSError, ValueError) as error:
        if not source.folder or Path(source.folder).is_dir():
            raise ConfigError(f"model: {error}") from None
        what = f"model: {source.folder}: there is no such folder"
        if is_path(source.folder):
            raise ConfigError(f"{what}{made_by(source.folder)}") from None
        raise ConfigError(f"{what}, and no model of this name can be had: {error}") from None


def is_path(name: str) -> bool:
    """Whether a name can only be a folder of this machine; names on the hub are OWNER/NAME."""
    first, *rest = name.split("/")
    return len(rest) > 1 or first in ("", ".", "..", "~") or Path(first).is_dir()


def _ours(config: ModelConfig, source: str) -> Shape:
    with torch.device("meta"):
        model = Transformer(config)
    c, heads, k = config, config.num_attention_heads, config.num_experts_per_tok
    mixtures = c.num_moe_layers + c.num_nextn_predict_layers
    experts = 3 * c.n_routed_experts * c.hidden_size * c.moe_intermediate_size if mixtures else 0
    unused = c.num_moe_layers * experts * (c.n_routed_experts - k) // c.n_routed_experts
    total, ahead = _count(model), _count(model.mtp)
    layers, dense = [_count(layer) for layer in model.layers], c.first_k_dense_replace
    # What autograd keeps of a token: the norms' inputs and outputs; queries, keys, values; what was seen, twice.
    attention = 4 * c.hidden_size + 2 * (c.q_lora_rank or 0) + c.latent_dim + c.kv_lora_rank
    attention += heads * (2 * c.qk_head_dim + c.qk_nope_head_dim + 3 * c.v_head_dim)
    # Of a feed-forward layer four times its inner width; of experts also what goes in, and, twice, what comes out.
    mixture = c.n_routed_experts + 3 * k * c.hidden_size + 4 * (k + c.n_shared_experts) * c.moe_intermediate_size
    return Shape(
        source=source,
        from_table=False,
        config=config,
        total_params=total,
        active_params=total - ahead - unused,
        mtp_params=ahead,
        non_layer_params=total - ahead - sum(layers),
        layer_params=max(layers[:dense] + [size - experts for size in layers[dense:]]),
        expert_params=experts,
        largest_tensor=_largest(model),
        saved_activations=(attention + 4 * c.intermediate_size,) * dense + (attention + mixture,) * mixtures,
        hidden_size=c.hidden_size,
        vocab_size=c.vocab_size,
        cache_per_token=c.num_hidden_layers * c.latent_dim,
        expert_choices=mixtures * k,
    )


def _theirs(config: Any, source: str) -> Shape:
    """The shape of a model of transformers' own; its layers are taken to keep what a Llama's do."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    layers = max((m for m in model.modules() if isinstance(m, torch.nn.ModuleList)), key=len)
    width, heads = config.hidden_size, config.num_attention_heads
    size = getattr(config, "head_dim", None) or width // heads
    inner = getattr(config, "intermediate_size", None) or 4 * width
    total = _count(model)
    return Shape(
        source=source,
        from_table=False,
        config=None,
        total_params=total,
        active_params=total,
        mtp_params=0,
        non_layer_params=total - _count(layers),
        layer_params=max(map(_count, layers)),
        expert_params=0,
        largest_tensor=_largest(model),
        # The norms work in fp32, which is more in bfloat16; keys and values are written out for all heads.
        saved_activations=(8 * width + 4 * heads * size + 4 * inner,) * len(layers),
        hidden_size=width,
        vocab_size=config.vocab_size,
        cache_per_token=2 * len(layers) * (getattr(config, "num_key_value_heads", None) or heads) * size,
        expert_choices=0,
    )


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _largest(module: torch.nn.Module) -> int:
    return max(parameter.numel() for parameter in module.parameters())
