"""Drawing tokens: each rule against its definition."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from prover.model.generate.sampling import BatchSampler, rejection_sample, sample_tokens
from prover.model.sampling_params import SamplingParams

CPU = torch.device("cpu")


def defined(logits: list[float], sampling: SamplingParams) -> list[float]:
    """Temperature, then top-k, then top-p, as they are defined, for one row."""
    if sampling.temperature == 0:
        return [float(i == logits.index(max(logits))) for i in range(len(logits))]
    weights = (torch.tensor(logits, dtype=torch.float64) / sampling.temperature).softmax(0).tolist()
    order = sorted(range(len(logits)), key=lambda i: -weights[i])
    kept = order[: sampling.top_k or None]
    total = sum(weights[i] for i in kept)
    nucleus, mass = [], 0.0
    for i in kept:
        if mass >= sampling.top_p * total:
            break
        nucleus.append(i)
        mass += weights[i]
    return [weights[i] / mass if i in nucleus else 0.0 for i in range(len(logits))]


SETTINGS = [
    SamplingParams(),
    SamplingParams(temperature=0),
    SamplingParams(temperature=0.3),
    SamplingParams(top_p=0.5),
    SamplingParams(top_p=0.95, temperature=1.7),
    SamplingParams(top_k=1),
    SamplingParams(top_k=7),
    SamplingParams(top_k=7, top_p=0.6),
    SamplingParams(top_k=600, top_p=0.999),
    SamplingParams(top_p=1e-9),
]


@pytest.mark.parametrize("vocabulary", [11, 1000])
def test_what_is_drawn_from_follows_the_rules_of_each_row(vocabulary: int) -> None:
    """With 1,000 tokens of nearly the same probability the set goes far beyond those that are sorted at first."""
    torch.manual_seed(0)
    logits = torch.randn(len(SETTINGS), vocabulary) * 0.5
    found = BatchSampler(SETTINGS, CPU).probabilities(logits)
    for row, expected, sampling in zip(found, logits.tolist(), SETTINGS, strict=True):
        wanted = torch.tensor(defined(expected, sampling), dtype=torch.float32)
        assert int((row > 0).sum() - (wanted > 0).sum()) in (-1, 0, 1)  # rounding at the edge of the nucleus
        torch.testing.assert_close(row, wanted, atol=2e-3, rtol=0)
        assert row.sum().item() == pytest.approx(1, abs=1e-5)


def test_a_number_picks_the_token_that_its_running_sum_passes() -> None:
    chances = torch.tensor([[0.0, 0.25, 0.0, 0.75, 0.0]]).expand(6, -1)
    numbers = torch.tensor([0.0, 0.2499, 0.25, 0.5, 0.9999999, 1.0 - 2**-53], dtype=torch.float64)
    assert sample_tokens(chances, numbers).tolist() == [1, 1, 3, 3, 3, 3]


def test_greedy_rows_among_others_take_the_most_likely() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [0.0, 3.0, 1.0]])
    sampler = BatchSampler([SamplingParams(temperature=0), SamplingParams(temperature=5)], CPU)
    assert sampler.sample(logits, torch.tensor([0.99, 0.99], dtype=torch.float64)).tokens.tolist() == [1, 2]


def test_a_row_draws_the_same_token_beside_rows_of_any_kind() -> None:
    torch.manual_seed(0)
    logits, number = torch.randn(1, 1000).expand(len(SETTINGS), -1), torch.full((len(SETTINGS),), 0.4).double()
    together = BatchSampler(SETTINGS, CPU).sample(logits, number).tokens
    alone = [BatchSampler([sampling], CPU).sample(logits[:1], number[:1]).tokens.item() for sampling in SETTINGS]
    assert together.tolist() == alone


@pytest.mark.parametrize("same", [False, True])
def test_tokens_from_drafts_are_distributed_as_wanted(same: bool) -> None:
    torch.manual_seed(0)
    n = 300_000
    wanted = torch.tensor([0.5, 0.2, 0.0, 0.3])
    offered = wanted if same else torch.tensor([0.1, 0.3, 0.4, 0.2])

    def numbers() -> Tensor:
        return torch.rand(n, dtype=torch.float64)

    def rows(p: Tensor) -> Tensor:
        return p.expand(n, -1)

    drafts = sample_tokens(rows(offered), numbers())
    accepted, tokens = rejection_sample(rows(wanted), rows(offered), drafts, numbers(), numbers())
    shares = torch.bincount(tokens, minlength=4) / n
    torch.testing.assert_close(shares, wanted, atol=0.005, rtol=0)
    assert accepted.float().mean().item() == pytest.approx(float(torch.minimum(wanted, offered).sum()), abs=0.005)
    assert torch.equal(tokens[accepted], drafts[accepted])


def test_without_a_draft_the_token_is_drawn_as_it_is() -> None:
    wanted = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    zero = torch.zeros(2, dtype=torch.float64)
    accepted, tokens = rejection_sample(wanted, torch.zeros(2, 2), torch.tensor([0, 0]), zero, zero)
    assert accepted.tolist() == [False, False]
    assert tokens.tolist() == [0, 1]


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"top_p": 0}, {"top_p": 1.1}, {"top_k": -1}, {"max_tokens": 0}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        SamplingParams(**wrong)  # type: ignore[arg-type]
