"""Generation against the model as it is trained: the same probabilities, the same experts, the same distribution."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.model.config import PRESETS, ModelConfig, Yarn
from prover.model.generate import GeneratedSequence, GenerationRequest, Generator, SamplingParams, linear
from prover.model.generate.prefix_tree import _PrefixNode
from prover.model.transformer import Transformer
from tests.prover.model.twin import fresh

SMALL = PRESETS["tiny"].replace(vocab_size=60, hidden_size=64, num_hidden_layers=3, initializer_range=0.15)
GREEDY = SamplingParams(temperature=0, max_tokens=12)
SHAPES = {
    "plain": SMALL,
    "query latent": SMALL.replace(q_lora_rank=24),
    "yarn": SMALL.replace(yarn=Yarn(factor=4, original_max_position_embeddings=16, mscale=0.7, mscale_all_dim=1)),
    "no shared experts": SMALL.replace(n_shared_experts=0, first_k_dense_replace=0),
    "all dense": SMALL.replace(first_k_dense_replace=3),
    "more experts than a step works out": SMALL.replace(n_routed_experts=32, moe_intermediate_size=512),
}


def build(config: ModelConfig = SMALL) -> Transformer:
    return fresh(config).requires_grad_(False)


@pytest.fixture(scope="module")
def model() -> Transformer:
    return build()


def run(generator: Generator, *requests: GenerationRequest) -> None:
    for request in requests:
        generator.submit(request)
    while generator.busy:
        generator.step()


def agrees(model: Transformer, request: GenerationRequest, sequence: GeneratedSequence) -> None:
    """Log-probabilities and experts are those of one pass over prompt and sequence."""
    output = model(torch.tensor([[*request.prompt, *sequence.tokens]]))
    expected = output.logits.log_softmax(-1)[0, len(request.prompt) - 1 : -1]
    tokens = torch.tensor(sequence.tokens)
    torch.testing.assert_close(
        torch.tensor(sequence.logprobs), expected.gather(1, tokens[:, None]).squeeze(1), atol=1e-4, rtol=0
    )
    if request.sampling.temperature == 0:
        assert torch.equal(expected.argmax(1), tokens)
    settings = request.sampling
    for logs, token, sampler_logprob, place in zip(
        expected, sequence.tokens, sequence.sampler_logprobs, range(len(sequence.tokens)), strict=True
    ):
        candidates = (
            sequence.candidate_token_ids[place].long() if sequence.candidate_token_ids else torch.arange(len(logs))
        )
        if settings.temperature:
            among = (logs / settings.temperature)[candidates].log_softmax(0)
            assert sampler_logprob == pytest.approx(float(among[candidates == token]), abs=1e-4)
            if settings.truncates:
                assert bool(
                    logs[candidates].min()
                    >= logs.masked_fill(torch.zeros_like(logs).index_fill(0, candidates, 1).bool(), -99).max()
                )
        else:
            assert (sampler_logprob, candidates.tolist()) == (
                0.0,
                [token] if sequence.candidate_token_ids else list(range(len(logs))),
            )
    assert len(sequence.candidate_token_ids) == (len(sequence.tokens) if settings.replay and settings.truncates else 0)
    if settings.replay and model.config.num_moe_layers:
        used = torch.stack([r.expert_ids for r in output.routing[: model.config.num_moe_layers]], 1)[:-1]
        assert sequence.expert_ids is not None
        assert torch.equal(used.sort(-1).values, sequence.expert_ids.long().sort(-1).values)


@pytest.mark.parametrize("speculate", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_written_has_the_probabilities_of_a_full_pass(shape: str, speculate: bool) -> None:
    model = build(SHAPES[shape])
    generator = Generator(model, max_num_seqs=5, speculate=speculate)
    long = list(range(50)) * 8
    prompts = [[7], [3, 4], long, [*long[:300], 9, 9], [5] * 30]
    rules = (GREEDY, SamplingParams(top_p=0.9, max_tokens=9), SamplingParams(top_k=5, temperature=1.5, max_tokens=7))
    for sampling in rules:
        requests = [
            GenerationRequest(tuple(p), 1 + i % 3, replace(sampling, replay=True)) for i, p in enumerate(prompts)
        ]
        run(generator, *requests)
        for request in requests:
            for sequence in request.sequences:
                assert len(sequence.tokens) == sampling.max_tokens
                agrees(model, request, sequence)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    prompts=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=6),
    counts=st.lists(st.integers(1, 4), min_size=6, max_size=6),
    max_num_seqs=st.integers(1, 6),
    speculate=st.booleans(),
    seed=st.integers(0, 5),
)
def test_answers_that_share_beginnings_and_join_and_leave_stay_themselves(
    prompts: list[list[int]], counts: list[int], max_num_seqs: int, speculate: bool, seed: int
) -> None:
    model = build()
    generator = Generator(model, max_num_seqs=max_num_seqs, speculate=speculate)
    stops = SamplingParams(
        max_tokens=10, stop_token_ids=frozenset(range(12)), seed=seed, replay=True
    )  # so that lengths differ
    requests = [GenerationRequest(tuple(p), n, stops) for p, n in zip(prompts, counts, strict=False)]
    run(generator, *requests)
    for request in requests:
        for sequence in request.sequences:
            assert sequence.finished
            assert sequence.stopped == (sequence.tokens[-1] < 12)
            assert len(sequence.tokens) == 10 or sequence.stopped
            agrees(model, request, sequence)


@pytest.mark.parametrize("speculate", [False, True])
def test_replaying_what_truncation_left_gives_the_probabilities_that_were_drawn_with(
    model: Transformer, speculate: bool
) -> None:
    sampling = SamplingParams(max_tokens=20, top_p=0.7, temperature=1.3, replay=True)
    request = GenerationRequest((1, 2, 3, 4), 1, sampling)
    run(Generator(model, speculate=speculate), request)
    (sequence,) = request.sequences
    assert sequence.expert_ids is not None
    text, widest = torch.tensor([[*request.prompt, *sequence.tokens]]), max(map(len, sequence.candidate_token_ids))
    candidates = torch.full((1, 23, widest), -1)
    candidates[0, :3, 0] = text[0, 1:4]
    for place, tokens in enumerate(sequence.candidate_token_ids):
        candidates[0, 3 + place, : len(tokens)] = tokens
    output = model(
        text[:, :-1],
        text[:, 1:],
        expert_ids=sequence.expert_ids[None],
        candidate_token_ids=candidates,
        temperature=1.3,
        entropy=True,
    )
    torch.testing.assert_close(output.logprobs[0, 3:], torch.tensor(sequence.sampler_logprobs), atol=1e-4, rtol=0)
    assert output.logprobs[0, :3].tolist() == [0, 0, 0]
    logits = model(text[:, :-1]).logits[0, 3:] / 1.3
    spread = [
        float(torch.distributions.Categorical(logits=row[k.long()]).entropy())
        for row, k in zip(logits, sequence.candidate_token_ids, strict=True)
    ]
    torch.testing.assert_close(output.entropy[0, 3:], torch.tensor(spread), atol=1e-4, rtol=0)


def test_replaying_the_experts_gives_the_same_probabilities(model: Transformer) -> None:
    request = GenerationRequest((1, 2, 3, 4), 1, SamplingParams(max_tokens=20, replay=True))
    run(Generator(model), request)
    (sequence,) = request.sequences
    assert sequence.expert_ids is not None
    text = torch.tensor([[*request.prompt, *sequence.tokens]])
    output = model(text[:, :-1], targets=text[:, 1:], expert_ids=sequence.expert_ids[None])
    torch.testing.assert_close(output.logprobs[0, 3:], torch.tensor(sequence.logprobs), atol=1e-4, rtol=0)


@pytest.mark.parametrize("speculate", [False, True])
def test_a_seed_gives_the_same_answer_whatever_else_is_written(model: Transformer, speculate: bool) -> None:
    sampling = SamplingParams(top_p=0.95, max_tokens=16, seed=5)
    alone, many = (GenerationRequest((1, 2, 3), n, sampling) for n in (1, 4))
    run(Generator(model, speculate=speculate), alone)
    others = [GenerationRequest((8, i), 2, SamplingParams(max_tokens=3 + i, seed=i)) for i in range(5)]
    before = GenerationRequest(
        (1, 2, 7, 7), 1, SamplingParams(max_tokens=3)
    )  # it begins as the prompt does, and goes on in another way
    generator = Generator(model, max_num_seqs=6, speculate=speculate)
    run(generator, before)
    run(generator, *others, many)
    assert many.sequences[0].tokens == alone.sequences[0].tokens
    assert len({tuple(sequence.tokens) for sequence in many.sequences}) == 4


def exact(
    model: Transformer, prompt: tuple[int, ...], sampling: SamplingParams, length: int
) -> dict[tuple[int, ...], float]:
    """The probability of each sequence of so many tokens, by passes over all of them."""
    from prover.model.generate.sampling import BatchSampler

    found = {(): 1.0}
    for _ in range(length):
        starts = list(found)
        logits = model(torch.tensor([[*prompt, *start] for start in starts])).logits[:, -1]
        chances = BatchSampler([sampling] * len(starts), logits.device).probabilities(logits)
        found = {
            (*start, token): found[start] * chance
            for start, row in zip(starts, chances.tolist(), strict=True)
            for token, chance in enumerate(row)
        }
    return found


@pytest.mark.parametrize("speculate", [False, True])
@pytest.mark.parametrize(
    "sampling", [SamplingParams(max_tokens=3), SamplingParams(max_tokens=3, top_p=0.8, temperature=1.3)]
)
def test_answers_are_distributed_as_the_model_says(speculate: bool, sampling: SamplingParams) -> None:
    """Pearson's χ² over all answers of three tokens: with speculation, too, nothing changes."""
    model = build(SMALL.replace(vocab_size=6))
    expected = exact(model, (1, 2), sampling, 3)
    n = 6000
    request = GenerationRequest((1, 2), n, sampling)
    run(Generator(model, max_num_seqs=1000, speculate=speculate), request)
    counts = dict.fromkeys(expected, 0)
    for sequence in request.sequences:
        counts[tuple(sequence.tokens)] += 1
    assert all(counts[a] == 0 for a, chance in expected.items() if chance == 0)
    likely = {a: chance for a, chance in expected.items() if chance * n >= 5}
    rest = 1 - sum(likely.values())
    statistic = sum((counts[a] - n * chance) ** 2 / (n * chance) for a, chance in likely.items())
    if rest * n >= 5:
        statistic += (n - sum(counts[a] for a in likely) - n * rest) ** 2 / (n * rest)
    freedom = len(likely)
    assert statistic < freedom + 4 * (2 * freedom) ** 0.5  # about one in thirty thousand would be larger


