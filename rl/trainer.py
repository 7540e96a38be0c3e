"""The trainer: a model and its optimiser, in one process or sharded over several, as all stages use it."""

from __future__ import annotations

import json
import math
import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.distributed as dist
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict_loader import load as read_shards
from torch.distributed.checkpoint.state_dict_saver import save as write_shards
from torch.distributed.tensor import DTensor

from data.records.config import ConfigError, StrictModel
from prover.model.balance import expert_load, load_imbalance, sequence_aux_loss, update_router_bias
from prover.model.config import ModelError
from prover.model.parallel import clip_grad_norm_
from prover.model.router import Router, Routing
from prover.model.transformer import Output
from rl import model as models
from rl.batch import Batch, TrainingSample, make_batch, packed_length
from rl.model import ModelSource, Placement

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

#: What a part of a batch contributes to the loss, and sums over its tokens to be told.
Objective = Callable[[Output, Batch], tuple[Tensor, Mapping[str, Tensor]]]

_STATE = "state.json"


class Optimiser(StrictModel):
    """The settings of AdamW (DeepSeek-V3, arXiv 2412.19437, §4.2) and its learning rate.

    lr: reached after `warmup` updates, linearly. schedule: then constant (the papers' fine-tuning), or a cosine down to
        a tenth at the last update. betas, weight_decay: of AdamW. clip: the gradient's largest norm.
    """

    lr: PositiveFloat = 1e-4
    warmup: NonNegativeInt = 0
    schedule: Literal["constant", "cosine"] = "constant"
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: NonNegativeFloat = 0.1
    clip: PositiveFloat = 1.0


class Moe(StrictModel):
    """The settings of expert load balancing (DeepSeek-V3, arXiv 2412.19437, §2.1.2), for our own models.

    bias_update_speed: γ, the step of the routers' biases after each update. aux_loss_coef: α of the sequence-wise loss.
    """

    bias_update_speed: NonNegativeFloat = 1e-3
    aux_loss_coef: NonNegativeFloat = 1e-4


class Stage(StrictModel):
    """The fields that the configurations of all stages have.

    model: to start from. context: tokens of a row, into which samples are packed. micro_batch: rows that go through the
        model at a time.
    save_every: updates between two checkpoints; keep: the number of checkpoints kept. seed: of all random numbers.
    """

    model: ModelSource
    context: PositiveInt = 1024
    micro_batch: PositiveInt = 8
    optimiser: Optimiser = Optimiser()
    moe: Moe = Moe()
    placement: Placement = Placement()
    save_every: PositiveInt = 100
    keep: PositiveInt = 2
    seed: NonNegativeInt = 0


