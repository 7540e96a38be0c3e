"""WeightSync: new weights for a running vLLM on this machine, through files that its workers read; on CPUs and GPUs.

WeightSync is the trainer's side, LoadWeights the workers'. Running requests pause during an update, and continue with
keys and values that are recomputed with the new weights.
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
ENVIRONMENT = {"VLLM_SERVER_DEV_MODE": "1"}  # a server only then lets clients call its workers' methods

_log = logging.getLogger(__name__)
_SHARED_MEMORY = Path("/dev/shm")
_PREFIX, _LOCK_FILE = "prover-weights-", "lock"
_FILE_BYTES = 1 << 30  # bytes of weights in a file, where no tensor is larger
_SPARE_BYTES = 64 << 20  # bytes left free where a file is written
_FAILED = "not taken"
_MAX_NAMES = 3  # names in a message


class UpdateFailed(Exception):
    """vLLM does not have the weights that it should have; str() says why."""


class VLLMControl(Protocol):
    """Interface of a running vLLM for weight updates. Each method raises the errors of its client."""

    async def pause(self, mode: str) -> None:
        """Start no further step. Running requests wait (mode `keep`) or end (mode `abort`)."""
        ...

    async def resume(self) -> None:
        """Continue after a pause."""
        ...

    async def call(self, method: str, *arguments: object) -> Sequence[Any]:
        """Call a method of LoadWeights on all workers; return the result of each."""
        ...

    async def reset_prefix_cache(self) -> bool:
        """Drop all keys and values, also those of running requests; return whether it succeeded."""
        ...

    async def set_version(self, version: str) -> None:
        """Set the name of the current weights. The weights at the start have another name."""
        ...

    async def version(self) -> str:
        """Return the name of the current weights."""
        ...


class WeightSync:
    """Pushes weights to a vLLM, and checks that it still has them: a restarted vLLM does not.

    A failed update leaves the vLLM paused, without running requests; the next update resumes it.
    """

    def __init__(self, control: VLLMControl) -> None:
        self._control = control
        self._version = ""  # of the last update
        self._lock = asyncio.Lock()

    @property
    def has_failed(self) -> bool:
        """Whether the last update failed on the way."""
        return self._version == _FAILED

    async def push(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Send weights under the names in its checkpoint's files. It serves requests while the files are written.

        A refusal because of missing or unknown names changes nothing. Raises UpdateFailed, and the errors of the
        client.
        """
        with _folders() as folders:
            files, count = await _write_files(weights, folders)
            for problem in await self._control.call("check_weights", files):
                if problem:
                    raise UpdateFailed(problem)
            async with self._lock:
                try:
                    await self._load_into_workers(files, count)
                except BaseException:
                    self._version = _FAILED
                    with suppress(Exception):  # it is gone, or repeats the error
                        await self._control.pause("abort")
                    raise

    async def _load_into_workers(self, files: list[str], count: int) -> None:
        version = secrets.token_hex(8)
        await self._control.pause("keep")
        worker_results = await self._control.call("take_weights", files, version)
        if not worker_results or any(result != {"version": version, "tensors": count} for result in worker_results):
            raise UpdateFailed(f"its workers were to load {count} tensors, and say: {worker_results}")
        if not await self._control.reset_prefix_cache():
            raise UpdateFailed("its cache still has what was computed with the weights before")
        await self._control.set_version(version)
        self._version = version
        await self._control.resume()

    async def check(self) -> None:
        """Wait until no update is running. Raises UpdateFailed if vLLM does not have the weights of the last push."""
        while self._version or self._lock.locked():
            async with self._lock:
                expected = self._version
            if await self._control.version() == expected:
                return
            if expected == self._version and not self._lock.locked():  # otherwise an update came in between
                raise UpdateFailed("it has not the weights that it was given last: give it them again")


@contextmanager
def _folders() -> Iterator[list[Path]]:
    """Yield empty folders that are deleted at the end: in shared memory, if there is any, and on the disk."""
    with _folder(Path(tempfile.gettempdir())) as disk:
        if not _SHARED_MEMORY.is_dir():
            yield [disk]
            return
        with _folder(_SHARED_MEMORY) as memory:
            yield [memory, disk]


