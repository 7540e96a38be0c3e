"""Packing: nothing is lost, everything stands where it belongs, and no text sees another."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from rl.batch import Batch, Epochs, TrainingSample, make_batch, pack_groups, pack_rows, packed_length
from rl.model import TransformersModel
from tests.prover.model.twin import SMALL, fresh, twin

MIXTURES, K = 2, 2


# ---- which text goes where ----


@given(st.lists(st.integers(0, 30), max_size=80), st.integers(30, 100))
def test_every_text_is_packed_once_and_no_row_overflows(lengths: list[int], width: int) -> None:
    rows = pack_rows(lengths, width)
    assert sorted(number for row in rows for number in row) == list(range(len(lengths)))
    assert all(row and sum(lengths[n] for n in row) <= width for row in rows)


@given(st.lists(st.integers(1, 40), min_size=200, max_size=600), st.randoms(use_true_random=False))
def test_rows_are_full_where_texts_are_short(lengths: list[int], chance: random.Random) -> None:
    """All but the last may have no more room than the shortest text would take, and hardly have any."""
    chance.shuffle(lengths)
    rows = pack_rows(lengths, 400)
    assert len(rows) - 1 <= sum(lengths) / (0.9 * 400)
    filled = sorted(sum(lengths[n] for n in row) for row in rows)
    assert all(some >= 0.9 * 400 for some in filled[1:])


def test_a_text_that_fits_no_row_is_refused() -> None:
    assert pack_rows([5], 5) == [[0]]
    assert sorted(map(sorted, pack_rows([4, 6, 6, 4], 10))) in ([[0, 1], [2, 3]], [[0, 2], [1, 3]])  # exactly
    with pytest.raises(ValueError, match="a text of 6 tokens does not fit a row of 5"):
        pack_rows([1, 6], 5)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 3), st.integers(0, 99))
def test_epochs_go_through_all_texts_and_can_be_gone_on_with(
    lengths: list[int], size: int, epochs: int, seed: int
) -> None:
    order = Epochs(lengths, 20, size, epochs, seed)
    batches = list(order)
    assert len(batches) == len(order)
    assert all(1 <= len(batch) <= size for batch in batches)
    assert all(sum(lengths[n] for n in row) <= 20 for batch in batches for row in batch)
    numbers = [number for batch in batches for row in batch for number in row]
    per_epoch = [numbers[k * len(lengths) : (k + 1) * len(lengths)] for k in range(epochs)]
    assert len(numbers) == epochs * len(lengths)
    assert all(sorted(epoch) == list(range(len(lengths))) for epoch in per_epoch)
    assert list(Epochs(lengths, 20, size, epochs, seed)) == batches
    assert list(Epochs(lengths, 20, size, epochs + 1, seed))[: len(batches)] == batches


def test_epochs_differ_from_each_other_and_with_the_seed() -> None:
    order = Epochs([5] * 40, 20, 2, 2)
    first, second = list(order)[: len(order) // 2], list(order)[len(order) // 2 :]
    assert first != second
    assert list(Epochs([5] * 40, 20, 2, 2, seed=1)) != list(order)
    longest = [row[0] for (row,) in Epochs(range(1, 41), 40, 1, 1)]  # long texts do not all come first
    assert sum(longest[:10]) < sum(sorted(longest)[-10:])


# ---- what stands there ----


def text(source: torch.Generator, length: int, vocabulary: int = 50) -> TrainingSample:
    """A random text with all there can be to replay."""
    tokens = torch.randint(vocabulary, (length,), generator=source).tolist()
    start = int(torch.randint(1, length + 1, (1,), generator=source))
    kept = []
    for token in tokens[start:]:
        others = torch.randperm(vocabulary, generator=source)[: int(torch.randint(0, 6, (1,), generator=source))]
        kept.append(torch.cat((torch.tensor([token]), others[others != token])).int())
    drawn = (-torch.rand(length - start, generator=source)).tolist()
    chosen = torch.stack([torch.randperm(8, generator=source)[:K] for _ in range((length - 1) * MIXTURES)])
    return TrainingSample(
        tuple(tokens), start, tuple(drawn), tuple(kept), chosen.view(length - 1, MIXTURES, K).to(torch.int16)
    )


def read_back(batch: Batch, number: int) -> dict[str, Any]:
    """A text as it stands in a batch; its places are side by side in one row."""
    row, places = (batch.sample_ids == number).nonzero(as_tuple=True)
    assert row.unique().numel() == 1
    assert places.tolist() == list(range(int(places[0]), int(places[0]) + len(places)))
    here = (int(row[0]), slice(int(places[0]), int(places[-1]) + 1))
    counts = batch.loss_mask[here]
    found = {
        "tokens": (*batch.tokens[here].tolist(), int(batch.targets[here][-1])),
        "start": 1 + int((~counts).sum()),
        "drawn": batch.sampler_logprobs[here][counts],
        "segments": batch.segments[here].unique().tolist(),
    }
    assert batch.targets[here][:-1].tolist() == batch.tokens[here][1:].tolist()
    assert not batch.sampler_logprobs[here][~counts].any()
    if batch.candidate_token_ids is not None:
        kept = batch.candidate_token_ids[here]
        assert (kept == batch.targets[here].unsqueeze(1)).any(1).all()  # as Transformer wants it
        found["kept"] = [set(some[some >= 0].tolist()) for some in kept[counts]]
    if batch.expert_ids is not None:
        found["chosen"] = batch.expert_ids[here]
    return found


@given(st.integers(0, 2**31), st.lists(st.integers(2, 15), min_size=1, max_size=9), st.integers(14, 40))
def test_all_of_a_text_can_be_read_back(seed: int, lengths: list[int], width: int) -> None:
    source = torch.Generator().manual_seed(seed)
    texts = [text(source, length) for length in lengths]
    rows = [*pack_rows([len(text) for text in texts], width), []]
    batch = make_batch(texts, rows, width)
    assert batch.tokens.shape == (len(rows), width)
    assert int(batch.is_not_padding.sum()) == sum(map(len, texts))
    assert not batch.loss_mask[~batch.is_not_padding].any()
    for number, wanted in enumerate(texts):
        found = read_back(batch, number)
        assert (found["tokens"], found["start"]) == (wanted.tokens, wanted.start)
        torch.testing.assert_close(found["drawn"], torch.tensor(wanted.sampler_logprobs))
        if batch.candidate_token_ids is not None:
            assert found["kept"] == [set(tokens.tolist()) for tokens in wanted.candidate_token_ids]
        assert torch.equal(found["chosen"], wanted.expert_ids.long())  # type: ignore[union-attr]
    for row, numbers in enumerate(rows):
        own = [read_back(batch, number)["segments"] for number in numbers]
        rest = batch.segments[row][~batch.is_not_padding[row]].unique().tolist()
        assert len({segment for some in [*own, rest] for segment in some}) == len(numbers) + len(rest)


def test_what_not_all_texts_have_is_not_replayed() -> None:
    source = torch.Generator().manual_seed(3)
    texts = [replace(text(source, 9), start=5) for _ in range(3)]
    texts = [
        replace(
            some, candidate_token_ids=some.candidate_token_ids[:4] or (), sampler_logprobs=some.sampler_logprobs[:4]
        )
        for some in texts
    ]
    bare = TrainingSample(texts[0].tokens, 5)
    assert make_batch([*texts, bare], [[0, 1], [2]], 20).expert_ids is not None  # it is in another part
    batch = make_batch([*texts, bare], [[0, 1], [2, 3]], 20)
    assert batch.expert_ids is None
    assert batch.candidate_token_ids is None
    moved = batch.to(torch.device("cpu"))
    assert moved.expert_ids is None
    assert torch.equal(moved.tokens, batch.tokens)


# ---- what a model says of it ----


def alone(network: Any, some: TrainingSample, **how: Any) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies of all targets of one text in a row of its own, without padding."""
    batch = make_batch([some], [[0]], len(some))
    told = network(
        batch.tokens,
        batch.targets,
        candidate_token_ids=batch.candidate_token_ids,
        expert_ids=batch.expert_ids,
        entropy=True,
        **how,
    )
    return told.logprobs[0].detach(), told.entropy[0]


