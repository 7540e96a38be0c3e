"""A training run's folder.

`run.json` (what it is), `metrics.jsonl` (a line for each update), `tensorboard/` (the same), `run.log`, `checkpoints/`
(to go on from), `model/` (what came of it), and what the stage keeps besides.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from data.records.jsonl import JsonlError, JsonlWriter, read_jsonl
from data.records.run_folder import Folder, RunError, now
from rl.config import STAGES, Stage
from rl.field_names import updated
from rl.stop import Interrupted

_PACE = 10.0  # seconds between two lines on how far the work is
_STEP = "step-"  # what checkpoints are called, with the number of updates before them

#: What a run's results follow from is everything but these, so they may change when it goes on.
_FREE = frozenset(("placement", "save_every", "keep", "updates"))


class Checkpointable(Protocol):
    """What is trained, as far as it is kept: see rl.trainer.Trainer."""

    def save(self, folder: Path, state: dict[str, Any]) -> None: ...

    def restore(self, folder: Path) -> dict[str, Any]: ...


Tell = Callable[[str], None]


class TrainFolder(Folder):
    """The files of a training run, finished or not.

    tell: takes lines for people. writes: False in processes that share the work with one that does. keep: checkpoints;
    `working` takes its configuration's. stop: set when the run is to stop; runs inside of this one share it.
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
    def head(self) -> dict[str, Any]:
        """The head of the run, its identity in the fields of today: a run that an earlier version began goes on."""
        head = super().head
        return head | {"identity": _completed(updated(head["identity"]))}

    @contextmanager
    def working(self, stage: str, config: Stage, versions: Mapping[str, str]) -> Iterator[None]:
        """Begin the run, or go on with it, as the only process. Raises RunError if it is another run, or under way."""
        fields = config.model_dump(mode="json")
        identity = {"stage": stage} | {key: value for key, value in fields.items() if key not in _FREE}
        self._keep = config.keep
        self.path.mkdir(parents=True, exist_ok=True)
        with self.alone():
            if (self.path / "run.json").exists():
                self.same(identity)
                self.say("goes on")
            else:
                self.put_head({"config": fields, "identity": identity, "versions": dict(versions), "started": now()})
                self.say("begins")
            try:
                yield
            finally:
                self.close()

    def inner(self, name: str) -> TrainFolder:
        """A folder of a run in this one, which is told of to the same people."""
        inner = TrainFolder(self.path / name, self.tell)
        inner.stop = self.stop
        return inner

    def adopt(self, model: Path) -> None:
        """Make a checkpoint, of a run in this folder, what came of this run."""
        shutil.copytree(model, self.path / "model", dirs_exist_ok=True)

    def say(self, line: str) -> None:
        """To the log, and to whoever watches."""
        if self._writes:
            self.log(line)
            self.tell(line)

    def due(self) -> bool:
        """Is it time for another line on how far the work is?"""
        at = time.monotonic()
        if at - self._told < _PACE:
            return False
        self._told = at
        return True

    def latest(self) -> Path | None:
        """The newest checkpoint to go on from."""
        return max((self.path / "checkpoints").glob(f"{_STEP}*"), default=None)

    def restore(self, trainer: Checkpointable) -> dict[str, Any] | None:
        """Take up where the newest checkpoint left off, if there is one: returns what was kept with it.

        JsonlWriter of the metrics that were written after it are taken out: they come again.
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
        """A checkpoint to go on from after update `step`; only the newest ones are kept."""
        trainer.save(self._checkpoint(step), state or {})
        for old in [] if not self._writes else sorted((self.path / "checkpoints").glob(f"{_STEP}*"))[: -self._keep]:
            shutil.rmtree(old, ignore_errors=True)

    def interrupted(
        self, trainer: Checkpointable, step: int, total: int, state: dict[str, Any] | None = None
    ) -> Interrupted:
        """What is to be raised when the run stops after update `step` of `total`; there is a checkpoint of it then."""
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
        """Metrics up to this update stay."""
        if not self._writes:
            return
        self.trim("metrics.jsonl", lambda row: row["step"] <= done)
        self._lines = JsonlWriter(self.path / "metrics.jsonl")
        self._board = _board(self.path / "tensorboard", done + 1)

    def trim(self, name: str, stays: Callable[[Any], bool]) -> None:
        """Take out the lines of a file that are not to stay. Raises RunError."""
        path, draft = self.path / name, self.path / f".{name}.draft"
        draft.unlink(missing_ok=True)
        try:
            with closing(JsonlWriter(draft)) as lines:
                lines.append(row for row in read_jsonl(path) if stays(row))
        except JsonlError as error:
            raise RunError(str(error)) from None
        draft.replace(path)

    def metrics(self) -> list[dict[str, Any]]:
        """The lines so far. Raises RunError."""
        try:
            return list(read_jsonl(self.path / "metrics.jsonl"))
        except (JsonlError, OSError) as error:
            raise RunError(str(error)) from None

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """A line of metrics; it is on the disk when this returns."""
        if not self._writes:
            return
        assert self._lines is not None
        self._lines.append([{"step": step, "time": round(time.time(), 3), **values}])
        for name, value in values.items() if self._board is not None else ():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        if self._lines is not None:
            self._lines.close()
        if self._board is not None:
            self._board.close()
        self._lines = self._board = None


def remaining(seconds: float) -> str:
    """The time that a run will still take, for people."""
    if seconds < 90:
        return f"{seconds:.0f} s left"
    minutes = round(seconds / 60)
    return f"{minutes} min left" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min left"


def _completed(fields: dict[str, Any]) -> dict[str, Any]:
    """A run's recorded fields, with the defaults of those that came later."""
    kind = STAGES.get(fields.get("stage", ""))
    if kind is None:
        return fields
    try:
        known = kind.model_validate({key: value for key, value in fields.items() if key != "stage"})
    except ValidationError:  # of a later version
        return fields
    return fields | {key: value for key, value in known.model_dump(mode="json").items() if key not in _FREE}


def _board(path: Path, step: int) -> Any:
    """TensorBoard's writer; what an earlier process wrote from this step on is shown no more."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(path), purge_step=step)
