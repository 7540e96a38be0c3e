"""The model as it writes: one row per token, attention over latents alone, weights laid out for few rows.

It gives what Transformer gives (to rounding). Some of its weights are copies, others the model's own: make a new one
after the model has changed.
"""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor

from prover.model.attention import MLA
from prover.model.block import Block
from prover.model.experts import SwiGLU, gated
from prover.model.generate.experts import DecodingMoE
from prover.model.generate.linear import Linear
from prover.model.mtp import MTP
from prover.model.rope import rotate
from prover.model.transformer import Transformer


class Attend(Protocol):
    """Where the latents of earlier tokens are kept, and how rows look at them."""

    def __call__(self, layer: int, queries: Tensor, latents: Tensor) -> Tensor:
        """Keep the rows' latents [rows, latent_dim], then weigh what each row may see.

        queries [rows, heads, latent_dim], already scaled → [rows, heads, kv_lora_rank].
        """
        ...


class Decoder:
    """All layers of a Transformer, and its first MTP module if it has one (its layer number is `layers`)."""

    def __init__(self, model: Transformer) -> None:
        self._model = model
        self._blocks = [_Block(cast(Block, block)) for block in model.layers]
        self._mtp = _MTP(cast(MTP, model.mtp[0])) if len(model.mtp) else None
        self._head = Linear(model.lm_head.weight)
        self.layers = len(self._blocks)
        self.mixtures = model.config.num_moe_layers

    def __call__(self, tokens: Tensor, positions: Tensor, attend: Attend) -> tuple[Tensor, Tensor]:
        """tokens, positions [rows] → hidden [rows, width] after the last norm, and the experts that were chosen.

        The second is int16 [rows, mixtures, k]; Transformer takes it as `chosen`.
        """
        turns = self._model.rope(positions)
        x, chosen = self._model.embed_tokens(tokens), []
        for number, block in enumerate(self._blocks):
            x, experts = block(x, turns, number, attend)
            chosen += [experts] if experts is not None else []
        hidden = self._model.norm(x)
        k = self._model.config.num_experts_per_tok
        empty = torch.empty(len(tokens), 0, k, dtype=torch.int16, device=tokens.device)
        return hidden, torch.stack(chosen, 1).to(torch.int16) if chosen else empty

    def ahead(self, hidden: Tensor, following: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """What the MTP module makes of rows of `hidden` and the tokens that followed: [rows, width], for `logits`."""
        assert self._mtp is not None
        embedded = self._model.embed_tokens(following)
        return self._mtp(hidden, embedded, self._model.rope(positions), self.layers, attend)

    def logits(self, hidden: Tensor) -> Tensor:
        """[rows, width] → fp32 [rows, vocabulary]."""
        return self._head(hidden).float()


class _Attention:
    """MLA with W_uk taken into the query and W_uv into the output (V2 §2.1.2): keys and values are never written out.

    query · (W_uk c) = (W_ukᵀ query) · c, and Σ a_i W_uv c_i = W_uv Σ a_i c_i: all heads look at the same latents.
    """

    def __init__(self, mla: MLA) -> None:
        self._heads, self._rank = mla.heads, mla.rank
        self._norm, self._query_norm = mla.kv_a_layernorm, None
        low_rank = not hasattr(mla, "q_proj")
        ask = ((mla.q_b_proj if low_rank else mla.q_proj).weight.detach() * mla.scale).unflatten(0, (mla.heads, -1))
        plain, position = ask.split([mla.nope, mla.rope], 1)  # [heads, …, in]
        key, value = mla.kv_b_proj.weight.detach().unflatten(0, (mla.heads, -1)).split([mla.nope, mla.value], 1)
        latent, turned = mla.kv_a_proj_with_mqa.weight.detach().split([mla.rank, mla.rope])

        self._key, self._value, self._out = key.contiguous(), value.mT.contiguous(), Linear(mla.o_proj.weight)
        asked = [plain.flatten(0, 1), position.flatten(0, 1)]
        self._sizes = [len(asked[0]), mla.rank, len(asked[1]) + mla.rope]
        if low_rank:
            self._query_norm, self._query = mla.q_a_layernorm, Linear(*asked)
            self._down = Linear(mla.q_a_proj.weight, latent, turned)
            self._down_sizes = [mla.q_a_proj.out_features, mla.rank, mla.rope]
        else:
            self._down = Linear(asked[0], latent, asked[1], turned)

    def __call__(self, x: Tensor, turns: Tensor, layer: int, attend: Attend) -> Tensor:
        rows = len(x)
        if self._query_norm is None:
            plain, latent, positions = self._down(x).split(self._sizes, -1)
        else:
            narrow, latent, turned = self._down(x).split(self._down_sizes, -1)
            plain, position = self._query(self._query_norm(narrow)).tensor_split((self._sizes[0],), -1)
            positions = torch.cat((position, turned), -1)
        plain = plain.view(rows, self._heads, -1).transpose(0, 1)
        absorbed = torch.bmm(plain, self._key).transpose(0, 1)  # [rows, heads, rank]
        turned = rotate(positions.unflatten(-1, (self._heads + 1, -1)), turns.unsqueeze(1))  # the last one is the key's
        queries = torch.cat((absorbed, turned[:, :-1]), -1)
        latents = torch.cat((self._norm(latent), turned[:, -1]), -1)
        seen = attend(layer, queries, latents)
        values = torch.bmm(seen.transpose(0, 1), self._value).transpose(0, 1)  # [rows, heads, value]
        return self._out(values.reshape(rows, -1))


class _Block:
    def __init__(self, block: Block) -> None:
        self._norm, self._attention = block.input_layernorm, _Attention(block.self_attn)
        self._second_norm = block.post_attention_layernorm
        self._mlp = _Dense(block.mlp) if isinstance(block.mlp, SwiGLU) else DecodingMoE(block.mlp)

    def __call__(self, x: Tensor, turns: Tensor, layer: int, attend: Attend) -> tuple[Tensor, Tensor | None]:
        x = x + self._attention(self._norm(x), turns, layer, attend)
        out, chosen = self._mlp(self._second_norm(x))
        return x + out, chosen


class _Dense:
    def __init__(self, mlp: SwiGLU) -> None:
        self._up, self._down = Linear(mlp.gate_up_proj.weight), Linear(mlp.down_proj.weight)

    def __call__(self, x: Tensor) -> tuple[Tensor, None]:
        return self._down(gated(self._up(x))), None


class _MTP:
    def __init__(self, module: MTP) -> None:
        self._module, self._block = module, _Block(module.block)

    def __call__(self, hidden: Tensor, embedded: Tensor, turns: Tensor, layer: int, attend: Attend) -> Tensor:
        x, _ = self._block(self._module.join(hidden, embedded), turns, layer, attend)
        return self._module.norm(x)
