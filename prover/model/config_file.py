"""Read and write `config.json` in Hugging Face's format for `deepseek_v3`, from and to ModelConfig."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import ValidationError

from data.records.parsing import parse_json
from prover.model.config import ModelConfig, ModelConfigError, ModelError, Yarn

CONFIG_FILE = "config.json"

# Fields of related architectures, and the only value that this one has. Absent and null mean the same.
_FIXED: Mapping[str, Any] = {
    "hidden_act": "silu",
    "attention_bias": False,
    "attention_dropout": 0,
    "scoring_func": "sigmoid",
    "topk_method": "noaux_tc",
    "moe_layer_freq": 1,
}
# ModelConfig has defaults of its own for them; libraries have others, so a file must say what it means.
_REQUIRED = (
    "first_k_dense_replace",
    "q_lora_rank",
    "n_shared_experts",
    "n_group",
    "topk_group",
    "norm_topk_prob",
    "routed_scaling_factor",
)
_NULL_MEANS: Mapping[str, Any] = {"n_shared_experts": 0, "n_group": 1, "topk_group": 1}


class StoredConfig(NamedTuple):
    """The content of a checkpoint's `config.json`.

    rope_interleaved: the rows that RoPE rotates are in interleaved order, as in rope.py.
    fp8_block_size: rows and columns of a block of an FP8 weight with one scale (fp8.py); None if it has no scales.
    """

    config: ModelConfig
    rope_interleaved: bool
    fp8_block_size: tuple[int, int] | None


def read(folder: Path) -> StoredConfig:
    """Read a checkpoint's `config.json`.

    Raises ModelError if it cannot be read, ModelConfigError if it is of another architecture.
    """
    file = folder / CONFIG_FILE
    try:
        fields = parse_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"{file}: {error}") from None
    if not isinstance(fields, dict):
        raise ModelError(f"{file}: it holds no JSON object")
    try:
        return StoredConfig(from_fields(fields), fields.get("rope_interleave") is not False, _fp8_block_size(fields))
    except ModelConfigError as error:
        raise ModelConfigError(f"{file}: {error}") from None


def write(config: ModelConfig, dtype: torch.dtype, folder: Path) -> None:
    """Write `config.json` into a folder; dtype: of the weights. Raises OSError."""
    text = json.dumps(to_fields(config, dtype), indent=2) + "\n"
    (folder / CONFIG_FILE).write_text(text, "utf-8")


def from_fields(fields: Mapping[str, Any]) -> ModelConfig:
    """The ModelConfig that the fields of a `config.json` describe; fields that mean nothing here are ignored.

    Of several `eos_token_id`s the first is taken. Raises ModelConfigError, which names the field.
    """
    if fields.get("model_type") != "deepseek_v3":
        raise ModelConfigError(f"model_type is {fields.get('model_type')!r}, not 'deepseek_v3'")
    for field, value in {**_FIXED, "num_key_value_heads": fields.get("num_attention_heads")}.items():
        if fields.get(field) not in (None, value):
            raise ModelConfigError(f"{field} is {fields[field]!r}; here it can only be {value!r}")
    if absent := [field for field in _REQUIRED if field not in fields]:
        raise ModelConfigError(f"{', '.join(absent)}: not said")
    nullable = {"q_lora_rank", "bos_token_id", "eos_token_id"}
    values: dict[str, Any] = {
        field: _NULL_MEANS.get(field) if fields[field] is None else fields[field]
        for field in ModelConfig.model_fields.keys() & fields.keys() - {"yarn", "rope_theta"}
        if fields[field] is not None or field in nullable or field in _NULL_MEANS
    }
    if "num_mtp_layers" in fields:  # transformers' own name for it
        values.setdefault("num_nextn_predict_layers", fields["num_mtp_layers"])
    if isinstance(ends := values.get("eos_token_id"), list):
        values["eos_token_id"] = ends[0] if ends else None
    try:
        return ModelConfig(**values, **_rope(fields))
    except ValidationError as error:
        raise ModelConfigError("; ".join(_error_text(wrong) for wrong in error.errors())) from None


def to_fields(config: ModelConfig, dtype: torch.dtype) -> dict[str, Any]:
    """The fields of `config.json` for a model whose weights have this dtype, as transformers and vLLM read them.

    RoPE is described as in DeepSeek-V3's own file, which old and new versions of both understand.
    """
    return {
        "architectures": ["DeepseekV3ForCausalLM"],
        "model_type": "deepseek_v3",
        "torch_dtype": str(dtype).removeprefix("torch."),
        **config.model_dump(exclude={"yarn"}),
        "num_key_value_heads": config.num_attention_heads,
        **_FIXED,
        "rope_scaling": None if config.yarn is None else {"type": "yarn", **config.yarn.model_dump()},
        "rope_interleave": True,
    }


def _rope(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`rope_theta` and `yarn`, from `rope_scaling` (DeepSeek-V3's own file) or `rope_parameters` (transformers 5)."""
    name = "rope_scaling" if fields.get("rope_scaling") else "rope_parameters"
    scaling = {key: value for key, value in (fields.get(name) or {}).items() if value is not None}
    theta = scaling.pop("rope_theta", fields.get("rope_theta") or 10_000.0)
    old = scaling.pop("type", "default")
    kind = scaling.pop("rope_type", old)
    if kind == "default":
        return {"rope_theta": theta}
    if kind != "yarn":
        raise ModelConfigError(f"{name} has the type {kind!r}; here it can only be 'yarn' or 'default'")
    if scaling.get("truncate") is True:  # the default
        del scaling["truncate"]
    scaling.setdefault("original_max_position_embeddings", fields.get("max_position_embeddings"))
    try:
        return {"rope_theta": theta, "yarn": Yarn(**scaling)}
    except ValidationError as error:
        raise ModelConfigError("; ".join(f"{name}.{_error_text(wrong)}" for wrong in error.errors())) from None


def _fp8_block_size(fields: Mapping[str, Any]) -> tuple[int, int] | None:
    match fields.get("quantization_config"):
        case None:
            return None
        case {"quant_method": "fp8", "weight_block_size": [int(rows), int(columns)]} if rows > 0 and columns > 0:
            return rows, columns
        case other:
            raise ModelConfigError(f"quantization_config is {other!r}; only fp8 with a weight_block_size can be read")


def _error_text(wrong: Mapping[str, Any]) -> str:
    """One of pydantic's errors in words; a message of ModelConfig's own validator is a sentence by itself."""
    where, message = ".".join(map(str, wrong["loc"])), str(wrong["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
