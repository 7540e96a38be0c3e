"""The models that can be trained, behind one call: our own, or any causal model of transformers'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
import torch.distributed as dist
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from data.records.config import ConfigError, StrictModel
from data.records.parsing import parse_json
from prover.model import checkpoint, config_file
from prover.model import tokenizer as tokenizers
from prover.model.config import PRESETS, ModelConfigError, ModelError
from prover.model.parallel import ParallelConfig, ParallelConfigError, parallelize
from prover.model.scoring import score_targets
from prover.model.swap import replacing
from prover.model.transformer import Output, Transformer, positions_and_mask

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class ModelSource(StrictModel):
    """The model that training starts from: a checkpoint, or a preset with fresh weights.

    folder: a checkpoint of our own architecture or of any causal model that transformers knows, or a name on Hugging
    Face. preset: a shape (prover.model.config.PRESETS). changes: fields of it to replace. vocabulary: size of the
        tokenizer that is trained on the run's data for it.
    """

    folder: str = ""
    preset: str = ""
    changes: dict[str, Any] = Field(default={})
    vocabulary: PositiveInt = 1024

    @model_validator(mode="after")
    def _one(self) -> ModelSource:
        if bool(self.folder) == bool(self.preset):
            raise ValueError("give a folder, or the name of a preset, to start from")
        if self.folder and self.changes:
            raise ValueError("a folder's model is taken as it is; changes are for presets")
        return self


class Placement(StrictModel):
    """The processes of a run, and how they compute; by default all work is done in this process.

    trainers: processes that share the model (FSDP2); on Ray if there are more than one. expert_parallel_degree:
        trainers that share one set of experts. rollouts: processes on Ray that sample answers; 0: this one does. gpus:
        of each trainer and each rollout. lean_workers: Lean processes; None: one per core. address: of a Ray cluster;
        by default Ray runs on this machine.
    bfloat16: compute in it. activation_checkpointing: keep only each layer's input for the backward pass. compile: the
        layers, with torch.compile.
    """

    trainers: PositiveInt = 1
    expert_parallel_degree: PositiveInt = 1
    rollouts: NonNegativeInt = 0
    gpus: NonNegativeFloat = 0
    lean_workers: PositiveInt | None = None
    address: str = ""
    bfloat16: bool = False
    activation_checkpointing: bool = False
    compile: bool = False

    @property
    def on_ray(self) -> bool:
        return self.trainers > 1 or self.rollouts > 0 or bool(self.address)


class TransformersModel(nn.Module):
    """A causal model of transformers', called like our own Transformer (see its `forward`).

    It has no multi-token prediction, and does not show its routing: `mtp_logprobs` and `routing` are empty.
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
        """Log-probabilities and entropies of the targets, [batch, tokens]; arguments as in Transformer.forward.

        Raises ValueError for `expert_ids`: transformers' models cannot be told which experts to use.
        """
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
    """The tokenizer of the model to start from; a preset's is trained on `texts`. Raises ConfigError."""
    try:
        return tokenizers.load(source.folder) if source.folder else tokenizers.train(texts, source.vocabulary)
    except (ModelError, ValueError) as error:
        raise ConfigError(f"model: {error}") from None


def load(source: ModelSource, tokenizer: PreTrainedTokenizerFast, placement: Placement, seed: int = 0) -> Model:
    """Load the model to start from, in fp32, sharded over the processes of torch.distributed if there are any.

    Raises ConfigError.
    """
    try:
        return _placed(_loaded(source, tokenizer, seed), source, placement)
    except (ModelError, ModelConfigError, ParallelConfigError, OSError, ValueError) as error:
        raise ConfigError(f"model: {error}") from None


def device() -> torch.device:
    """The device of this process: a GPU if there is one."""
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
    """Check that all weights are finite. Raises ModelError, with the name of the first that is not."""
    for name, tensor in model.state_dict().items():
        own = tensor.to_local() if isinstance(tensor, DTensor) else tensor
        if own.is_floating_point() and not own.isfinite().all():
            raise ModelError(f"{source}: {name} has numbers that are not finite")


def is_ours(folder: str) -> bool:
    """Whether a folder holds a checkpoint of our own architecture."""
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
    """Write a checkpoint with its tokenizer, which transformers, vLLM and `prover prove --policy native` can load.

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
    """The weights by their names in checkpoints, unsharded, on the CPU, one at a time.

    All processes must consume the iterator to its end.
    """
    if isinstance(model, Transformer):
        yield from checkpoint.export_weights(model)
        return
    for name, tensor in model.inner.state_dict().items():
        yield name, (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach().cpu()
