"""Supervised fine-tuning on proofs (DeepSeek-Prover-V1.5 §2.2, DeepSeek-Prover-V2 §2.2)."""

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
from rl.batch import Batch, Epochs, Text, packed
from rl.config import Kind, SFTConfig, Stage, read_all
from rl.examples import Example, States, Writer, examples
from rl.folder import TrainFolder, remaining
from rl.model import tokenizer_of
from rl.trainer import Trainer


def run(config: SFTConfig, folder: TrainFolder, states: States | None = None) -> None:
    """All of it, in each of the processes that share the model. states: see rl.examples.

    Raises ConfigError, Interrupted.
    """
    data, held_out = read_all(corpora.read, config.data), read_all(corpora.read, config.held_out)
    shown = corpus_text(config.family, data) if not config.model.folder else ()
    tokenizer = tokenizer_of(config.model, shown)
    texts = made(Writer(tokenizer, config.family), data, config.kinds, states or {}, config, folder)
    unseen = made(Writer(tokenizer, config.family), held_out, ["proof"], {}, config, folder)
    order = Epochs([len(text) for text in texts], config.context, config.batch, config.epochs, config.seed)
    trainer = Trainer(config, tokenizer, len(order))
    folder.restore(trainer)
    fit(trainer, folder, texts, order, Supervised(config.mtp), unseen)
    trainer.write(folder.path / "model")


def corpus_text(family: str, data: Iterable[Pair]) -> list[str]:
    """What a new tokenizer is trained on: what the model will be shown."""
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


def made(
    writer: Writer, data: Sequence[Pair], kinds: Sequence[Kind], states: States, config: Stage, folder: TrainFolder
) -> list[Text]:
    """The examples that fit the context, as texts."""
    every: list[Example] = list(examples(writer, data, kinds, states, config.seed))
    fitting = [Text(e.tokens, e.start) for e in every if len(e.tokens) <= config.context]
    if len(fitting) < len(every):
        folder.say(f"{len(every) - len(fitting)} of {len(every)} examples are longer than {config.context} tokens")
    if every and not fitting:
        raise ConfigError(f"context: no example fits {config.context} tokens")
    return fitting


@dataclass(frozen=True)
class Supervised:
    """Cross-entropy on what is to be learnt, and `mtp` times that of multi-token prediction."""

    mtp: float

    def __call__(self, output: Output, batch: Batch, total: int) -> tuple[Tensor, dict[str, Tensor]]:
        """total: tokens that count in the whole batch."""
        assert output.logprobs is not None
        loss = losses.supervised(output.logprobs[batch.loss_mask], total)
        told = {"nll": loss.detach()}
        if output.mtp_logprobs:
            further = losses.ahead(output.mtp_logprobs, batch.loss_mask, batch.sample_ids, total)
            told["mtp"] = further.detach()
            loss = loss + self.mtp * further
        return loss, told


def fit(
    trainer: Trainer,
    folder: TrainFolder,
    texts: Sequence[Text],
    order: Epochs,
    objective: Supervised,
    held_out: Sequence[Text] = (),
) -> None:
    """Updates until the last batch, from where the trainer is; each in the metrics, some in checkpoints.

    Raises Interrupted.
    """
    total, began, start = len(order), time.monotonic(), trainer.done
    for number, rows in enumerate(order):
        if number < start:
            continue
        if trainer.agreed(folder.stop.is_set()):
            raise folder.interrupted(trainer, trainer.done, total)
        at = time.monotonic()
        counted = sum(len(texts[n]) - texts[n].start + 1 for row in rows for n in row)
        places = sum(len(texts[n]) for row in rows for n in row)
        found = trainer.update(
            trainer.parts(texts, rows),
            sum(map(len, rows)),
            partial(objective, total=counted),
            run_mtp=objective.mtp > 0,
        )
        seconds = time.monotonic() - at
        found |= {"tokens": places, "tokens_per_second": places / seconds, "seconds": seconds}
        last = trainer.done == total
        if held_out and (last or trainer.done % trainer.stage.save_every == 0):
            found["held_out"] = held_out_loss(trainer, held_out, objective)
        folder.record(trainer.done, found)
        if folder.due() or last:
            left = (time.monotonic() - began) / (trainer.done - start) * (total - trainer.done)
            folder.say(_line(trainer.done, total, found, left))
        if last or trainer.done % trainer.stage.save_every == 0:
            folder.save(trainer, trainer.done)


def held_out_loss(trainer: Trainer, texts: Sequence[Text], objective: Supervised) -> float:
    """Mean cross-entropy of what is to be written in texts that are not learnt from, in nats a token."""
    rows = packed([len(text) for text in texts], trainer.stage.context)
    counted = sum(len(text) - text.start + 1 for text in texts)
    parts = trainer.parts(texts, rows)
    return trainer.evaluate(parts, partial(objective, total=counted))["nll"]


def _line(done: int, total: int, found: Mapping[str, float], left: float) -> str:
    parts = [f"update {done} of {total}", f"loss {found['nll']:.4f}"]
    if "held_out" in found:
        parts.append(f"held out {found['held_out']:.4f}")
    parts += [f"lr {found['lr']:.2g}", f"{found['tokens_per_second']:,.0f} tokens/s"]
    return "  ".join([*parts, remaining(left)])
