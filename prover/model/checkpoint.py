"""Read and write checkpoints in Hugging Face's format for `DeepseekV3ForCausalLM`: transformers and vLLM read them.

A checkpoint is a folder with config.json and `model.safetensors`, or several such files (shards) with an index.
Weights go through memory a tensor, or a shard, at a time. A model may be sharded over processes (parallel.py): all of
them then make the same call.
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

from data.records.parsing import parse_json
from prover.model import config_file
from prover.model.config import ModelConfig, ModelError
from prover.model.fp8 import SCALE_SUFFIX, dequantize
from prover.model.swap import replacing
from prover.model.tensor_names import (
    EMBEDDING,
    HEAD,
    FileTensor,
    file_tensors,
    interleave_rotary_rows,
    is_ignorable,
    mtp_prefix,
)
from prover.model.transformer import Transformer

WEIGHTS_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
_CHECKPOINT_FILES = (WEIGHTS_FILE, "model-*.safetensors", INDEX_FILE, config_file.CONFIG_FILE)


def read_config(folder: str | os.PathLike[str]) -> ModelConfig:
    """The configuration of a checkpoint.

    Raises ModelError if it cannot be read, ModelConfigError if it is of another architecture.
    """
    return config_file.read(Path(folder)).config


def load(
    folder: str | os.PathLike[str], *, device: str | torch.device = "cpu", dtype: torch.dtype | None = None
) -> Transformer:
    """Load a checkpoint as a model on `device`, with parameters of `dtype` (None: that of the embedding in the files).

    It has no MTP modules if the files have none, whatever the configuration says: transformers writes none.
    Raises ModelError if a file is missing or wrong, ModelConfigError if the architecture is another.
    """
    stored = config_file.read(Path(folder))
    files = _CheckpointFiles(Path(folder), stored.fp8_block_size)
    config = stored.config
    if not any(name.startswith(mtp_prefix(config, 0)) for name in files.names):
        config = config.replace(num_nextn_predict_layers=0)
    with torch.device("meta"):
        model = Transformer(config).to(dtype or files.read(EMBEDDING).dtype)
    model.to_empty(device=device)
    _copy_weights(model, files, stored.rope_interleaved)
    return model


def load_into(model: Transformer, folder: str | os.PathLike[str]) -> None:
    """Load a checkpoint's weights into a model, which may be sharded, converted to the model's dtypes.

    The checkpoint must have the model's MTP modules; further ones are ignored.
    Raises ModelError, ModelConfigError; some weights may have been overwritten then.
    """
    stored = config_file.read(Path(folder))
    stored_layers, model_layers = stored.config.num_hidden_layers, model.config.num_hidden_layers
    if stored_layers != model_layers:  # a deeper one's last layers would pass for MTP modules
        raise ModelError(f"{folder}: it has {stored_layers} layers, the model {model_layers}")
    _copy_weights(model, _CheckpointFiles(Path(folder), stored.fp8_block_size), stored.rope_interleaved)


def load_weights(model: Transformer, weights: Mapping[str, Tensor]) -> None:
    """Copy weights into a model: all that `export_weights` of another model gives, by name.

    Raises ModelError if a tensor is missing, unknown or of another shape; some may have been overwritten then.
    """
    _copy_weights(model, _InMemoryWeights(weights), rope_interleaved=True)


def save(model: Transformer, folder: str | os.PathLike[str], *, shard_bytes: int = 5_000_000_000) -> None:
    """Write a checkpoint; a file is larger than `shard_bytes` only if a single tensor is.

    If the folder exists, its checkpoint is replaced atomically when the new one is complete (swap.py); other files,
    such as the tokenizer's, stay. With torch.distributed all processes call this and the first one writes; it returns
    when all is written. Raises ModelError.
    """
    distributed = dist.is_available() and dist.is_initialized()
    if distributed and dist.get_rank() != 0:
        for tensor in model.state_dict().values():
            _full_tensor(tensor)
    else:
        try:
            with replacing(Path(folder), *_CHECKPOINT_FILES) as new:
                config_file.write(model.config, model.embed_tokens.weight.dtype, new)
                _write_shards(model, new, shard_bytes)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{folder}: the checkpoint cannot be written: {error}") from None
    if distributed:
        dist.barrier()


@torch.no_grad()
def export_weights(model: Transformer) -> Iterator[tuple[str, Tensor]]:
    """The tensors that `save` writes, in order, with their names in the files: each one unsharded, on the CPU.

    Of a sharded model, all processes must consume the iterator to its end; each gets all tensors.
    A tensor may share the model's memory: use it before the model changes.
    A head that is tied to the embedding is included, because vLLM's DeepSeek leaves it at random weights otherwise.
    """
    config = model.config
    for name, tensor in model.state_dict().items():
        full = _full_tensor(tensor)
        if name == HEAD and config.tie_word_embeddings:  # a file takes no two tensors with the same memory
            full = full.clone()
        for file_tensor in file_tensors(name, tensor.shape, config):
            yield file_tensor.name, full[file_tensor.part].cpu().contiguous()


class _WeightSource(Protocol):
    """Named tensors to load. folder: what messages call it."""

    @property
    def folder(self) -> Path | str: ...

    @property
    def names(self) -> Set[str]: ...

    def read(self, name: str) -> Tensor: ...


class _InMemoryWeights:
    """Weights that are in memory already."""

    folder = "the new weights"

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self._weights = weights

    @property
    def names(self) -> Set[str]:
        return self._weights.keys()

    def read(self, name: str) -> Tensor:
        return self._weights[name]


class _CheckpointFiles:
    """The tensors in a checkpoint's files, one of which is open at a time. fp8_block_size: as in StoredConfig."""

    def __init__(self, folder: Path, fp8_block_size: tuple[int, int] | None) -> None:
        self.folder, self._fp8_block_size = folder, fp8_block_size
        self._open: tuple[str, Any] = ("", None)
        if (folder / INDEX_FILE).is_file():
            self._file_of = _read_index(folder / INDEX_FILE)
            if missing := sorted(file for file in set(self._file_of.values()) if not (folder / file).is_file()):
                raise ModelError(f"{folder}: these files are missing: {_abbreviated(missing)}")
        elif (folder / WEIGHTS_FILE).is_file():
            self._file_of = dict.fromkeys(self._open_file(WEIGHTS_FILE).keys(), WEIGHTS_FILE)
        else:
            raise ModelError(f"{folder}: it has neither {WEIGHTS_FILE} nor {INDEX_FILE}")

    @property
    def names(self) -> set[str]:
        return set(self._file_of)

    def read(self, name: str) -> Tensor:
        """A tensor, which may be a view of the file. FP8 is dequantized to fp32."""
        weight = self._stored(name)
        if weight.element_size() > 1:
            return weight
        if self._fp8_block_size is None:
            raise ModelError(f"{self.folder}: {name} is {weight.dtype}, but config.json has no quantization_config")
        try:
            return dequantize(weight, self._stored(name + SCALE_SUFFIX), self._fp8_block_size)
        except ValueError as error:
            raise ModelError(f"{self.folder}: {name}: {error}") from None

    def _stored(self, name: str) -> Tensor:
        if name not in self._file_of:
            raise ModelError(f"{self.folder}: it has no {name}")
        file = self._file_of[name]
        try:
            tensor: Tensor = self._open_file(file).get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{self.folder / file}: {error}") from None
        return tensor

    def _open_file(self, name: str) -> Any:
        if self._open[0] != name:
            self._open = ("", None)  # close the one before first
            try:
                self._open = (name, safe_open(self.folder / name, framework="pt"))
            except (OSError, SafetensorError) as error:
                raise ModelError(f"{self.folder / name}: it cannot be read: {error}") from None
        return self._open[1]


