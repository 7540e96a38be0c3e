"""The training side of GRPO: steps of the optimiser from groups of answers and their rewards."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from prover.model.transformer import Output
from rl import losses, model
from rl.batch import Batch, TrainingSample, pack_groups
from rl.config import GRPOConfig
from rl.losses import PolicyLoss
from rl.trainer import Trainer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


#: The answers of a group, and what each earned.
Rewarded = tuple[Sequence[TrainingSample], Sequence[float]]

_SUMS = ("clipped", "entropy", "kl", "masked", "mismatch")  # what the loss tells of each token


class Learner:
    """A model that learns from groups of answers and, if the loss has a KL term, a frozen copy of its beginning.

    With torch.distributed all processes make the same calls.
    """

    def __init__(self, config: GRPOConfig, tokenizer: PreTrainedTokenizerFast) -> None:
        self.config = config
        self.trainer = Trainer(config, tokenizer, config.updates * config.minibatches)
        self._began: model.Model | None = None
        if config.loss.kl:
            self._began = model.load(config.model, tokenizer, config.placement, config.seed)
            self._began.requires_grad_(False).eval()

    def learn(self, groups: Sequence[Rewarded]) -> dict[str, float]:
        """Make an update from groups of (samples, rewards), and return its metrics.

        These are means over the answers' tokens, and over the optimiser's steps; none if there is nothing to learn.
        Answers that do not fit a row are left out (`left_out`: their number), but count in their group's advantages.
        """
        size = math.ceil(len(groups) / self.config.minibatches)
        every = [self._minibatch(groups[k : k + size]) for k in range(0, len(groups), size)]
        # Without a signal there is nothing to follow, and Adam would make a step of any noise.
        minibatches = [some for some in every if some.tokens and (some.advantages.any() or self._began is not None)]
        if not minibatches:
            return {}
        for minibatch in minibatches if len(minibatches) > 1 else ():  # while the policy is what it was
            for part in minibatch.parts:
                part.old_logprobs = self._log_probs(self.trainer.model, part)
        found = [self._step(minibatch) for minibatch in minibatches]
        tokens = max(sum(minibatch.tokens for minibatch in minibatches), 1)
        told = {name: sum(row.pop(name) for row in found) / tokens for name in _SUMS}
        told["left_out"] = float(sum(some.left_out for some in every))
        return told | {name: sum(row[name] for row in found) / len(found) for name in found[0]}

    def _minibatch(self, groups: Sequence[Rewarded]) -> _Minibatch:
        width, settings, device = self.config.context, self.config.loss, self.trainer.device
        samples = [sample for group, _ in groups for sample in group]
        scale = settings.weighting != "dr-grpo"
        advantages = torch.cat([losses.advantages(torch.tensor([rewards]), scale)[0] for _, rewards in groups])
        fitting = [n for n, sample in enumerate(samples) if len(sample) <= width and len(sample.tokens) > sample.start]
        rows = pack_groups(samples, fitting, width)
        lengths = torch.tensor([len(sample.tokens) - sample.start for sample in samples])
        weights = losses.token_weights(lengths, settings.weighting, self.config.rollout.max_tokens)
        parts = self.trainer.parts(samples, rows)
        tokens, left_out = int(lengths[fitting].sum()), len(samples) - len(fitting)
        return _Minibatch(parts, advantages.to(device), weights.to(device), settings, tokens, left_out)

    def _step(self, minibatch: _Minibatch) -> dict[str, float]:
        for part in minibatch.parts if self._began is not None else ():
            part.ref_logprobs = self._log_probs(
                self._began, replace(part, expert_ids=None)
            )  # it has experts of its own
        answers, temperature = len(minibatch.advantages), self.config.rollout.temperature
        return self.trainer.update(
            minibatch.parts, answers, minibatch.objective, run_mtp=False, entropy=True, temperature=temperature
        )

    @torch.no_grad()
    def _log_probs(self, network: Any, batch: Batch) -> Tensor:
        found = self.trainer.run(batch, network=network, run_mtp=False, temperature=self.config.rollout.temperature)
        assert found.logprobs is not None
        return found.logprobs

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """Copies of the weights, by their names in checkpoints. All processes must consume the iterator to its end."""
        return ((name, tensor.clone()) for name, tensor in model.tensors(self.trainer.model))

    def save(self, folder: Path, state: dict[str, Any]) -> None:
        """See Trainer.save."""
        self.trainer.save(folder, state)

    def restore(self, folder: Path) -> dict[str, Any]:
        """See Trainer.restore."""
        return self.trainer.restore(folder)

    def write(self, folder: Path) -> None:
        """See Trainer.write."""
        self.trainer.write(folder)


@dataclass
class _Minibatch:
    """The work of one step of the optimiser.

    advantages, weights fp32 [answers]: as in losses.grpo_loss. tokens: of the answers that fit a row. left_out: the
    number of those that do not.
    """

    parts: list[Batch]
    advantages: Tensor
    weights: Tensor
    settings: PolicyLoss
    tokens: int
    left_out: int

    def objective(self, output: Output, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """This part's share of the loss, and the sums of `_SUMS`; see losses.grpo_loss."""
        assert output.logprobs is not None
        assert output.entropy is not None
        log_probs = output.logprobs[batch.loss_mask]
        loss, told = losses.grpo_loss(
            log_probs,
            batch.sampler_logprobs[batch.loss_mask],
            log_probs.detach() if batch.old_logprobs is None else batch.old_logprobs[batch.loss_mask],
            None if batch.ref_logprobs is None else batch.ref_logprobs[batch.loss_mask],
            batch.sample_ids[batch.loss_mask],
            self.advantages,
            self.weights,
            self.settings,
        )
        return loss, {**told, "entropy": output.entropy[batch.loss_mask].sum()}
