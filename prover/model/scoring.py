"""Log-probabilities of given tokens, from logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def score_targets(
    logits: Tensor,
    targets: Tensor,
    candidate_token_ids: Tensor | None = None,
    temperature: float = 1.0,
    entropy: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """The targets' negative log-likelihood, and the entropy of the distributions: both fp32 [rows], in nats.

    logits [rows, vocab_size]; targets int64 [rows]. temperature: divides the logits.
    candidate_token_ids int64 [rows, n]: the tokens that top-p and top-k had left to sample from, the target among
    them; negative entries are padding. The distribution is renormalised over them. None: the whole vocabulary.
    entropy: compute the entropy (without gradient); otherwise None is returned for it.
    """
    logits = logits.float()
    if temperature != 1:
        logits = logits / temperature
    if candidate_token_ids is None:
        nll = F.cross_entropy(logits, targets, reduction="none")
    else:
        target_logits = logits.gather(1, targets.unsqueeze(1)).squeeze(1)
        logits = logits.gather(1, candidate_token_ids.clamp(min=0)).masked_fill(candidate_token_ids < 0, -torch.inf)
        nll = logits.logsumexp(1) - target_logits
    return nll, torch.special.entr(logits.detach().softmax(1)).sum(1) if entropy else None
