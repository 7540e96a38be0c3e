"""Multi-token prediction (MTP; DeepSeek-V3, arXiv:2412.19437, section 2.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prover.model.block import TransformerBlock
from prover.model.config import ModelConfig
from prover.model.norm import RMSNorm
from prover.model.router import Routing


class MTP(nn.Module):
    """An MTP module: from a token's hidden state and the next token's embedding it predicts the token after that.

    Embedding and head are the model's own. The hidden states that come from the model have been through its final
    norm, as vLLM and transformers read DeepSeek-V3's checkpoint.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.enorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.hnorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.eh_proj = nn.Linear(2 * config.hidden_size, config.hidden_size, bias=False)
        self.block = TransformerBlock(config, dense=False)
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def combine(self, hidden: Tensor, next_embedding: Tensor) -> Tensor:
        """The block's input [..., hidden_size], from a token's hidden state and the next token's embedding.

        hidden, next_embedding [..., hidden_size].
        """
        return self.eh_proj(torch.cat((self.enorm(next_embedding), self.hnorm(hidden)), -1))

    def forward(
        self,
        hidden: Tensor,
        next_embedding: Tensor,
        freqs_cis: Tensor,
        mask: Tensor | None = None,
        expert_ids: Tensor | None = None,
    ) -> tuple[Tensor, Routing]:
        """Hidden states for the head and for the next module, [batch, tokens, hidden_size], and the block's routing.

        hidden, next_embedding [batch, tokens, hidden_size]: as in `combine`. freqs_cis, mask, expert_ids: as in
        TransformerBlock.
        """
        x, routing = self.block(self.combine(hidden, next_embedding), freqs_cis, mask, expert_ids)
        return self.norm(x), routing
