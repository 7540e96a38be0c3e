"""The objectives against the formulas written out in loops, their gradients against finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rl import losses
from rl.losses import PolicyLoss

CLOSE: dict[str, float] = {"rtol": 1e-9, "atol": 1e-11}
SEEDS = st.integers(0, 2**31 - 1)
#: Ratios reach both edges of the clip, both sides of the cut-off and of δ.
SETTINGS = st.builds(
    PolicyLoss,
    clip_low=st.sampled_from([0.05, 0.2, 0.9]),
    clip_high=st.sampled_from([0.05, 0.28, 5.0]),
    kl=st.sampled_from([0.0, 0.02, 3.0]),
    importance_ratio_cap=st.sampled_from([None, 0.9, 2.0, 100.0]),
    off_policy_mask_threshold=st.sampled_from([None, 0.01, 0.1, 5.0]),
)


class Case:
    """Tokens of answers of different lengths, in a mixed order, as policy() takes them."""

    def __init__(self, seed: int, answers: int = 6, spread: float = 0.3) -> None:
        source = torch.Generator().manual_seed(seed)

        def near(place: Tensor) -> Tensor:
            return place + spread * torch.randn(len(place), generator=source, dtype=torch.float64)

        self.lengths = torch.randint(1, 9, (answers,), generator=source)
        which = torch.arange(answers).repeat_interleave(self.lengths)
        self.which = which[torch.randperm(len(which), generator=source)]
        drawn = -4 * torch.rand(len(which), generator=source, dtype=torch.float64)
        self.drawn, self.old, self.reference, self.now = drawn, near(drawn), near(drawn), near(drawn)
        self.advantages = torch.randn(answers, generator=source, dtype=torch.float64)
        self.weights = torch.rand(answers, generator=source, dtype=torch.float64)

    def loss(self, how: PolicyLoss, now: Tensor | None = None, some: Tensor | None = None) -> Any:
        """Of all tokens, or of some [tokens]."""
        every = torch.ones_like(self.which, dtype=torch.bool) if some is None else some
        given = self.now if now is None else now
        reference = self.reference[every] if how.kl else None
        return losses.grpo_loss(
            given[every],
            self.drawn[every],
            self.old[every],
            reference,
            self.which[every],
            self.advantages,
            self.weights,
            how,
        )


def written_out(case: Case, how: PolicyLoss) -> dict[str, float]:
    """The docstring of policy(), token by token."""
    now, drawn, old, reference = (v.tolist() for v in (case.now, case.drawn, case.old, case.reference))
    sums = dict.fromkeys(("loss", "clipped", "masked", "mismatch", "kl"), 0.0)
    for place, answer in enumerate(case.which.tolist()):
        advantage, weight = float(case.advantages[answer]), float(case.weights[answer])
        if how.importance_ratio_cap is None:
            ratio, correction = math.exp(now[place] - drawn[place]), 1.0
        else:
            ratio = math.exp(now[place] - old[place])
            correction = min(math.exp(old[place] - drawn[place]), how.importance_ratio_cap)
        clipped = min(max(ratio, 1 - how.clip_low), 1 + how.clip_high)
        gain = min(ratio * advantage, clipped * advantage)
        own = [k for k, other in enumerate(case.which.tolist()) if other == answer]
        fallen = sum(drawn[k] - now[k] for k in own) / len(own)
        masked = how.off_policy_mask_threshold is not None and advantage < 0 and fallen > how.off_policy_mask_threshold
        sums["loss"] -= 0.0 if masked else weight * correction * gain
        if how.kl:
            apart = reference[place] - now[place]
            distance = math.exp(now[place] - drawn[place]) * (math.exp(apart) - apart - 1)
            sums["loss"] += weight * how.kl * distance
            sums["kl"] += distance
        sums["clipped"] += gain < ratio * advantage
        sums["masked"] += masked
        sums["mismatch"] += abs(now[place] - drawn[place])
    return sums


def differences(value: Callable[[Tensor], Tensor], at: Tensor, step: float = 1e-6) -> Tensor:
    """The gradient of a function of numbers [n], by central differences."""
    moves = step * torch.eye(len(at), dtype=at.dtype)
    return torch.stack([(value(at + move) - value(at - move)) / (2 * step) for move in moves])


@given(SEEDS, SETTINGS)
def test_the_policys_loss_is_the_written_out_one(seed: int, how: PolicyLoss) -> None:
    case = Case(seed)
    loss, told = case.loss(how)
    wanted = written_out(case, how)
    assert float(loss) == pytest.approx(wanted.pop("loss"), rel=1e-9, abs=1e-11)
    assert {name: float(value) for name, value in told.items()} == pytest.approx(wanted, rel=1e-5, abs=1e-6)


@settings(max_examples=40)
@given(SEEDS, SETTINGS)
def test_the_policys_gradient_is_that_of_finite_differences(seed: int, how: PolicyLoss) -> None:
    case = Case(seed, answers=4)
    now = case.now.clone().requires_grad_()
    case.loss(how, now)[0].backward()
    torch.testing.assert_close(now.grad, differences(lambda x: case.loss(how, x)[0], case.now), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"),
    [
        (1.5, 1.0, False),  # likelier by more than the clip already
        (1.5, -1.0, True),  # … and worse than the others: back
        (0.5, -1.0, False),
        (0.5, 1.0, True),
        (1.1, 1.0, True),
        (0.9, -1.0, True),
    ],
)
@pytest.mark.parametrize("correction", [None, 2.0])
def test_a_clipped_token_moves_no_further(
    ratio: float, advantage: float, moves: bool, correction: float | None
) -> None:
    now = torch.tensor([math.log(ratio)], dtype=torch.float64, requires_grad=True)
    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    how = PolicyLoss(clip_low=0.2, clip_high=0.2, kl=0, importance_ratio_cap=correction)
    loss, told = losses.grpo_loss(now, zero, zero, None, torch.tensor([0]), one * advantage, one, how)
    loss.backward()
    assert now.grad is not None
    assert float(now.grad) == pytest.approx(-ratio * advantage if moves else 0)
    assert bool(told["clipped"]) is not moves


@given(SEEDS, SETTINGS, st.integers(1, 4))
def test_parts_of_a_batch_add_up(seed: int, how: PolicyLoss, parts: int) -> None:
    case = Case(seed)
    part_of = torch.randint(parts, (len(case.lengths),), generator=torch.Generator().manual_seed(seed))[case.which]
    whole, told = case.loss(how)
    cut = [case.loss(how, some=part_of == part) for part in range(parts)]
    torch.testing.assert_close(sum(loss for loss, _ in cut), whole, **CLOSE)
    for name in told:
        torch.testing.assert_close(sum(sums[name] for _, sums in cut), told[name])


def test_answers_far_from_the_sampler_give_numbers() -> None:
    case = Case(0)
    case.drawn, case.reference = case.drawn - 300, case.reference + 300
    now = case.now.clone().requires_grad_()
    for correction in (None, 2.0):
        loss, _ = case.loss(PolicyLoss(importance_ratio_cap=correction), now)
        loss.backward()
        assert bool(loss.isfinite())
        assert now.grad is not None
        assert bool(now.grad.isfinite().all())


def test_only_worse_answers_that_have_become_less_likely_are_left_out() -> None:
    drawn = torch.zeros(8, dtype=torch.float64)
    now = torch.tensor([-0.5, -0.1, -0.5, -0.1, 0.5, 0.1, -0.15, -0.15], dtype=torch.float64, requires_grad=True)
    which = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])  # fallen by 0.3, 0.3, -0.3, 0.15 a token
    advantages, weights = torch.tensor([-1.0, 1.0, -1.0, -1.0]).double(), torch.ones(4).double()
    how = PolicyLoss(kl=0, off_policy_mask_threshold=0.2, clip_low=0.999, clip_high=1000)
    loss, told = losses.grpo_loss(now, drawn, now.detach(), None, which, advantages, weights, how)
    loss.backward()
    assert now.grad is not None
    assert (now.grad != 0).tolist() == [False, False, True, True, True, True, True, True]
    assert int(told["masked"]) == 2


# ---- expectations, over all outcomes ----


class Outcomes:
    """A few outcomes, drawn by `sampler`, of a policy of `logits`; `old` is between them."""

    def __init__(self, seed: int, outcomes: int = 5) -> None:
        source = torch.Generator().manual_seed(seed)

        def some() -> Tensor:
            return torch.randn(outcomes, generator=source, dtype=torch.float64)

        self.logits, self.values = some().requires_grad_(), some()
        self.sampler, self.old, self.reference = (some().log_softmax(0) for _ in range(3))

    def expected(self, how: PolicyLoss, values: Tensor) -> tuple[Tensor, Tensor]:
        """The loss that is to be expected of one token that is one of the outcomes, and its gradient."""
        chances, every = self.sampler.exp(), torch.arange(len(values))
        loss, _ = losses.grpo_loss(
            self.logits.log_softmax(0), self.sampler, self.old, self.reference, every, values, chances, how
        )
        return loss.detach(), torch.autograd.grad(loss, self.logits)[0]

    def exactly(self, wanted: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """A function of the policy's log-probabilities, and its gradient."""
        value = wanted(self.logits.log_softmax(0))
        return value.detach(), torch.autograd.grad(value, self.logits)[0]

    def distance(self, log_probs: Tensor) -> Tensor:
        """KL(policy, reference)."""
        return (log_probs.exp() * (log_probs - self.reference)).sum()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("correction", [None, 2.0])
