"""A mixture of experts for few rows at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from prover.model.experts import MoE, dispatched, gated
from prover.model.generate.linear import Linear

_WASTE = 100e6  # multiplications that may be done for nothing, to save what sorting rows by expert costs (measured)


class DecodingMoE:
    """On a CPU with few rows, all experts are worked out and those not chosen get the weight 0.

    That is two matrix products and nothing else: with a few rows most experts are read from memory anyway, and the
    shared experts are more columns of the same matrices. With more rows each expert has its own.
    """

    def __init__(self, mlp: MoE) -> None:
        self._mlp, experts = mlp, mlp.experts
        self._count, width, self._inner = experts.down_proj.shape
        self._unused = self._count - mlp.gate.k
        self._size = 3 * width * self._inner  # multiplications of a row in an expert
        self._on_cpu = experts.down_proj.device.type == "cpu"
        if not self._on_cpu:
            return
        ups, downs = experts.gate_up_proj.detach(), experts.down_proj.detach()
        shared = mlp.shared_experts
        if self._dense(1):
            gate, up = ups.chunk(2, 1)
            parts, down = [gate.flatten(0, 1), up.flatten(0, 1)], [downs.transpose(0, 1).flatten(1)]
            if shared is not None:
                shared_gate, shared_up = shared.gate_up_proj.weight.detach().chunk(2)
                parts = [parts[0], shared_gate, parts[1], shared_up]
                down.append(shared.down_proj.weight.detach())
            self._all_up, self._all_down = Linear(*parts), Linear(torch.cat(down, 1))
        self._ups, self._downs = [Linear(up) for up in ups], [Linear(down) for down in downs]
        self._shared = None if shared is None else (Linear(shared.gate_up_proj.weight), Linear(shared.down_proj.weight))

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [rows, width] → the same shape, and the chosen experts [rows, k]."""
        if not self._on_cpu:
            out, routing = self._mlp(x)
            return out, routing.chosen
        _, chosen, weights = self._mlp.gate(x)
        if self._dense(len(x)):
            return self._all(x, chosen, weights.type_as(x)), chosen
        return self._each(x, chosen, weights.type_as(x)), chosen

    def _dense(self, rows: int) -> bool:
        return rows * self._unused * self._size <= _WASTE

    def _all(self, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        hidden = gated(self._all_up(x))
        routed = self._count * self._inner
        used = x.new_zeros(len(x), self._count).scatter_(1, chosen, weights)
        hidden[:, :routed].view(len(x), self._count, self._inner).mul_(used.unsqueeze(-1))
        return self._all_down(hidden)

    def _each(self, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        routed = dispatched(x, chosen, weights, self._count, self._compute)
        if self._shared is None:
            return routed
        up, down = self._shared
        return routed + down(gated(up(x)))

    def _compute(self, rows: Tensor, counts: Tensor) -> Tensor:
        sizes = counts.tolist()
        return _through(self._downs, gated(_through(self._ups, rows, sizes)), sizes)


def _through(matrices: list[Linear], rows: Tensor, sizes: list[int]) -> Tensor:
    """The first sizes[0] rows through the first matrix, the next through the second, …"""
    pieces = zip(rows.split(sizes), matrices, strict=True)
    return torch.cat([matrix(piece) for piece, matrix in pieces if len(piece)])
