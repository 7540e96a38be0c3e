"""The mixture of experts for decoding: fast for few rows at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from prover.model.experts import MoE, dispatch_to_experts, swiglu
from prover.model.generate.linear import PackedLinear

_MAX_WASTE = 100e6  # multiplications that may be wasted to save what sorting rows by expert costs (measured)


class DecodeMoE:
    """An MoE layer for decoding; on a CPU with few rows it computes all experts and gives the unselected weight 0.

    That is two matrix products and nothing else: with a few rows most experts are read from memory anyway, and the
    shared experts are more columns of the same matrices. With more rows, each expert computes its own rows. On other
    devices it is the MoE layer itself.
    """

    def __init__(self, moe: MoE) -> None:
        self._moe, experts = moe, moe.experts
        self._num_experts, width, self._inner = experts.down_proj.shape
        self._num_unselected = self._num_experts - moe.gate.top_k
        self._row_cost = 3 * width * self._inner  # multiplications of a row in an expert
        self._on_cpu = experts.down_proj.device.type == "cpu"
        if not self._on_cpu:
            return
        gate_ups, downs = experts.gate_up_proj.detach(), experts.down_proj.detach()
        shared = moe.shared_experts
        if self._computes_all(1):
            gate, up = gate_ups.chunk(2, 1)
            gate_up, down = [gate.flatten(0, 1), up.flatten(0, 1)], [downs.transpose(0, 1).flatten(1)]
            if shared is not None:
                shared_gate, shared_up = shared.gate_up_proj.weight.detach().chunk(2)
                gate_up = [gate_up[0], shared_gate, gate_up[1], shared_up]
                down.append(shared.down_proj.weight.detach())
            self._all_gate_up, self._all_down = PackedLinear(*gate_up), PackedLinear(torch.cat(down, 1))
        self._gate_ups, self._downs = [PackedLinear(w) for w in gate_ups], [PackedLinear(w) for w in downs]
        self._shared = None
        if shared is not None:
            self._shared = PackedLinear(shared.gate_up_proj.weight), PackedLinear(shared.down_proj.weight)

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the layer to x [rows, hidden_size]; returns the same shape, and the expert ids [rows, k]."""
        if not self._on_cpu:
            out, routing = self._moe(x)
            return out, routing.expert_ids
        _, expert_ids, weights = self._moe.gate(x)
        if self._computes_all(len(x)):
            return self._run_all(x, expert_ids, weights.type_as(x)), expert_ids
        return self._run_selected(x, expert_ids, weights.type_as(x)), expert_ids

    def _computes_all(self, rows: int) -> bool:
        return rows * self._num_unselected * self._row_cost <= _MAX_WASTE

    def _run_all(self, x: Tensor, expert_ids: Tensor, weights: Tensor) -> Tensor:
        hidden = swiglu(self._all_gate_up(x))
        routed = self._num_experts * self._inner
        all_weights = x.new_zeros(len(x), self._num_experts).scatter_(1, expert_ids, weights)
        hidden[:, :routed].view(len(x), self._num_experts, self._inner).mul_(all_weights.unsqueeze(-1))
        return self._all_down(hidden)

    def _run_selected(self, x: Tensor, expert_ids: Tensor, weights: Tensor) -> Tensor:
        routed = dispatch_to_experts(x, expert_ids, weights, self._num_experts, self._run_sorted)
        if self._shared is None:
            return routed
        gate_up, down = self._shared
        return routed + down(swiglu(gate_up(x)))

    def _run_sorted(self, rows: Tensor, tokens_per_expert: Tensor) -> Tensor:
        sizes = tokens_per_expert.tolist()
        return _grouped_linear(self._downs, swiglu(_grouped_linear(self._gate_ups, rows, sizes)), sizes)


def _grouped_linear(matrices: list[PackedLinear], rows: Tensor, sizes: list[int]) -> Tensor:
    """The first sizes[0] of the rows [n, in] through the first matrix, the next through the second, …: [n, out]."""
    groups = zip(rows.split(sizes), matrices, strict=True)
    return torch.cat([matrix(group) for group, matrix in groups if len(group)])
