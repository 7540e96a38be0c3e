"""Feed-forward layers: SwiGLU, and the mixture of experts (DeepSeekMoE, arXiv:2401.06066)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from prover.model.config import ModelConfig
from prover.model.router import Router, Routing


class SwiGLU(nn.Module):
    """The SwiGLU feed-forward layer: W_down (silu(W_gate x) · W_up x) (Shazeer 2020, arXiv:2002.05202).

    W_gate and W_up are the halves of one matrix. hidden_size: of the input; intermediate_size: rows of each half.
    """

    def __init__(self, hidden_size: int, intermediate_size: int) -> None:
        super().__init__()
        self.gate_up_proj = nn.Linear(hidden_size, 2 * intermediate_size, bias=False)
        self.down_proj = nn.Linear(intermediate_size, hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to x [..., hidden_size]; the result has the same shape."""
        return self.down_proj(swiglu(self.gate_up_proj(x)))


def swiglu(gate_up: Tensor) -> Tensor:
    """silu(gate) · up, where gate_up [..., 2 · n] holds gate and up side by side; [..., n]."""
    gate, up = gate_up.chunk(2, -1)
    return F.silu(gate) * up


class Experts(nn.Module):
    """The routed experts of an MoE layer: SwiGLUs whose matrices are stacked.

    gate_up_proj [experts, 2 · moe_intermediate_size, hidden_size],
    down_proj [experts, hidden_size, moe_intermediate_size].
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        experts, width, inner = config.n_routed_experts, config.hidden_size, config.moe_intermediate_size
        self.gate_up_proj = nn.Parameter(torch.empty(experts, 2 * inner, width))
        self.down_proj = nn.Parameter(torch.empty(experts, width, inner))

    def forward(self, x: Tensor, expert_ids: Tensor, weights: Tensor) -> Tensor:
        """The weighted sum of each token's experts: [tokens, hidden_size].

        x [tokens, hidden_size]; expert_ids and weights [tokens, k] as in Routing.
        """
        return dispatch_to_experts(x, expert_ids, weights, len(self.down_proj), self.run_sorted)

    def run_sorted(self, rows: Tensor, tokens_per_expert: Tensor) -> Tensor:
        """Run rows [n, hidden_size], sorted by expert, each through its own expert; the result has the same shape.

        tokens_per_expert int64 [experts]: the first that many rows are the first expert's, the next the second's, …
        """
        return grouped_swiglu(rows, tokens_per_expert, self.gate_up_proj, self.down_proj)


def dispatch_to_experts(
    x: Tensor,
    expert_ids: Tensor,
    weights: Tensor,
    num_experts: int,
    run_sorted: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Send each token to its experts and sum their weighted outputs: [tokens, hidden_size]. No token is dropped.

    x [tokens, hidden_size]; expert_ids and weights [tokens, k] as in Routing.
    run_sorted: computes the experts on sorted rows, as `Experts.run_sorted` does.
    """
    k, expert_ids = expert_ids.shape[1], expert_ids.flatten()
    order = expert_ids.argsort(stable=True)  # rows of one expert side by side
    token_of_row = order // k
    # bincount does the same, but synchronises with a GPU and breaks a compiled graph in two.
    ones = torch.ones_like(expert_ids)
    tokens_per_expert = expert_ids.new_zeros(num_experts).scatter_add(0, expert_ids, ones)
    # index_select is twice as fast as x[token_of_row], and more so backward.
    rows = run_sorted(x.index_select(0, token_of_row), tokens_per_expert)
    rows = rows * weights.flatten()[order, None].type_as(rows)
    return torch.zeros_like(x).index_add(0, token_of_row, rows)


def grouped_swiglu(rows: Tensor, tokens_per_expert: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """A SwiGLU per expert on rows [n, hidden_size] sorted by expert; the result has the same shape.

    tokens_per_expert int64 [experts]; gate_up, down: stacked matrices as in Experts.
    """
    if rows.device.type == "cpu" or rows.dtype == torch.bfloat16:
        ends = tokens_per_expert.cumsum(0).int()
        hidden = F.grouped_mm(rows, gate_up.transpose(1, 2), offs=ends)
        return F.grouped_mm(swiglu(hidden), down.transpose(1, 2), offs=ends)
    # A GPU's grouped kernel takes only bfloat16.
    groups = zip(rows.split(tokens_per_expert.tolist()), gate_up.unbind(), down.unbind(), strict=True)
    return torch.cat([F.linear(swiglu(F.linear(group, w_in)), w_out) for group, w_in, w_out in groups])


class MoE(nn.Module):
    """A mixture-of-experts layer: routed experts, plus the shared experts as one SwiGLU as wide as all of them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = Router(config)
        self.experts = Experts(config)
        shared_size = config.n_shared_experts * config.moe_intermediate_size
        self.shared_experts = SwiGLU(config.hidden_size, shared_size) if shared_size else None

    def forward(self, x: Tensor, expert_ids: Tensor | None = None) -> tuple[Tensor, Routing]:
        """Apply the layer to x [..., hidden_size]; returns a tensor of the same shape and the routing of all tokens.

        expert_ids [..., k]: experts to use instead of the router's selection, as in Router. The routing's first
        dimension counts the tokens of all leading dimensions.
        """
        rows = x.flatten(0, -2)
        routing = self.gate(rows, None if expert_ids is None else expert_ids.flatten(0, -2))
        out = self.experts(rows, routing.expert_ids, routing.weights)
        if self.shared_experts is not None:
            out = out + self.shared_experts(rows)
        return out.view_as(x), routing
