"""Several processes over gloo train as one does, and read what other layouts wrote."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.testing._internal.distributed.fake_pg import FakeStore

from prover.model.checkpoint import load
from prover.model.parallel import ParallelConfig, ParallelConfigError, parallelize
from tests.prover.model.parallel_worker import CONFIG, Case, batch, fresh, handover, steps, train

TWO = {
    "fsdp": Case(ParallelConfig()),
    "experts": Case(ParallelConfig(expert_parallel_degree=2), adamw={"foreach": True}),
    "untied": Case(ParallelConfig(expert_parallel_degree=2), tied=False, adamw={"fused": True}),
    "crowded": Case(ParallelConfig(expert_parallel_degree=2), crowded=True),
    "recompute": Case(ParallelConfig(expert_parallel_degree=2, activation_checkpointing=True)),
    "bfloat16": Case(ParallelConfig(expert_parallel_degree=2, bfloat16=True)),
}


def run(work: Callable[..., None], processes: int, folder: Path, *args: Any, limit: float = 120) -> None:
    """Have that many processes do some work; what one raises is raised here, and waiting too long is a failure."""
    multiprocessing.set_forkserver_preload([work.__module__])  # torch is imported once, not by each
    context = torch.multiprocessing.start_processes(
        work, (processes, folder, *args), nprocs=processes, join=False, start_method="forkserver"
    )
    end = time.monotonic() + limit
    try:
        while not context.join(timeout=1):
            assert time.monotonic() < end, f"the processes are not done after {limit} s"
    finally:
        for process in context.processes:
            process.kill()


def results(
    processes: int, folder: Path, cases: dict[str, Case], limit: float = 120
) -> dict[str, list[dict[str, Any]]]:
    run(steps, processes, folder, cases, limit=limit)
    return {
        name: [torch.load(folder / f"{name}.{rank}.pt", weights_only=False) for rank in range(processes)]
        for name in cases
    }


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    return results(2, tmp_path_factory.mktemp("two"), TWO)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def same(found: list[dict[str, Any]], case: Case) -> None:
    """Every process has what one process has that saw the whole batch."""
    alone = train(fresh(case.tied), 0, 1, case)
    for one in found:
        close(one["loss"], alone["loss"])
        close(one["norm"], alone["norm"])
        for what in ("gradients", "state"):
            assert one[what].keys() == alone[what].keys()
            for name, expected in alone[what].items():
                close(one[what][name], expected)


@pytest.mark.parametrize("name", ["fsdp", "experts", "untied", "recompute"])
def test_two_processes_train_as_one(two: dict[str, list[dict[str, Any]]], name: str) -> None:
    same(two[name], TWO[name])


def test_a_process_whose_experts_nobody_chose_takes_part(two: dict[str, list[dict[str, Any]]]) -> None:
    idle = CONFIG.n_routed_experts // 2
    for one in two["crowded"]:
        for name, gradient in one["gradients"].items():
            if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
                assert gradient[:2].abs().min(0).values.max() > 0
                assert not gradient[idle:].any()
    same(two["crowded"], TWO["crowded"])


def test_the_routers_biases_moved_and_are_the_same_everywhere(two: dict[str, list[dict[str, Any]]]) -> None:
    for name, found in two.items():
        biases = [{k: v for k, v in one["state"].items() if "bias" in k} for one in found]
        assert len(biases[0]) == 2, name
        for key, bias in biases[0].items():
            assert bias.abs().max() > 0
            assert torch.equal(bias, biases[1][key])


def test_bfloat16_is_for_computing_and_parameters_stay_precise(two: dict[str, list[dict[str, Any]]]) -> None:
    exact = train(fresh(), 0, 1, TWO["bfloat16"])
    for one in two["bfloat16"]:
        assert one["kinds"] == {torch.float32}
        error = float((one["loss"] - exact["loss"]).abs())
        assert 1e-5 < error < 0.05
        torch.testing.assert_close(one["norm"], exact["norm"], rtol=0.05, atol=0)


def test_four_processes_hold_every_expert_twice(tmp_path: Path) -> None:
    case = Case(ParallelConfig(expert_parallel_degree=2))
    same(results(4, tmp_path, {"both": case})["both"], case)


@pytest.mark.slow
def test_compiled_blocks_train_as_others_do(tmp_path: Path) -> None:
    case = Case(ParallelConfig(expert_parallel_degree=2, activation_checkpointing=True, compile=True))
    found = results(2, tmp_path, {"compiled": case}, limit=280)["compiled"]
    assert all(one["graphs"] for one in found)
    same(found, case)


@pytest.fixture
def one() -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("one")
@pytest.mark.parametrize("recompute", [False, True])
def test_one_process_will_do_and_recomputation_runs_each_block_again(recompute: bool) -> None:
    model, case = fresh(), Case(ParallelConfig(activation_checkpointing=recompute))
    parallelize(model, case.config)
    runs: list[int] = []
    for layer in model.layers:
        layer.self_attn.register_forward_hook(lambda *_: runs.append(1))
    same([train(model, 0, 1, case)], case)
    assert len(runs) == len(model.layers) * (2 if recompute else 1)


def test_a_checkpoint_of_one_layout_is_read_by_another_and_by_one_process(tmp_path: Path) -> None:
    run(handover, 2, tmp_path)
    with torch.no_grad():
        expected = load(tmp_path / "checkpoint")(batch()[0]).logits
    before = fresh()(batch()[0]).logits
    assert (expected - before).abs().max() > 0.1
    for rank in range(2):
        for found in torch.load(tmp_path / f"logits.{rank}.pt").values():
            close(found, expected)


@pytest.fixture
def six() -> Iterator[None]:
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=6)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("six")
@pytest.mark.parametrize(
    ("experts", "said"),
    [
        (4, "6 processes do not fall into groups of 4"),
        (3, "8 experts do not fall evenly on 3 processes"),
        (2, "do not fall evenly on the 3 processes that have the same experts"),
    ],
)
def test_a_layout_that_does_not_fit_says_why(experts: int, said: str) -> None:
    with pytest.raises(ParallelConfigError, match=said):
        parallelize(fresh(), ParallelConfig(expert_parallel_degree=experts))


def test_processes_must_have_been_started() -> None:
    with pytest.raises(ParallelConfigError, match="init_process_group"):
        parallelize(fresh(), ParallelConfig())
