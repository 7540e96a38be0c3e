"""Training on several processes, from outside the model: FSDP2, expert parallelism, recomputation, compilation.

The parameters become DTensors under their old names, so `full_tensor()` gives what one process would have.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.distributed as dist
from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard
from torch.utils.checkpoint import checkpoint

from prover.model.block import Block
from prover.model.config import ModelConfig
from prover.model.expert_parallel import ExpertParallel
from prover.model.experts import MoE
from prover.model.transformer import Transformer


class LayoutError(ValueError):
    """A layout does not fit the processes or the model; str() says what does not."""


class Layout(BaseModel):
    """How a model lies over the processes, and how each computes.

    experts: processes that share one set of experts; divides their number, neighbours are together. 1: all experts
        are gathered like everything else.
    bfloat16: compute in it; parameters, and sums of gradients over processes, stay in fp32.
    recompute: keep only each block's input for the backward pass, and compute the rest again (activation
        checkpointing): much less memory, a third more arithmetic.
    compile: blocks by torch.compile, which takes long at first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    experts: PositiveInt = 1
    bfloat16: bool = False
    recompute: bool = False
    compile: bool = False


def parallelise(model: Transformer, layout: Layout) -> None:
    """Lay the model, in place, over all processes of torch.distributed, of which there may be one.

    Each process must have the same weights, on its device or on `meta`. Dense parameters are sharded over all
    processes. Experts fall on the `layout.experts` neighbours, and each is sharded over the processes that have it.
    Afterwards each process gives its own part of the batch; a gradient is that of the mean of the processes' losses.
    Raises LayoutError.
    """
    if not dist.is_initialized():
        raise LayoutError("torch.distributed has no processes yet: call init_process_group; one process will do")
    world = dist.get_world_size()
    check(model.config, layout, world)
    device = _device(model)
    precision = MixedPrecisionPolicy()
    if layout.bfloat16:
        precision = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    mesh = init_device_mesh(device, (world // layout.experts, layout.experts), mesh_dim_names=("copies", "experts"))
    for block in [module for module in model.modules() if isinstance(module, Block)]:
        if layout.experts > 1 and isinstance(block.mlp, MoE):
            _share_experts(block.mlp, mesh, precision)
        # Changed is the forward pass itself, not the module: FSDP's hooks stay outside, and names stay.
        if layout.compile:
            if isinstance(block.mlp, MoE):  # how many rows an expert gets is new each time, and exchanged in between
                experts = block.mlp.experts
                experts.forward = torch.compiler.disable(experts.forward)  # type: ignore[method-assign]
            block.forward = torch.compile(block.forward)  # type: ignore[method-assign]
        if layout.recompute:
            again = partial(checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False)
            block.forward = again  # type: ignore[method-assign]
    everyone = init_device_mesh(device, (world,))
    for unit in (*model.layers, *model.mtp, model):
        fully_shard(unit, mesh=everyone, mp_policy=precision)


@torch.no_grad()
def clip_grad_norm_(model: nn.Module, max_norm: float) -> Tensor:
    """As torch's, which refuses a model that was parallelised: its parameters lie on different meshes.

    Returns the norm that all gradients together had before, the same on all processes. All of them must call it.
    """
    gradients = [p.grad.to_local() for p in model.parameters() if isinstance(p.grad, DTensor)]
    if not gradients:
        return torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    total = torch.nn.utils.get_total_norm(gradients).square()  # no number is on two processes
    dist.all_reduce(total)
    norm = total.sqrt()
    scale = (max_norm / (norm + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(scale)
    return norm


def _share_experts(mixture: MoE, mesh: DeviceMesh, precision: MixedPrecisionPolicy) -> None:
    mixture.experts = ExpertParallel(mixture.experts, mesh["experts"])
    copies = mesh["copies"]
    # By the second dimension, because the first is divided by `experts`.
    sharded = fully_shard(mixture.experts, mesh=copies, shard_placement_fn=lambda _: Shard(1), mp_policy=precision)
    # What comes back through the all-to-all is a sum over processes; FSDP would divide only by the copies.
    sharded.set_gradient_divide_factor(mesh.size())
    # Gloo can only sum, and divide afterwards; with one copy torch would then divide twice.
    sharded.set_force_sum_reduction_for_comms(copies.size() > 1)


def check(config: ModelConfig, layout: Layout, world: int) -> None:
    if world % layout.experts:
        raise LayoutError(f"{world} processes do not fall into groups of {layout.experts} that share the experts")
    if config.n_routed_experts % layout.experts:
        raise LayoutError(f"{config.n_routed_experts} experts do not fall evenly on {layout.experts} processes")
    copies = world // layout.experts
    if layout.experts > 1 and (config.hidden_size % copies or 2 * config.moe_intermediate_size % copies):
        raise LayoutError(
            f"an expert's matrices of {config.hidden_size} and {2 * config.moe_intermediate_size} rows "
            f"do not fall evenly on the {copies} processes that have the same experts"
        )


def _device(model: nn.Module) -> str:
    device = next(model.parameters()).device.type
    if device != "meta":
        return device
    accelerator = torch.accelerator.current_accelerator()
    return "cpu" if accelerator is None else accelerator.type
