"""What can be trained: a model of our own, or any causal model of transformers', behind one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from data.records.config import ConfigError
from data.records.parsing import parse_json
from prover.model import checkpoint, config_file
from prover.model import tokenizer as tokenizers
from prover.model.config import PRESETS, ModelConfigError, ModelError
from prover.model.parallel import ParallelConfig, ParallelConfigError, parallelize
from prover.model.scoring import score_targets
from prover.model.swap import replacing
from prover.model.transformer import Output, Transformer, positions_and_mask
from rl.config import ModelSource, Placement

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class TransformersModel(nn.Module):
    """A causal model of transformers' that is called as a Transformer of ours is (see its `forward`).

    It has no multi-token prediction, and what its experts do is its own affair: `mtp_logprobs` and `routing` are empty.
    """

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(
        self,
        tokens: Tensor,
        targets: Tensor,
        segment_ids: Tensor | None = None,
        expert_ids: Tensor | None = None,
        candidate_token_ids: Tensor | None = None,
        temperature: float = 1.0,
        entropy: bool = False,
        run_mtp: bool = False,
        parent_segment_ids: Tensor | None = None,
    ) -> Output:
        """Raises ValueError for `expert_ids`: transformers' models cannot be told which experts to use."""
        if expert_ids is not None:
            raise ValueError("experts can be replayed in models of our own architecture only")
        positions, mask = positions_and_mask(tokens, segment_ids, parent_segment_ids)
        told = self.inner(input_ids=tokens, position_ids=positions, attention_mask=mask, use_cache=False)
        among = None if candidate_token_ids is None else candidate_token_ids.flatten(0, 1)
        loss, spread = score_targets(told.logits.flatten(0, 1), targets.flatten(), among, temperature, entropy)
        spread = None if spread is None else spread.view_as(targets).clone()
        return Output(None, None, -loss.view_as(targets), spread, (), ())


Model: TypeAlias = Transformer | TransformersModel


def tokenizer_of(source: ModelSource, texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """The tokenizer of the model to start from; of a fresh one it is trained on the texts. Raises ConfigError."""
    try:
        return tokenizers.load(source.folder) if source.folder else tokenizers.train(texts, source.vocabulary)
    except (ModelError, ValueError) as error:
        raise ConfigError(f"model: {error}") from None


def load(source: ModelSource, tokenizer: PreTrainedTokenizerFast, placement: Placement, seed: int = 0) -> Model:
    """The model to start from, in fp32, laid over the processes of torch.distributed if there are any.

    Raises ConfigError.
    """
    try:
        return _placed(_loaded(source, tokenizer, seed), source, placement)
    except (ModelError, ModelConfigError, ParallelConfigError, OSError, ValueError) as error:
        raise ConfigError(f"model: {error}") from None


def device() -> torch.device:
    """Where this process computes."""
    return torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")


def _loaded(source: ModelSource, tokenizer: PreTrainedTokenizerFast, seed: int) -> Model:
    if source.preset:
        if source.preset not in PRESETS:
            raise ConfigError(f"model: no preset is called {source.preset!r}; there are: {', '.join(PRESETS)}")
        tokens = {
            "vocab_size": len(tokenizer),
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": tokenizer.bos_token_id,
        }
        torch.manual_seed(seed)
        return Transformer(PRESETS[source.preset].replace(**{**tokens, **source.changes}))
    if is_ours(source.folder):
        if dist.is_initialized():  # filled when each process knows its part
            with torch.device("meta"):
                return Transformer(checkpoint.read_config(source.folder))
        return checkpoint.load(source.folder, dtype=torch.float32)
    from transformers import AutoModelForCausalLM

    local = Path(source.folder).is_dir()
    found = AutoModelForCausalLM.from_pretrained(source.folder, dtype=torch.float32, local_files_only=local)
    require_finite(found, source.folder)
    return TransformersModel(found)


def require_finite(model: nn.Module, source: str | Path) -> None:
    """Raises ModelError, with the name of the first tensor that has numbers that are not finite."""
    for name, tensor in model.state_dict().items():
        own = tensor.to_local() if isinstance(tensor, DTensor) else tensor
        if own.is_floating_point() and not own.isfinite().all():
            raise ModelError(f"{source}: {name} has numbers that are not finite")


def is_ours(folder: str) -> bool:
    """Does a folder hold a checkpoint of our own architecture?"""
    try:
        fields = parse_json((Path(folder) / config_file.CONFIG_FILE).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(fields, dict) and fields.get("model_type") == "deepseek_v3"


def _placed(model: Model, source: ModelSource, placement: Placement) -> Model:
    if not dist.is_initialized():
        return model.to(device())
    wanted = ParallelConfig(
        expert_parallel_degree=placement.expert_parallel_degree,
        bfloat16=placement.bfloat16,
        activation_checkpointing=placement.activation_checkpointing,
        compile=placement.compile,
    )
    if isinstance(model, Transformer):
        empty = next(model.parameters()).is_meta
        if not empty:
            model.to(device())
        parallelize(model, wanted)
        if empty:
            model.to_empty(device=device())
            checkpoint.load_into(model, source.folder)
        return model
    if placement.expert_parallel_degree > 1:
        raise ConfigError("placement: experts can be shared in models of our own architecture only")
    if placement.activation_checkpointing:
        model.inner.gradient_checkpointing_enable({"use_reentrant": False})
    precision = MixedPrecisionPolicy()
    if placement.bfloat16:
        precision = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    model.to(device())
    mesh = init_device_mesh(device().type, (dist.get_world_size(),))
    for block in max((m for m in model.modules() if isinstance(m, nn.ModuleList)), key=len, default=()):
        fully_shard(block, mesh=mesh, mp_policy=precision)
    fully_shard(model, mesh=mesh, mp_policy=precision)
    return model


def save(model: Model, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """A checkpoint with its tokenizer, which transformers, vLLM and `prover prove --policy native` can load.

    All processes call this. Raises ModelError.
    """
    first = not dist.is_initialized() or dist.get_rank() == 0
    if isinstance(model, Transformer):
        checkpoint.save(model, folder)
    else:
        state = dict(tensors(model))
        if first:
            with replacing(folder, "*") as new:
                model.inner.save_pretrained(new, state_dict=state)
    if first:
        tokenizer.save_pretrained(folder)


def tensors(model: Model) -> Iterator[tuple[str, Tensor]]:
    """The weights under the names that checkpoints have for them, on the CPU, one at a time; for other engines.

    All processes call this.
    """
    if isinstance(model, Transformer):
        yield from checkpoint.export_weights(model)
        return
    for name, tensor in model.inner.state_dict().items():
        yield name, (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach().cpu()
