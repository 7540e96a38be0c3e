"""The training side of GRPO: from answers and what they earned to a step, or some steps, of the optimiser."""

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
from rl.batch import Batch, Text, together
from rl.config import GRPOConfig, PolicyLoss
from rl.trainer import Trainer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


#: The answers of a group, and what each earned.
Rewarded = tuple[Sequence[Text], Sequence[float]]

_SUMS = ("clipped", "entropy", "kl", "masked", "mismatch")  # what the loss tells of each token


class Learner:
    """A model that learns from answers, and, if the loss wants its distance from there, the one it began with.

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
        """One update from some groups of answers.

        Returns means over the tokens of the answers, and of the steps' figures; nothing if there is nothing to learn.
        Answers that do not fit a row are left out (`left_out`: how many), but count as answers of their group.
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
        texts = [text for group, _ in groups for text in group]
        scale = settings.weighting != "dr-grpo"
        advantages = torch.cat([losses.advantages(torch.tensor([rewards]), scale)[0] for _, rewards in groups])
        fitting = [n for n, text in enumerate(texts) if len(text) <= width and len(text.tokens) > text.start]
        rows = together(texts, fitting, width)
        lengths = torch.tensor([len(text.tokens) - text.start for text in texts])
        weights = losses.token_weights(lengths, settings.weighting, self.config.rollout.max_tokens)
        parts = self.trainer.parts(texts, rows)
        tokens, left_out = int(lengths[fitting].sum()), len(texts) - len(fitting)
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
        """For the sampler, in memory of their own. All processes go through it to the end."""
        return ((name, tensor.clone()) for name, tensor in model.tensors(self.trainer.model))

    def save(self, folder: Path, state: dict[str, Any]) -> None:
        self.trainer.save(folder, state)

    def restore(self, folder: Path) -> dict[str, Any]:
        return self.trainer.restore(folder)

    def write(self, folder: Path) -> None:
        self.trainer.write(folder)


@dataclass
class _Minibatch:
    """What one step of the optimiser works on.

    advantages, weights [answers]; tokens: of the answers that fit a row; left_out: how many do not.
    """

    parts: list[Batch]
    advantages: Tensor
    weights: Tensor
    settings: PolicyLoss
    tokens: int
    left_out: int

    def objective(self, output: Output, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        assert output.logprobs is not None
        assert output.entropy is not None
        log_probs = output.logprobs[batch.loss_mask]
        loss, told = losses.policy(
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