@contextmanager
def _folder(parent: Path) -> Iterator[Path]:
    """Yield an empty folder under `parent`, after deleting those of killed processes, whose lock is free."""
    for stale in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError), (stale / _LOCK_FILE).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent) as name, (Path(name) / _LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(name)


async def _write_files(weights: Iterable[tuple[str, Tensor]], folders: Sequence[Path]) -> tuple[list[str], int]:
    """Write weights into files, each in the first folder with room; return the files and the number of tensors.

    The weights are gathered in this thread, in which the processes of a distributed model meet; the files are written
    in another one.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    files: list[str] = []
    count = 0
    for tensors in _file_parts(weights):
        size = sum(tensor.nbytes for tensor in tensors.values())
        folder = next(
            (candidate for candidate in folders if shutil.disk_usage(candidate).free > size + _SPARE_BYTES), folders[-1]
        )
        file = folder / f"{len(files):05}.safetensors"
        try:
            await asyncio.to_thread(save_file, tensors, file)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise UpdateFailed(f"the weights cannot be written to {file}: {error}") from None
        files.append(str(file))
        count += len(tensors)
    return files, count


def _file_parts(weights: Iterable[tuple[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
    tensors: dict[str, Tensor] = {}
    size = 0
    for name, tensor in weights:
        if tensors and size + tensor.nbytes > _FILE_BYTES:
            yield tensors
            tensors, size = {}, 0
        tensors[name] = tensor.detach().cpu().contiguous()
        size += tensor.nbytes
    if tensors:
        yield tensors


class LoadWeights:
    """Methods that vLLM's workers get besides their own (see FLAGS)."""

    vllm_config: Any
    model_runner: Any

    def check_weights(self, files: list[str]) -> str:
        """Return why the workers cannot load the files, or "": the names must be those of their checkpoint."""
        from safetensors import SafetensorError

        try:
            names = {name for file in files for name in _tensor_names(file)}
            model = Model.read(self.vllm_config.model_config.model)
        except (OSError, SafetensorError, ModelError) as error:
            return f"vLLM's workers cannot read what they need: {error}"
        if not model.tensors:  # unknown
            return ""
        missing, extra = (
            sorted(name for name in some if not _is_optional(name, model))
            for some in (model.tensors - names, names - model.tensors)
        )
        problems = [f"{len(missing)} are missing ({', '.join(missing[:_MAX_NAMES])})"] if missing else []
        problems += [f"{len(extra)} are not in it ({', '.join(extra[:_MAX_NAMES])})"] if extra else []
        return f"of the checkpoint's tensors, {'; '.join(problems)}" if problems else ""

    def take_weights(self, files: list[str], version: str) -> dict[str, Any]:
        """Load the files; return the number of tensors, or the failure. The earlier weights are lost in either case."""
        try:
            return {"version": version, "tensors": self._load_all(files)}
        except Exception as error:  # of any kind, from a loader; raised, it would end the worker's connection
            _log.exception("new weights could not be loaded")
            return {"failure": f"{type(error).__name__}: {error}"}

    def _load_all(self, files: list[str]) -> int:
        from vllm.config import set_current_vllm_config

        with set_current_vllm_config(self.vllm_config):
            model = self.model_runner.get_model()
            loaded = _load_model(model, files, self.vllm_config.model_config)
            if not_loaded := sorted(dict(model.named_parameters()).keys() - loaded):
                raise ValueError(
                    f"{len(not_loaded)} parameters have not been loaded: {', '.join(not_loaded[:_MAX_NAMES])}"
                )
            draft = self.model_runner.get_draft_model()
            if draft is not None:  # it shares parameters, which are loaded already
                _load_model(draft, files, self.vllm_config.speculative_config.draft_model_config)
        return sum(len(_tensor_names(file)) for file in files)


def _load_model(model: Any, files: list[str], model_config: Any) -> set[str]:
    """Load a model's weights into its existing memory; return the names of the loaded parameters."""
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
    finally:  # otherwise the next update would be read as the rest of this one
        finalize_layerwise_reload(model, model_config)
    return loaded


def _is_optional(name: str, model: Model) -> bool:
    """Return whether checkpoints may have the tensor or not, while vLLM finds it elsewhere or needs none."""
    match = re.match(r"model\.layers\.(\d+)\.", name)
    if match and int(match[1]) >= int(model.config.get("num_hidden_layers") or 0):  # the MTP module
        return True
    tied = name == "lm_head.weight" and bool(model.config.get("tie_word_embeddings"))
    return tied or name.endswith("rotary_emb.inv_freq")


def _tensor_names(file: str) -> list[str]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as weights:
        return list(weights.keys())


def _tensors(files: list[str]) -> Iterator[tuple[str, Tensor]]:
    from safetensors import safe_open

    for file in files:
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118, it is no dict
                yield name, weights.get_tensor(name)
