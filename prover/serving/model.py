"""Model: a checkpoint for vLLM, and the flags and environment that vLLM needs for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.records.parsing import parse_json
from prover.model.config import ModelError

_WEIGHTS_SHARE = 0.6  # of a GPU's memory that weights may take; the rest is for the cache
_CPU_LATENT = 576  # numbers per token of the only latent cache that vLLM has CPU kernels for: 512 and 64 for RoPE
_CPU_CACHE = 1 << 30  # bytes


@dataclass(frozen=True)
class Machine:
    """The GPUs that may be used. memory: bytes of the smallest one."""

    gpus: int = 0
    memory: int = 0


@dataclass(frozen=True)
class Model:
    """A checkpoint in Hugging Face's format.

    name: folder or name on Hugging Face. config: its config.json. weights: bytes of all weights, 0 if unknown.
    tensors: names of the weights, empty if unknown.
    """

    name: str
    config: Mapping[str, Any]
    weights: int = 0
    tensors: frozenset[str] = field(default_factory=frozenset, repr=False)

    @classmethod
    def read(cls, name: str) -> Model:
        """Read (or fetch, for a name) the configuration and the index. Raises ModelError."""
        from safetensors import SafetensorError

        try:
            return cls._read(name)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ModelError(f"{name}: {error}") from None

    @classmethod
    def _read(cls, name: str) -> Model:
        config = _read_json(name, "config.json")
        if config is None:
            raise ValueError("it has no config.json")
        index = _read_json(name, "model.safetensors.index.json")
        if index is not None:
            return cls(name, config, int(index["metadata"]["total_size"]), frozenset(index["weight_map"]))
        files = list(Path(name).glob("*.safetensors")) if Path(name).is_dir() else []
        tensors = frozenset(tensor for file in files for tensor in _tensor_names(file))
        return cls(name, config, sum(file.stat().st_size for file in files), tensors)

    @property
    def is_moe(self) -> bool:
        """Whether it is a mixture of experts."""
        return any(self.config.get(key) for key in ("n_routed_experts", "num_experts", "num_local_experts"))

    @property
    def has_mtp(self) -> bool:
        """Whether the checkpoint has the module that predicts the token after the next (MTP, DeepSeek-V3 §2.2)."""
        layer = f"model.layers.{self.config.get('num_hidden_layers')}."
        num_modules = self.config.get("num_nextn_predict_layers") or 0
        return num_modules > 0 and any(tensor.startswith(layer) for tensor in self.tensors)

    def flags(self, machine: Machine, context: int | None = None) -> list[str]:
        """Return the flags of vLLM's engine besides the model. context: tokens; by default as many as fit."""
        flags = ["--enable-prefix-caching", "--max-model-len", str(context) if context else "auto"]
        flags += [
            "--generation-config",
            "vllm",
        ]  # each request has its sampling parameters; those of the checkpoint are ignored
        return flags + (self._on_gpus(machine) if machine.gpus else self._on_cpu())

    def _on_gpus(self, machine: Machine) -> list[str]:
        heads = int(self.config.get("num_attention_heads") or 1)
        splits = [n for n in range(1, machine.gpus + 1) if heads % n == 0 and machine.gpus % n == 0]
        flags = []
        if self.is_moe:
            tensor = splits[-1]
            if machine.gpus > 1:
                flags.append("--enable-expert-parallel")
        else:  # as few GPUs as hold it: several whole copies serve more requests
            tensor = next((n for n in splits if self.weights <= _WEIGHTS_SHARE * n * machine.memory), splits[-1])
        flags += ["--tensor-parallel-size", str(tensor), "--data-parallel-size", str(machine.gpus // tensor)]
        if self.has_mtp:
            flags += ["--speculative-config", json.dumps({"method": "mtp", "num_speculative_tokens": 1})]
        return flags

    def _on_cpu(self) -> list[str]:
        flags = ["--dtype", "float32", "--enforce-eager", "--block-size", "32"]
        flags += ["--kv-cache-memory-bytes", str(_CPU_CACHE)]
        flags += ["--no-enable-chunked-prefill"]  # with a seed it crashes vLLM: a CPU generator cannot be rewound
        if self.config.get("rope_interleave", "kv_lora_rank" in self.config):
            flags += ["--compilation-config", json.dumps({"custom_ops": ["none"]})]  # vLLM's own rotary op is wrong
        return flags

    def environment(self, machine: Machine) -> dict[str, str]:
        """Return the environment variables for vLLM."""
        variables = {"VLLM_NO_USAGE_STATS": "1"}
        if not machine.gpus:
            variables["VLLM_CPU_KVCACHE_SPACE"] = "1"
            latent = int(self.config.get("kv_lora_rank") or 0)
            if latent and latent + int(self.config.get("qk_rope_head_dim") or 0) != _CPU_LATENT:
                variables["VLLM_MLA_DISABLE"] = "1"
        return variables


def _read_json(model: str, file: str) -> dict[str, Any] | None:
    """Return a JSON file of a checkpoint; None if it has no file of that name."""
    path = Path(model) / file
    if not Path(model).is_dir():
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        try:
            path = Path(hf_hub_download(model, file))
        except LocalEntryNotFoundError:  # not in the cache, and no network
            raise
        except EntryNotFoundError:
            return None
    if not path.is_file():
        return None
    content = parse_json(path.read_bytes())
    if not isinstance(content, dict):
        raise ValueError(f"{path}: it holds no JSON object")
    return content


def _tensor_names(file: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(file, "np") as weights:
        return list(weights.keys())


def machine(gpus: int | None = None) -> Machine:
    """Return the GPUs of this machine, at most `gpus` of them."""
    import torch

    count = min(torch.cuda.device_count(), gpus if gpus is not None else torch.cuda.device_count())
    sizes: Sequence[int] = [torch.cuda.get_device_properties(n).total_memory for n in range(count)]
    return Machine(count, min(sizes, default=0))
