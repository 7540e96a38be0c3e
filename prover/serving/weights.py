"""New weights for a vLLM that runs on this machine, through files that its workers read; on CPUs and GPUs alike.

Updates is the trainer's side, LoadWeights the workers'. What came before the new weights is in no answer's memory
afterwards: answers under way stand still, and go on with the keys and values of the new weights.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from prover.model.config import ModelError
from prover.serving.model import Model

if TYPE_CHECKING:
    from torch import Tensor

FLAGS = ("--worker-extension-cls", "prover.serving.weights.LoadWeights")
ENVIRONMENT = {"VLLM_SERVER_DEV_MODE": "1"}  # a server gives its workers' methods only then to whoever reaches it

_log = logging.getLogger(__name__)
_MEMORY = Path("/dev/shm")
_PREFIX, _LOCK = "prover-weights-", "lock"
_FILE = 1 << 30  # bytes of weights in a file, where no tensor is larger
_SPARE = 64 << 20  # bytes left free where a file is written
_NOT_TAKEN = "not taken"
_SHOWN = 3  # names in a message


class UpdateFailed(Exception):
    """vLLM has not the weights that it should have; str() says why."""


class VLLMControl(Protocol):
    """A vLLM that runs: its own words for what an update needs. Each method raises what its client raises."""

    async def pause(self, mode: str) -> None:
        """Start no step from now on. What is under way stands still (`keep`) or ends (`abort`)."""
        ...

    async def resume(self) -> None: ...

    async def call(self, method: str, *arguments: object) -> Sequence[Any]:
        """Call LoadWeights' method; what each worker returns."""
        ...

    async def forget(self) -> bool:
        """Throw all keys and values away, those of answers under way too; has it been done?"""
        ...

    async def label(self, version: str) -> None:
        """Let the weights be called this. Those that it was started with have another name."""
        ...

    async def version(self) -> str: ...


