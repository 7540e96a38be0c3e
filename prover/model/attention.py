"""Multi-head latent attention (MLA; DeepSeek-V2, arXiv:2405.04434) for training: keys and values are materialised.

Decoding uses an equivalent form that never materialises them (generate/decoder.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from prover.model.config import ModelConfig
from prover.model.norm import RMSNorm
from prover.model.rope import apply_rotary_emb, softmax_scale

_LATENT_EPS = 1e-6  # of the latents' norms, whatever rms_norm_eps is


class MLA(nn.Module):
    """Multi-head latent attention: keys and values are linear in one small latent per token.

    With x the residual stream, per head: q = [W_uq c_q, rope(W_qr c_q)] with c_q = norm(W_dq x); latent
    c = norm(W_dkv x); k = [W_uk c, rope(W_kr x)], whose second part all heads share; v = W_uv c.
    A cache needs only c and the rotated key part: `ModelConfig.latent_dim` numbers per token.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.num_heads, self.kv_lora_rank = config.num_attention_heads, config.kv_lora_rank
        self.qk_nope_head_dim, self.qk_rope_head_dim = config.qk_nope_head_dim, config.qk_rope_head_dim
        self.v_head_dim = config.v_head_dim
        self.scale = softmax_scale(config)
        width, q_dim = config.hidden_size, self.num_heads * config.qk_head_dim
        if config.q_lora_rank is None:
            self.q_proj = nn.Linear(width, q_dim, bias=False)
        else:
            self.q_a_proj = nn.Linear(width, config.q_lora_rank, bias=False)
            self.q_a_layernorm = RMSNorm(config.q_lora_rank, _LATENT_EPS)
            self.q_b_proj = nn.Linear(config.q_lora_rank, q_dim, bias=False)
        self.kv_a_proj_with_mqa = nn.Linear(width, config.latent_dim, bias=False)
        self.kv_a_layernorm = RMSNorm(self.kv_lora_rank, _LATENT_EPS)
        kv_dim = self.num_heads * (self.qk_nope_head_dim + self.v_head_dim)
        self.kv_b_proj = nn.Linear(self.kv_lora_rank, kv_dim, bias=False)
        self.o_proj = nn.Linear(self.num_heads * self.v_head_dim, width, bias=False)

    def forward(self, x: Tensor, freqs_cis: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend over x [batch, tokens, hidden_size]; the result has the same shape.

        freqs_cis: rotary factors of the positions, complex64 [batch or 1, tokens, qk_rope_head_dim / 2].
        mask: bool [batch, 1, tokens, tokens], True where a query (third dimension) may attend; None: causal.
        """
        q = self._query(x).unflatten(-1, (self.num_heads, -1))
        q_nope, q_pe = q.split([self.qk_nope_head_dim, self.qk_rope_head_dim], -1)
        latent, k_pe = self.kv_a_proj_with_mqa(x).split([self.kv_lora_rank, self.qk_rope_head_dim], -1)
        kv = self.kv_b_proj(self.kv_a_layernorm(latent)).unflatten(-1, (self.num_heads, -1))
        k_nope, v = kv.split([self.qk_nope_head_dim, self.v_head_dim], -1)
        freqs_cis = freqs_cis.unsqueeze(-2)  # the same for all heads
        q = torch.cat((q_nope, apply_rotary_emb(q_pe, freqs_cis)), -1)
        k_pe = apply_rotary_emb(k_pe.unsqueeze(-2), freqs_cis)
        k = torch.cat((k_nope, k_pe.expand(*k_nope.shape[:-1], -1)), -1)
        if x.device.type == "cpu":  # its fast kernel wants values as wide as keys
            v = F.pad(v, (0, max(self.qk_nope_head_dim + self.qk_rope_head_dim - self.v_head_dim, 0)))
        out = F.scaled_dot_product_attention(
            q.transpose(1, 2),
            k.transpose(1, 2),
            v.transpose(1, 2),
            attn_mask=mask,
            is_causal=mask is None,
            scale=self.scale,
        )
        return self.o_proj(out[..., : self.v_head_dim].transpose(1, 2).flatten(-2))

    def _query(self, x: Tensor) -> Tensor:
        if hasattr(self, "q_proj"):
            return self.q_proj(x)
        return self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x)))