def test_the_distance_is_unbiased_whoever_drew(seed: int, correction: float | None) -> None:
    """V3.2 §3.1: its value, and its gradient; the plain estimator's are not, its gradient even on-policy."""
    case = Outcomes(seed)
    nothing = torch.zeros_like(case.values)
    found = case.expected(PolicyLoss(kl=1.0, importance_ratio_cap=correction), nothing)
    wanted = case.exactly(case.distance)
    torch.testing.assert_close(found, wanted, **CLOSE)

    def plain(log_probs: Tensor) -> Tensor:
        return (case.sampler.exp() * ((case.reference - log_probs).exp() - (case.reference - log_probs) - 1)).sum()

    off_policy = case.exactly(plain)
    case.sampler = case.logits.detach().log_softmax(0)
    on_policy = case.exactly(plain)
    assert abs(float(off_policy[0] - wanted[0])) > 0.01
    assert float((off_policy[1] - wanted[1]).abs().max()) > 0.01
    torch.testing.assert_close(on_policy[0], wanted[0], **CLOSE)
    assert float((on_policy[1] - wanted[1]).abs().max()) > 0.01


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("correction", [None, 1e6])
def test_what_is_learnt_is_what_is_earned_whoever_drew(seed: int, correction: float | None) -> None:
    """Where nothing is clipped or cut off, the expected gradient is that of the policy's mean advantage."""
    case = Outcomes(seed)
    how = PolicyLoss(clip_low=0.999999, clip_high=1e6, kl=0, importance_ratio_cap=correction)
    found = case.expected(how, case.values)
    wanted = case.exactly(lambda log_probs: -(log_probs.exp() * case.values).sum())
    torch.testing.assert_close(found, wanted, **CLOSE)


