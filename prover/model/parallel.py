"""Training on several processes: FSDP2, expert parallelism, activation checkpointing and torch.compile.

All of it is applied from outside the model. The parameters become DTensors under their old names, so `full_tensor()`
gives what one process would have.
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

from prover.model.block import TransformerBlock
from prover.model.config import ModelConfig
from prover.model.expert_parallel import ExpertParallel
from prover.model.experts import MoE
from prover.model.transformer import Transformer


class ParallelConfigError(ValueError):
    """A ParallelConfig does not fit the processes or the model; str() says why."""


class ParallelConfig(BaseModel):
    """How a model is sharded over processes, and how each process computes.

    expert_parallel_degree: processes that share one set of experts; they are neighbours, and their number divides the
        number of processes. 1: experts are sharded and gathered like all other parameters.
    bfloat16: compute in it; parameters, and sums of gradients over processes, stay in fp32.
    activation_checkpointing: keep only each block's input for the backward pass and compute the rest again: much less
        memory, a third more arithmetic.
    compile: torch.compile each block (slow at first).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    expert_parallel_degree: PositiveInt = 1
    bfloat16: bool = False
    activation_checkpointing: bool = False
    compile: bool = False


def parallelize(model: Transformer, config: ParallelConfig) -> None:
    """Shard a model, in place, over all processes of torch.distributed (there may be one).

    Each process must have the same weights, on its device or on `meta`. Dense parameters are sharded over all
    processes by FSDP2. Experts are divided over `expert_parallel_degree` neighbours, and each expert is sharded over
    the processes that hold it. Afterwards each process runs its own part of the batch; gradients are those of the mean
    of the processes' losses. Raises ParallelConfigError.
    """
    if not dist.is_initialized():
        raise ParallelConfigError(
            "torch.distributed has no processes yet: call init_process_group; one process will do"
        )
    world, degree = dist.get_world_size(), config.expert_parallel_degree
    check_parallel_config(model.config, config, world)
    device = _device_type(model)
    precision = MixedPrecisionPolicy()
    if config.bfloat16:
        precision = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    mesh = init_device_mesh(device, (world // degree, degree), mesh_dim_names=("replicas", "experts"))
    for block in [module for module in model.modules() if isinstance(module, TransformerBlock)]:
        if degree > 1 and isinstance(block.mlp, MoE):
            _shard_experts(block.mlp, mesh, precision)
        # The forward method is replaced, not the module: FSDP's hooks stay outside, and parameter names stay.
        if config.compile:
            if isinstance(block.mlp, MoE):  # rows per expert vary from step to step, and are exchanged in between
                experts = block.mlp.experts
                experts.forward = torch.compiler.disable(experts.forward)  # type: ignore[method-assign]
            block.forward = torch.compile(block.forward)  # type: ignore[method-assign]
        if config.activation_checkpointing:
            recomputed = partial(checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False)
            block.forward = recomputed  # type: ignore[method-assign]
    all_processes = init_device_mesh(device, (world,))
    for unit in (*model.layers, *model.mtp, model):
        fully_shard(unit, mesh=all_processes, mp_policy=precision)


@torch.no_grad()
def clip_grad_norm_(model: nn.Module, max_norm: float) -> Tensor:
    """Clip the gradients of a model, parallelized or not, to a total norm of `max_norm`, in place.

    Returns the total norm before clipping, a scalar that is the same on all processes; all of them must call this.
    (torch's own function refuses a parallelized model, because its parameters are on different meshes.)
    """
    gradients = [p.grad.to_local() for p in model.parameters() if isinstance(p.grad, DTensor)]
    if not gradients:
        return torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    total = torch.nn.utils.get_total_norm(gradients).square()  # no element is on two processes
    dist.all_reduce(total)
    norm = total.sqrt()
    scale = (max_norm / (norm + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(scale)
    return norm


def _shard_experts(moe: MoE, mesh: DeviceMesh, precision: MixedPrecisionPolicy) -> None:
    moe.experts = ExpertParallel(moe.experts, mesh["experts"])
    replicas = mesh["replicas"]
    # By the second dimension, because the first is divided by expert parallelism.
    sharded = fully_shard(moe.experts, mesh=replicas, shard_placement_fn=lambda _: Shard(1), mp_policy=precision)
    # What comes back through the all-to-all is a sum over processes; FSDP would divide only by the replicas.
    sharded.set_gradient_divide_factor(mesh.size())
    # Gloo can only sum, and divide afterwards; with one replica torch would then divide twice.
    sharded.set_force_sum_reduction_for_comms(replicas.size() > 1)


def check_parallel_config(model_config: ModelConfig, config: ParallelConfig, world_size: int) -> None:
    """Check that a model can be sharded so over `world_size` processes. Raises ParallelConfigError."""
    degree = config.expert_parallel_degree
    if world_size % degree:
        raise ParallelConfigError(f"{world_size} processes do not fall into groups of {degree} that share the experts")
    if model_config.n_routed_experts % degree:
        raise ParallelConfigError(f"{model_config.n_routed_experts} experts do not fall evenly on {degree} processes")
    replicas, rows = world_size // degree, 2 * model_config.moe_intermediate_size
    if degree > 1 and (model_config.hidden_size % replicas or rows % replicas):
        raise ParallelConfigError(
            f"an expert's matrices of {model_config.hidden_size} and {rows} rows "
            f"do not fall evenly on the {replicas} processes that have the same experts"
        )


def _device_type(model: nn.Module) -> str:
    device = next(model.parameters()).device.type
    if device != "meta":
        return device
    accelerator = torch.accelerator.current_accelerator()
    return "cpu" if accelerator is None else accelerator.type
