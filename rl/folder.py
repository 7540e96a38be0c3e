"""A training run's folder.

`run.json` (what it is), `metrics.jsonl` (a line for each update), `tensorboard/` (the same), `run.log`, `checkpoints/`
(to go on from), `model/` (what came of it), and what the stage keeps besides.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from data.records.jsonl import JsonlError, JsonlWriter, read_jsonl, write_jsonl
from data.records.run_folder import BaseRunFolder, RunError, now
from rl.config import STAGES
from rl.field_names import updated
from rl.stop import Interrupted
from rl.trainer import Stage

_PACE = 10.0  # seconds between two lines on how far the work is
_STEP = "step-"  # what checkpoints are called, with the number of updates before them

#: What a run's results follow from is everything but these, so they may change when it goes on.
_FREE = frozenset(("placement", "save_every", "keep", "updates"))


class Checkpointable(Protocol):
    """Something that can be saved in a checkpoint and restored from it, such as rl.trainer.Trainer."""

    def save(self, folder: Path, state: dict[str, Any]) -> None:
        """See Trainer.save."""
        ...

    def restore(self, folder: Path) -> dict[str, Any]:
        """See Trainer.restore."""
        ...


Tell = Callable[[str], None]


class TrainFolder(BaseRunFolder):
    """The folder of a training run, begun or finished.

    tell: called with lines for people. writes: False in processes that share the work with one that writes. keep: the
    number of checkpoints kept; `working` takes the configuration's. stop: set to stop the run and the runs inside it.
    """

    def __init__(self, path: Path, tell: Tell = lambda line: None, writes: bool = True, keep: int = 1) -> None:
        super().__init__(path)
        self.stop = threading.Event()
        self.tell, self._writes = tell, writes
        self._lines: JsonlWriter | None = None
        self._board: Any = None
        self._keep = keep
        self._told = 0.0

    @property
    def manifest(self) -> dict[str, Any]:
        """The content of `run.json`, its identity in today's field names: runs of earlier versions go on."""
        head = super().manifest
        return head | {"identity": _completed(updated(head["identity"]))}

    @contextmanager
    def working(self, stage: str, config: Stage, versions: Mapping[str, str]) -> Iterator[None]:
        """Begin the run, or go on with it, as the only process. Raises RunError if it is another run, or under way."""
        fields = config.model_dump(mode="json")
        identity = {"stage": stage} | {key: value for key, value in fields.items() if key not in _FREE}
        self._keep = config.keep
        self.path.mkdir(parents=True, exist_ok=True)
        with self.exclusive():
            if (self.path / "run.json").exists():
                self.require_same_run(identity)
                self.say("goes on")
            else:
                self.write_manifest(
                    {"config": fields, "identity": identity, "versions": dict(versions), "started": now()}
                )
                self.say("begins")
            try:
                yield
            finally:
                self.close()

    def inner(self, name: str) -> TrainFolder:
        """The folder `name` inside this one, for a run that reports to the same people."""
        inner = TrainFolder(self.path / name, self.tell)
        inner.stop = self.stop
        return inner

    def adopt(self, model: Path) -> None:
        """Copy a checkpoint, of a run inside this folder, as this run's model."""
        shutil.copytree(model, self.path / "model", dirs_exist_ok=True)

    def say(self, line: str) -> None:
        """Write a line to the log, and to `tell`."""
        if self._writes:
            self.log(line)
            self.tell(line)

    def due(self) -> bool:
        """Whether it is time for another line of progress."""
        at = time.monotonic()
        if at - self._told < _PACE:
            return False
        self._told = at
        return True

    def latest(self) -> Path | None:
        """The newest checkpoint; None if there is none."""
        return max((self.path / "checkpoints").glob(f"{_STEP}*"), default=None)

    def restore(self, trainer: Checkpointable) -> dict[str, Any] | None:
        """Restore the newest checkpoint, if there is one, and return the state that was saved with it.

        Metrics that were recorded after it are removed: they come again. Raises RunError, and what `trainer.restore`
        raises.
        """
        found = self.latest()
        if found is None:
            self._begin(0)
            return None
        state, step = trainer.restore(found), int(found.name.removeprefix(_STEP))
        self.say(f"goes on after update {step}")
        self._begin(step)
        return state

    def save(self, trainer: Checkpointable, step: int, state: dict[str, Any] | None = None) -> None:
        """Save a checkpoint after update `step`, and delete all but the newest ones."""
        trainer.save(self._checkpoint(step), state or {})
        for old in [] if not self._writes else sorted((self.path / "checkpoints").glob(f"{_STEP}*"))[: -self._keep]:
            shutil.rmtree(old, ignore_errors=True)

    def interrupted(
        self, trainer: Checkpointable, step: int, total: int, state: dict[str, Any] | None = None
    ) -> Interrupted:
        """The exception to raise when the run stops after update `step` of `total`; saves a checkpoint of it first."""
        if not step:
            return Interrupted("stopped before the first update: the same command begins anew")
        if self.latest() != self._checkpoint(step):
            self.save(trainer, step, state)
        if self._writes:
            self.log(f"stopped after update {step} of {total}")
        following = f"the same command goes on with update {step + 1}" if step < total else "the same command ends it"
        return Interrupted(f"stopped after update {step} of {total}, with a checkpoint: {following}")

    def _checkpoint(self, step: int) -> Path:
        return self.path / "checkpoints" / f"{_STEP}{step:08}"

    def _begin(self, done: int) -> None:
        """Open the metrics; those of updates after `done` are removed."""
        if not self._writes:
            return
        self.trim("metrics.jsonl", lambda row: row["step"] <= done)
        self._lines = JsonlWriter(self.path / "metrics.jsonl")
        self._board = _board(self.path / "tensorboard", done + 1)

    def trim(self, name: str, stays: Callable[[Any], bool]) -> None:
        """Remove the rows of a JSONL file for which `stays` is false, atomically. Raises RunError."""
        path = self.path / name
        try:
            write_jsonl(path, (row for row in read_jsonl(path) if stays(row)))
        except JsonlError as error:
            raise RunError(str(error)) from None

    def metrics(self) -> list[dict[str, Any]]:
        """The recorded metrics, a row for each update. Raises RunError."""
        try:
            return list(read_jsonl(self.path / "metrics.jsonl"))
        except (JsonlError, OSError) as error:
            raise RunError(str(error)) from None

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Record the metrics of update `step`; they are on the disk when this returns."""
        if not self._writes:
            return
        assert self._lines is not None
        self._lines.append([{"step": step, "time": round(time.time(), 3), **values}])
        for name, value in values.items() if self._board is not None else ():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Close the files."""
        if self._lines is not None:
            self._lines.close()
        if self._board is not None:
            self._board.close()
        self._lines = self._board = None


def _completed(fields: dict[str, Any]) -> dict[str, Any]:
    """The recorded fields of a run, with today's defaults of fields that it did not have."""
    kind = STAGES.get(fields.get("stage", ""))
    if kind is None:
        return fields
    try:
        known = kind.model_validate({key: value for key, value in fields.items() if key != "stage"})
    except ValidationError:  # of a later version
        return fields
    return fields | {key: value for key, value in known.model_dump(mode="json").items() if key not in _FREE}


def _board(path: Path, step: int) -> Any:
    """A TensorBoard writer that hides what an earlier process wrote from `step` on."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(path), purge_step=step)