def check(network: Any, texts: list[TrainingSample], width: int, **how: Any) -> None:
    rows = pack_rows([len(some) for some in texts], width)
    batch = make_batch(texts, rows, width + 3)
    assert max(map(len, rows)) > 1
    shape = (batch.tokens, batch.targets, batch.segments)
    told = network(
        *shape,
        parent_segment_ids=batch.parent_segment_ids,
        candidate_token_ids=batch.candidate_token_ids,
        expert_ids=batch.expert_ids,
        entropy=True,
        **how,
    )
    for number, some in enumerate(texts):
        for found, wanted in zip((told.logprobs, told.entropy), alone(network, some, **how), strict=True):
            torch.testing.assert_close(found[batch.sample_ids == number].detach(), wanted, atol=2e-5, rtol=0)


def some_texts(seed: int, vocabulary: int) -> list[TrainingSample]:
    source = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 15, (7,), generator=source).tolist()
    return [text(source, length, vocabulary) for length in lengths]


@pytest.mark.parametrize("replay", [True, False])
@settings(max_examples=10)
@given(st.integers(0, 2**31), st.sampled_from([1.0, 0.7]))
def test_a_packed_text_has_the_log_probabilities_it_has_alone(replay: bool, seed: int, temperature: float) -> None:
    network = fresh(SMALL.replace(num_hidden_layers=3, first_k_dense_replace=1))
    texts = some_texts(seed, SMALL.vocab_size)
    if not replay:
        texts = [replace(some, expert_ids=None, candidate_token_ids=()) for some in texts]
    texts = [some for some in texts if some.start < len(some.tokens)]
    check(network, texts, 30, temperature=temperature)


