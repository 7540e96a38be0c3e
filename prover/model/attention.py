"""Multi-head latent attention (V2 §2.1), as it is trained: keys and values are written out.

Decoding has a form of its own that never writes them out (decoder.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from prover.model.config import ModelConfig
from prover.model.norm import RMSNorm
from prover.model.rope import rotate, softmax_scale

_LATENT_EPS = 1e-6  # of the norms of the latents, whatever the configuration says of the others


class MLA(nn.Module):
    """Attention whose keys and values are all linear in one small latent per token.

    With x the residual stream, per head: query = [W_uq c_q, rope(W_qr c_q)] with c_q = norm(W_dq x); latent
    c = norm(W_dkv x); key = [W_uk c, rope(W_kr x)], of which the second part is the same for all heads; value = W_uv c.
    Only c and the turned key part need to be kept: `latent_dim` numbers a token.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.nope, self.rope = (
            config.num_attention_heads,
            config.qk_nope_head_dim,
            config.qk_rope_head_dim,
        )
        self.rank, self.value = config.kv_lora_rank, config.v_head_dim
        self.scale = softmax_scale(config)
        width, queries = config.hidden_size, self.heads * config.qk_head_dim
        if config.q_lora_rank is None:
            self.q_proj = nn.Linear(width, queries, bias=False)
        else:
            self.q_a_proj = nn.Linear(width, config.q_lora_rank, bias=False)
            self.q_a_layernorm = RMSNorm(config.q_lora_rank, _LATENT_EPS)
            self.q_b_proj = nn.Linear(config.q_lora_rank, queries, bias=False)
        self.kv_a_proj_with_mqa = nn.Linear(width, config.latent_dim, bias=False)
        self.kv_a_layernorm = RMSNorm(self.rank, _LATENT_EPS)
        self.kv_b_proj = nn.Linear(self.rank, self.heads * (self.nope + self.value), bias=False)
        self.o_proj = nn.Linear(self.heads * self.value, width, bias=False)

    def forward(self, x: Tensor, turns: Tensor, mask: Tensor | None = None) -> Tensor:
        """x [batch, tokens, width], turns of the positions → [batch, tokens, width].

        mask [batch, 1, tokens, tokens]: True where a query (third dimension) may look; by default at itself and before.
        """
        query, turns = self._query(x).unflatten(-1, (self.heads, -1)), turns.unsqueeze(-2)
        latent, key_turned = self.kv_a_proj_with_mqa(x).split([self.rank, self.rope], -1)
        key_value = self.kv_b_proj(self.kv_a_layernorm(latent)).unflatten(-1, (self.heads, -1))
        key, value = key_value.split([self.nope, self.value], -1)
        plain, turned = query.split([self.nope, self.rope], -1)
        query = torch.cat((plain, rotate(turned, turns)), -1)
        key_turned = rotate(key_turned.unsqueeze(-2), turns)
        key = torch.cat((key, key_turned.expand(*key.shape[:-1], -1)), -1)
        if x.device.type == "cpu":  # its fast kernel wants values as wide as keys
            value = F.pad(value, (0, max(self.nope + self.rope - self.value, 0)))
        out = F.scaled_dot_product_attention(
            query.transpose(1, 2),
            key.transpose(1, 2),
            value.transpose(1, 2),
            attn_mask=mask,
            is_causal=mask is None,
            scale=self.scale,
        )
        return self.o_proj(out[..., : self.value].transpose(1, 2).flatten(-2))

    def _query(self, x: Tensor) -> Tensor:
        if hasattr(self, "q_proj"):
            return self.q_proj(x)
        return self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x)))
