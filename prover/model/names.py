"""How our tensors lie in the files of a checkpoint: under which names, in which pieces, with rows in which order.

Ours are called what V3's files call them, but that
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
from prover.model.fp8 import SCALES

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"

_SHARED = ("embed_tokens.weight", "shared_head.head.weight")  # an MTP module's copies of what the model has
_TURNED = ("q_proj.weight", "q_b_proj.weight", "kv_a_proj_with_mqa.weight")  # with rows that RoPE turns


class Piece(NamedTuple):
    """A tensor in a file, and which part (index) of one of ours it is."""

    name: str
    part: tuple[int | slice, ...]


def pieces(name: str, shape: tuple[int, ...], config: ModelConfig) -> list[Piece]:
    """Where our tensor of a name and shape is in the files."""
    name = _file_name(name, config)
    if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
        return _halves(name, (), shape[-2]) if "gate_up_proj" in name else [Piece(name, ())]
    stem, kind = name.rsplit(".", 1)
    names = [f"{stem}.{expert}.{kind}.weight" for expert in range(shape[0])]
    if kind == "down_proj":
        return [Piece(one, (expert,)) for expert, one in enumerate(names)]
    return [half for expert, one in enumerate(names) for half in _halves(one, (expert,), shape[-2])]


def _halves(name: str, at: tuple[int, ...], rows: int) -> list[Piece]:
    return [
        Piece(name.replace("gate_up_proj", "gate_proj"), (*at, slice(0, rows // 2))),
        Piece(name.replace("gate_up_proj", "up_proj"), (*at, slice(rows // 2, rows))),
    ]


def _file_name(name: str, config: ModelConfig) -> str:
    if name == HEAD:
        return name
    if found := re.fullmatch(r"mtp\.(\d+)\.(?:block\.)?(.*)", name):
        rest = re.sub(r"^norm\.", "shared_head.norm.", found[2])
        return f"{layer(config, int(found[1]))}{rest}"
    return f"model.{name}"


def layer(config: ModelConfig, module: int) -> str:
    """What the names of an MTP module's tensors begin with."""
    return f"model.layers.{config.num_hidden_layers + module}."


def ignored(name: str, config: ModelConfig) -> bool:
    """Is a tensor that the model does not need one that may be in the files all the same?"""
    if name.endswith((SCALES, "rotary_emb.inv_freq")):
        return True
    if name == HEAD:
        return config.tie_word_embeddings
    if ".shared_experts." in name and not config.n_shared_experts:  # transformers has them, of width 0
        return True
    found = re.match(r"model\.layers\.(\d+)\.", name)
    module = int(found[1]) - config.num_hidden_layers if found else -1
    return module >= config.num_nextn_predict_layers or (module >= 0 and name.endswith(_SHARED))


def interleaved(name: str, weight: Tensor, config: ModelConfig) -> Tensor:
    """A file's tensor with the rows that RoPE turns in our order: partners side by side, not half of them further on.

    Not those of a head's first part, which RoPE leaves alone.
    """
    if not name.endswith(_TURNED):
        return weight
    heads = 1 if "kv_a_proj" in name else config.num_attention_heads
    by_head = weight.unflatten(0, (heads, -1)).clone()
    turned = by_head[:, -config.qk_rope_head_dim :]
    turned.copy_(turned.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2))
    return by_head.flatten(0, 1)
