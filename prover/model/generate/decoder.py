"""The model for decoding: one row per token, attention over latents alone, weights laid out for few rows.

It computes what Transformer computes (to rounding). Some of its weights are copies, others the model's own: make a new
Decoder after the model's weights have changed.
"""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor

from prover.model.attention import MLA
from prover.model.block import TransformerBlock
from prover.model.experts import SwiGLU, swiglu
from prover.model.generate.experts import DecodeMoE
from prover.model.generate.linear import PackedLinear
from prover.model.mtp import MTP
from prover.model.rope import apply_rotary_emb
from prover.model.transformer import Transformer


class LatentAttention(Protocol):
    """Attention over cached latents: the cache, and which of its tokens each row attends to (see cache.py)."""

    def __call__(self, layer: int, queries: Tensor, latents: Tensor) -> Tensor:
        """Store the rows' latents, then attend; returns the weighted sums of latents, [rows, heads, kv_lora_rank].

        queries [rows, heads, latent_dim]: scaled already. latents [rows, latent_dim]: of the rows' own tokens.
        """
        ...


class Decoder:
    """All layers of a Transformer for decoding, and its first MTP module if it has one (as layer `num_layers`)."""

    def __init__(self, model: Transformer) -> None:
        self._model = model
        self._blocks = [_DecoderBlock(cast(TransformerBlock, block)) for block in model.layers]
        self._mtp = _DecoderMTP(cast(MTP, model.mtp[0])) if len(model.mtp) else None
        self._head = PackedLinear(model.lm_head.weight)
        self.num_layers = len(self._blocks)
        self.num_moe_layers = model.config.num_moe_layers

    def __call__(self, tokens: Tensor, positions: Tensor, attention: LatentAttention) -> tuple[Tensor, Tensor]:
        """Run the layers on tokens at positions, both int64 [rows].

        Returns the hidden states after the final norm, [rows, hidden_size], and the selected experts, int16
        [rows, moe_layers, k], as `expert_ids` of Transformer.
        """
        freqs_cis = self._model.rotary_emb(positions)
        x, expert_ids = self._model.embed_tokens(tokens), []
        for layer, block in enumerate(self._blocks):
            x, layer_expert_ids = block(x, freqs_cis, layer, attention)
            expert_ids += [layer_expert_ids] if layer_expert_ids is not None else []
        hidden = self._model.norm(x)
        k = self._model.config.num_experts_per_tok
        none = torch.empty(len(tokens), 0, k, dtype=torch.int16, device=tokens.device)
        return hidden, torch.stack(expert_ids, 1).to(torch.int16) if expert_ids else none

    def run_mtp(self, hidden: Tensor, next_tokens: Tensor, positions: Tensor, attention: LatentAttention) -> Tensor:
        """The MTP module's hidden states, [rows, hidden_size], for `logits` of the tokens after next_tokens.

        hidden [rows, hidden_size]: of the model's layers; next_tokens int64 [rows]: the tokens that followed.
        """
        assert self._mtp is not None
        next_embedding = self._model.embed_tokens(next_tokens)
        return self._mtp(hidden, next_embedding, self._model.rotary_emb(positions), self.num_layers, attention)

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits, fp32 [rows, vocab_size], of hidden states [rows, hidden_size]."""
        return self._head(hidden).float()


class _AbsorbedMLA:
    """MLA with W_uk absorbed into the query and W_uv into the output (DeepSeek-V2, arXiv:2405.04434, section 2.1.2).

    Keys and values are never materialised: q · (W_uk c) = (W_ukᵀ q) · c, and Σ a_i W_uv c_i = W_uv Σ a_i c_i, so all
    heads attend to the same latents.
    """

    def __init__(self, mla: MLA) -> None:
        self._num_heads = mla.num_heads
        self._kv_norm, self._q_norm = mla.kv_a_layernorm, None
        low_rank = not hasattr(mla, "q_proj")
        q_weight = (mla.q_b_proj if low_rank else mla.q_proj).weight.detach() * mla.scale
        q_nope, q_pe = q_weight.unflatten(0, (mla.num_heads, -1)).split([mla.qk_nope_head_dim, mla.qk_rope_head_dim], 1)
        kv_weight = mla.kv_b_proj.weight.detach().unflatten(0, (mla.num_heads, -1))
        k_up, v_up = kv_weight.split([mla.qk_nope_head_dim, mla.v_head_dim], 1)  # [heads, head_dim, kv_lora_rank]
        kv_down, k_pe = mla.kv_a_proj_with_mqa.weight.detach().split([mla.kv_lora_rank, mla.qk_rope_head_dim])

        self._k_up, self._v_up, self._out = k_up.contiguous(), v_up.mT.contiguous(), PackedLinear(mla.o_proj.weight)
        q_weights = [q_nope.flatten(0, 1), q_pe.flatten(0, 1)]
        self._sizes = [len(q_weights[0]), mla.kv_lora_rank, len(q_weights[1]) + mla.qk_rope_head_dim]
        if low_rank:
            self._q_norm, self._q_up = mla.q_a_layernorm, PackedLinear(*q_weights)
            self._down = PackedLinear(mla.q_a_proj.weight, kv_down, k_pe)
            self._down_sizes = [mla.q_a_proj.out_features, mla.kv_lora_rank, mla.qk_rope_head_dim]
        else:
            self._down = PackedLinear(q_weights[0], kv_down, q_weights[1], k_pe)

    def __call__(self, x: Tensor, freqs_cis: Tensor, layer: int, attention: LatentAttention) -> Tensor:
        """x [rows, hidden_size] → the same shape."""
        rows = len(x)
        if self._q_norm is None:
            q_nope, latent, pe = self._down(x).split(self._sizes, -1)
        else:
            q_latent, latent, k_pe = self._down(x).split(self._down_sizes, -1)
            q_nope, q_pe = self._q_up(self._q_norm(q_latent)).tensor_split((self._sizes[0],), -1)
            pe = torch.cat((q_pe, k_pe), -1)
        q_nope = q_nope.view(rows, self._num_heads, -1).transpose(0, 1)
        absorbed = torch.bmm(q_nope, self._k_up).transpose(0, 1)  # [rows, heads, kv_lora_rank]
        # All heads' queries, and the shared key as the last one.
        pe = apply_rotary_emb(pe.unflatten(-1, (self._num_heads + 1, -1)), freqs_cis.unsqueeze(1))
        queries = torch.cat((absorbed, pe[:, :-1]), -1)
        latents = torch.cat((self._kv_norm(latent), pe[:, -1]), -1)
        out = attention(layer, queries, latents)
        values = torch.bmm(out.transpose(0, 1), self._v_up).transpose(0, 1)  # [rows, heads, v_head_dim]
        return self._out(values.reshape(rows, -1))


class _DecoderBlock:
    def __init__(self, block: TransformerBlock) -> None:
        self._input_norm, self._attention = block.input_layernorm, _AbsorbedMLA(block.self_attn)
        self._mlp_norm = block.post_attention_layernorm
        self._mlp = _Dense(block.mlp) if isinstance(block.mlp, SwiGLU) else DecodeMoE(block.mlp)

    def __call__(
        self, x: Tensor, freqs_cis: Tensor, layer: int, attention: LatentAttention
    ) -> tuple[Tensor, Tensor | None]:
        x = x + self._attention(self._input_norm(x), freqs_cis, layer, attention)
        out, expert_ids = self._mlp(self._mlp_norm(x))
        return x + out, expert_ids


class _Dense:
    def __init__(self, mlp: SwiGLU) -> None:
        self._gate_up, self._down = PackedLinear(mlp.gate_up_proj.weight), PackedLinear(mlp.down_proj.weight)

    def __call__(self, x: Tensor) -> tuple[Tensor, None]:
        return self._down(swiglu(self._gate_up(x))), None


class _DecoderMTP:
    def __init__(self, module: MTP) -> None:
        self._module, self._block = module, _DecoderBlock(module.block)

    def __call__(
        self, hidden: Tensor, next_embedding: Tensor, freqs_cis: Tensor, layer: int, attention: LatentAttention
    ) -> Tensor:
        x, _ = self._block(self._module.combine(hidden, next_embedding), freqs_cis, layer, attention)
        return self._module.norm(x)
