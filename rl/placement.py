"""The plan of a run before it starts: its processes, where they run, and the memory that each needs.

The memory is an estimate of the peak: the state of training and, whichever is more, a step's activations, or the
largest tensor, whole, on its way to the samplers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from prover.model.parallel import ParallelConfig, ParallelConfigError, check_parallel_config
from prover.model.transformer import MAX_LOGITS
from prover.serving.model import machine
from rl.config import DPOConfig, ExpertIterationConfig, GRPOConfig, SFTConfig
from rl.model import Placement
from rl.samplers import RolloutConfig
from rl.shape import Shape
from rl.trainer import Stage

_LEAN = 1.5e9  # bytes of a Lean process
_GPU = 80e9  # bytes of a GPU that does not tell
_POSITION = 45  # bytes of a position of a batch, in all tensors of rl.batch.Batch
_BACK = 1.25  # a layer on its way back, over what it has kept (measured): gradients come before all of that is gone
_GB = 1e9


@dataclass(frozen=True)
class Process:
    """A kind of process of a run.

    count: their number; 0 for one that runs already. gpus: of each; may be a fraction. memory: of each, bytes by
    purpose, on the GPUs if it has some. note: for people.
    """

    role: Literal["trainer", "rollout", "lean", "controller"]
    count: int
    gpus: float
    memory: dict[str, float]
    note: str = ""

    @property
    def needed(self) -> float:
        return sum(self.memory.values())


@dataclass(frozen=True)
class PlacementPlan:
    """The processes of a run and what they rest on.

    parameters: of the model, and those that one token uses. problems: reasons why it will not work. notes: for people.
    """

    processes: tuple[Process, ...]
    parameters: tuple[int, int]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def plan(config: Stage, shape: Shape) -> PlacementPlan:
    """The processes of a stage's run, with the model that it starts from."""
    where, trainer = config.placement, _trainer(config, shape)
    processes = [trainer]
    if isinstance(config, GRPOConfig | ExpertIterationConfig):
        rollout = _rollout(config, config.rollout, shape)
        if where.trainers == 1 and not where.rollouts and rollout.count:  # it is one process
            memory = trainer.memory | {f"rollout: {name}": size for name, size in rollout.memory.items()}
            processes = [Process("trainer", 1, trainer.gpus, memory, "this process, which also writes")]
        else:
            processes.append(rollout)
    if not isinstance(config, DPOConfig) and (not isinstance(config, SFTConfig) or "continuation" in config.kinds):
        note = "" if where.lean_workers else "one for each core"
        processes.append(Process("lean", where.lean_workers or os.cpu_count() or 1, 0, {"Lean": _LEAN}, note))
    if isinstance(config, GRPOConfig):
        processes.append(_controller(config, shape))
    published = f"{shape.source} is not on this machine; its shape is taken from a table"
    notes = [published] if shape.from_table else []
    if not machine().gpus and (needed := max((p.needed / min(p.gpus, 1) for p in processes if p.gpus), default=0)):
        notes.append(f"there is no GPU on this machine; the run wants such with {needed / _GB:.1f} GB")
    problems = [*_misfits(config, shape), *_shortages(processes, where)]
    return PlacementPlan(tuple(processes), (shape.total_params, shape.active_params), tuple(problems), tuple(notes))


def _trainer(config: Stage, shape: Shape) -> Process:
    where, world = config.placement, config.placement.trainers
    number = 2 if where.bfloat16 else 4
    spread = (
        world > 1 or where.bfloat16 or where.activation_checkpointing or where.compile
    )  # by FSDP2, be it over one process
    looks_ahead = isinstance(config, SFTConfig | ExpertIterationConfig) and config.mtp > 0
    kept = (
        shape.saved_activations
        if looks_ahead or shape.config is None
        else shape.saved_activations[: shape.config.num_hidden_layers]
    )
    state = 4 * shape.total_params / world
    gradients = state if looks_ahead else state - 4 * shape.mtp_params / world
    memory = {"weights": state, "gradients": gradients, "moments": 2 * state}
    if isinstance(config, DPOConfig) or (isinstance(config, GRPOConfig) and config.loss.kl):
        # What is outside the layers stays gathered after a pass without a way back.
        memory["reference"] = state + (number * shape.non_layer_params if spread else 0)
    memory["batch"] = _batch(config, shape) / world
    places = config.micro_batch * config.context
    held = len(kept) * shape.hidden_size + int(_BACK * max(kept)) if where.activation_checkpointing else sum(kept)
    # Each layer's attention turns the mask into numbers, and keeps them.
    masks = places * config.context * (1 + number * (1 if where.activation_checkpointing else len(kept)))
    # In fp32: the logits, their log-softmax, their softmax, its entropy. Models of our own take some rows at a time.
    logits = places * shape.vocab_size if shape.config is None else min(places * shape.vocab_size, MAX_LOGITS)
    step = {"activations": float(number * held * places), "masks": float(masks)}
    step["logits"] = float(logits * (16 if number == 4 else 18))
    if spread:
        # A layer and the next one; a layer's gradients, and these in fp32; what is outside, and its gradients.
        layer = shape.layer_params + shape.expert_params / where.expert_parallel_degree
        step["gathered"] = layer * (3 * number + 4) + 2 * number * shape.non_layer_params
    whole = {"a whole tensor": 4.0 * shape.largest_tensor if world > 1 else 0.0}
    memory |= step if sum(step.values()) > sum(whole.values()) else whole
    note = (
        "this process"
        if world == 1
        else f"experts over {where.expert_parallel_degree}"
        if where.expert_parallel_degree > 1
        else ""
    )
    return Process("trainer", world, _gpus(where, world == 1), memory, note)


