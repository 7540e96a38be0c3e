"""Load balancing of experts (DeepSeek-V3, arXiv:2412.19437, section 2.1.2): the routers' bias, and an auxiliary loss.

An expert's load is the number of times it was selected. Balanced, each has tokens · k / experts of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from prover.model.router import Router, Routing


@torch.no_grad()
def expert_load(routing: Sequence[Routing]) -> Tensor:
    """How often each expert was selected, summed over all processes: fp32 [moe_layers, experts].

    routing: one per MoE layer, as in `Output.routing`. All processes of torch.distributed must call it together.
    """
    counts = torch.stack([torch.bincount(r.expert_ids.flatten(), minlength=r.scores.shape[1]) for r in routing]).float()
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(counts)
    return counts


@torch.no_grad()
def update_router_bias(model: nn.Module, loads: Tensor, bias_update_speed: float = 1e-3) -> None:
    """Make overloaded experts less likely to be selected: bias += bias_update_speed · sign(mean load − load).

    loads [moe_layers, experts]: of one optimiser step, as from `expert_load`, a row for each of the model's routers.
    bias_update_speed: γ; DeepSeek-V3 has 0.001, and 0 at the end of its training.
    """
    routers = [module for module in model.modules() if isinstance(module, Router)]
    for router, load in zip(routers, loads, strict=True):
        router.e_score_correction_bias += bias_update_speed * (load.mean() - load).sign()


def sequence_aux_loss(routing: Routing, sample_ids: Tensor) -> Tensor:
    """The sequence-wise balance loss: the mean over samples of Σ_i f_i P_i, a scalar that is 1 if all is even.

    sample_ids int64 [tokens]: which sample each token belongs to, from 0. f_i: how often expert i is among the k of
    the highest scores (without the bias) of a sample's tokens, over the balanced number. P_i: its mean share of a
    token's scores. Gradients reach the scores through P. The paper's coefficient α is 1e-4 (not applied here).
    """
    count, (experts, k) = int(sample_ids.max()) + 1, (routing.scores.shape[1], routing.expert_ids.shape[1])
    lengths = torch.bincount(sample_ids, minlength=count).clamp(min=1).unsqueeze(1)
    used = torch.zeros_like(routing.scores).scatter(1, routing.scores.detach().topk(k).indices, 1.0)
    balanced = lengths * k / experts
    f = torch.zeros(count, experts, device=used.device).index_add(0, sample_ids, used) / balanced
    shares = routing.scores / routing.scores.sum(1, keepdim=True)
    p = torch.zeros(count, experts, device=used.device).index_add(0, sample_ids, shares) / lengths
    return (f * p).sum(1).mean()


def load_imbalance(loads: Tensor) -> Tensor:
    """Each MoE layer's largest expert load over its mean load, [moe_layers]; 1 is balanced, experts / k the worst.

    loads [moe_layers, experts]: as from `expert_load`.
    """
    return loads.max(1).values / loads.mean(1)
