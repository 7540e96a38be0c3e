"""Sampling tokens: temperature, top-k and top-p, with random numbers of each sequence's own; speculative sampling."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from prover.model.sampling_params import SamplingParams

_SORTED_FIRST = 256  # tokens that are sorted at first; nearly always the top-p set is among them


class SampledTokens(NamedTuple):
    """Sampled tokens with their probabilities.

    tokens: int64 [rows].
    logprobs: natural log-probability with which each was sampled, after temperature and truncation, [rows].
    candidate_token_ids: of each row the tokens that truncation left to sample from, int64; None if not asked for.
    """

    tokens: Tensor
    logprobs: Tensor
    candidate_token_ids: list[Tensor] | None


class BatchSampler:
    """A sampler of one token per row, each row with its own SamplingParams; rows of one kind are computed together."""

    def __init__(self, rows: list[SamplingParams], device: torch.device) -> None:
        rows_of: dict[type[_Strategy], list[int]] = {}
        for row, sampling in enumerate(rows):
            greedy, full = sampling.temperature == 0, not sampling.truncates
            rows_of.setdefault(_Greedy if greedy else _Full if full else _Truncated, []).append(row)
        self._strategies = [
            (
                slice(None) if len(rows_of) == 1 else torch.tensor(members, device=device),
                strategy([rows[row] for row in members], device),
            )
            for strategy, members in rows_of.items()
        ]

    def probabilities(self, logits: Tensor) -> Tensor:
        """The distributions to sample from: fp32 [rows, vocab_size], 0 where truncation excludes a token.

        logits: fp32 [rows, vocab_size].
        """
        result = torch.zeros_like(logits)
        for rows, strategy in self._strategies:
            probs, tokens = strategy.candidates(logits[rows])
            result[rows] = probs if tokens is None else torch.zeros_like(logits[rows]).scatter_(1, tokens, probs)
        return result

    def sample(self, logits: Tensor, uniforms: Tensor, return_candidates: bool = False) -> SampledTokens:
        """Sample a token for each row of logits, fp32 [rows, vocab_size].

        uniforms: a random number in [0, 1) for each row, float64 [rows]. return_candidates: also return the tokens
        that truncation left.
        """
        sampled, logprobs = torch.empty_like(uniforms, dtype=torch.int64), torch.empty_like(logits[:, 0])
        candidates: list[Tensor] = [sampled] * len(sampled)
        for rows, strategy in self._strategies:
            probs, tokens = strategy.candidates(logits[rows])
            index = sample_tokens(probs, uniforms[rows]).unsqueeze(1)
            logprobs[rows] = probs.gather(1, index).squeeze(1).log()
            sampled[rows] = (index if tokens is None else tokens.gather(1, index)).squeeze(1)
            if return_candidates:
                for row, left in zip(_row_numbers(rows, len(sampled)), _nonzero(probs, tokens), strict=True):
                    candidates[row] = left
        return SampledTokens(sampled, logprobs, candidates if return_candidates else None)


def _row_numbers(rows: slice | Tensor, count: int) -> list[int]:
    return list(range(count)) if isinstance(rows, slice) else rows.tolist()


def _nonzero(probs: Tensor, tokens: Tensor | None = None) -> list[Tensor]:
    """The tokens of each row that can be sampled. probs, tokens: as `_Strategy.candidates` returns them."""
    row, index = (probs > 0).nonzero(as_tuple=True)
    token_ids = index if tokens is None else tokens[row, index]
    return list(token_ids.split(row.bincount(minlength=len(probs)).tolist()))


class _Strategy(ABC):
    """Rows whose tokens are sampled in the same way."""

    def __init__(self, rows: list[SamplingParams], device: torch.device) -> None:
        def column(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device).unsqueeze(1)

        self._temperature = column([s.temperature for s in rows])
        self._top_p, self._top_k = column([s.top_p for s in rows]), column([s.top_k or torch.inf for s in rows])

    @abstractmethod
    def candidates(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        """Probabilities [rows, n] of some tokens, and the tokens' ids [rows, n] (None: the whole vocabulary in order).

        logits: fp32 [rows, vocab_size].
        """


class _Greedy(_Strategy):
    def candidates(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        tokens = logits.argmax(1, keepdim=True)
        return torch.ones_like(tokens, dtype=logits.dtype), tokens


class _Full(_Strategy):
    def candidates(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        return (logits / self._temperature).softmax(-1), None


class _Truncated(_Strategy):
    """Top-k, then top-p (nucleus sampling, arXiv:1904.09751): the token that reaches top_p is the last candidate."""

    def candidates(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        probs, width = (logits / self._temperature).softmax(-1), min(_SORTED_FIRST, logits.shape[1])
        values, tokens = probs.topk(width)
        enough = (values.sum(1, keepdim=True) >= self._top_p) | (self._top_k <= width)
        if width < logits.shape[1] and not bool(enough.all()):
            values, tokens = probs.sort(descending=True)
        values = values.masked_fill(torch.arange(values.shape[1], device=values.device) >= self._top_k, 0.0)
        total = torch.where(self._top_k < torch.inf, values.sum(1, keepdim=True), 1.0)
        values = values.masked_fill(values.cumsum(1) - values >= self._top_p * total, 0.0)
        return values / values.sum(1, keepdim=True), tokens


def sample_tokens(probs: Tensor, uniforms: Tensor) -> Tensor:
    """Sample one token for each row of probs [rows, n] by inverting the cumulative distribution: int64 [rows].

    uniforms: a random number in [0, 1) for each row, float64 [rows]. A row of probs need not sum to 1.
    """
    cumulative = probs.cumsum(1, dtype=torch.float64)
    tokens = torch.searchsorted(cumulative, uniforms.unsqueeze(1) * cumulative[:, -1:], right=True).squeeze(1)
    return tokens.clamp(max=probs.shape[1] - 1)  # for a number that is 1 after rounding


def as_sampled(probs: Tensor, tokens: Tensor, return_candidates: bool = False) -> SampledTokens:
    """The record of tokens, int64 [rows], that were sampled from probs [rows, vocab_size]."""
    logprobs = probs.gather(1, tokens.unsqueeze(1)).squeeze(1).log()
    return SampledTokens(tokens, logprobs, _nonzero(probs) if return_candidates else None)


def rejection_sample(
    target_probs: Tensor, draft_probs: Tensor, draft_tokens: Tensor, accept_uniforms: Tensor, resample_uniforms: Tensor
) -> tuple[Tensor, Tensor]:
    """Speculative sampling (arXiv:2211.17192, arXiv:2302.01318): tokens distributed as if sampled from `target_probs`.

    target_probs, draft_probs [rows, vocab_size]: the model's distribution, and the one that the draft token was sampled
        from (all 0: there is no draft). draft_tokens: int64 [rows].
    accept_uniforms, resample_uniforms: random numbers in [0, 1), float64 [rows].
    Returns which drafts were accepted, bool [rows], and the tokens, int64 [rows]: the draft, or one sampled from the
    rest of `target_probs`.
    """
    index = draft_tokens.unsqueeze(1)
    target, draft = target_probs.gather(1, index).squeeze(1), draft_probs.gather(1, index).squeeze(1)
    accepted = accept_uniforms * draft < target
    accepted &= draft > 0
    rest = (target_probs - draft_probs).clamp(min=0)
    rest = torch.where(rest.sum(1, keepdim=True) > 0, rest, target_probs)  # if both are the same, nothing is rejected
    return accepted, torch.where(accepted, draft_tokens, sample_tokens(rest, resample_uniforms))
