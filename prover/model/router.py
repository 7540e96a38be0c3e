"""Which experts a token uses, and with what weights (V3 §2.1.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from prover.model.config import ModelConfig


class Routing(NamedTuple):
    """What a router decided for some tokens.

    scores: of each expert, in (0, 1), fp32 [tokens, experts]. chosen: the experts that are used, int64 [tokens, k].
    weights: what their outputs are multiplied with, fp32 [tokens, k].
    """

    scores: Tensor
    chosen: Tensor
    weights: Tensor


class Router(nn.Module):
    """Sigmoid scores; the best k experts of the best groups; weights from the scores of the chosen.

    `e_score_correction_bias` is added for choosing only; it is no parameter but is moved by balance.py after a step.
    """

    e_score_correction_bias: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.groups, self.kept, self.k = config.n_group, config.topk_group, config.num_experts_per_tok
        self.normalised, self.scaling = config.norm_topk_prob, config.routed_scaling_factor
        self.weight = nn.Parameter(torch.empty(config.n_routed_experts, config.hidden_size))
        self.register_buffer("e_score_correction_bias", torch.zeros(config.n_routed_experts, dtype=torch.float32))

    def forward(self, x: Tensor, chosen: Tensor | None = None) -> Routing:
        """x [tokens, width]. `chosen` [tokens, k]: experts that were chosen before, to be used again (V3.2 §3.1).

        Their weights are still worked out from the scores, so that the router learns.
        """
        scores = F.linear(x.float(), self.weight.float()).sigmoid()
        if chosen is None:
            chosen = self._choose(scores.detach() + self.e_score_correction_bias)
        chosen = chosen.long()
        weights = scores.gather(1, chosen)
        if self.normalised:
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
        return Routing(scores, chosen, weights * self.scaling)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        """The bias stays fp32 when the model is cast: in bfloat16, steps of 0.001 would be lost."""
        bias = self.e_score_correction_bias
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.e_score_correction_bias.dtype != torch.float32:
            self.e_score_correction_bias = bias.to(self.e_score_correction_bias.device)
        return self

    def _choose(self, scores: Tensor) -> Tensor:
        if self.kept < self.groups:
            grouped = scores.unflatten(1, (self.groups, -1))
            best = grouped.topk(2).values.sum(-1).topk(self.kept, sorted=False).indices
            lost = torch.ones_like(grouped[..., 0], dtype=torch.bool).scatter_(1, best, False)
            scores = grouped.masked_fill(lost.unsqueeze(-1), -torch.inf).flatten(1)
        return scores.topk(self.k, sorted=False).indices
