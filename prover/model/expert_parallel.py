"""Expert parallelism: processes hold different experts; rows travel to them and back (Lepikhin et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributed._functional_collectives import all_to_all_single  # the public one has no gradient
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

from prover.model.experts import Experts, grouped


class ExpertParallel(Experts):
    """Takes the place of `experts`, names and results alike; its matrices lie over the processes of a mesh.

    The mesh has one dimension; its first process holds the first experts, and so on, as many each. Its processes call
    it together, each with its own tokens, as many as it has. A matrix's gradient is the sum of all their losses'.
    """

    def __init__(self, experts: Experts, mesh: DeviceMesh) -> None:
        nn.Module.__init__(self)  # no new matrices
        self.group = mesh.get_group()
        for name, weight in experts.named_parameters():
            shard = distribute_tensor(weight.detach(), mesh, [Shard(0)], src_data_rank=None)  # everyone has them all
            self.register_parameter(name, nn.Parameter(shard))

    def compute(self, rows: Tensor, counts: Tensor) -> Tensor:
        """As in Experts: rows [rows, width] and counts [experts] are of this process's tokens, for all experts."""
        size = self.group.size()
        # [process, its experts]: first how many rows go to each, then how many come from each for the experts here.
        sent = counts.view(size, -1)
        received = all_to_all_single(sent, None, None, self.group)
        to, come = torch.stack((sent.sum(1), received.sum(1))).tolist()  # the one wait for the device
        rows = all_to_all_single(rows, come, to, self.group)
        # They came in the order of processes, and by expert within each; now by expert.
        local = torch.arange(received.shape[1], device=rows.device).repeat(size)
        order = local.repeat_interleave(received.flatten(), output_size=len(rows)).argsort(stable=True)
        rows = grouped(rows[order], received.sum(0), _local(self.gate_up_proj), _local(self.down_proj))
        return all_to_all_single(rows[order.argsort()], to, come, self.group)


def _local(weight: Tensor) -> Tensor:
    assert isinstance(weight, DTensor)
    return weight.to_local()
