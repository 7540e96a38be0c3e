"""What a model gives to tokens that are there already, from its logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def scored(
    logits: Tensor,
    targets: Tensor,
    kept: Tensor | None = None,
    temperature: float = 1.0,
    entropy: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """logits [rows, vocabulary], targets int64 [rows] → the targets' log-probabilities, negated, and the entropy.

    Both fp32 [rows], in nats; the second without gradient, and None unless it is asked for. kept int64 [rows, n]: the
    tokens that a target was one of, itself included; what is negative is none.
    """
    logits = logits.float()
    if temperature != 1:
        logits = logits / temperature
    if kept is None:
        loss = F.cross_entropy(logits, targets, reduction="none")
    else:
        target = logits.gather(1, targets.unsqueeze(1)).squeeze(1)
        logits = logits.gather(1, kept.clamp(min=0)).masked_fill(kept < 0, -torch.inf)
        loss = logits.logsumexp(1) - target
    return loss, torch.special.entr(logits.detach().softmax(1)).sum(1) if entropy else None