# ---- advantages and weights ----


@given(SEEDS, st.integers(1, 5), st.integers(2, 9), st.booleans())
def test_advantages_are_the_written_out_ones(seed: int, groups: int, answers: int, scale: bool) -> None:
    rewards = torch.randn(groups, answers, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = losses.advantages(rewards, scale)
    for group, row in zip(rewards.tolist(), found.tolist(), strict=True):
        mean = sum(group) / answers
        deviation = math.sqrt(sum((reward - mean) ** 2 for reward in group) / answers)
        assert row == pytest.approx([(reward - mean) / (deviation if scale else 1) for reward in group], abs=1e-9)


@pytest.mark.parametrize("reward", [0.9, -0.1, 0.3, 1.0])
def test_answers_that_earn_the_same_teach_nothing(reward: float) -> None:
    """A mean is rounded; what is only that must not be divided by its own deviation."""
    for answers in range(1, 65):
        rewards = torch.tensor([[reward] * answers, [0.0] * answers])
        assert not losses.advantages(rewards).any()
        assert float(losses.advantages(rewards, scale=False).abs().max()) < 1e-6


LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=9)


@given(LENGTHS)
def test_weights_of_tokens_are_the_written_out_ones(lengths: list[int]) -> None:
    told, longest, answers = torch.tensor(lengths), 40, len(lengths)
    wanted = {
        "sequence": [1 / (answers * length) for length in lengths],
        "token": [1 / sum(lengths)] * answers,
        "dr-grpo": [1 / (answers * longest)] * answers,
    }
    for weighting, weights in wanted.items():
        found = losses.token_weights(told, weighting, longest)  # type: ignore[arg-type]
        assert found.tolist() == pytest.approx(weights, rel=1e-6)


