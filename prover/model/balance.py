"""Keeping the experts equally busy (V3 §2.1.2): a bias on the choice, and a small loss within each text.

Load is the number of times that an expert was chosen. Balanced, each has tokens · k / experts of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from prover.model.router import Router, Routing


@torch.no_grad()
def load(routing: Sequence[Routing]) -> Tensor:
    """How often each expert was chosen, by all processes together; fp32 [mixtures, experts]."""
    counts = torch.stack([torch.bincount(r.chosen.flatten(), minlength=r.scores.shape[1]) for r in routing]).float()
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(counts)
    return counts


@torch.no_grad()
def update_bias(model: nn.Module, loads: Tensor, rate: float = 1e-3) -> None:
    """Make what was used too much less likely to be chosen: b += rate · sign(mean load − load).

    loads: of one step, as from `load`, in the order of the model's routers. rate: V3 has 0.001, and 0 at the end.
    """
    routers = [module for module in model.modules() if isinstance(module, Router)]
    for router, found in zip(routers, loads, strict=True):
        router.e_score_correction_bias += rate * (found.mean() - found).sign()


def sequence_loss(routing: Routing, texts: Tensor) -> Tensor:
    """How unevenly each text would use the experts, to be multiplied with α = 1e-4: the mean over texts of Σ f_i P_i.

    texts [tokens]: which text each token is of, from 0. f_i: how often an expert is among the k of the highest scores
    (without the bias) of a text's tokens, over the balanced number. P_i: its mean share of a token's scores. The sum is
    1 if all is even. A scalar; gradients reach the scores through P.
    """
    count, (experts, k) = int(texts.max()) + 1, (routing.scores.shape[1], routing.chosen.shape[1])
    sizes = torch.bincount(texts, minlength=count).clamp(min=1).unsqueeze(1)
    used = torch.zeros_like(routing.scores).scatter(1, routing.scores.detach().topk(k).indices, 1.0)
    even = sizes * k / experts
    f = torch.zeros(count, experts, device=used.device).index_add(0, texts, used) / even
    shares = routing.scores / routing.scores.sum(1, keepdim=True)
    p = torch.zeros(count, experts, device=used.device).index_add(0, texts, shares) / sizes
    return (f * p).sum(1).mean()


def imbalance(loads: Tensor) -> Tensor:
    """The largest load over the mean of each mixture, [mixtures]; 1 is balanced, experts / k the worst."""
    return loads.max(1).values / loads.mean(1)
