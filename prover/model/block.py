"""One layer of the model."""

from __future__ import annotations

from torch import Tensor, nn

from prover.model.attention import MLA
from prover.model.config import ModelConfig
from prover.model.experts import MoE, SwiGLU
from prover.model.norm import RMSNorm
from prover.model.router import Routing


class Block(nn.Module):
    """x + attention(norm(x)), then the same with a feed-forward layer: dense, or a mixture of experts."""

    def __init__(self, config: ModelConfig, dense: bool) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = MLA(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = SwiGLU(config.hidden_size, config.intermediate_size) if dense else MoE(config)

    def forward(
        self, x: Tensor, turns: Tensor, mask: Tensor | None = None, chosen: Tensor | None = None
    ) -> tuple[Tensor, Routing | None]:
        """x [batch, tokens, width]; turns and mask as in MLA; chosen as in MoE. The routing is None if dense."""
        x = x + self.self_attn(self.input_layernorm(x), turns, mask)
        inner = self.post_attention_layernorm(x)
        if isinstance(self.mlp, SwiGLU):
            return x + self.mlp(inner), None
        out, routing = self.mlp(inner, chosen)
        return x + out, routing
