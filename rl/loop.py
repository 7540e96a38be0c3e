"""The updates of a training run: from its newest checkpoint to the last one, each one recorded, some of them saved."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice

from rl.batch import Epochs
from rl.folder import TrainFolder
from rl.trainer import Trainer

Figures = dict[str, float]


def train(
    trainer: Trainer,
    folder: TrainFolder,
    batches: Epochs,
    step: Callable[[list[list[int]]], Figures],
    describe: Callable[[Figures], str],
    evaluate: Callable[[], Figures] = dict,
) -> None:
    """Train on all batches, from the newest checkpoint on, and write the model. All processes of a run call this.

    step: makes an update from a batch (rows of numbers, see Epochs) and returns its metrics; describe: puts these into
    words. evaluate: returns further metrics, at each checkpoint. Raises ConfigError, Interrupted.
    """
    folder.restore(trainer)
    clock = UpdateClock(len(batches), trainer.done, trainer.stage.save_every)
    for batch in islice(batches, trainer.done, None):
        if trainer.agreed(folder.stop.is_set()):
            raise folder.interrupted(trainer, trainer.done, clock.total)
        figures = step(batch)
        if clock.saves(trainer.done):
            figures |= evaluate()
        folder.record(trainer.done, figures)
        if folder.due() or trainer.done == clock.total:
            folder.say(f"{clock.update(trainer.done)}  {describe(figures)}  {clock.remaining(trainer.done)}")
        if clock.saves(trainer.done):
            folder.save(trainer, trainer.done)
    trainer.write(folder.path / "model")


class UpdateClock:
    """The schedule of a run's updates: how many there are, which of them are saved, how long the rest will take.

    total: updates in all. start: those made by earlier processes. save_every: updates between two checkpoints.
    """

    def __init__(self, total: int, start: int, save_every: int) -> None:
        self.total, self._start, self._save_every = total, start, save_every
        self._began = time.monotonic()

    def saves(self, done: int) -> bool:
        """Whether there is a checkpoint after `done` updates."""
        return done == self.total or done % self._save_every == 0

    def update(self, done: int) -> str:
        """The number of the latest update, for people."""
        return f"update {done} of {self.total}"

    def remaining(self, done: int) -> str:
        """The time that the rest takes, as fast as this process made the updates up to `done`, for people."""
        seconds = (time.monotonic() - self._began) / (done - self._start) * (self.total - done)
        if seconds < 90:
            return f"{seconds:.0f} s left"
        minutes = round(seconds / 60)
        return f"{minutes} min left" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min left"
