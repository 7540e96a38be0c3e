"""The losses of all stages, on the tokens that count. All probabilities are natural logarithms.

Results are sums, where a mean is not said. Each function gives a part of a batch its share of the whole batch's loss:
the parts add up, however it is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from rl.config import PolicyLoss

_FAR = 10.0  # e to this is the largest ratio: beyond, an estimate is of no use and would overflow


def supervised(log_probs: Tensor, total: int) -> Tensor:
    """Cross-entropy of tokens [n] of `total` in the batch: their mean, or this part's share of it."""
    return -log_probs.sum() / total


def ahead(mtp_logprobs: Sequence[Tensor], loss_mask: Tensor, sample_ids: Tensor, total: int) -> Tensor:
    """The loss of multi-token prediction (DeepSeek-V3, arXiv 2412.19437, §2.2), of this part of the batch: the mean
    over the modules of what each gets wrong.

    mtp_logprobs: as Output has them. loss_mask, sample_ids [rows, width]: as in Batch; a module's guess counts where
    the token that it is of does, and belongs to the same text.
    """
    losses = []
    for depth, log_probs in enumerate(mtp_logprobs):
        shift = 1 + depth
        wanted = loss_mask[:, shift:] & (sample_ids[:, shift:] == sample_ids[:, :-shift])
        losses.append(-(log_probs * wanted).sum() / total)
    return torch.stack(losses).mean()


def advantages(rewards: Tensor, scale: bool = True) -> Tensor:
    """How much better each answer [groups, answers] is than its group's mean, in deviations of the group
    (DeepSeekMath §4.1), or not scaled (Dr. GRPO, Liu et al. 2025). 0 where all are alike.
    """
    centred = rewards - rewards.mean(1, keepdim=True)
    if not scale:
        return centred
    deviation = rewards.std(1, correction=0, keepdim=True)
    alike = rewards.amax(1, keepdim=True) == rewards.amin(1, keepdim=True)  # the mean is rounded
    return torch.where(alike, torch.zeros_like(centred), centred / deviation.clamp(min=1e-6))


def token_weights(lengths: Tensor, weighting: Literal["sequence", "token", "dr-grpo"], longest: int) -> Tensor:
    """What a token of each answer [answers] counts; lengths in tokens, `longest` is the most there could be.

    sequence: answers count the same (GRPO). token: tokens count the same (DAPO, Yu et al. 2025). dr-grpo: so does a
    constant length, so that a wrong answer gains nothing by being long.
    """
    answers = len(lengths)
    match weighting:
        case "sequence":
            return 1 / (lengths.clamp(min=1) * answers)
        case "token":
            return torch.full_like(lengths, 1 / max(float(lengths.sum()), 1.0), dtype=torch.float32)
        case "dr-grpo":
            return torch.full_like(lengths, 1 / (answers * longest), dtype=torch.float32)


def policy(
    log_probs: Tensor,
    sampler_logprobs: Tensor,
    old_logprobs: Tensor,
    ref_logprobs: Tensor | None,
    sample_ids: Tensor,
    advantages: Tensor,
    weights: Tensor,
    settings: PolicyLoss,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of GRPO (DeepSeekMath, arXiv 2402.03300, §4.1) for some tokens [n], with the stabilisation of
    DeepSeek-V3.2 (arXiv 2512.02556, §3.1).

    log_probs: of the model that is trained; sampler_logprobs: those with which the tokens were sampled; old_logprobs:
    of the trained model before the update; ref_logprobs: of the model that training began with. sample_ids [n]: the
    answer that each token is of; advantages, weights [answers]: of each answer, and of each of its tokens. All tokens
    of an answer must be here.

    loss = Σ w (-c · M · min(r A, clip(r) A) + β u (π_ref/π - ln(π_ref/π) - 1)) with
        r = π/π_old: the ratio that is clipped;
        c = min(π_old/π_sampler, cap), without gradient: sampler and trainer are not quite the same model, or the
            sampler was older (truncated importance sampling; Yao et al. 2025). Without a cap r is to π_sampler, and
            c = 1;
        M = 0 for an answer with A < 0 that is less likely now than when sampled, by more than δ nats a token;
        u = π/π_sampler, which makes the estimate of the distance, and its gradient, unbiased.

    Also returned: sums over the tokens, without gradient: `kl`, `clipped`, `masked`, `mismatch` (the absolute value of
    ln π - ln π_sampler).
    """
    advantage, weight = advantages[sample_ids], weights[sample_ids]
    apart = (log_probs - sampler_logprobs).clamp(-_FAR, _FAR)
    if settings.importance_ratio_cap is None:
        log_ratio, correction = apart, torch.ones_like(sampler_logprobs)
    else:
        log_ratio = (log_probs - old_logprobs).clamp(-_FAR, _FAR)
        correction = (old_logprobs - sampler_logprobs).clamp(max=_FAR).exp().clamp(max=settings.importance_ratio_cap)
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - settings.clip_low, 1 + settings.clip_high)
    gain = torch.minimum(ratio * advantage, clipped * advantage)
    allowed = _allowed(
        log_probs.detach() - sampler_logprobs, sample_ids, advantages, settings.off_policy_mask_threshold
    )
    loss = -(weight * correction * allowed[sample_ids] * gain).sum()
    told = {
        "clipped": ((ratio != clipped) & (gain < ratio * advantage)).sum(),
        "masked": (allowed[sample_ids] == 0).sum(),
        "mismatch": apart.abs().sum(),
        "kl": torch.zeros((), device=loss.device),
    }
    if ref_logprobs is not None:
        back = (ref_logprobs - log_probs).clamp(-_FAR, _FAR)
        distance = apart.exp() * (back.exp() - back - 1)
        loss = loss + settings.kl * (weight * distance).sum()
        told["kl"] = distance.sum()
    return loss, {name: value.detach().float() for name, value in told.items()}


def _allowed(change: Tensor, sample_ids: Tensor, advantages: Tensor, limit: float | None) -> Tensor:
    """1 for each answer that is to be learnt from, 0 for the others."""
    if limit is None:
        return torch.ones_like(advantages)
    lengths = torch.zeros_like(advantages).index_add(0, sample_ids, torch.ones_like(change)).clamp(min=1)
    fallen = -torch.zeros_like(advantages).index_add(0, sample_ids, change) / lengths
    return 1 - ((advantages < 0) & (fallen > limit)).to(advantages.dtype)


def preference(chosen: Tensor, rejected: Tensor, chosen_before: Tensor, rejected_before: Tensor, beta: float) -> Tensor:
    """DPO (Rafailov et al. 2023, eq. 7) for pairs of answers [pairs]; each a whole answer's log-probability, of the
    trained model and of the one that training began with. The losses of the pairs, [pairs].
    """
    return -F.logsigmoid(beta * ((chosen - chosen_before) - (rejected - rejected_before)))