class Trainer:
    """A model, its optimiser, and the number of updates `done`.

    With torch.distributed all processes make the same calls with the same arguments, and each works on its share.
    updates: their number in all, for the learning rate's schedule.
    """

    def __init__(self, stage: Stage, tokenizer: PreTrainedTokenizerFast, updates: int) -> None:
        self.stage, self.tokenizer, self.updates, self.done = stage, tokenizer, updates, 0
        self.model = models.load(stage.model, tokenizer, stage.placement, stage.seed)
        self.device = next(self.model.parameters()).device
        self.optimiser = _adamw(self.model, stage.optimiser)
        self._rank, self._world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        self._routers = [module for module in self.model.modules() if isinstance(module, Router)]

    def parts(self, samples: Sequence[TrainingSample], rows: Sequence[Sequence[int]]) -> list[Batch]:
        """This process's share of the rows of a batch, cut into parts of `micro_batch` rows.

        rows: indices of samples. All processes get the same number of parts, empty ones if need be.
        """
        size, world = self.stage.micro_batch, self._world
        own = list(rows[self._rank :: world])
        pieces = max(math.ceil(math.ceil(len(rows) / world) / size), 1)
        own += [[]] * (pieces - math.ceil(len(own) / size))  # a piece must not be empty of rows
        cut = [own[start : start + size] for start in range(0, len(own), size)]
        return [self._batch(samples, piece) for piece in cut]

    def _batch(self, samples: Sequence[TrainingSample], rows: Sequence[Sequence[int]]) -> Batch:
        longest = max((packed_length([samples[n] for n in row]) for row in rows), default=0)
        return make_batch(samples, rows, max(longest, 2)).to(self.device)

    def run(self, batch: Batch, *, network: Any = None, **how: Any) -> Output:
        """The forward pass of a part of a batch, by the model or by `network`. how: as Transformer.forward takes it."""
        shape = (batch.tokens, batch.targets, batch.segments)
        replayed = {"expert_ids": batch.expert_ids, "candidate_token_ids": batch.candidate_token_ids}
        found: Output = (network or self.model)(*shape, parent_segment_ids=batch.parent_segment_ids, **replayed, **how)
        return found

    def update(self, parts: Sequence[Batch], num_samples: int, objective: Objective, **how: Any) -> dict[str, float]:
        """Make one step of the optimiser on this process's parts of a batch, and return its metrics.

        num_samples: of the whole batch, in all processes. how: as `run` takes it.
        Metrics: the objective's, summed over all parts and processes; `loss`; `norm`, of the gradient before it is
        clipped; `lr`; `imbalance`, an expert's largest load over the mean (models with experts only).
        """
        self.model.train()
        self.optimiser.zero_grad(set_to_none=True)
        told: dict[str, Tensor] = {}
        loads: Tensor | None = None
        for batch in parts:
            output = self.run(batch, **how)
            loss, sums = objective(output, batch)
            for name, value in {**sums, "loss": loss.detach()}.items():
                told[name] = told.get(name, torch.zeros((), device=self.device)) + value
            if output.routing:
                routing = [_of(routed, batch.is_not_padding.flatten()) for routed in output.routing]
                loss = loss + self.stage.moe.aux_loss_coef * _balance_loss(routing, batch, num_samples)
                new = expert_load(routing)
                loads = new if loads is None else loads + new
            (loss * self._world).backward()  # the gradient will be the mean of the processes'
        norm = clip_grad_norm_(self.model, self.stage.optimiser.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = self.lr
        lr = self.lr
        self.optimiser.step()
        self.done += 1
        found = self._summed(told) | {"norm": float(norm), "lr": lr}
        if loads is not None:
            missing = len(self._routers) - len(loads)  # of modules that were not run
            update_router_bias(
                self.model,
                torch.cat((loads, loads.new_zeros(missing, loads.shape[1]))),
                self.stage.moe.bias_update_speed,
            )
            found["imbalance"] = float(load_imbalance(loads).max())
        return found

    @property
    def lr(self) -> float:
        """The learning rate of the next update."""
        settings, step = self.stage.optimiser, self.done
        if step < settings.warmup:
            return settings.lr * (step + 1) / (settings.warmup + 1)
        if settings.schedule == "constant":
            return settings.lr
        part = min((step - settings.warmup) / max(self.updates - settings.warmup, 1), 1.0)
        return settings.lr * (0.1 + 0.45 * (1 + math.cos(math.pi * part)))

    @torch.no_grad()
    def evaluate(self, parts: Sequence[Batch], objective: Objective, **how: Any) -> dict[str, float]:
        """The objective's metrics and `loss`, summed over all parts and processes, without training."""
        self.model.eval()
        told: dict[str, Tensor] = {}
        for batch in parts:
            loss, sums = objective(self.run(batch, **how), batch)
            for name, value in {**sums, "loss": loss}.items():
                told[name] = told.get(name, torch.zeros((), device=self.device)) + value
        return self._summed(told)

    def _summed(self, told: Mapping[str, Tensor]) -> dict[str, float]:
        """The sums over all processes."""
        names = sorted(told)
        values = torch.stack([told[name].double() for name in names])
        if self._world > 1:
            dist.all_reduce(values)
        return dict(zip(names, values.tolist(), strict=True))

    def agreed(self, wanted: bool) -> bool:
        """Whether any of the processes wants it; all of them must call this together."""
        if self._world == 1:
            return wanted
        answer = torch.tensor(float(wanted), device=self.device)
        dist.all_reduce(answer)
        return bool(answer)

    def save(self, folder: Path, state: dict[str, Any]) -> None:
        """Save the model, the optimiser, and `state` (JSON): all that is needed to go on exactly.

        Each process writes its part, all to the same file system. The folder exists once it is complete.
        """
        partial = folder.with_name(f".{folder.name}.partial")
        if self._rank == 0:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        self._wait()
        with _quiet():
            write_shards(self._tensors(), checkpoint_id=partial, no_dist=self._world == 1)
        self._wait()
        if self._rank == 0:
            with (partial / _STATE).open("w", encoding="utf-8") as file:
                json.dump({**state, "done": self.done}, file)
                file.flush()
                os.fsync(file.fileno())
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
        self._wait()

    def restore(self, folder: Path) -> dict[str, Any]:
        """Restore what `save` wrote, perhaps with another number of processes, and return its `state`.

        Raises ConfigError if a weight is not finite.
        """
        tensors = self._tensors()
        with _quiet():
            read_shards(tensors, checkpoint_id=folder, no_dist=self._world == 1)
        # The tensors are the model's and the optimiser's own, and have been filled.
        state: dict[str, Any] = json.loads((folder / _STATE).read_text("utf-8"))
        self.done = state.pop("done")
        try:
            models.require_finite(self.model, folder)
        except ModelError as error:
            raise ConfigError(f"{error}; without this folder an earlier checkpoint is taken") from None
        return state

    def _tensors(self) -> dict[str, Any]:
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        for parameter in names:
            if not self.optimiser.state[parameter]:
                self.optimiser.state[parameter] = {
                    "step": torch.zeros((), device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        moments = {name: dict(self.optimiser.state[parameter]) for parameter, name in names.items()}
        return {"model": self.model.state_dict(), "optimiser": moments}

    def _wait(self) -> None:
        if self._world > 1:
            dist.barrier()

    def write(self, folder: Path) -> None:
        """Write the model and its tokenizer as a checkpoint for use (see rl.model.save)."""
        models.save(self.model, self.tokenizer, folder)


def _adamw(model: nn.Module, settings: Optimiser) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices, not on vectors (norms); a group for each mesh that parameters are on."""
    groups: dict[Any, list[nn.Parameter]] = {}
    for parameter in model.parameters():
        mesh = parameter.device_mesh if isinstance(parameter, DTensor) else None
        groups.setdefault((parameter.ndim > 1, mesh), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": some} | ({} if decays else {"weight_decay": 0.0}) for (decays, _), some in groups.items()],
        lr=settings.lr,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=all(mesh is None for _, mesh in groups),
    )


def _of(routing: Routing, is_not_padding: Tensor) -> Routing:
    """The routing of the tokens that are not padding."""
    return routing if bool(is_not_padding.all()) else Routing(*(tensor[is_not_padding] for tensor in routing))


def _balance_loss(routing: Sequence[Routing], batch: Batch, num_samples: int) -> Tensor:
    """The sequence-wise balance loss, summed over layers: this part's share of the mean over samples, a scalar."""
    numbers, which = batch.sample_ids[batch.is_not_padding].unique(return_inverse=True)
    if not len(numbers):
        return sum((routed.scores.sum() * 0 for routed in routing), torch.zeros((), device=which.device))
    return torch.stack([sequence_aux_loss(routed, which) for routed in routing]).sum() * (len(numbers) / num_samples)


def _quiet() -> warnings.catch_warnings:
    """Ignore torch's warning, at each checkpoint, that one process wrote it."""
    return warnings.catch_warnings(action="ignore")