def _read_index(file: Path) -> dict[str, str]:
    try:
        weight_map = parse_json(file.read_bytes())["weight_map"]
        return {str(name): str(shard) for name, shard in weight_map.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{file}: it is no index: {error!r}") from None


@torch.no_grad()
def _copy_weights(model: Transformer, source: _WeightSource, rope_interleaved: bool) -> None:
    """Copy all weights of a source into a model. rope_interleaved: their rows have the model's order already."""
    config = model.config
    model.tie_weights()  # to_empty has separated them
    tensors = model.state_dict()  # the model's own, not copies
    if config.tie_word_embeddings:  # a head in the files is a copy, or not there
        del tensors[HEAD]
    stored = {name: file_tensors(name, tensor.shape, config) for name, tensor in tensors.items()}
    needed = {file_tensor.name for tensors_of_one in stored.values() for file_tensor in tensors_of_one}
    if missing := sorted(needed - source.names):
        raise ModelError(f"{source.folder}: these tensors are missing: {_abbreviated(missing)}")
    if extra := sorted(name for name in source.names - needed if not is_ignorable(name, config)):
        raise ModelError(f"{source.folder}: there are tensors that the model does not have: {_abbreviated(extra)}")
    for name, tensor in tensors.items():
        if not isinstance(tensor, DTensor):
            _copy_tensor(tensor, stored[name], source, config, rope_interleaved)
            continue
        full = torch.empty(tensor.shape, dtype=tensor.dtype)
        _copy_tensor(full, stored[name], source, config, rope_interleaved)
        # Each process has read the same, so that nothing needs to be sent.
        shard = distribute_tensor(full, tensor.device_mesh, tensor.placements, src_data_rank=None)
        tensor.to_local().copy_(shard.to_local())


def _copy_tensor(
    tensor: Tensor, stored: list[FileTensor], source: _WeightSource, config: ModelConfig, rope_interleaved: bool
) -> None:
    for name, part in stored:
        target, weight = tensor[part], source.read(name)
        if weight.shape != target.shape:
            raise ModelError(f"{source.folder}: {name} is {list(weight.shape)}, should be {list(target.shape)}")
        if weight.is_floating_point() and not torch.isfinite(weight.float() if weight.itemsize == 1 else weight).all():
            raise ModelError(f"{source.folder}: {name} has numbers that are not finite")
        target.copy_(weight if rope_interleaved else interleave_rotary_rows(name, weight, config))


def _write_shards(model: Transformer, folder: Path, shard_bytes: int) -> None:
    sizes = {
        file_tensor.name: torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")[file_tensor.part].nbytes
        for name, tensor in model.state_dict().items()
        for file_tensor in file_tensors(name, tensor.shape, model.config)
    }
    shards = _split_by_size(sizes, shard_bytes)
    count = len(shards)
    files = [WEIGHTS_FILE] if count == 1 else [f"model-{n:05}-of-{count:05}.safetensors" for n in range(1, count + 1)]
    weights = export_weights(model)
    for file, names in zip(files, shards, strict=True):
        shard = dict(islice(weights, len(names)))
        save_file(shard, folder / file, metadata={"format": "pt"})
        del shard
    if count > 1:
        weight_map = {name: file for file, names in zip(files, shards, strict=True) for name in names}
        index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": weight_map}
        (folder / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n", "utf-8")


def _split_by_size(sizes: Mapping[str, int], shard_bytes: int) -> list[list[str]]:
    """The names in their order, cut so that no shard of more than one tensor is larger than `shard_bytes`."""
    shards: list[list[str]] = [[]]
    shard_size = 0
    for name, size in sizes.items():
        if shards[-1] and shard_size + size > shard_bytes:
            shards.append([])
            shard_size = 0
        shards[-1].append(name)
        shard_size += size
    return shards


def _full_tensor(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _abbreviated(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