@pytest.mark.parametrize("weighting", ["sequence", "token", "dr-grpo"])
def test_an_answer_of_no_tokens_weighs_nothing_infinite(weighting: Any) -> None:
    for lengths in ([0, 3], [0, 0]):
        assert bool(losses.token_weights(torch.tensor(lengths), weighting, 8).isfinite().all())


# ---- supervised, multi-token prediction, preferences ----


@given(SEEDS, st.integers(1, 3))
def test_cross_entropy_and_its_parts(seed: int, parts: int) -> None:
    log_probs = -torch.rand(12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    whole = losses.cross_entropy(log_probs, 12)
    assert float(whole) == pytest.approx(-sum(log_probs.tolist()) / 12, rel=1e-12)
    torch.testing.assert_close(sum(losses.cross_entropy(part, 12) for part in log_probs.chunk(parts)), whole, **CLOSE)


@given(SEEDS, st.integers(1, 3))
def test_multi_token_prediction_is_the_written_out_one(seed: int, modules: int) -> None:
    source = torch.Generator().manual_seed(seed)
    rows, width, total = 3, 9, 17
    further = [-torch.rand(rows, width - 1 - depth, generator=source, dtype=torch.float64) for depth in range(modules)]
    counts = torch.rand(rows, width, generator=source) < 0.6
    which = torch.randint(3, (rows, width), generator=source).sort(1).values
    means = []
    for depth, log_probs in enumerate(further):
        lost = 0.0
        for row in range(rows):
            for place in range(width - 1 - depth):
                told = place + 1 + depth  # the place whose target is guessed
                if counts[row, told] and which[row, told] == which[row, place]:
                    lost -= float(log_probs[row, place])
        means.append(lost / total)
    whole = losses.mtp_loss(further, counts, which, total)
    assert float(whole) == pytest.approx(sum(means) / modules, rel=1e-9)
    cut = [
        losses.mtp_loss([f[k : k + 1] for f in further], counts[k : k + 1], which[k : k + 1], total)
        for k in range(rows)
    ]
    torch.testing.assert_close(sum(cut), whole, **CLOSE)


@given(SEEDS, st.sampled_from([0.01, 0.1, 1.0]))
def test_preferences_are_the_written_out_ones(seed: int, beta: float) -> None:
    four = -20 * torch.rand(4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = losses.dpo_loss(*four, beta)
    for pair, (chosen, rejected, chosen_before, rejected_before) in enumerate(four.T.tolist()):
        margin = beta * ((chosen - chosen_before) - (rejected - rejected_before))
        assert float(found[pair]) == pytest.approx(math.log1p(math.exp(-margin)), rel=1e-9)
    assert losses.dpo_loss(*four[[0, 1, 0, 1]], beta).tolist() == pytest.approx([math.log(2)] * 5)


def test_the_gradients_of_the_others_are_those_of_finite_differences() -> None:
    source = torch.Generator().manual_seed(1)
    two = -torch.rand(2, 6, generator=source, dtype=torch.float64)
    counts, which = torch.rand(2, 7, generator=source) < 0.7, torch.tensor([[0, 0, 0, 0, 1, 1, -1]] * 2)

    def preference(x: Tensor) -> Tensor:
        return losses.dpo_loss(*x.view(2, 6), *two.flip(0), beta=0.3).sum()

    every: Sequence[Callable[[Tensor], Tensor]] = (
        lambda x: losses.cross_entropy(x, 9),
        lambda x: losses.mtp_loss([x.view(2, 6)], counts, which, 9),
        preference,
    )
    for loss in every:
        x = two.flatten().clone().requires_grad_()
        loss(x).backward()
        torch.testing.assert_close(x.grad, differences(loss, two.flatten()), rtol=1e-6, atol=1e-9)
