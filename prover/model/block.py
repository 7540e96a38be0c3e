"""One layer of the transformer."""

from __future__ import annotations

from torch import Tensor, nn

from prover.model.attention import MLA
from prover.model.config import ModelConfig
from prover.model.experts import MoE, SwiGLU
from prover.model.norm import RMSNorm
from prover.model.router import Routing


class TransformerBlock(nn.Module):
    """A pre-norm transformer layer: x + attention(norm(x)), then the same with a feed-forward layer.

    dense: the feed-forward layer is one SwiGLU; otherwise a mixture of experts.
    """

    def __init__(self, config: ModelConfig, dense: bool) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = MLA(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = SwiGLU(config.hidden_size, config.intermediate_size) if dense else MoE(config)

    def forward(
        self, x: Tensor, freqs_cis: Tensor, mask: Tensor | None = None, expert_ids: Tensor | None = None
    ) -> tuple[Tensor, Routing | None]:
        """Apply the layer to x [batch, tokens, hidden_size]; returns the same shape, and the routing (None if dense).

        freqs_cis, mask: as in MLA. expert_ids [batch, tokens, k]: experts to use, as in MoE; not read if dense.
        """
        x = x + self.self_attn(self.input_layernorm(x), freqs_cis, mask)
        normed = self.post_attention_layernorm(x)
        if isinstance(self.mlp, SwiGLU):
            return x + self.mlp(normed), None
        out, routing = self.mlp(normed, expert_ids)
        return x + out, routing
