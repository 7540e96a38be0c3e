"""The objectives, on the tokens that count. All probabilities are natural logarithms; sums, where a mean is not said.

Each function gives a part of a batch its share of the whole batch's loss: the parts add up, however it is cut.
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


def ahead(further: Sequence[Tensor], counts: Tensor, which: Tensor, total: int) -> Tensor:
    """The loss of multi-token prediction (V3 §2.2): the mean over the modules of what each gets wrong.

    further: as Output.mtp_logprobs. counts, which [rows, width]: as in Batch; a module's guess counts where the token
    that it is of does, and belongs to the same text.
    """
    losses = []
    for depth, log_probs in enumerate(further):
        shift = 1 + depth
        wanted = counts[:, shift:] & (which[:, shift:] == which[:, :-shift])
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
    drawn: Tensor,
    old: Tensor,
    reference: Tensor | None,
    which: Tensor,
    advantages: Tensor,
    weights: Tensor,
    settings: PolicyLoss,
) -> tuple[Tensor, dict[str, Tensor]]:
    """GRPO (DeepSeekMath §4.1), made stable (V3.2 §3.1), for some tokens [n].

    log_probs: of the model that is trained; drawn: those with which the tokens were drawn; old: of the trained model
    before the update; reference: of the model that training began with. which [n]: the answer that each token is of;
    advantages, weights [answers]: of each answer, and of each of its tokens. All tokens of an answer must be here.

    loss = Σ w (-c · M · min(r A, clip(r) A) + β u (π_ref/π - ln(π_ref/π) - 1)) with
        r = π/π_old: the ratio that is clipped;
        c = min(π_old/π_drawn, cut-off), without gradient: sampler and trainer are not quite the same model, or the
            sampler was older (truncated importance sampling; Yao et al. 2025). Without a cut-off r is to π_drawn, and
            c = 1;
        M = 0 for an answer with A < 0 that is less likely now than when drawn, by more than δ nats a token;
        u = π/π_drawn, which makes the estimate of the distance, and its gradient, unbiased.

    Also returned: sums over the tokens, without gradient: `kl`, `clipped`, `masked`, `mismatch` (|ln π - ln π_drawn|).
    """
    advantage, weight = advantages[which], weights[which]
    apart = (log_probs - drawn).clamp(-_FAR, _FAR)
    if settings.correction is None:
        log_ratio, correction = apart, torch.ones_like(drawn)
    else:
        log_ratio = (log_probs - old).clamp(-_FAR, _FAR)
        correction = (old - drawn).clamp(max=_FAR).exp().clamp(max=settings.correction)
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - settings.clip_low, 1 + settings.clip_high)
    gain = torch.minimum(ratio * advantage, clipped * advantage)
    allowed = _allowed(log_probs.detach() - drawn, which, advantages, settings.off_policy)
    loss = -(weight * correction * allowed[which] * gain).sum()
    told = {
        "clipped": ((ratio != clipped) & (gain < ratio * advantage)).sum(),
        "masked": (allowed[which] == 0).sum(),
        "mismatch": apart.abs().sum(),
        "kl": torch.zeros((), device=loss.device),
    }
    if reference is not None:
        back = (reference - log_probs).clamp(-_FAR, _FAR)
        distance = apart.exp() * (back.exp() - back - 1)
        loss = loss + settings.kl * (weight * distance).sum()
        told["kl"] = distance.sum()
    return loss, {name: value.detach().float() for name, value in told.items()}


def _allowed(change: Tensor, which: Tensor, advantages: Tensor, limit: float | None) -> Tensor:
    """1 for each answer that is to be learnt from, 0 for the others."""
    if limit is None:
        return torch.ones_like(advantages)
    lengths = torch.zeros_like(advantages).index_add(0, which, torch.ones_like(change)).clamp(min=1)
    fallen = -torch.zeros_like(advantages).index_add(0, which, change) / lengths
    return 1 - ((advantages < 0) & (fallen > limit)).to(advantages.dtype)


def preference(chosen: Tensor, rejected: Tensor, chosen_before: Tensor, rejected_before: Tensor, beta: float) -> Tensor:
    """DPO (Rafailov et al. 2023, eq. 7) for pairs of answers [pairs]; each a whole answer's log-probability, of the
    trained model and of the one that training began with. The losses of the pairs, [pairs].
    """
    return -F.logsigmoid(beta * ((chosen - chosen_before) - (rejected - rejected_before)))