def _batch(config: Stage, shape: Shape) -> float:
    """Bytes of an update's rows, if all are full."""
    if not isinstance(config, GRPOConfig):
        return float(getattr(config, "batch", 1) * config.context * _POSITION)
    rollout = config.rollout
    replayed = config.replay_experts and rollout.engine == "native" and not rollout.base_url
    return float(
        config.prompts_per_step
        * rollout.num_generations
        * config.context
        * (_POSITION + 8 * shape.expert_choices * replayed)
    )


def _rollout(config: Stage, rollout: RolloutConfig, shape: Shape) -> Process:
    where = config.placement
    gpus = _gpus(where, not where.rollouts)
    number = 2 if gpus or rollout.base_url else 4
    laid_out = 2 if rollout.engine == "native" and number == 4 else 1  # on a CPU beside the model's own matrices
    memory = {"weights": float(laid_out * number * shape.total_params)}
    memory[f"cache of {rollout.max_num_seqs} answers"] = float(
        number * rollout.max_num_seqs * config.context * shape.cache_per_token
    )
    if rollout.base_url:
        return Process("rollout", 0, 0, memory, f"on the GPUs of {rollout.base_url}")
    return Process("rollout", where.rollouts or 1, gpus, memory, rollout.engine if where.rollouts else "this process")


def _controller(config: GRPOConfig, shape: Shape) -> Process:
    """The process that passes new weights on, in fp32, in the machine's own memory."""
    where, size = config.placement, 4.0 * shape.total_params
    memory = {"new weights": size}
    if config.rollout.base_url:
        memory["for a server that is started again"] = size
    if where.trainers > 1:
        memory["at the first trainer"] = size
    if where.trainers > 1 or (where.rollouts and not config.rollout.base_url):
        memory["in Ray's store"] = size
    return Process("controller", 1, 0, memory, "this process")


def _gpus(where: Placement, here: bool) -> float:
    """GPUs of a process: those that Ray gives it, or the one that is here."""
    return where.gpus or float(here and torch.cuda.is_available())


def _misfits(config: Stage, shape: Shape) -> Iterator[str]:
    """Fields that do not fit together, whatever the machines are."""
    where, rollout = config.placement, getattr(config, "rollout", None)
    if where.gpus > 1:
        yield f"a trainer computes on one GPU, and placement.gpus gives it {where.gpus:g}"
    if shape.config is None and where.expert_parallel_degree > 1:
        yield "experts can be shared in models of our own architecture only"
    if shape.config is None and rollout is not None and rollout.engine == "native" and not rollout.base_url:
        yield "only our own models can be written with by engine native; rollout.engine can be vllm"
    if shape.config is not None and where.expert_parallel_degree > 1:
        try:
            check_parallel_config(
                shape.config, ParallelConfig(expert_parallel_degree=where.expert_parallel_degree), where.trainers
            )
        except ParallelConfigError as error:
            yield str(error)


def _shortages(processes: Sequence[Process], where: Placement) -> Iterator[str]:
    """Resources that the GPUs, and this machine if all runs here, do not have."""
    here = machine()
    size = here.memory or _GPU
    for process in processes if here.gpus else ():
        gpus = min(process.gpus, 1) if process.role == "trainer" else process.gpus
        if gpus and process.needed > gpus * size:
            yield f"a {process.role} needs {process.needed / _GB:.1f} GB, and {gpus:g} GPU has {gpus * size / _GB:.1f}"
    wanted = sum(process.count * process.gpus for process in processes)
    if where.address or (wanted and not here.gpus):
        return
    if wanted > here.gpus:
        yield f"{wanted:g} GPUs are wanted, and this machine has {here.gpus}"
    cores, memory = os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    own = [process for process in processes if not process.gpus]
    for process in own:
        if process.count > cores:
            yield f"{process.count} of {process.role} are wanted, and this machine has {cores} cores"
    if (taken := sum(process.count * process.needed for process in own)) > memory:
        yield f"{taken / _GB:.1f} GB of memory are wanted, and this machine has {memory / _GB:.1f}"


def lines(plan: PlacementPlan) -> list[str]:
    """The plan for people: a table, sums, problems and notes. GB are 10⁹ bytes."""
    total, active = plan.parameters
    said = f"{_many(total)} parameters" + (f", of which a token uses {_many(active)}" if active < total else "")
    rows = [("", "processes", "GPUs each", "GB each", "")]
    for process in plan.processes:
        parts = ", ".join(f"{name} {size / _GB:,.1f}" for name, size in process.memory.items() if size >= _GB / 20)
        what = "; ".join(filter(None, (process.note, parts)))
        count = f"{process.count:,}" if process.count else "-"
        rows.append((process.role, count, f"{process.gpus:g}", f"{process.needed / _GB:,.1f}", what))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    table = ["  ".join((f"{r[0]:{widths[0]}}", *(f"{r[n]:>{widths[n]}}" for n in (1, 2, 3)), r[4])) for r in rows]
    gpus = sum(p.count * p.gpus for p in plan.processes)
    on, off = (sum(p.count * p.needed for p in plan.processes if bool(p.gpus) is is_on) for is_on in (True, False))
    together = f"{gpus:g} GPUs with {on / _GB:,.1f} GB in use, " if gpus else ""
    sums = f"Together, as estimated: {together}{off / _GB:,.1f} GB of the machines' own memory"
    ends = [f"Problem: {text}" for text in plan.problems] + [f"Note: {text}" for text in plan.notes]
    return [said, *(row.rstrip() for row in table), sums, *ends]


def _many(count: int) -> str:
    return f"{count / 1e9:,.1f} billion" if count >= 1e9 else f"{count / 1e6:,.1f} million"