def test_a_right_guess_saves_a_step() -> None:
    """A module that predicts as the model does is believed; so half of the steps are enough."""
    model = build(SMALL.replace(num_hidden_layers=1, vocab_size=30))
    for weight in model.lm_head.parameters():
        weight.zero_()  # the model and the module give every token the same probability
    request = GenerationRequest((1, 2), 1, SamplingParams(max_tokens=41))
    generator = Generator(model, speculate=True)
    generator.submit(request)
    steps = sum(bool(generator.step()) for _ in itertools.takewhile(lambda _: generator.busy, itertools.count()))
    assert steps == 21  # the first has no guess to believe yet


def test_an_answer_ends_where_its_watcher_says(model: Transformer) -> None:
    request = GenerationRequest(
        (1,), 3, GREEDY, stopping_criterion=lambda sequence: len(sequence.tokens) == 2 + sequence.index
    )
    run(Generator(model), request)
    assert [len(sequence.tokens) for sequence in request.sequences] == [2, 3, 4]
    assert all(sequence.stopped for sequence in request.sequences)


def test_a_cancelled_request_leaves_the_others_alone(model: Transformer) -> None:
    generator = Generator(model, max_num_seqs=3)
    first, second = (
        GenerationRequest((1, 2), 4, SamplingParams(max_tokens=30)),
        GenerationRequest((1, 3), 2, replace(GREEDY, replay=True)),
    )
    generator.submit(first)
    generator.submit(second)
    for _ in range(3):
        generator.step()
    first.cancel()
    while generator.busy:
        generator.step()
    assert [len(sequence.tokens) for sequence in first.sequences] == [3, 3, 3, 0]
    for sequence in second.sequences:
        agrees(model, second, sequence)


