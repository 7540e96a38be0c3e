"""The whole model: transformers' logits and gradients, and what its arguments promise."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import prover.model.transformer as transformer
from prover.model.config import ModelConfig
from prover.model.router import Router
from prover.model.transformer import Output, Transformer
from tests.prover.model.twin import SMALL, assert_close, configs, fresh, gradients, renamed, tokens, twin


@settings(max_examples=50, deadline=None, derandomize=True)
@given(configs(), st.integers(0, 100))
def test_logits_and_gradients_are_those_of_transformers(config: ModelConfig, seed: int) -> None:
    ours = fresh(config, seed)
    theirs = twin(ours)
    x, targets = tokens(config, 2, 17), tokens(config, 2, 17)
    logits, reference = ours(x).logits, theirs(x, use_cache=False).logits
    torch.testing.assert_close(logits, reference, rtol=0, atol=1e-4)
    for found in (logits, reference):
        torch.nn.functional.cross_entropy(found.flatten(0, 1), targets.flatten()).backward()
    assert_close(renamed(gradients(ours))[0], gradients(theirs))


@pytest.mark.parametrize("pieces", [False, True])
def test_targets_give_log_probabilities_and_gradients_without_all_logits(
    pieces: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fresh(SMALL)
    x, targets, weights = tokens(SMALL, 2, 20), tokens(SMALL, 2, 20), torch.rand(2, 20)
    reference = model(x).logits.log_softmax(-1).gather(2, targets.unsqueeze(2)).squeeze(2)
    (reference * weights).sum().backward()
    gradient = take_gradients(model)
    if pieces:
        monkeypatch.setattr(transformer, "MAX_LOGITS", 7 * SMALL.vocab_size)
    out: Output = model(x, targets)
    assert out.logits is None
    assert out.logprobs is not None
    torch.testing.assert_close(out.logprobs, reference)
    (out.logprobs * weights).sum().backward()
    assert_close(take_gradients(model), gradient, 1e-5)


def test_a_packed_row_is_its_texts_one_by_one() -> None:
    model, sizes = fresh(SMALL), (9, 1, 14)
    x, targets = tokens(SMALL, 1, 24), tokens(SMALL, 1, 24)
    segments = torch.arange(3).repeat_interleave(torch.tensor(sizes)).unsqueeze(0)
    packed: Output = model(x, targets, segments)
    one_by_one = [model(*pair) for pair in zip(x.split(sizes, 1), targets.split(sizes, 1), strict=True)]
    losses = []
    for depth in range(3):
        # Place i of depth d says something of the target of place i + d: the last d places of a text say nothing.
        row = packed.logprobs if depth == 0 else packed.mtp_logprobs[depth - 1]
        assert row.shape == (1, 24 - depth)
        ends = [sum(sizes[: n + 1]) for n in range(3)]
        inside = [row[:, end - size : max(end - depth, end - size)] for end, size in zip(ends, sizes, strict=True)]
        alone = [out.logprobs if depth == 0 else out.mtp_logprobs[depth - 1] for out in one_by_one]
        for found, reference in zip(inside, alone, strict=True):
            torch.testing.assert_close(found, reference)
        losses.append((torch.cat(inside, 1).sum(), torch.cat(alone, 1).sum()))
    sum(loss for loss, _ in losses).backward()
    gradient = take_gradients(model)
    sum(loss for _, loss in losses).backward()
    assert_close(gradient, take_gradients(model), 1e-5)
    logits = model(x, segment_ids=segments).logits
    torch.testing.assert_close(logits, torch.cat([model(text).logits for text in x.split(sizes, 1)], 1))


def test_each_packed_text_begins_at_position_0() -> None:
    """Only distances count, but at large positions fp32 knows angles less well, and a text alone begins at 0, too."""
    segments = torch.tensor([[7, 7, 7, 2, 2, 9], [1, 3, 3, 3, 3, 3]])
    positions, _ = transformer.positions_and_mask(torch.zeros_like(segments), segments)
    assert positions.tolist() == [[0, 1, 2, 0, 1, 0], [0, 0, 1, 2, 3, 4]]


def test_nothing_is_seen_of_later_tokens() -> None:
    model = fresh(SMALL)
    x = tokens(SMALL, 2, 12)
    changed = torch.cat((x[:, :7], (x[:, 7:] + 1) % SMALL.vocab_size), 1)
    torch.testing.assert_close(model(x).logits[:, :7], model(changed).logits[:, :7])


def test_replaying_the_routers_own_choice_changes_nothing() -> None:
    model = fresh(SMALL)
    x, targets = tokens(SMALL, 2, 11), tokens(SMALL, 2, 11)
    out: Output = model(x, targets)
    total(out).backward()
    gradient = take_gradients(model)
    replayed: Output = model(x, targets, expert_ids=replayable(out))
    assert torch.equal(total(replayed), total(out))
    total(replayed).backward()
    assert_close(take_gradients(model), gradient, 1e-6)


def test_replaying_another_choice_uses_those_experts_and_still_teaches_the_router() -> None:
    model = fresh(SMALL)
    x = tokens(SMALL, 2, 11)
    out: Output = model(x)
    other = (replayable(out) + 1) % SMALL.n_routed_experts
    replayed: Output = model(x, expert_ids=other)
    assert torch.equal(replayable(replayed), other)
    assert (replayed.logits - out.logits).abs().max() > 0.1
    replayed.logits.square().sum().backward()
    routers = [module for layer in model.layers for module in layer.modules() if isinstance(module, Router)]
    assert len(routers) == 2
    assert all(router.weight.grad.abs().max() > 0 for router in routers)


def test_replay_may_leave_out_the_mtp_modules() -> None:
    model = fresh(SMALL)
    x, targets = tokens(SMALL, 2, 11), tokens(SMALL, 2, 11)
    out: Output = model(x, targets)
    replayed: Output = model(x, targets, expert_ids=replayable(out)[:, :, : SMALL.num_moe_layers])
    assert torch.equal(total(replayed), total(out))


def test_in_bfloat16_it_stays_near_its_fp32_self() -> None:
    model = fresh(SMALL.replace(initializer_range=0.08))
    x, targets = tokens(SMALL, 2, 30), tokens(SMALL, 2, 30)
    exact: Output = model(x, targets)
    total(exact).backward()
    gradient = torch.cat([g.flatten() for g in take_gradients(model).values()])
    model.bfloat16()
    # Where two experts are almost as good, rounding may choose another: not what is compared here.
    rounded: Output = model(x, targets, expert_ids=replayable(exact))
    total(rounded).backward()
    found = torch.cat([g.flatten().float() for g in take_gradients(model).values()])
    assert rounded.hidden.dtype == torch.bfloat16
    assert all(r.scores.dtype == r.weights.dtype == torch.float32 for r in rounded.routing)
    for near, far in zip((rounded.logprobs, *rounded.mtp_logprobs), (exact.logprobs, *exact.mtp_logprobs), strict=True):
        assert near.dtype == torch.float32
        torch.testing.assert_close(near, far, rtol=0, atol=0.15)
    assert found.isfinite().all()
    assert torch.cosine_similarity(found, gradient, 0) > 0.99


def test_fresh_weights_are_normal_and_one_head_serves_for_both() -> None:
    config = SMALL.replace(hidden_size=128, tie_word_embeddings=True)
    with torch.device("meta"):
        model = Transformer(config)
    model.to_empty(device="cpu")
    model.init_weights()
    assert model.lm_head.weight is model.embed_tokens.weight
    for name, weight in model.named_parameters():
        if "norm" in name:
            assert (weight == 1).all()
        else:
            assert weight.detach().std().item() == pytest.approx(config.initializer_range, rel=0.15)
            assert abs(weight.mean().item()) < 0.02
    assert all((value == 0).all() for name, value in model.named_buffers())


def total(out: Output) -> Tensor:
    return sum((part.sum() for part in out.mtp_logprobs), start=out.logprobs.sum())


def replayable(out: Output) -> Tensor:
    """As `expert_ids` takes them, of a batch of two."""
    return torch.stack([routing.expert_ids.unflatten(0, (2, -1)) for routing in out.routing], 2)


def take_gradients(model: Transformer) -> dict[str, Tensor]:
    """The gradients, which are gone from the model afterwards."""
    found = {name: grad.clone() for name, grad in gradients(model).items()}
    model.zero_grad()
    return found