class Updates:
    """Gives a vLLM new weights, and knows whether it still has them: one that is started again does not.

    An update that fails leaves the vLLM standing still, with no answers under way: the next one makes it work again.
    """

    def __init__(self, running: VLLMControl) -> None:
        self._running = running
        self._version = ""  # of the last update
        self._taking = asyncio.Lock()

    @property
    def broken(self) -> bool:
        """Has the last update failed on the way?"""
        return self._version == _NOT_TAKEN

    async def give(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Give it weights under the names of its checkpoint's files. It goes on answering while they are written.

        What it does not take because of names that are missing or not known has changed nothing. Raises UpdateFailed,
        and what the client raises.
        """
        with _folders() as folders:
            files, count = await _write(weights, folders)
            for problem in await self._running.call("check_weights", files):
                if problem:
                    raise UpdateFailed(problem)
            async with self._taking:
                try:
                    await self._take(files, count)
                except BaseException:
                    self._version = _NOT_TAKEN
                    with suppress(Exception):  # it is gone, or says no more than it said
                        await self._running.pause("abort")
                    raise

    async def _take(self, files: list[str], count: int) -> None:
        version = secrets.token_hex(8)
        await self._running.pause("keep")
        taken = await self._running.call("take_weights", files, version)
        if not taken or any(worker != {"version": version, "tensors": count} for worker in taken):
            raise UpdateFailed(f"its workers were to load {count} tensors, and say: {taken}")
        if not await self._running.forget():
            raise UpdateFailed("its cache still has what was computed with the weights before")
        await self._running.label(version)
        self._version = version
        await self._running.resume()

    async def check(self) -> None:
        """Wait until no update is under way. Raises UpdateFailed if it has not the weights that it was given last."""
        while self._version or self._taking.locked():
            async with self._taking:
                wanted = self._version
            if await self._running.version() == wanted:
                return
            if wanted == self._version and not self._taking.locked():  # otherwise it was asked in between
                raise UpdateFailed("it has not the weights that it was given last: give it them again")


@contextmanager
def _folders() -> Iterator[list[Path]]:
    """Empty folders that are deleted at the end: in memory, where there is such a place, and on the disk."""
    with _folder(Path(tempfile.gettempdir())) as disk:
        if not _MEMORY.is_dir():
            yield [disk]
            return
        with _folder(_MEMORY) as memory:
            yield [memory, disk]


@contextmanager
def _folder(place: Path) -> Iterator[Path]:
    """One of them; those of processes that were killed, whose lock nobody has, are deleted now."""
    for old in place.glob(f"{_PREFIX}*"):
        with suppress(OSError), (old / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place) as name, (Path(name) / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(name)


async def _write(weights: Iterable[tuple[str, Tensor]], folders: Sequence[Path]) -> tuple[list[str], int]:
    """Write them into files, each in the first folder that has room; the files, and how many tensors there are.

    The weights are fetched in this thread, where a spread model's processes meet; the files are written beside it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    files: list[str] = []
    count = 0
    for held in _parts(weights):
        size = sum(tensor.nbytes for tensor in held.values())
        folder = next((place for place in folders if shutil.disk_usage(place).free > size + _SPARE), folders[-1])
        file = folder / f"{len(files):05}.safetensors"
        try:
            await asyncio.to_thread(save_file, held, file)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise UpdateFailed(f"the weights cannot be written to {file}: {error}") from None
        files.append(str(file))
        count += len(held)
    return files, count


def _parts(weights: Iterable[tuple[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
    held: dict[str, Tensor] = {}
    size = 0
    for name, tensor in weights:
        if held and size + tensor.nbytes > _FILE:
            yield held
            held, size = {}, 0
        held[name] = tensor.detach().cpu().contiguous()
        size += tensor.nbytes
    if held:
        yield held


class LoadWeights:
    """What vLLM's workers, which inherit it, can do besides (FLAGS)."""

    vllm_config: Any
    model_runner: Any

    def check_weights(self, files: list[str]) -> str:
        """What keeps it from taking them, for people: they have to be those of the checkpoint it was started with."""
        from safetensors import SafetensorError

        try:
            names = {name for file in files for name in _names(file)}
            model = Model.read(self.vllm_config.model_config.model)
        except (OSError, SafetensorError, ModelError) as error:
            return f"vLLM's workers cannot read what they need: {error}"
        if not model.tensors:  # not known
            return ""
        missing, extra = (
            sorted(name for name in some if not _optional(name, model))
            for some in (model.tensors - names, names - model.tensors)
        )
        problems = [f"{len(missing)} are missing ({', '.join(missing[:_SHOWN])})"] if missing else []
        problems += [f"{len(extra)} are not in it ({', '.join(extra[:_SHOWN])})"] if extra else []
        return f"of the checkpoint's tensors, {'; '.join(problems)}" if problems else ""

    def take_weights(self, files: list[str], version: str) -> dict[str, Any]:
        """Load them: how many there were, or why it failed. What there was before is lost, in any case."""
        try:
            return {"version": version, "tensors": self._take(files)}
        except Exception as error:  # a loader's, of whatever kind; raised, it would cost the server the connection
            _log.exception("new weights could not be loaded")
            return {"failure": f"{type(error).__name__}: {error}"}

    def _take(self, files: list[str]) -> int:
        from vllm.config import set_current_vllm_config

        with set_current_vllm_config(self.vllm_config):
            model = self.model_runner.get_model()
            loaded = _load(model, files, self.vllm_config.model_config)
            if left := sorted(dict(model.named_parameters()).keys() - loaded):
                raise ValueError(f"{len(left)} parameters have not been loaded: {', '.join(left[:_SHOWN])}")
            draft = self.model_runner.get_draft_model()
            if draft is not None:  # it shares parameters, which it does not load
                _load(draft, files, self.vllm_config.speculative_config.draft_model_config)
        return sum(len(_names(file)) for file in files)


def _load(model: Any, files: list[str], model_config: Any) -> set[str]:
    """Load a model's weights into the memory that they are in already; the names of the parameters that were loaded."""
    from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        # Experts are packed only when their kernel is made; with an old one they would stay as they are in the files.
        for module in model.modules():
            if getattr(getattr(module, "quant_method", None), "moe_kernel", None) is not None:
                module.quant_method.moe_kernel = None
    initialize_layerwise_reload(model)
    try:
        loaded: set[str] = model.load_weights(_tensors(files))
    finally:  # or the next ones would be taken for the rest of these
        finalize_layerwise_reload(model, model_config)
    return loaded


def _optional(name: str, model: Model) -> bool:
    """Is it a tensor that trainers and checkpoints have or not, while vLLM has another way to it or does without?"""
    found = re.match(r"model\.layers\.(\d+)\.", name)
    if found and int(found[1]) >= int(model.config.get("num_hidden_layers") or 0):  # predicts ahead
        return True
    tied = name == "lm_head.weight" and bool(model.config.get("tie_word_embeddings"))
    return tied or name.endswith("rotary_emb.inv_freq")


def _names(file: str) -> list[str]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as weights:
        return list(weights.keys())


def _tensors(files: list[str]) -> Iterator[tuple[str, Tensor]]:
    from safetensors import safe_open

    for file in files:
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118, it is no dict
                yield name, weights.get_tensor(name)
