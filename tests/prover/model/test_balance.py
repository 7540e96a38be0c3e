"""Keeping the experts equally busy."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prover.model.balance import expert_load, load_imbalance, sequence_aux_loss, update_router_bias
from prover.model.config import ModelConfig
from prover.model.router import Router, Routing
from prover.model.transformer import Output, Transformer
from tests.prover.model.twin import SMALL, fresh, tokens


def routing_of(expert_ids: list[list[int]], experts: int = 4, scores: Tensor | None = None) -> Routing:
    """A router's decision of which only the choice counts, or the choice and the scores."""
    found = torch.full((len(expert_ids), experts), 0.5) if scores is None else scores
    return Routing(found, torch.tensor(expert_ids), torch.empty(0))


def test_loads_are_counted_per_moe_layer() -> None:
    found = expert_load([routing_of([[0, 1], [1, 3], [1, 0]]), routing_of([[2, 3], [3, 2], [2, 3]])])
    assert found.tolist() == [[2, 3, 0, 1], [0, 0, 3, 3]]
    assert load_imbalance(found).tolist() == [2, 2]
    assert load_imbalance(torch.ones(1, 4)).tolist() == [1]


def test_a_step_moves_each_bias_towards_the_mean_load() -> None:
    model = fresh(SMALL.replace(n_routed_experts=4, n_group=1, topk_group=1, num_nextn_predict_layers=1))
    routers = [module for module in model.modules() if isinstance(module, Router)]
    before = [router.e_score_correction_bias.clone() for router in routers]
    update_router_bias(model, torch.tensor([[5.0, 1, 2, 4], [3, 3, 3, 3], [0, 0, 0, 12]]), bias_update_speed=0.01)
    moves = [[-1.0, 1, 1, -1], [0, 0, 0, 0], [1, 1, 1, -1]]
    for router, old, move in zip(routers, before, moves, strict=True):
        torch.testing.assert_close(router.e_score_correction_bias - old, 0.01 * torch.tensor(move))


def test_loads_come_in_the_order_of_the_routers_that_they_move() -> None:
    model = fresh(SMALL)
    routers = [module for module in model.modules() if isinstance(module, Router)]
    for n, router in enumerate(routers):  # each now chooses two experts of its own
        router.e_score_correction_bias.fill_(0)[2 * n : 2 * n + 2] = 5
    out: Output = model(tokens(SMALL, 2, 9), tokens(SMALL, 2, 9))
    loads = expert_load(out.routing)
    assert [row.nonzero().flatten().tolist() for row in loads] == [[2 * n, 2 * n + 1] for n in range(4)]
    update_router_bias(model, loads, bias_update_speed=1)
    assert all(
        (router.e_score_correction_bias.max(), router.e_score_correction_bias.min()) == (4, 1) for router in routers
    )


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(2, 6), st.data())
def test_the_sequence_loss_is_the_papers_double_sum(lengths: list[int], experts: int, data: st.DataObject) -> None:
    k, count = data.draw(st.integers(1, experts)), sum(lengths)
    scores = torch.rand(count, experts) + 0.01
    best = scores.topk(k).indices.tolist()
    expert_ids = [data.draw(st.permutations(range(experts)))[:k] for _ in range(count)]  # with the bias: of no account
    sample_ids = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    found = sequence_aux_loss(routing_of(expert_ids, experts, scores), sample_ids)
    wanted = 0.0
    for start, size in zip(torch.tensor([0, *lengths]).cumsum(0).tolist(), lengths, strict=False):
        for expert in range(experts):
            inside = range(start, start + size)
            f = experts / (k * size) * sum(expert in best[t] for t in inside)
            p = sum(float(scores[t, expert] / scores[t].sum()) for t in inside) / size
            wanted += f * p / len(lengths)
    assert float(found) == pytest.approx(wanted, rel=1e-4)


def test_the_sequence_loss_is_one_where_all_is_even_and_grows_with_favourites() -> None:
    sample_ids = torch.tensor([0, 0, 1, 1])
    expert_ids = [[0, 1], [2, 3], [1, 2], [3, 0]]
    scores = torch.full((4, 4), 0.1).scatter(1, torch.tensor(expert_ids), 0.9)
    assert float(sequence_aux_loss(routing_of(expert_ids, scores=scores), sample_ids)) == pytest.approx(1)
    favoured = torch.tensor([[0.9, 0.9, 0.1, 0.1]]).expand(4, 4).clone().requires_grad_()
    uneven = routing_of([[0, 1]] * 4, scores=favoured)
    loss = sequence_aux_loss(uneven, sample_ids)
    assert float(loss.detach()) == pytest.approx(1.8)
    loss.backward()
    assert favoured.grad is not None
    assert (favoured.grad[:, :2] > 0).all()  # downhill is a smaller score for the favourites
    assert (favoured.grad[:, 2:] < 0).all()


TOY = ModelConfig(
    vocab_size=64,
    hidden_size=32,
    num_hidden_layers=2,
    first_k_dense_replace=0,
    intermediate_size=64,
    num_attention_heads=2,
    kv_lora_rank=16,
    qk_nope_head_dim=8,
    qk_rope_head_dim=8,
    v_head_dim=16,
    moe_intermediate_size=16,
    n_routed_experts=8,
    num_experts_per_tok=2,
    initializer_range=0.1,
)


def imbalances(bias_update_speed: float, seed: int = 0) -> Tensor:
    """Trains on a corpus whose tokens are as unequal as words are: the imbalance of each MoE layer as time goes by.

    [10, moe_layers]: each of 20 steps' loads together.
    """
    torch.manual_seed(seed)
    model = Transformer(TOY)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    frequency = 1 / torch.arange(1, TOY.vocab_size + 1)  # Zipf's law
    successor = torch.randperm(TOY.vocab_size)
    loads = []
    for _ in range(200):
        sampled = torch.multinomial(frequency, 16 * 33, replacement=True).view(16, 33)
        follows = torch.rand(16, 32) < 0.5  # half of the tokens can be learnt
        text = torch.cat((sampled[:, :1], torch.where(follows, successor[sampled[:, :-1]], sampled[:, 1:])), 1)
        out: Output = model(text[:, :-1], text[:, 1:])
        optimizer.zero_grad()
        (-out.logprobs.mean()).backward()
        optimizer.step()
        loads.append(expert_load(out.routing))
        update_router_bias(model, loads[-1], bias_update_speed)
    return torch.stack([load_imbalance(part.sum(0)) for part in torch.stack(loads).split(20)])


def test_on_a_skewed_corpus_the_bias_alone_makes_the_experts_equally_busy() -> None:
    found = imbalances(bias_update_speed=0.01)  # V3's 0.001 is for many thousands of steps
    assert found[0].max() > 1.3
    assert (found[4:] < 1.3).all()


def test_without_the_bias_some_experts_stay_overloaded() -> None:
    assert (imbalances(bias_update_speed=0).max(1).values > 1.3).all()
