"""Requests to the generator, and the sequences generated for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from prover.model.generate.cache import SharedPrefix
from prover.model.generate.prefix_tree import Prefix
from prover.model.sampling_params import SamplingParams


@dataclass(eq=False)
class GeneratedSequence:
    """A sequence generated for a prompt, as it grows.

    index: its number among the request's sequences. tokens: the token ids so far.
    logprobs: each token's natural log-probability under the model, before temperature and truncation.
    sampler_logprobs: the same under the distribution that it was sampled from, after temperature and truncation.
    expert_ids: the experts that each token of prompt and sequence but the last used, int16 [tokens, moe_layers, k] on
        the model's device: Transformer's `expert_ids` without the batch dimension. Set when the sequence is finished,
        if the request asks for replay.
    candidate_token_ids: for each token, those that top-p and top-k had left to sample from, int32 [n], if the request
        asks for replay and truncates.
    stopped: it ended by itself (a stop token, or the request's stopping criterion); False while it grows, and if it was
        cut off at a length limit.
    finished: it does not grow any more.
    """

    index: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    sampler_logprobs: list[float] = field(default_factory=list)
    expert_ids: Tensor | None = None
    candidate_token_ids: list[Tensor] = field(default_factory=list)
    stopped: bool = False
    finished: bool = False


@dataclass(eq=False)
class GenerationRequest:
    """A request for `n` sequences that continue a prompt.

    prompt: token ids, at least one.
    stopping_criterion: called with a sequence after each of its tokens; True stops it. So does an exception, which
        `Generator.step` raises when all sequences have got their tokens. It may cancel requests.
    cached_tokens: tokens of the prompt that came from the prefix cache; set when the prompt is prefilled.
    """

    prompt: tuple[int, ...]
    n: int
    sampling: SamplingParams
    stopping_criterion: Callable[[GeneratedSequence], bool] | None = None
    cached_tokens: int = field(default=0, init=False)
    sequences: tuple[GeneratedSequence, ...] = field(init=False)
    _waiting: deque[GeneratedSequence] = field(init=False)  # those that have not begun
    _prefix: Prefix | None = field(default=None, init=False)  # the prompt but for its last token, once prefilled
    _shared: SharedPrefix | None = field(default=None, init=False)  # the same, if several sequences share it

    def __post_init__(self) -> None:
        self.sequences = tuple(GeneratedSequence(index) for index in range(self.n))
        self._waiting = deque(self.sequences)

    def cancel(self) -> None:
        """Stop all of its sequences; they are finished with the tokens they have."""
        self._waiting.clear()
        for sequence in self.sequences:
            sequence.finished = True