@pytest.mark.parametrize("theirs", ["llama", "deepseek"])
def test_a_borrowed_model_sees_each_text_alone_too(theirs: str) -> None:
    ours = fresh(SMALL)
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=101,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.15,
    )
    network = TransformersModel(LlamaForCausalLM(shape).eval() if theirs == "llama" else twin(ours))
    texts = [replace(some, expert_ids=None) for some in some_texts(5, 101) if some.start < len(some.tokens)]
    check(network, texts, 30)
    bare = [replace(some, candidate_token_ids=()) for some in texts]
    check(network, bare, 30, temperature=0.8)
    if theirs == "deepseek":
        rows = pack_rows([len(some) for some in texts], 30)
        batch = make_batch(texts, rows, 30)
        both = [
            model(
                batch.tokens,
                batch.targets,
                batch.segments,
                parent_segment_ids=batch.parent_segment_ids,
                candidate_token_ids=batch.candidate_token_ids,
                entropy=True,
            )
            for model in (ours, network)
        ]
        for found, wanted in zip(*((told.logprobs, told.entropy) for told in both), strict=True):
            torch.testing.assert_close(found[batch.is_not_padding], wanted[batch.is_not_padding], atol=2e-5, rtol=0)
    with pytest.raises(ValueError, match="our own architecture"):
        network(batch_of(texts).tokens, batch_of(texts).targets, expert_ids=torch.zeros(1, 1, 1, 1))


def batch_of(texts: list[TrainingSample]) -> Batch:
    return make_batch(texts, [[0]], len(texts[0]))


