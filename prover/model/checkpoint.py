"""Checkpoints in Hugging Face's form for `DeepseekV3ForCausalLM`, which transformers and vLLM read too.

A folder with config.json and `model.safetensors`, or several such files (shards) with an index. Weights go through
memory a tensor, or a shard, at a time. A model may be spread over processes: all of them then make the same call.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Set
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.distributed as dist
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from data.parsing import parse_json
from prover.model import config_file
from prover.model.config import ModelConfig, ModelError
from prover.model.fp8 import SCALES, dequantise
from prover.model.names import EMBEDDING, HEAD, Piece, ignored, interleaved, layer, pieces
from prover.model.swap import replacing
from prover.model.transformer import Transformer

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_WEIGHTS = (SINGLE, "model-*.safetensors", INDEX, config_file.NAME)


def read_config(folder: str | os.PathLike[str]) -> ModelConfig:
    """The configuration of a checkpoint. Raises ModelError, ConfigError."""
    return config_file.read(Path(folder)).config


def load(
    folder: str | os.PathLike[str], *, device: str | torch.device = "cpu", dtype: torch.dtype | None = None
) -> Transformer:
    """The model of a checkpoint, with parameters of type `dtype` (None: that of the embedding in the files).

    Without MTP modules if the files have none, whatever the configuration says: transformers writes none.
    Raises ModelError, ConfigError.
    """
    stored = config_file.read(Path(folder))
    files = _Files(Path(folder), stored.block)
    config = stored.config
    if not any(name.startswith(layer(config, 0)) for name in files.names):
        config = config.with_(num_nextn_predict_layers=0)
    with torch.device("meta"):
        model = Transformer(config).to(dtype or files.read(EMBEDDING).dtype)
    model.to_empty(device=device)
    _fill(model, files, stored.interleaved)
    return model


def load_into(model: Transformer, folder: str | os.PathLike[str]) -> None:
    """Give a model, which may be spread over processes, a checkpoint's weights.

    Its MTP modules must be in the checkpoint; those that it lacks may be there. The weights are converted to its types.
    Raises ModelError, ConfigError; some weights may have been read then.
    """
    stored = config_file.read(Path(folder))
    theirs, ours = stored.config.num_hidden_layers, model.config.num_hidden_layers
    if theirs != ours:  # a deeper one's last layers would pass for MTP modules
        raise ModelError(f"{folder}: it has {theirs} layers, the model {ours}")
    _fill(model, _Files(Path(folder), stored.block), stored.interleaved)


def take(model: Transformer, weights: Mapping[str, Tensor]) -> None:
    """Give a model what `tensors` of another one gives. Raises ModelError; some weights may have been taken then."""
    _fill(model, _Given(weights), in_order=True)


def save(model: Transformer, folder: str | os.PathLike[str], *, shard_bytes: int = 5_000_000_000) -> None:
    """Write a checkpoint, whose files are no larger than `shard_bytes` where no single tensor is.

    If the folder exists, its checkpoint is replaced at once, when the new one is complete (swap.py); other files, such
    as the tokenizer's, stay. With torch.distributed all processes call this and the first one writes; it returns when
    all is written. Raises ModelError.
    """
    several = dist.is_available() and dist.is_initialized()
    writes = not several or dist.get_rank() == 0
    if not writes:
        for tensor in model.state_dict().values():
            _whole(tensor)
    else:
        try:
            with replacing(Path(folder), *_WEIGHTS) as new:
                config_file.write(model.config, model.embed_tokens.weight.dtype, new)
                _write(model, new, shard_bytes)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{folder}: the checkpoint cannot be written: {error}") from None
    if several:
        dist.barrier()


@torch.no_grad()
def tensors(model: Transformer) -> Iterator[tuple[str, Tensor]]:
    """The tensors that `save` writes, with their names in the files, in order: each one whole, on the CPU.

    Of a model that is spread over processes, all of them must go through it to the end, and each one is given them.
    They may be the model's own memory: to be used before it is changed.
    A head that is tied to the embedding is among them all the same: vLLM's DeepSeek would have one of random weights.
    """
    config = model.config
    for name, tensor in model.state_dict().items():
        whole = _whole(tensor)
        if name == HEAD and config.tie_word_embeddings:  # a file takes no two tensors with the same memory
            whole = whole.clone()
        for piece in pieces(name, tensor.shape, config):
            yield piece.name, whole[piece.part].cpu().contiguous()


class _Source(Protocol):
    """Where weights come from; folder: what it is called in messages."""

    @property
    def folder(self) -> Path | str: ...

    @property
    def names(self) -> Set[str]: ...

    def read(self, name: str) -> Tensor: ...


class _Given:
    """Weights that are in memory."""

    folder = "the new weights"

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self._weights = weights

    @property
    def names(self) -> Set[str]:
        return self._weights.keys()

    def read(self, name: str) -> Tensor:
        return self._weights[name]


class _Files:
    """The tensors of a checkpoint's files, of which one is open at a time."""

    def __init__(self, folder: Path, block: tuple[int, int] | None) -> None:
        self.folder, self._block = folder, block
        self._open: tuple[str, Any] = ("", None)
        if (folder / INDEX).is_file():
            self._where = _index(folder / INDEX)
            if missing := sorted(file for file in set(self._where.values()) if not (folder / file).is_file()):
                raise ModelError(f"{folder}: these files are missing: {_few(missing)}")
        elif (folder / SINGLE).is_file():
            self._where = {name: SINGLE for name in self._file(SINGLE).keys()}  # noqa: SIM118, it is no dict
        else:
            raise ModelError(f"{folder}: it has neither {SINGLE} nor {INDEX}")

    @property
    def names(self) -> set[str]:
        return set(self._where)

    def read(self, name: str) -> Tensor:
        """A tensor, which may be a view of the file. One in eight bits is multiplied with its scales."""
        weight = self._stored(name)
        if weight.element_size() > 1:
            return weight
        if self._block is None:
            raise ModelError(f"{self.folder}: {name} is {weight.dtype}, but config.json has no quantization_config")
        try:
            return dequantise(weight, self._stored(name + SCALES), self._block)
        except ValueError as error:
            raise ModelError(f"{self.folder}: {name}: {error}") from None

    def _stored(self, name: str) -> Tensor:
        if name not in self._where:
            raise ModelError(f"{self.folder}: it has no {name}")
        file = self._where[name]
        try:
            tensor: Tensor = self._file(file).get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{self.folder / file}: {error}") from None
        return tensor

    def _file(self, name: str) -> Any:
        if self._open[0] != name:
            self._open = ("", None)  # first let go of the one before
            try:
                self._open = (name, safe_open(self.folder / name, framework="pt"))
            except (OSError, SafetensorError) as error:
                raise ModelError(f"{self.folder / name}: it cannot be read: {error}") from None
        return self._open[1]


