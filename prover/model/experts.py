"""Feed-forward layers: a dense one, and many small ones of which a token uses a few (DeepSeekMoE; V2 §2.2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from prover.model.config import ModelConfig
from prover.model.router import Router, Routing


class SwiGLU(nn.Module):
    """W_down (silu(W_gate x) · W_up x); the first two are one matrix."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_up_proj = nn.Linear(width, 2 * inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(gated(self.gate_up_proj(x)))


def gated(gate_up: Tensor) -> Tensor:
    """silu(first half) · second half, along the last dimension."""
    gate, up = gate_up.chunk(2, -1)
    return F.silu(gate) * up


class Experts(nn.Module):
    """The routed experts, each a SwiGLU; their matrices are stacked.

    gate_up_proj [experts, 2 · inner, width], down_proj [experts, width, inner].
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        count, width, inner = config.n_routed_experts, config.hidden_size, config.moe_intermediate_size
        self.gate_up_proj = nn.Parameter(torch.empty(count, 2 * inner, width))
        self.down_proj = nn.Parameter(torch.empty(count, width, inner))

    def forward(self, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        """x [tokens, width], chosen and weights [tokens, k] → the chosen experts' weighted sum, [tokens, width]."""
        return dispatched(x, chosen, weights, len(self.down_proj), self.compute)

    def compute(self, rows: Tensor, counts: Tensor) -> Tensor:
        """The first counts[0] of the rows [rows, width] through the first expert, the next through the second, …"""
        return grouped(rows, counts, self.gate_up_proj, self.down_proj)


def dispatched(
    x: Tensor, chosen: Tensor, weights: Tensor, count: int, compute: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """What `Experts` gives, with `count` experts that compute rows as `Experts.compute` does.

    No token is dropped, however many want the same expert.
    """
    k, experts = chosen.shape[1], chosen.flatten()
    order = experts.argsort(stable=True)  # rows of one expert side by side
    tokens = order // k
    # bincount does the same, but waits for a GPU to be done and breaks a compiled graph in two.
    counts = experts.new_zeros(count).scatter_add(0, experts, torch.ones_like(experts))
    rows = compute(x.index_select(0, tokens), counts)  # twice as fast as x[tokens], and more so backward
    rows = rows * weights.flatten()[order, None].type_as(rows)
    return torch.zeros_like(x).index_add(0, tokens, rows)


def grouped(rows: Tensor, counts: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """Rows of one expert side by side, each through its own; the matrices stacked as in Experts."""
    if rows.device.type == "cpu" or rows.dtype == torch.bfloat16:
        ends = counts.cumsum(0).int()
        hidden = F.grouped_mm(rows, gate_up.transpose(1, 2), offs=ends)
        return F.grouped_mm(gated(hidden), down.transpose(1, 2), offs=ends)
    # A GPU's grouped kernel takes only bfloat16.
    pieces = zip(rows.split(counts.tolist()), gate_up.unbind(), down.unbind(), strict=True)
    return torch.cat([F.linear(gated(F.linear(piece, w)), v) for piece, w, v in pieces])


class MoE(nn.Module):
    """Routed experts and the shared ones, which are one SwiGLU as wide as all of them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = Router(config)
        self.experts = Experts(config)
        shared = config.n_shared_experts * config.moe_intermediate_size
        self.shared_experts = SwiGLU(config.hidden_size, shared) if shared else None

    def forward(self, x: Tensor, chosen: Tensor | None = None) -> tuple[Tensor, Routing]:
        """x [batch, tokens, width]; chosen [batch, tokens, k]: as in Router."""
        rows = x.flatten(0, -2)
        routing = self.gate(rows, None if chosen is None else chosen.flatten(0, -2))
        out = self.experts(rows, routing.chosen, routing.weights)
        if self.shared_experts is not None:
            out = out + self.shared_experts(rows)
        return out.view_as(x), routing