def test_a_watcher_may_cancel_its_request(model: Transformer) -> None:
    def enough(sequence: GeneratedSequence) -> bool:
        if len(sequence.tokens) == 2:
            request.cancel()
        return False

    request = GenerationRequest((1,), 3, GREEDY, stopping_criterion=enough)
    run(Generator(model, max_num_seqs=2), request)
    assert [len(sequence.tokens) for sequence in request.sequences] == [2, 1, 0]


def test_a_watcher_that_fails_costs_its_own_answer_only(model: Transformer) -> None:
    def fails(sequence: GeneratedSequence) -> bool:
        raise KeyError("watcher")

    generator = Generator(model)
    bad, good = (
        GenerationRequest((1,), 1, GREEDY, stopping_criterion=fails),
        GenerationRequest((1, 2), 2, replace(GREEDY, replay=True)),
    )
    generator.submit(bad)
    generator.submit(good)
    with pytest.raises(KeyError, match="watcher"):
        generator.step()
    while generator.busy:
        generator.step()
    for sequence in good.sequences:
        assert len(sequence.tokens) == GREEDY.max_tokens
        agrees(model, good, sequence)


def test_without_memory_for_one_answer_the_generator_still_works(
    model: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = Generator(model)
    request = GenerationRequest((1, 2, 3), 2, GREEDY)
    generator.submit(request)
    with monkeypatch.context() as patch:

        def fails(*_: object) -> None:
            raise RuntimeError("no memory")

        patch.setattr(generator._cache, "_reserve", fails)
        with pytest.raises(RuntimeError, match="no memory"):
            generator.step()
    run(generator, GenerationRequest((4, 5), 1, GREEDY))
    for sequence in request.sequences:
        agrees(model, request, sequence)


def test_nothing_is_kept_for_requests_that_are_over(model: Transformer) -> None:
    generator = Generator(model)
    shared = tuple(range(50))
    requests = [GenerationRequest((*shared, i, i), 2, GREEDY) for i in range(10)]
    run(generator, *requests)
    assert all(request._prefix is None and request._shared is None for request in requests)
    assert generator._cache._latents.numel() == 0
    candidates = {id(s): s.nbytes() for s in storages(generator.prefix_cache._root)}
    assert (
        sum(candidates.values())
        == generator.prefix_cache.nbytes
        == 60 * generator._num_layers * model.config.latent_dim * 4
    )


def storages(node: _PrefixNode) -> list[torch.UntypedStorage]:
    own = [node.prefix.latents.untyped_storage()] if node.prefix is not None else []
    return own + [s for child in node.children.values() for s in storages(child)]


def test_an_answer_ends_with_the_context() -> None:
    model = build(SMALL.replace(max_position_embeddings=10))
    request = GenerationRequest((1,) * 4, 1, SamplingParams(max_tokens=100))
    run(Generator(model), request)
    assert len(request.sequences[0].tokens) == 6
    assert not request.sequences[0].stopped


def test_a_token_that_the_model_does_not_know_is_refused(model: Transformer) -> None:
    with pytest.raises(ValueError, match="not below the model's 60"):
        Generator(model).submit(GenerationRequest((1, 60), 1, GREEDY))


@pytest.mark.parametrize("length", [0, SMALL.max_position_embeddings])
def test_a_prompt_that_does_not_fit_is_refused(model: Transformer, length: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Generator(model).submit(GenerationRequest((1,) * length, 1, GREEDY))


def test_bfloat16_works_on_a_cpu_with_and_without_fast_kernels_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(PRESETS["tiny"]).bfloat16()  # its matrices are large enough to be packed
    run(Generator(model), first := GenerationRequest((1, 2, 3), 1, GREEDY))
    monkeypatch.setattr(linear, "_bfloat16_is_packable", lambda: False)
    run(Generator(model), second := GenerationRequest((1, 2, 3), 1, GREEDY))
    assert not linear.PackedLinear(torch.zeros(512, 512).bfloat16())._packed
    assert linear.PackedLinear(torch.zeros(512, 512))._packed
    for request in (first, second):
        logits = model(torch.tensor([[*request.prompt, *request.sequences[0].tokens]])).logits.float()
        expected = logits.log_softmax(-1)[0, 2:-1].max(1).values
        torch.testing.assert_close(torch.tensor(request.sequences[0].logprobs), expected, atol=0.1, rtol=0)


def test_a_prompt_is_prefilled_once(model: Transformer) -> None:
    generator = Generator(model)
    statement = tuple(range(40))
    first, same, longer, other = (
        GenerationRequest(p, 2, GREEDY) for p in (statement, statement, (*statement, 5, 6), (9, 9))
    )
    run(generator, first, same, longer, other)
    assert [r.cached_tokens for r in (first, same, longer, other)] == [0, 39, 39, 0]
    assert [a.tokens for a in same.sequences] == [a.tokens for a in first.sequences]


def test_new_weights_are_used_and_nothing_of_the_old_ones() -> None:
    model = build()
    generator = Generator(model)
    before, after = GenerationRequest((1, 2, 3), 1, GREEDY), GenerationRequest((1, 2, 3), 1, GREEDY)
    run(generator, before)
    torch.manual_seed(1)
    model.init_weights()
    generator.reload_weights()
    run(generator, after)
    assert after.cached_tokens == 0
    agrees(model, after, after.sequences[0])
    assert after.sequences[0].tokens != before.sequences[0].tokens


def test_weights_cannot_change_under_an_answer(model: Transformer) -> None:
    generator = Generator(model)
    generator.submit(GenerationRequest((1, 2), 1, GREEDY))
    generator.step()
    with pytest.raises(RuntimeError, match="old weights"):
        generator.reload_weights()


def test_a_token_is_cached_as_its_latents_alone(model: Transformer) -> None:
    """latent_dim numbers per token and layer; multi-head attention has every head's key and value (DeepSeek-V2)."""
    generator = Generator(model)
    run(generator, GenerationRequest(tuple(range(41)), 1, GREEDY))
    (prefix,) = generator.prefix_cache.match(tuple(range(40)))
    config = model.config
    assert prefix.latents.nbytes == 40 * config.num_hidden_layers * config.latent_dim * 4
    heads = config.num_attention_heads * (config.qk_head_dim + config.v_head_dim)
    assert config.latent_dim / heads == 80 / 320
