"""The generator: continuous batching (Orca; Yu et al. 2022), where sequences join and leave the batch at any step."""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from prover.model.generate.cache import DecodeCache, PrefillCache, SharedPrefix
from prover.model.generate.decoder import Decoder
from prover.model.generate.prefix_tree import Prefix, PrefixTree
from prover.model.generate.request import GeneratedSequence, GenerationRequest
from prover.model.generate.sampling import (
    BatchSampler,
    SampledTokens,
    as_sampled,
    rejection_sample,
    sample_tokens,
)
from prover.model.sampling_params import SamplingParams
from prover.model.transformer import Transformer

_PREFILL_TOKENS = 2048  # tokens of prompts that go through the layers at a time
_CACHED_TOKENS = 1 << 16  # tokens of prompts in the prefix tree


@dataclass(eq=False)
class _RunningSequence:
    """A sequence in the batch.

    draft: a speculated token after the next one (None: none yet); draft_probs [vocab_size]: what it was sampled from.
    """

    request: GenerationRequest
    sequence: GeneratedSequence
    rng: random.Random
    expert_ids: list[Tensor] = field(default_factory=list)
    draft: int | None = None
    draft_probs: Tensor | None = None


class Generator:
    """An inference engine for one model: submit requests, then call `step` until `busy` is False.

    max_num_seqs: sequences in the batch at a time. speculate: speculative decoding with the first MTP module
        (DeepSeek-V3, arXiv:2412.19437, section 5.4.3); the distribution of the tokens stays the same.
    prefix_cache: the prompts that do not have to be prefilled again.

    Raises ValueError for `speculate` with a model that has no MTP module.
    """

    def __init__(self, model: Transformer, *, max_num_seqs: int = 64, speculate: bool = False) -> None:
        if speculate and not len(model.mtp):
            raise ValueError("the model has no module for multi-token prediction")
        self.model, self.context_length = model, model.config.max_position_embeddings
        self._max_num_seqs, self._speculate = max_num_seqs, speculate
        self._queue: deque[GenerationRequest] = deque()
        self._running: list[_RunningSequence] = []
        self._batch_changed = True
        self.prefix_cache = PrefixTree(_CACHED_TOKENS)
        self._prepare()

    def reload_weights(self) -> None:
        """Take over the model's weights after they have changed. Raises RuntimeError if sequences are unfinished."""
        self._remove_finished()
        if self.busy:
            raise RuntimeError("answers are being written with the old weights")
        del self._decoder, self._cache  # before their successors take up memory
        self.prefix_cache.clear()
        self._prepare()

    @torch.inference_mode()
    def _prepare(self) -> None:
        config = self.model.config
        self._decoder = Decoder(self.model)
        self._num_layers = self._decoder.num_layers + self._speculate
        self._like = self.model.norm.weight.new_empty(config.latent_dim)  # dtype and device of the cache
        self._cache = DecodeCache(self._num_layers, config.kv_lora_rank, self._like)
        self._no_draft = torch.zeros(config.vocab_size, device=self._like.device)

    @property
    def busy(self) -> bool:
        """Whether any sequence is unfinished."""
        return bool(self._running) or any(request._waiting for request in self._queue)

    def submit(self, request: GenerationRequest) -> None:
        """Queue a request.

        Raises ValueError if the prompt is empty, fills the context, or has token ids that the model does not have.
        """
        if not 0 < len(request.prompt) < self.context_length:
            raise ValueError(
                f"a prompt of {len(request.prompt)} tokens does not fit a context of {self.context_length}"
            )
        if not all(0 <= token < self.model.config.vocab_size for token in request.prompt):
            raise ValueError(f"a prompt has tokens that are not below the model's {self.model.config.vocab_size}")
        self._queue.append(request)

    def generate(
        self, prompts: Sequence[Sequence[int]], n: int, sampling: SamplingParams
    ) -> list[tuple[GeneratedSequence, ...]]:
        """Generate `n` sequences for each prompt (token ids), and return them when all are finished.

        Raises ValueError as `submit` does.
        """
        requests = [GenerationRequest(tuple(prompt), n, sampling) for prompt in prompts]
        for request in requests:
            self.submit(request)
        while self.busy:
            self.step()
        return [request.sequences for request in requests]

    @torch.inference_mode()
    def step(self) -> list[GeneratedSequence]:
        """Generate one more token of each running sequence, or two if its draft was accepted.

        Returns the sequences that grew. Raises what a stopping criterion raised.
        """
        self._remove_finished()
        self._admit()
        if not self._running:
            return []
        return self._step_speculative() if self._speculate else self._step_plain()

    # Joining and leaving the batch

    def _remove_finished(self) -> None:
        for row in reversed(range(len(self._running))):
            if self._running[row].sequence.finished:
                self._remove(row)

    def _admit(self) -> None:
        """Let sequences join the batch while it has space."""
        while self._queue and len(self._running) < self._max_num_seqs:
            request = self._queue[0]
            if request._waiting and request._prefix is None:
                self._prefill()
            while request._waiting and len(self._running) < self._max_num_seqs:
                self._add(request, request._waiting[0])
                request._waiting.popleft()
            if request._waiting:
                return
            self._queue.popleft()

    def _add(self, request: GenerationRequest, sequence: GeneratedSequence) -> None:
        assert request._prefix is not None
        self._cache.join(request._shared or request._prefix)
        self._running.append(_RunningSequence(request, sequence, random.Random(request.sampling.seed + sequence.index)))
        self._batch_changed = True

    def _remove(self, row: int) -> None:
        self._cache.leave(row)
        removed, last = self._running[row], self._running.pop()
        if removed is not last:
            self._running[row] = last
        self._batch_changed = True
        request, sequence = removed.request, removed.sequence
        if request.sampling.replay and request._prefix is not None:
            expert_ids = torch.cat((request._prefix.expert_ids, *removed.expert_ids))
            sequence.expert_ids = expert_ids[: len(request.prompt) + len(sequence.tokens) - 1]
        if all(running.request is not request for running in self._running) and not request._waiting:
            request._prefix = request._shared = None  # whoever keeps the request is not to keep the latents

    # Prefill

    def _prefill(self) -> None:
        """Compute the prefixes of the next requests: of each prompt all tokens but the last."""
        spans: list[_PrefillSpan] = []
        pending: set[tuple[Hashable, ...]] = set()  # beginnings of prompts that are about to be cached
        free, tokens = self._max_num_seqs - len(self._running), 0
        for request in self._queue:
            if free <= 0 or tokens > _PREFILL_TOKENS:
                break
            if request._prefix is not None or not request._waiting:
                continue
            key = self._cache_key(request.prompt)
            cached = self.prefix_cache.match(key)
            cached_tokens = sum(map(len, cached))
            if key[: cached_tokens + 1] in pending:
                continue  # later it can use what is computed for another one now
            pending.add(key[: cached_tokens + 1])
            request.cached_tokens = cached_tokens
            spans.append(_PrefillSpan(request, self._empty_prefix(len(request.prompt) - 1), cached))
            free, tokens = free - len(request._waiting), tokens + spans[-1].end - cached_tokens
        while unfinished := [span for span in spans if span.position < span.end]:
            self._prefill_chunk(unfinished)
        for span in spans:
            span.request._prefix = span.prefix
            if len(span.request._waiting) > 1 and span.end:
                span.request._shared = SharedPrefix(span.prefix)
            self.prefix_cache.insert(self._cache_key(span.request.prompt), span.prefix)

    def _cache_key(self, prompt: tuple[int, ...]) -> tuple[Hashable, ...]:
        """What the latents at each position depend on, with the positions before it.

        That is its token; the MTP module's latents also depend on the next token.
        """
        return tuple(itertools.pairwise(prompt)) if self._speculate else prompt[:-1]

    def _prefill_chunk(self, spans: list[_PrefillSpan]) -> None:
        """Compute the next tokens of the prompts, at most _PREFILL_TOKENS."""
        chunk, free = [], _PREFILL_TOKENS
        for span in spans:
            end = min(span.end, span.position + free)
            chunk.append((span, span.position, end))
            free -= end - span.position
            if not free:
                break
        attention = PrefillCache(
            [(span.prefix.latents, start, end) for span, start, end in chunk], self.model.config.kv_lora_rank
        )
        tokens = self._tensor([t for span, start, end in chunk for t in span.request.prompt[start:end]])
        positions = self._tensor([position for _, start, end in chunk for position in range(start, end)])
        hidden, expert_ids = self._decoder(tokens, positions, attention)
        if self._speculate:
            next_tokens = [t for span, start, end in chunk for t in span.request.prompt[start + 1 : end + 1]]
            self._decoder.run_mtp(hidden, self._tensor(next_tokens), positions, attention)
        by_span = expert_ids.split([end - start for _, start, end in chunk])
        for (span, start, end), span_expert_ids in zip(chunk, by_span, strict=True):
            span.prefix.expert_ids[start:end] = span_expert_ids
            span.position = end

    def _empty_prefix(self, tokens: int) -> Prefix:
        config = self.model.config
        latents = self._like.new_empty(self._num_layers, tokens, config.latent_dim)
        k = config.num_experts_per_tok
        return Prefix(latents, latents.new_empty(tokens, self._decoder.num_moe_layers, k, dtype=torch.int16))

    # Decoding

    def _step_plain(self) -> list[GeneratedSequence]:
        """One token of each running sequence."""
        sampler = self._sampler()
        hidden, expert_ids = self._decoder(*self._inputs([]), self._cache.step(1))
        logits = self._decoder.logits(hidden)
        sampled = sampler.sample(logits, self._uniforms(), self._records_candidates)
        logprobs = _token_logprobs(logits, sampled.tokens).unsqueeze(1)
        return self._append([sampled], logprobs, expert_ids.unsqueeze(1), [1] * len(logprobs))

    def _step_speculative(self) -> list[GeneratedSequence]:
        """One token of each running sequence, and a second one where the draft of the first was accepted."""
        sampler, count = self._sampler(), len(self._running)
        drafts = [running.draft or 0 for running in self._running]
        no_draft = self._no_draft
        draft_probs = torch.stack([r.draft_probs if r.draft_probs is not None else no_draft for r in self._running])
        attention = self._cache.step(2)
        tokens, positions = self._inputs(drafts)
        hidden, expert_ids = self._decoder(tokens, positions, attention)
        logits = self._decoder.logits(hidden).view(count, 2, -1)
        first, second = logits.unbind(1)
        target_probs = sampler.probabilities(first)
        accepted, next_tokens = rejection_sample(
            target_probs, draft_probs, self._tensor(drafts), self._uniforms(), self._uniforms()
        )
        bonus = sampler.sample(second, self._uniforms(), self._records_candidates)

        following = torch.stack((next_tokens, bonus.tokens), 1)
        mtp_hidden = self._decoder.run_mtp(hidden, following.flatten(), positions, attention).view(count, 2, -1)
        last_hidden = mtp_hidden[torch.arange(count, device=mtp_hidden.device), accepted.long()]
        new_draft_probs = sampler.probabilities(self._decoder.logits(last_hidden))
        new_drafts = sample_tokens(new_draft_probs, self._uniforms()).tolist()
        for running, draft, probs in zip(self._running, new_drafts, new_draft_probs, strict=True):
            running.draft, running.draft_probs = draft, probs
        logprobs = torch.stack((_token_logprobs(first, next_tokens), _token_logprobs(second, bonus.tokens)), 1)
        sampled = [as_sampled(target_probs, next_tokens, self._records_candidates), bonus]
        return self._append(sampled, logprobs, expert_ids.unflatten(0, (count, 2)), (accepted.long() + 1).tolist())

    def _inputs(self, drafts: list[int]) -> tuple[Tensor, Tensor]:
        """Each running sequence's last token, followed by its draft if there are any, and their positions: [rows]."""
        tokens: list[int] = []
        positions: list[int] = []
        width = 2 if drafts else 1
        for row, running in enumerate(self._running):
            prompt, generated = running.request.prompt, running.sequence.tokens
            tokens += [generated[-1] if generated else prompt[-1], *drafts[row : row + 1]]
            position = len(prompt) + len(generated) - 1
            positions += range(position, position + width)
        return self._tensor(tokens), self._tensor(positions)

    def _append(
        self, sampled: list[SampledTokens], logprobs: Tensor, expert_ids: Tensor, counts: list[int]
    ) -> list[GeneratedSequence]:
        """Append to each running sequence the first `counts` of its new tokens, and remove the finished ones.

        sampled: the first new token of each, then the second; logprobs [sequences, len(sampled)]; expert_ids
        [sequences, len(sampled), moe_layers, k].
        """
        grown = [running.sequence for running in self._running]
        self._cache.advance(counts)
        failures: list[Exception] = []
        columns = [(s.tokens.tolist(), s.logprobs.tolist(), s.candidate_token_ids) for s in sampled]
        logprobs_by_row = logprobs.tolist()
        for row, (running, row_expert_ids, count) in enumerate(zip(self._running, expert_ids, counts, strict=True)):
            sequence, request = running.sequence, running.request
            if request.sampling.replay:
                running.expert_ids.append(row_expert_ids[:count].clone())
            for column, (tokens, sampler_logprobs, candidates) in enumerate(columns[:count]):
                if sequence.finished:
                    break
                sequence.sampler_logprobs.append(sampler_logprobs[row])
                if candidates is not None and request.sampling.replay and request.sampling.truncates:
                    sequence.candidate_token_ids.append(candidates[row].int())
                try:
                    self._append_token(running, tokens[row], logprobs_by_row[row][column])
                except Exception as failure:  # a stopping criterion's; the other sequences get their tokens first
                    sequence.finished = True
                    failures.append(failure)
        self._remove_finished()
        if failures:
            raise failures[0]
        return grown

    @property
    def _records_candidates(self) -> bool:
        """Whether any running request needs `candidate_token_ids`."""
        return any(r.request.sampling.replay and r.request.sampling.truncates for r in self._running)

    def _append_token(self, running: _RunningSequence, token: int, logprob: float) -> None:
        sequence, request = running.sequence, running.request
        sequence.tokens.append(token)
        sequence.logprobs.append(logprob)
        criterion_met = request.stopping_criterion is not None and request.stopping_criterion(sequence)
        sequence.stopped = criterion_met or token in request.sampling.stop_token_ids
        length, limit = len(sequence.tokens), request.sampling.max_tokens
        full = length == limit or len(request.prompt) + length >= self.context_length
        sequence.finished = sequence.finished or sequence.stopped or full

    def _sampler(self) -> BatchSampler:
        if self._batch_changed:
            self._batch_sampler = BatchSampler([r.request.sampling for r in self._running], self._like.device)
            self._batch_changed = False
        return self._batch_sampler

    def _uniforms(self) -> Tensor:
        uniforms = [running.rng.random() for running in self._running]
        return torch.tensor(uniforms, dtype=torch.float64, device=self._like.device)

    def _tensor(self, values: Sequence[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=self._like.device)


class _PrefillSpan:
    """A prompt's prefix while it is computed: the first `position` of its `end` tokens are there.

    cached: parts of it from the prefix cache, which are copied.
    """

    def __init__(self, request: GenerationRequest, prefix: Prefix, cached: Sequence[Prefix]) -> None:
        self.request, self.prefix, self.position, self.end = request, prefix, 0, len(prefix)
        for part in cached:
            target = prefix[self.position : self.position + len(part)]
            target.latents.copy_(part.latents)
            target.expert_ids.copy_(part.expert_ids)
            self.position += len(part)


def _token_logprobs(logits: Tensor, tokens: Tensor) -> Tensor:
    """Natural log-probabilities, fp32 [rows], of tokens int64 [rows] under logits fp32 [rows, vocab_size]."""
    return logits.gather(1, tokens.unsqueeze(1)).squeeze(1) - logits.logsumexp(1)
