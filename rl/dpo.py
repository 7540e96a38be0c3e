"""Direct preference optimisation from answers that Lean has judged (Rafailov et al. 2023; DeepSeek LLM §4.2)."""

from __future__ import annotations

import random
import time
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
from rl.batch import Batch, Epochs, Text
from rl.config import DPOConfig
from rl.folder import TrainFolder, remaining
from rl.model import tokenizer_of
from rl.trainer import Trainer

_FENCE = "```"
_Answer = tuple[str, bool]  # its text with the stop text, and whether the token for the end follows
_TIE = 1e-4  # nats: less is rounding


@dataclass(frozen=True)
class Preference:
    """Two answers to one prompt, as they are trained on: the proof, and what Lean refused."""

    chosen: Text
    rejected: Text

    def __len__(self) -> int:
        return len(self.chosen) + len(self.rejected)


def run(config: DPOConfig, folder: TrainFolder) -> None:
    """All of it, in each of the processes that share the model. Raises ConfigError, Interrupted."""
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
    texts = [text for preference in fitting for text in (preference.chosen, preference.rejected)]
    trainer = Trainer(config, tokenizer, len(order))
    began = model.load(config.model, tokenizer, config.placement, config.seed)
    began.requires_grad_(False).eval()
    folder.restore(trainer)
    start, started = trainer.done, time.monotonic()
    for number, units in enumerate(order):
        if number < start:
            continue
        if trainer.agreed(folder.stop.is_set()):
            raise folder.interrupted(trainer, trainer.done, len(order))
        found = _update(trainer, began, texts, units, config.beta)
        folder.record(trainer.done, found)
        last = trainer.done == len(order)
        if folder.due() or last:
            left = (time.monotonic() - started) / (trainer.done - start) * (len(order) - trainer.done)
            folder.say(
                f"update {trainer.done} of {len(order)}  loss {found['loss']:.4f}  the proof has gained on what Lean "
                f"refused in {found['right']:.1%} of pairs  {remaining(left)}"
            )
        if last or trainer.done % config.save_every == 0:
            folder.save(trainer, trainer.done)
    trainer.write(folder.path / "model")


def _update(
    trainer: Trainer, began: model.Model, texts: Sequence[Text], units: Sequence[Sequence[int]], beta: float
) -> dict[str, float]:
    """units: rows of the numbers of preferences; the two texts of each stand side by side."""
    rows = [[number for unit in row for number in (2 * unit, 2 * unit + 1)] for row in units]
    count = sum(map(len, units))
    parts = trainer.parts(texts, rows)
    for part in parts:
        with torch.no_grad():
            part.ref_logprobs = trainer.run(part, network=began, run_mtp=False).logprobs
    found = trainer.update(parts, 2 * count, partial(_objective, beta=beta, count=count), run_mtp=False)
    return found | {"right": found["right"] / count}


def _objective(output: Output, batch: Batch, beta: float, count: int) -> tuple[Tensor, dict[str, Tensor]]:
    """This part's share of the mean over `count` pairs. right: pairs in which the proof has gained on the other."""
    assert output.logprobs is not None
    assert batch.ref_logprobs is not None
    numbers, which = batch.sample_ids[batch.is_not_padding].unique(return_inverse=True)
    now, before = (
        torch.zeros(len(numbers), device=which.device).index_add(
            0, which, (told * batch.loss_mask)[batch.is_not_padding]
        )
        for told in (output.logprobs, batch.ref_logprobs)
    )
    lost = losses.preference(now[::2], now[1::2], before[::2], before[1::2], beta)
    gained = (now - before)[::2] - (now - before)[1::2]
    return lost.sum() / count, {"right": (gained > _TIE).sum().float()}


def preferences(config: DPOConfig, tokenizer: Any) -> list[Preference]:
    """Some pairs of each theorem's proofs with what was refused, drawn. Raises ConfigError."""
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
    """An answer with the stop text that ended it; True if it was ended by the token for that (or cut off, which is as
    bad)."""
    reason = answer["finish_reason"] or _guessed(request, answer)
    text = answer["answer"] + (request.stop[0] if reason == "stop" else "")
    return text, reason not in ("stop", "complete")


def _guessed(request: Request, answer: Mapping[str, Any]) -> FinishReason:
    """Why an answer ended, in a file from before that was recorded."""
    if request.stop:
        return "stop" if answer["finished"] else "length"
    return "complete" if answer["answer"].rstrip().endswith(_FENCE) else "eos"


def _text(tokenizer: Any, prompt: Sequence[int], answer: _Answer) -> Text:
    written, ends = answer
    end = (tokenizer.eos_token_id,) if ends else ()
    return Text((*prompt, *tokenizer.encode(written, add_special_tokens=False), *end), len(prompt))
