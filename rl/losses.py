"""The losses of all stages, on the counting tokens. Probabilities are natural logarithms; losses are in nats.

Results are sums, where no mean is named. Each function returns a part's share of the whole batch's loss: the shares
add up, however the batch is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from data.records.config import StrictModel

_FAR = 10.0  # e to this is the largest ratio: beyond, an estimate is of no use and would overflow


class PolicyLoss(StrictModel):
    """The settings of `grpo_loss` (DeepSeekMath, arXiv 2402.03300, §4.1; DeepSeek-V3.2, arXiv 2512.02556, §3.1).

    clip_low, clip_high: the ratio to the old policy is clipped to [1 - clip_low, 1 + clip_high].
    kl: coefficient of the KL divergence from the model that training began with; 0.02 in DeepSeek-Prover-V1.5.
    importance_ratio_cap: cap of the weight that corrects for the sampler's and the trainer's different probabilities
        (truncated importance sampling); None: no such weight, and the ratio is to the sampler itself.
    off_policy_mask_threshold: δ; an answer with negative advantage whose mean log-probability has fallen by more than δ
        nats a token since it was sampled is left out; None: none is.
    weighting: the weight of each token, see `token_weights`.
    """

    clip_low: PositiveFloat = 0.2
    clip_high: PositiveFloat = 0.2
    kl: NonNegativeFloat = 0.02
    importance_ratio_cap: PositiveFloat | None = 2.0
    off_policy_mask_threshold: PositiveFloat | None = None
    weighting: Literal["sequence", "token", "dr-grpo"] = "sequence"


def cross_entropy(log_probs: Tensor, total: int) -> Tensor:
    """Cross-entropy of tokens [n], of which the batch has `total`: this part's share of their mean, a scalar."""
    return -log_probs.sum() / total


def mtp_loss(mtp_logprobs: Sequence[Tensor], loss_mask: Tensor, sample_ids: Tensor, total: int) -> Tensor:
    """The loss of multi-token prediction (DeepSeek-V3, arXiv 2412.19437, §2.2): the mean over modules of their
    cross-entropies, each this part's share of the mean over `total` tokens.

    mtp_logprobs: as in Output. loss_mask bool, sample_ids int64 [rows, width]: as in Batch. Module d's prediction
    counts where its target, d + 1 positions on, counts and belongs to the same sample.
    """
    losses = []
    for depth, log_probs in enumerate(mtp_logprobs):
        shift = 1 + depth
        wanted = loss_mask[:, shift:] & (sample_ids[:, shift:] == sample_ids[:, :-shift])
        losses.append(-(log_probs * wanted).sum() / total)
    return torch.stack(losses).mean()


def advantages(rewards: Tensor, scale: bool = True) -> Tensor:
    """Group-relative advantages [groups, answers]: reward minus the group's mean, over the group's standard deviation
    (DeepSeekMath, arXiv 2402.03300, §4.1), or not divided (Dr. GRPO, arXiv 2503.20783). 0 where all rewards are equal.
    """
    centred = rewards - rewards.mean(1, keepdim=True)
    if not scale:
        return centred
    deviation = rewards.std(1, correction=0, keepdim=True)
    alike = rewards.amax(1, keepdim=True) == rewards.amin(1, keepdim=True)  # the mean is rounded
    return torch.where(alike, torch.zeros_like(centred), centred / deviation.clamp(min=1e-6))


def token_weights(lengths: Tensor, weighting: Literal["sequence", "token", "dr-grpo"], longest: int) -> Tensor:
    """The weight of each answer's tokens, fp32 [answers].

    lengths int64 [answers]: in tokens; longest: the most that an answer can have.
    weighting: "sequence": each answer weighs the same (GRPO). "token": each token does (DAPO, arXiv 2503.14476).
    "dr-grpo": each token does, and the sum is divided by the longest possible length, so that a wrong answer gains
    nothing by being long (Dr. GRPO, arXiv 2503.20783).
    """
    answers = len(lengths)
    match weighting:
        case "sequence":
            return 1 / (lengths.clamp(min=1) * answers)
        case "token":
            return torch.full_like(lengths, 1 / max(float(lengths.sum()), 1.0), dtype=torch.float32)
        case "dr-grpo":
            return torch.full_like(lengths, 1 / (answers * longest), dtype=torch.float32)


def grpo_loss(
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

    log_probs, sampler_logprobs, old_logprobs, ref_logprobs [n]: under the model that is trained (π), when the tokens
        were sampled (π_sampler), under the model before the update (π_old), and under the one that training began with
        (π_ref).
    sample_ids int64 [n]: the answer that each token belongs to; all tokens of an answer must be here.
    advantages, weights [answers]: A of each answer, and w of each of its tokens.

    loss = Σ w (-c · M · min(r A, clip(r) A) + β u (π_ref/π - ln(π_ref/π) - 1)) with
        r = π/π_old: the ratio that is clipped;
        c = min(π_old/π_sampler, cap), without gradient: corrects for a sampler whose probabilities differ from the
            trainer's, or are older (truncated importance sampling; Yao et al. 2025). Without a cap r is to π_sampler,
            and c = 1;
        M = 0 for an answer with A < 0 that is less likely now than when sampled, by more than δ nats a token, else 1;
        u = π/π_sampler, which makes the estimate of the KL divergence, and its gradient, unbiased.

    Returns the loss, a scalar, and sums over the tokens, without gradient: `kl`, `clipped`, `masked`, `mismatch` (the
    absolute value of ln π - ln π_sampler).
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
    """M of `grpo_loss` for each answer: 1 if it is learnt from, 0 if it is masked; [answers]."""
    if limit is None:
        return torch.ones_like(advantages)
    lengths = torch.zeros_like(advantages).index_add(0, sample_ids, torch.ones_like(change)).clamp(min=1)
    fallen = -torch.zeros_like(advantages).index_add(0, sample_ids, change) / lengths
    return 1 - ((advantages < 0) & (fallen > limit)).to(advantages.dtype)


def dpo_loss(chosen: Tensor, rejected: Tensor, chosen_before: Tensor, rejected_before: Tensor, beta: float) -> Tensor:
    """The loss of DPO (arXiv 2305.18290, eq. 7) of each pair of answers, [pairs].

    chosen, rejected [pairs]: the log-probability of a whole answer under the model that is trained; chosen_before,
    rejected_before [pairs]: under the model that training began with. beta: β.
    """
    return -F.logsigmoid(beta * ((chosen - chosen_before) - (rejected - rejected_before)))
