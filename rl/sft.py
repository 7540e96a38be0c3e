"""Supervised fine-tuning on proofs (DeepSeek-Prover-V1.5, arXiv 2408.08152, §2.2; V2, arXiv 2504.21801, §2.2)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from data import pairs as corpora
from data.pairs import Pair
from data.records.config import ConfigError
from prover.model.transformer import Output
from prover.policy import Prompt
from prover.prompts import prompt_format
from rl import losses
from rl.batch import Batch, Epochs, TrainingSample, pack_rows
from rl.config import SFTConfig
from rl.examples import Example, ExampleWriter, Kind, States, examples
from rl.folder import TrainFolder
from rl.inputs import read_all
from rl.loop import train
from rl.model import tokenizer_of
from rl.trainer import Stage, Trainer


def run(config: SFTConfig, folder: TrainFolder, states: States | None = None) -> None:
    """Run the stage; each of the processes that share the model calls this. states: tactic states, see rl.examples.

    Raises ConfigError, Interrupted.
    """
    data, held_out = read_all(corpora.read, config.data), read_all(corpora.read, config.held_out)
    shown = corpus_text(config.family, data) if not config.model.folder else ()
    tokenizer = tokenizer_of(config.model, shown)
    samples = make_samples(ExampleWriter(tokenizer, config.family), data, config.kinds, states or {}, config, folder)
    unseen = make_samples(ExampleWriter(tokenizer, config.family), held_out, ["proof"], {}, config, folder)
    order = Epochs([len(sample) for sample in samples], config.context, config.batch, config.epochs, config.seed)
    trainer, objective = Trainer(config, tokenizer, len(order)), SupervisedLoss(config.mtp)
    train(
        trainer,
        folder,
        order,
        lambda rows: _update(trainer, samples, rows, objective),
        _describe,
        lambda: {"held_out": held_out_loss(trainer, unseen, objective)} if unseen else {},
    )


def corpus_text(family: str, data: Iterable[Pair]) -> list[str]:
    """The texts that a new tokenizer is trained on: each pair's prompt and answer. Raises ConfigError."""
    try:
        format_ = prompt_format(family)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    found = []
    for pair in data:
        prompt = Prompt(pair.problem.theorem)
        asked = format_.request(prompt)
        said = asked.text or "\n".join(message.content for message in asked.messages)
        found.append(said + format_.render(prompt, pair.proof))
    return found


def make_samples(
    writer: ExampleWriter,
    data: Sequence[Pair],
    kinds: Sequence[Kind],
    states: States,
    config: Stage,
    folder: TrainFolder,
) -> list[TrainingSample]:
    """The pairs' examples as token ids; those longer than the context are left out.

    Raises ConfigError if none is left.
    """
    every: list[Example] = list(examples(writer, data, kinds, states, config.seed))
    fitting = [TrainingSample(e.tokens, e.start) for e in every if len(e.tokens) <= config.context]
    if len(fitting) < len(every):
        folder.say(f"{len(every) - len(fitting)} of {len(every)} examples are longer than {config.context} tokens")
    if every and not fitting:
        raise ConfigError(f"context: no example fits {config.context} tokens")
    return fitting


@dataclass(frozen=True)
class SupervisedLoss:
    """Cross-entropy on the counting tokens, plus `mtp` times that of multi-token prediction (DeepSeek-V3 §2.2)."""

    mtp: float

    def __call__(self, output: Output, batch: Batch, total: int) -> tuple[Tensor, dict[str, Tensor]]:
        """This part's share of the batch's loss, and the metrics `nll` and `mtp`, all scalars in nats.

        total: counting tokens in the whole batch.
        """
        assert output.logprobs is not None
        loss = losses.cross_entropy(output.logprobs[batch.loss_mask], total)
        told = {"nll": loss.detach()}
        if output.mtp_logprobs:
            further = losses.mtp_loss(output.mtp_logprobs, batch.loss_mask, batch.sample_ids, total)
            told["mtp"] = further.detach()
            loss = loss + self.mtp * further
        return loss, told


def _update(
    trainer: Trainer, samples: Sequence[TrainingSample], rows: Sequence[Sequence[int]], objective: SupervisedLoss
) -> dict[str, float]:
    """One step of the optimiser; rows: indices of samples. Returns its metrics."""
    at = time.monotonic()
    counted = sum(len(samples[n]) - samples[n].start + 1 for row in rows for n in row)
    places = sum(len(samples[n]) for row in rows for n in row)
    found = trainer.update(
        trainer.parts(samples, rows), sum(map(len, rows)), partial(objective, total=counted), run_mtp=objective.mtp > 0
    )
    seconds = time.monotonic() - at
    return found | {"tokens": places, "tokens_per_second": places / seconds, "seconds": seconds}


def held_out_loss(trainer: Trainer, samples: Sequence[TrainingSample], objective: SupervisedLoss) -> float:
    """Mean cross-entropy of the counting tokens of samples that are not trained on, in nats a token."""
    rows = pack_rows([len(sample) for sample in samples], trainer.stage.context)
    counted = sum(len(sample) - sample.start + 1 for sample in samples)
    parts = trainer.parts(samples, rows)
    return trainer.evaluate(parts, partial(objective, total=counted))["nll"]


def _describe(figures: Mapping[str, float]) -> str:
    parts = [f"loss {figures['nll']:.4f}"]
    if "held_out" in figures:
        parts.append(f"held out {figures['held_out']:.4f}")
    return "  ".join([*parts, f"lr {figures['lr']:.2g}", f"{figures['tokens_per_second']:,.0f} tokens/s"])