def _index(file: Path) -> dict[str, str]:
    try:
        found = parse_json(file.read_bytes())["weight_map"]
        return {str(name): str(where) for name, where in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{file}: it is no index: {error!r}") from None


@torch.no_grad()
def _fill(model: Transformer, files: _Source, in_order: bool) -> None:
    config = model.config
    model.tie()  # to_empty has made them two
    tensors = model.state_dict()  # the model's own, not copies
    if config.tie_word_embeddings:  # a head in the files is a copy, or not there
        del tensors[HEAD]
    places = {name: pieces(name, tensor.shape, config) for name, tensor in tensors.items()}
    wanted = {piece.name for found in places.values() for piece in found}
    if missing := sorted(wanted - files.names):
        raise ModelError(f"{files.folder}: these tensors are missing: {_few(missing)}")
    if extra := sorted(name for name in files.names - wanted if not ignored(name, config)):
        raise ModelError(f"{files.folder}: there are tensors that the model does not have: {_few(extra)}")
    for name, tensor in tensors.items():
        if not isinstance(tensor, DTensor):
            _read(tensor, places[name], files, config, in_order)
            continue
        whole = torch.empty(tensor.shape, dtype=tensor.dtype)
        _read(whole, places[name], files, config, in_order)
        # Each process has read the same, so that nothing needs to be sent.
        own = distribute_tensor(whole, tensor.device_mesh, tensor.placements, src_data_rank=None)
        tensor.to_local().copy_(own.to_local())


def _read(whole: Tensor, places: list[Piece], files: _Source, config: ModelConfig, in_order: bool) -> None:
    for name, part in places:
        target, found = whole[part], files.read(name)
        if found.shape != target.shape:
            raise ModelError(f"{files.folder}: {name} is {list(found.shape)}, should be {list(target.shape)}")
        if found.is_floating_point() and not torch.isfinite(found.float() if found.itemsize == 1 else found).all():
            raise ModelError(f"{files.folder}: {name} has numbers that are not finite")
        target.copy_(found if in_order else interleaved(name, found, config))


def _write(model: Transformer, folder: Path, shard_bytes: int) -> None:
    sizes = {
        piece.name: torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")[piece.part].nbytes
        for name, tensor in model.state_dict().items()
        for piece in pieces(name, tensor.shape, model.config)
    }
    shards = _shards(sizes, shard_bytes)
    count = len(shards)
    files = [SINGLE] if count == 1 else [f"model-{n:05}-of-{count:05}.safetensors" for n in range(1, count + 1)]
    stream = tensors(model)
    for file, names in zip(files, shards, strict=True):
        held = dict(islice(stream, len(names)))
        save_file(held, folder / file, metadata={"format": "pt"})
        del held
    if count > 1:
        where = {name: file for file, names in zip(files, shards, strict=True) for name in names}
        index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": where}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", "utf-8")


def _shards(sizes: Mapping[str, int], most: int) -> list[list[str]]:
    """The names in their order, cut so that no part is larger than `most` bytes if it has more than one."""
    found: list[list[str]] = [[]]
    held = 0
    for name, size in sizes.items():
        if found[-1] and held + size > most:
            found.append([])
            held = 0
        found[-1].append(name)
        held += size
    return found


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
