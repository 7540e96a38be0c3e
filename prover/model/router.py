"""The router: which experts a token uses and with what weights (DeepSeek-V3, arXiv:2412.19437, section 2.1.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from prover.model.config import ModelConfig


class Routing(NamedTuple):
    """A router's decision for some tokens; k is num_experts_per_tok.

    scores: affinity of each expert, in (0, 1), fp32 [tokens, experts].
    expert_ids: the selected experts, int64 [tokens, k].
    weights: factors on the selected experts' outputs, fp32 [tokens, k].
    """

    scores: Tensor
    expert_ids: Tensor
    weights: Tensor


class Router(nn.Module):
    """Top-k routing with sigmoid scores, limited to the best groups of experts.

    `e_score_correction_bias` is added to the scores for the selection only; no gradient reaches it: balance.py moves
    it after each optimiser step.
    """

    e_score_correction_bias: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.n_group, self.topk_group, self.top_k = config.n_group, config.topk_group, config.num_experts_per_tok
        self.norm_topk_prob, self.routed_scaling_factor = config.norm_topk_prob, config.routed_scaling_factor
        self.weight = nn.Parameter(torch.empty(config.n_routed_experts, config.hidden_size))
        self.register_buffer("e_score_correction_bias", torch.zeros(config.n_routed_experts, dtype=torch.float32))

    def forward(self, x: Tensor, expert_ids: Tensor | None = None) -> Routing:
        """Route x [tokens, hidden_size].

        expert_ids [tokens, k]: use these experts instead of selecting some (routing replay, as in DeepSeek-V3.2,
        arXiv:2512.02556). Their weights still come from the scores, so that the router learns.
        """
        scores = F.linear(x.float(), self.weight.float()).sigmoid()
        if expert_ids is None:
            expert_ids = self._select(scores.detach() + self.e_score_correction_bias)
        expert_ids = expert_ids.long()
        weights = scores.gather(1, expert_ids)
        if self.norm_topk_prob:
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
        return Routing(scores, expert_ids, weights * self.routed_scaling_factor)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        """Keep the bias in fp32 when the model is cast: in bfloat16, steps of 0.001 would be lost."""
        bias = self.e_score_correction_bias
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.e_score_correction_bias.dtype != torch.float32:
            self.e_score_correction_bias = bias.to(self.e_score_correction_bias.device)
        return self

    def _select(self, scores: Tensor) -> Tensor:
        """The top k experts by biased scores [tokens, experts] within the best groups: int64 [tokens, k].

        A group's score is the sum of its two best experts'.
        """
        if self.topk_group < self.n_group:
            by_group = scores.unflatten(1, (self.n_group, -1))
            best = by_group.topk(2).values.sum(-1).topk(self.topk_group, sorted=False).indices
            excluded = torch.ones_like(by_group[..., 0], dtype=torch.bool).scatter_(1, best, False)
            scores = by_group.masked_fill(excluded.unsqueeze(-1), -torch.inf).flatten(1)
        return scores.topk(self.top_k, sorted=False).indices
