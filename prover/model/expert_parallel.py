"""Expert parallelism: each process holds some experts; tokens travel to them and back (GShard, arXiv:2006.16668)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributed._functional_collectives import all_to_all_single  # the public one has no gradient
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

from prover.model.experts import Experts, grouped_swiglu


class ExpertParallel(Experts):
    """Experts sharded over the processes of a mesh; a drop-in replacement with the same parameter names and results.

    experts: the layer to shard; every process has all of its weights. mesh: one-dimensional; its first process holds
    the first experts, and so on, the same number each. The processes call it together, each with its own tokens, as
    many as it has. A parameter's gradient is the sum over the processes' losses.
    """

    def __init__(self, experts: Experts, mesh: DeviceMesh) -> None:
        nn.Module.__init__(self)  # no new matrices
        self.group = mesh.get_group()
        for name, weight in experts.named_parameters():
            shard = distribute_tensor(weight.detach(), mesh, [Shard(0)], src_data_rank=None)  # nothing is sent
            self.register_parameter(name, nn.Parameter(shard))

    def run_sorted(self, rows: Tensor, tokens_per_expert: Tensor) -> Tensor:
        """As in Experts: rows [n, hidden_size] of this process's tokens, tokens_per_expert [experts] of all experts."""
        size = self.group.size()
        # [process, its experts]: how many rows go to each process, and how many come from each for the experts here.
        sent = tokens_per_expert.view(size, -1)
        received = all_to_all_single(sent, None, None, self.group)
        send_counts, receive_counts = torch.stack((sent.sum(1), received.sum(1))).tolist()  # the one device sync
        rows = all_to_all_single(rows, receive_counts, send_counts, self.group)
        # They arrive by process, and by expert within each process; they are computed by expert.
        local_ids = torch.arange(received.shape[1], device=rows.device).repeat(size)
        order = local_ids.repeat_interleave(received.flatten(), output_size=len(rows)).argsort(stable=True)
        rows = grouped_swiglu(rows[order], received.sum(0), _local(self.gate_up_proj), _local(self.down_proj))
        return all_to_all_single(rows[order.argsort()], send_counts, receive_counts, self.group)


def _local(weight: Tensor) -> Tensor:
    assert isinstance(weight, DTensor)
    return weight.to_local()
