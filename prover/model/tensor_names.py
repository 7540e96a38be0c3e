"""The mapping between the model's tensors and those of a checkpoint's files: names, pieces, and order of rows.

The model's names are those of DeepSeek-V3's files, but that
  files have `model.` before all but the head;
  gate_proj and up_proj are one tensor here, gate_up_proj, and all routed experts of a layer are one;
  MTP module d is layer num_hidden_layers + d of the files. There it has copies of the model's embedding and head,
  which transformers and vLLM do not read: they are neither read nor written here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from torch import Tensor

from prover.model.config import ModelConfig
from prover.model.fp8 import SCALE_SUFFIX

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"

_MTP_COPIES = ("embed_tokens.weight", "shared_head.head.weight")  # of the model's own, in an MTP module's layer
_ROTATED = ("q_proj.weight", "q_b_proj.weight", "kv_a_proj_with_mqa.weight")  # some of their rows are rotated by RoPE


class FileTensor(NamedTuple):
    """A tensor in a checkpoint's files: its name there, and the part (an index) of the model's tensor that it is."""

    name: str
    part: tuple[int | slice, ...]


def file_tensors(name: str, shape: tuple[int, ...], config: ModelConfig) -> list[FileTensor]:
    """The tensors in the files that make up the model's tensor of this name and shape, in order."""
    name = _file_name(name, config)
    if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
        return _gate_and_up(name, (), shape[-2]) if "gate_up_proj" in name else [FileTensor(name, ())]
    prefix, kind = name.rsplit(".", 1)
    expert_names = [f"{prefix}.{expert}.{kind}.weight" for expert in range(shape[0])]
    if kind == "down_proj":
        return [FileTensor(expert_name, (expert,)) for expert, expert_name in enumerate(expert_names)]
    return [half for expert, name in enumerate(expert_names) for half in _gate_and_up(name, (expert,), shape[-2])]


def _gate_and_up(name: str, part: tuple[int, ...], rows: int) -> list[FileTensor]:
    return [
        FileTensor(name.replace("gate_up_proj", "gate_proj"), (*part, slice(0, rows // 2))),
        FileTensor(name.replace("gate_up_proj", "up_proj"), (*part, slice(rows // 2, rows))),
    ]


def _file_name(name: str, config: ModelConfig) -> str:
    if name == HEAD:
        return name
    if match := re.fullmatch(r"mtp\.(\d+)\.(?:block\.)?(.*)", name):
        rest = re.sub(r"^norm\.", "shared_head.norm.", match[2])
        return f"{mtp_prefix(config, int(match[1]))}{rest}"
    return f"model.{name}"


def mtp_prefix(config: ModelConfig, module: int) -> str:
    """The prefix, in the files, of the names of MTP module number `module`'s tensors."""
    return f"model.layers.{config.num_hidden_layers + module}."


def is_ignorable(name: str, config: ModelConfig) -> bool:
    """Whether an extra tensor in the files, which the model does not have, may be ignored."""
    if name.endswith((SCALE_SUFFIX, "rotary_emb.inv_freq")):
        return True
    if name == HEAD:
        return config.tie_word_embeddings
    if ".shared_experts." in name and not config.n_shared_experts:  # transformers has them, of width 0
        return True
    match = re.match(r"model\.layers\.(\d+)\.", name)
    mtp_module = int(match[1]) - config.num_hidden_layers if match else -1
    return mtp_module >= config.num_nextn_predict_layers or (mtp_module >= 0 and name.endswith(_MTP_COPIES))


def interleave_rotary_rows(name: str, weight: Tensor, config: ModelConfig) -> Tensor:
    """A file's tensor [rows, columns] with RoPE's rows in interleaved order: partners side by side.

    In the file, a row's partner is half of the rotated rows further on. The rows that RoPE leaves alone stay, as do
    tensors without rotated rows.
    """
    if not name.endswith(_ROTATED):
        return weight
    heads = 1 if "kv_a_proj" in name else config.num_attention_heads
    by_head = weight.unflatten(0, (heads, -1)).clone()
    rotated = by_head[:, -config.qk_rope_head_dim :]
    rotated.copy_(rotated.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2))
    return by_head.flatten(0, 1)
