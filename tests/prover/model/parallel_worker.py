"""What each of the processes of test_parallel.py does, and one process alone in comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from prover.model import balance
from prover.model.checkpoint import load_into, save
from prover.model.config import PRESETS
from prover.model.parallel import ParallelConfig, clip_grad_norm_, parallelize
from prover.model.transformer import Transformer

CONFIG = PRESETS["tiny"].replace(
    vocab_size=48,
    hidden_size=32,
    num_hidden_layers=2,
    intermediate_size=64,
    kv_lora_rank=16,
    qk_nope_head_dim=8,
    qk_rope_head_dim=8,
    v_head_dim=8,
    moe_intermediate_size=16,
    initializer_range=0.2,  # gradients of about 1
)
TEXTS, LENGTH = 4, 12
MAX_NORM = 0.1


@dataclass(frozen=True)
class Case:
    """A ParallelConfig, and what is particular: embeddings of their own, tokens that all choose the first experts."""

    config: ParallelConfig
    tied: bool = True
    crowded: bool = False
    adamw: dict[str, bool] = field(default_factory=dict)


def fresh(tied: bool = True) -> Transformer:
    torch.manual_seed(0)
    return Transformer(CONFIG.replace(tie_word_embeddings=tied))


def batch(part: int = 0, parts: int = 1) -> tuple[Tensor, Tensor]:
    """One of the equal parts of a batch, and its targets."""
    texts = torch.randint(CONFIG.vocab_size, (TEXTS, LENGTH + 1), generator=torch.Generator().manual_seed(1))
    texts = texts.chunk(parts)[part]
    return texts[:, :-1], texts[:, 1:]


def train(model: Transformer, part: int, parts: int, case: Case) -> dict[str, Any]:
    """A step with some of the batch; what came of it."""
    tokens, targets = batch(part, parts)
    expert_ids = torch.arange(CONFIG.num_experts_per_tok).expand(*tokens.shape, 2, -1) if case.crowded else None
    out = model(tokens, targets, expert_ids=expert_ids)
    texts = torch.arange(len(tokens)).repeat_interleave(tokens.shape[1])
    aux_loss = sum(balance.sequence_aux_loss(routing, texts) for routing in out.routing)
    loss = -out.logprobs.mean() - 0.3 * out.mtp_logprobs[0].mean() + 0.1 * aux_loss
    loss.backward()
    gradients = {name: whole(p.grad) for name, p in model.named_parameters()}
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1, eps=1e-3, **case.adamw)  # eps: else it shows only signs
    norm = clip_grad_norm_(model, MAX_NORM)
    optimiser.step()
    balance.update_router_bias(model, balance.expert_load(out.routing))
    total = loss.detach() / parts
    if parts > 1:
        dist.all_reduce(total)
    kinds = {p.grad.dtype for p in model.parameters()} | {p.dtype for p in model.parameters()}
    state = {name: whole(tensor) for name, tensor in model.state_dict().items()}
    return {"loss": total, "gradients": gradients, "norm": norm, "state": state, "kinds": kinds}


def whole(tensor: Tensor | None) -> Tensor:
    assert tensor is not None
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach().clone()


def start(rank: int, processes: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=rank,
        world_size=processes,
        timeout=timedelta(seconds=60),
    )


def steps(rank: int, processes: int, folder: Path, cases: dict[str, Case]) -> None:
    """For each case a step, whose results every process writes to a file."""
    start(rank, processes, folder)
    for name, case in cases.items():
        model = fresh(case.tied)
        parallelize(model, case.config)
        result = train(model, rank, processes, case)
        result["graphs"] = torch._dynamo.utils.counters["stats"]["unique_graphs"]
        torch.save(result, folder / f"{name}.{rank}.pt")
    dist.destroy_process_group()


def handover(rank: int, processes: int, folder: Path) -> None:
    """A checkpoint written by one layout is read by others, of which one has had no weights before."""
    start(rank, processes, folder)
    model = fresh()
    parallelize(model, ParallelConfig())
    train(model, rank, processes, Case(ParallelConfig()))
    save(model, folder / "checkpoint", shard_bytes=50_000)
    tokens, _ = batch()
    logits = {"written": model(tokens).logits}
    for name, device in (("read", "cpu"), ("read on meta", "meta")):
        with torch.device(device):
            model = fresh()
        parallelize(model, ParallelConfig(expert_parallel_degree=2))
        model.to_empty(device="cpu")
        load_into(model, folder / "checkpoint")
        logits[name] = model(tokens).logits
        assert model.lm_head.weight is model.embed_tokens.weight
    torch.save(logits, folder / f"logits.{rank}.pt")
    dist.destroy_process_group()
