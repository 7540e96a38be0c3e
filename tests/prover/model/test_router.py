"""Which experts a token uses: the paper's definition, written out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.model.config import ModelConfig
from prover.model.router import Router
from tests.prover.model.twin import SMALL, configs


def router(config: ModelConfig, seed: int = 0) -> Router:
    torch.manual_seed(seed)
    made = Router(config)
    torch.nn.init.normal_(made.weight, std=0.3)
    made.e_score_correction_bias.normal_(std=0.2)
    return made


@settings(max_examples=50, deadline=None, derandomize=True)
@given(configs(), st.integers(0, 100))
def test_the_best_experts_of_the_best_groups_are_chosen(config: ModelConfig, seed: int) -> None:
    gate = router(config, seed)
    x = torch.randn(7, config.hidden_size)
    found = gate(x)
    bias = gate.e_score_correction_bias.tolist()
    for scores, chosen, weights in zip(*(part.tolist() for part in found), strict=True):
        biased = [score + b for score, b in zip(scores, bias, strict=True)]
        groups = [range(n, n + config.experts_per_group) for n in range(0, len(biased), config.experts_per_group)]
        groups.sort(key=lambda group: -sum(sorted((biased[i] for i in group), reverse=True)[:2]))
        allowed = [i for group in groups[: config.topk_group] for i in group]
        best = sorted(allowed, key=lambda i: -biased[i])[: config.num_experts_per_tok]
        assert set(chosen) == set(best)
        whole = sum(scores[i] for i in best) if config.norm_topk_prob else 1
        wanted = [config.routed_scaling_factor * scores[i] / whole for i in chosen]
        assert weights == pytest.approx(wanted, rel=1e-5)
    torch.testing.assert_close(found.scores, (x @ gate.weight.T).sigmoid())


def test_the_bias_moves_the_choice_but_not_the_weights() -> None:
    gate = router(SMALL.replace(n_group=1, topk_group=1, num_experts_per_tok=1, norm_topk_prob=False))
    x = torch.randn(20, SMALL.hidden_size)
    gate.e_score_correction_bias.zero_()[5] = 2
    found = gate(x)
    assert (found.expert_ids == 5).all()
    torch.testing.assert_close(found.weights[:, 0], SMALL.routed_scaling_factor * found.scores[:, 5])


def test_experts_chosen_before_are_used_again_with_weights_that_teach() -> None:
    gate = router(SMALL)
    before = torch.stack([torch.randperm(8)[:2] for _ in range(20)])
    found = gate(torch.randn(20, SMALL.hidden_size), before)
    assert torch.equal(found.expert_ids, before)
    torch.testing.assert_close(found.weights.sum(1), torch.full((20,), SMALL.routed_scaling_factor))
    found.weights[:, 0].sum().backward()
    assert gate.weight.grad.abs().max() > 0


def test_it_decides_in_fp32_whatever_the_model_is_in() -> None:
    gate = router(SMALL)
    bias = gate.e_score_correction_bias.clone()
    gate.bfloat16()
    assert gate.weight.dtype == torch.bfloat16
    assert torch.equal(gate.e_score_correction_bias, bias)  # steps of 0.001 would be lost in bfloat16
    x = torch.randn(20, SMALL.hidden_size).bfloat16()
    found, exact = gate(x), gate.float()(x.float())
    for ours, wanted in zip(found, exact, strict=True):
        assert torch.equal(ours, wanted)
