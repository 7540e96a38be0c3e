"""Multi-token prediction (V3 §2.2): a module that predicts one token further than what comes before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prover.model.block import Block
from prover.model.config import ModelConfig
from prover.model.norm import RMSNorm
from prover.model.router import Routing


class MTP(nn.Module):
    """Joins what was known at a token with the token that came next, runs one more block, and predicts the one after.

    The embedding and the head are the model's own. What comes from the model has been through its last norm, as in
    vLLM's and transformers' readings of V3's checkpoint.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.enorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.hnorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.eh_proj = nn.Linear(2 * config.hidden_size, config.hidden_size, bias=False)
        self.block = Block(config, dense=False)
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def join(self, hidden: Tensor, embedded: Tensor) -> Tensor:
        """hidden: of a token, embedded: the next token's embedding, both [..., width] → the block's input."""
        return self.eh_proj(torch.cat((self.enorm(embedded), self.hnorm(hidden)), -1))

    def forward(
        self,
        hidden: Tensor,
        embedded: Tensor,
        turns: Tensor,
        mask: Tensor | None = None,
        chosen: Tensor | None = None,
    ) -> tuple[Tensor, Routing]:
        """hidden and embedded as in `join`, the rest as in Block → what the head and the next module take."""
        x, routing = self.block(self.join(hidden, embedded), turns, mask, chosen)
        return self.norm(x), routing
