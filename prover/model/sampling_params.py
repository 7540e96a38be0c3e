"""Sampling parameters: the same for a generator, an engine and training. Needs no torch."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

_SEEDS_PER_BLOCK = 1_000_003  # a prime: blocks meet only after as many samples
_SEED_LIMIT = 2**31  # seeds that every server takes are below


@dataclass(frozen=True)
class SamplingParams:
    """The parameters with which the sequences of a request are sampled, named as in vLLM.

    temperature: 0 is greedy. top_p: sample only from the likeliest tokens that together have this probability (1: all).
    top_k: sample only from this many likeliest tokens (0: all).
    max_tokens: tokens of a sequence at most; None: as many as the context has room for.
    stop_token_ids: tokens that end a sequence, as its last one.
    seed: sequence number k of the request is sampled with the seed `seed + k`, so that it does not depend on what else
        is in the batch (but for rounding).
    replay: also record which experts and candidate tokens were used, so that training can compute the same again
        (DeepSeek-V3.2, arXiv:2512.02556, §3.1); an engine that does not know them leaves them out.

    Raises ValueError for values out of range.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int | None = None
    stop_token_ids: AbstractSet[int] = frozenset()
    seed: int = 0
    replay: bool = False

    def __post_init__(self) -> None:
        short = self.max_tokens is not None and self.max_tokens < 1
        if self.temperature < 0 or not 0 < self.top_p <= 1 or self.top_k < 0 or short:
            raise ValueError(f"temperature ≥ 0, 0 < top_p ≤ 1, top_k ≥ 0 and max_tokens ≥ 1 are wanted, not {self}")

    @property
    def truncates(self) -> bool:
        """Whether some tokens can never be sampled (top-p, top-k, greedy)."""
        return self.top_p < 1 or self.top_k > 0 or self.temperature == 0


def request_seed(block: int, offset: int) -> int:
    """The seed of a request's first sequence: number `offset` of a block of 1,000,003 seeds; below 2³¹."""
    return (block * _SEEDS_PER_BLOCK + offset) % _SEED_LIMIT