def test_packed_gradients_are_the_sum_of_those_alone() -> None:
    network = fresh(SMALL.replace(num_nextn_predict_layers=0))
    texts = [some for some in some_texts(11, SMALL.vocab_size) if some.start < len(some.tokens)]
    texts = [replace(some, candidate_token_ids=()) for some in texts]

    def gradient(batches: list[Batch]) -> dict[str, Tensor]:
        network.zero_grad()
        for batch in batches:
            told = network(
                batch.tokens,
                batch.targets,
                batch.segments,
                parent_segment_ids=batch.parent_segment_ids,
                expert_ids=batch.expert_ids,
            )
            told.logprobs[batch.loss_mask].sum().backward()
        return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}

    whole = gradient([make_batch(texts, pack_rows([len(some) for some in texts], 40), 40)])
    apart = gradient([make_batch([some], [[0]], len(some)) for some in texts])
    for name, found in whole.items():
        torch.testing.assert_close(found, apart[name], atol=2e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")


# ---- what several texts begin with ----


def answers(seed: int, prompts: int, each: int, vocabulary: int = 101) -> list[TrainingSample]:
    """Some texts with each of some prompts; what was chosen for a prompt is the same in all of them."""
    source, found = torch.Generator().manual_seed(seed), []
    for _ in range(prompts):
        prompt = torch.randint(vocabulary, (int(torch.randint(1, 9, (1,), generator=source)),), generator=source)
        shared = None
        for _ in range(each):
            new = text(source, len(prompt) + int(torch.randint(1, 7, (1,), generator=source)), vocabulary)
            tokens = (*prompt.tolist(), *new.tokens[len(prompt) :])
            assert new.expert_ids is not None
            shared = new.expert_ids[: len(prompt) - 1] if shared is None else shared
            chosen = torch.cat((shared, new.expert_ids[len(prompt) - 1 :]))
            found.append(TrainingSample(tokens, len(prompt), expert_ids=chosen))
    return found


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 5), st.integers(24, 60))
def test_answers_to_one_prompt_stand_together_and_fit(seed: int, prompts: int, each: int, width: int) -> None:
    texts = answers(seed, prompts, each)
    rows = pack_groups(texts, range(len(texts)), width)
    assert sorted(number for row in rows for number in row) == list(range(len(texts)))
    assert all(packed_length([texts[n] for n in row]) <= width for row in rows)
    assert len(rows) <= len(pack_rows([len(some) for some in texts], width))
    batch = make_batch(texts, rows, width)
    assert int(batch.is_not_padding.sum()) == sum(packed_length([texts[n] for n in row]) for row in rows)
    for number, wanted in enumerate(texts):
        here = (batch.sample_ids == number) & batch.loss_mask
        assert batch.targets[here].tolist() == list(wanted.tokens[wanted.start :])


@pytest.mark.parametrize("kind", ["ours", "llama"])
def test_a_shared_prompt_gives_the_same_probabilities_and_gradients(kind: str) -> None:
    if kind == "ours":
        network: Any = fresh(SMALL.replace(num_nextn_predict_layers=0))
    else:
        torch.manual_seed(0)
        shape = LlamaConfig(
            vocab_size=101, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            initializer_range=0.15,
        )  # fmt: skip
        network = TransformersModel(LlamaForCausalLM(shape).eval())
    texts = answers(3, 3, 4)
    if kind == "llama":
        texts = [replace(some, expert_ids=None) for some in texts]
    rows = pack_groups(texts, range(len(texts)), 40)
    assert max(map(len, rows)) > 2

    def told(batch: Batch) -> Tensor:
        return network(
            batch.tokens,
            batch.targets,
            batch.segments,
            parent_segment_ids=batch.parent_segment_ids,
            expert_ids=batch.expert_ids,
        ).logprobs

    batch = make_batch(texts, rows, 43)
    together_ = told(batch)
    network.zero_grad()
    together_[batch.loss_mask].square().sum().backward()
    found = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    network.zero_grad()
    for number, some in enumerate(texts):
        one = make_batch([some], [[0]], len(some))
        wanted = told(one)[one.loss_mask]
        torch.testing.assert_close(together_[(batch.sample_ids == number) & batch.loss_mask], wanted, atol=2e-5, rtol=0)
        wanted.square().sum().backward()
    for name, p in network.named_parameters():
        if p.grad is not None:
            torch.testing.assert_close(found[name], p.grad, atol=1e-4, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")
