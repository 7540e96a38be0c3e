"""Direct preference optimisation (DPO, arXiv 2305.18290; DeepSeek LLM, arXiv 2401.02954, §4.2) on judged answers."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor

from data.records.config import ConfigError
from prover.engines.base import FinishReason, Request
from prover.engines.tokens import prompt_tokens
from prover.model.transformer import Output
from prover.policy import Prompt
from prover.prompts import prompt_format
from rl import groups, losses, model
from rl.batch import Batch, Epochs, TrainingSample
from rl.config import DPOConfig
from rl.folder import TrainFolder
from rl.loop import train
from rl.model import tokenizer_of
from rl.trainer import Trainer

_FENCE = "```"
_Answer = tuple[str, bool]  # its text with the stop text, and whether the token for the end follows
_TIE = 1e-4  # nats: less is rounding


@dataclass(frozen=True)
class Preference:
    """A pair of answers to one prompt: a proof, and one that Lean refused."""

    chosen: TrainingSample
    rejected: TrainingSample

    def __len__(self) -> int:
        return len(self.chosen) + len(self.rejected)


def run(config: DPOConfig, folder: TrainFolder) -> None:
    """Run the stage; each of the processes that share the model calls this. Raises ConfigError, Interrupted."""
    tokenizer = tokenizer_of(config.model, ())
    every = preferences(config, tokenizer)
    fitting = [preference for preference in every if len(preference) <= config.context]
    if len(fitting) < len(every):
        folder.say(f"{len(every) - len(fitting)} of {len(every)} pairs are longer than {config.context} tokens")
    if not fitting:
        raise ConfigError("answers: no theorem has a proof and an answer that Lean refused")
    order = Epochs(
        [len(preference) for preference in fitting], config.context, config.batch, config.epochs, config.seed
    )
    samples = [text for preference in fitting for text in (preference.chosen, preference.rejected)]
    trainer = Trainer(config, tokenizer, len(order))
    began = model.load(config.model, tokenizer, config.placement, config.seed)
    began.requires_grad_(False).eval()
    train(trainer, folder, order, lambda units: _update(trainer, began, samples, units, config.beta), _describe)


def _update(
    trainer: Trainer, began: model.Model, samples: Sequence[TrainingSample], units: Sequence[Sequence[int]], beta: float
) -> dict[str, float]:
    """One step of the optimiser; units: rows of indices of preferences. Returns its metrics.

    The two samples of a preference are neighbours in a row.
    """
    rows = [[number for unit in row for number in (2 * unit, 2 * unit + 1)] for row in units]
    count = sum(map(len, units))
    parts = trainer.parts(samples, rows)
    for part in parts:
        with torch.no_grad():
            part.ref_logprobs = trainer.run(part, network=began, run_mtp=False).logprobs
    found = trainer.update(parts, 2 * count, partial(_objective, beta=beta, count=count), run_mtp=False)
    return found | {"right": found["right"] / count}


def _describe(figures: Mapping[str, float]) -> str:
    right = f"the proof has gained on what Lean refused in {figures['right']:.1%} of pairs"
    return f"loss {figures['loss']:.4f}  {right}"


def _objective(output: Output, batch: Batch, beta: float, count: int) -> tuple[Tensor, dict[str, Tensor]]:
    """This part's share of the mean loss over `count` pairs; `right`: pairs whose proof has gained."""
    assert output.logprobs is not None
    assert batch.ref_logprobs is not None
    numbers, which = batch.sample_ids[batch.is_not_padding].unique(return_inverse=True)
    now, before = (
        torch.zeros(len(numbers), device=which.device).index_add(
            0, which, (told * batch.loss_mask)[batch.is_not_padding]
        )
        for told in (output.logprobs, batch.ref_logprobs)
    )
    lost = losses.dpo_loss(now[::2], now[1::2], before[::2], before[1::2], beta)
    gained = (now - before)[::2] - (now - before)[1::2]
    return lost.sum() / count, {"right": (gained > _TIE).sum().float()}


def preferences(config: DPOConfig, tokenizer: Any) -> list[Preference]:
    """Up to `config.pairs` pairs (proof, refused answer) of each theorem, sampled without replacement.

    Raises ConfigError.
    """
    judged: dict[tuple[int, ...], tuple[set[_Answer], set[_Answer]]] = defaultdict(lambda: (set(), set()))
    for path in config.answers:
        for told in groups.read(path):  # a theorem comes as often as it was asked
            try:
                request = prompt_format(told.family).request(Prompt(told.problem.theorem))
            except ValueError as error:
                raise ConfigError(f"answers: {path}: {error}") from None
            good, bad = judged[tuple(prompt_tokens(tokenizer, request))]
            for answer in told.answers:
                (good if groups.is_proved(answer) else bad).add(_whole(request, answer))
    found = []
    for number, (prompt, (good, bad)) in enumerate(judged.items()):
        every = list(product(sorted(good), sorted(bad - good)))
        for two in random.Random(f"{config.seed}:{number}").sample(every, min(config.pairs, len(every))):
            found.append(Preference(*(_text(tokenizer, prompt, answer) for answer in two)))
    return found


def _whole(request: Request, answer: Mapping[str, Any]) -> _Answer:
    """An answer with the stop text that ended it, and whether the end-of-text token follows.

    One that was cut off gets that token, too: it is as bad as one that ended there.
    """
    reason = answer["finish_reason"] or _guessed(request, answer)
    text = answer["answer"] + (request.stop[0] if reason == "stop" else "")
    return text, reason not in ("stop", "complete")


def _guessed(request: Request, answer: Mapping[str, Any]) -> FinishReason:
    """Why an answer ended, guessed for files of versions that did not record it."""
    if request.stop:
        return "stop" if answer["finished"] else "length"
    return "complete" if answer["answer"].rstrip().endswith(_FENCE) else "eos"


def _text(tokenizer: Any, prompt: Sequence[int], answer: _Answer) -> TrainingSample:
    written, ends = answer
    end = (tokenizer.eos_token_id,) if ends else ()
    return TrainingSample((*prompt, *tokenizer.encode(written, add_special_tokens=False), *end), len(prompt))
