"""Writing many answers at a time, which join and leave when they like (continuous batching; Yu et al. 2022)."""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from prover.model.generate.cache import Group, Reading, Running
from prover.model.generate.decoder import Decoder
from prover.model.generate.prefixes import Prefix, PrefixTree
from prover.model.generate.sampling import Drawn, Rules, Sampling, draw, drawn, verify
from prover.model.transformer import Transformer

_READ = 2048  # tokens of prompts that go through the layers at a time
_KEPT = 1 << 16  # tokens of prompts that are remembered


@dataclass(eq=False)
class Answer:
    """One answer as it grows.

    tokens: so far. log_probs: natural logarithm of each one's probability in the model, before temperature and top-p.
    drawn: the same for the probability it was drawn with, after them.
    chosen: experts that each token of prompt and answer but the last used, int16 [tokens, mixtures, k] on the model's
        device; only at the end, and if it is to be replayed. Transformer takes them, with a dimension for the batch.
    kept: of each token those that top-p and top-k had left to draw from, int32; if it is to be replayed.
    ended: by itself (a stop token, or its watcher); False while it grows, and if it was cut off at a limit.
    over: it does not grow any more.
    """

    index: int
    tokens: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    drawn: list[float] = field(default_factory=list)
    chosen: Tensor | None = None
    kept: list[Tensor] = field(default_factory=list)
    ended: bool = False
    over: bool = False


@dataclass(eq=False)
class Request:
    """A prompt (at least one token) to which `n` answers are wanted.

    watch: called with an answer after each of its tokens; True ends it, as does an exception, which `step` raises when
        all answers have their tokens. It may cancel requests. replay: `chosen` and `kept` of the
        answers are wanted, to compute with them again what was computed here (V3.2 §3.1).
    cached: tokens of the prompt that were known from others.
    """

    prompt: tuple[int, ...]
    n: int
    sampling: Sampling
    watch: Callable[[Answer], bool] | None = None
    replay: bool = False
    cached: int = field(default=0, init=False)
    answers: tuple[Answer, ...] = field(init=False)
    _waiting: deque[Answer] = field(init=False)  # those that have not begun
    _prefix: Prefix | None = field(default=None, init=False)  # the prompt but for its last token, when it has been read
    _group: Group | None = field(default=None, init=False)  # the answers that share it

    def __post_init__(self) -> None:
        self.answers = tuple(Answer(index) for index in range(self.n))
        self._waiting = deque(self.answers)

    def cancel(self) -> None:
        """Let nothing more be written."""
        self._waiting.clear()
        for answer in self.answers:
            answer.over = True


@dataclass(eq=False)
class _Sequence:
    """An answer that is being written. `draft`: a guess of the token after the next, and what it was drawn from."""

    request: Request
    answer: Answer
    numbers: random.Random
    chosen: list[Tensor] = field(default_factory=list)
    draft: int | None = None
    drawn_from: Tensor | None = None


class Generator:
    """A model that answers requests; `step` until `busy` is False.

    room: answers that are written at a time. speculate: guess a token ahead with the MTP module (V3 §2.2, §5.4.3); the
    distribution of what is written stays the same. `read`: the prompts that do not have to be read again.
    """

    def __init__(self, model: Transformer, *, room: int = 64, speculate: bool = False) -> None:
        if speculate and not len(model.mtp):
            raise ValueError("the model has no module for multi-token prediction")
        self.model, self.context = model, model.config.max_position_embeddings
        self._room, self._speculate = room, speculate
        self._queue: deque[Request] = deque()
        self._sequences: list[_Sequence] = []
        self._changed = True
        self.read = PrefixTree(_KEPT)
        self._prepare()

    def refresh(self) -> None:
        """Take the model's weights anew, after a training step. No answer may be under way. Raises RuntimeError."""
        self._let_go()
        if self.busy:
            raise RuntimeError("answers are being written with the old weights")
        del self._decoder, self._running  # before their successors take up memory
        self.read.clear()
        self._prepare()

    @torch.inference_mode()
    def _prepare(self) -> None:
        self._decoder = Decoder(self.model)
        self._layers = self._decoder.layers + self._speculate
        self._like = self.model.norm.weight.new_empty(self.model.config.latent_dim)
        self._running = Running(self._layers, self.model.config.kv_lora_rank, self._like)
        self._nothing = torch.zeros(self.model.config.vocab_size, device=self._like.device)

    @property
    def busy(self) -> bool:
        return bool(self._sequences) or any(request._waiting for request in self._queue)

    def submit(self, request: Request) -> None:
        """Raises ValueError if the prompt is empty, fills the context, or has tokens that the model does not know."""
        if not 0 < len(request.prompt) < self.context:
            raise ValueError(f"a prompt of {len(request.prompt)} tokens does not fit a context of {self.context}")
        if not all(0 <= token < self.model.config.vocab_size for token in request.prompt):
            raise ValueError(f"a prompt has tokens that are not below the model's {self.model.config.vocab_size}")
        self._queue.append(request)

    def generate(self, prompts: Sequence[Sequence[int]], n: int, sampling: Sampling) -> list[tuple[Answer, ...]]:
        """`n` answers to each prompt, all at once."""
        requests = [Request(tuple(prompt), n, sampling) for prompt in prompts]
        for request in requests:
            self.submit(request)
        while self.busy:
            self.step()
        return [request.answers for request in requests]

    @torch.inference_mode()
    def step(self) -> list[Answer]:
        """One more token of each running answer, or two if a guess was right; those that grew are returned."""
        self._let_go()
        self._admit()
        if not self._sequences:
            return []
        return self._speculative() if self._speculate else self._plain()

    # Joining and leaving

    def _let_go(self) -> None:
        """Free what is over, be it written or cancelled."""
        for row in reversed(range(len(self._sequences))):
            if self._sequences[row].answer.over:
                self._leave(row)

    def _admit(self) -> None:
        """Let answers join while there is room."""
        while self._queue and len(self._sequences) < self._room:
            request = self._queue[0]
            if request._waiting and request._prefix is None:
                self._read()
            while request._waiting and len(self._sequences) < self._room:
                self._join(request, request._waiting[0])
                request._waiting.popleft()
            if request._waiting:
                return
            self._queue.popleft()

    def _join(self, request: Request, answer: Answer) -> None:
        assert request._prefix is not None
        self._running.join(request._group or request._prefix)
        self._sequences.append(_Sequence(request, answer, random.Random(request.sampling.seed + answer.index)))
        self._changed = True

    def _leave(self, row: int) -> None:
        self._running.leave(row)
        sequence, last = self._sequences[row], self._sequences.pop()
        if sequence is not last:
            self._sequences[row] = last
        self._changed = True
        request, answer = sequence.request, sequence.answer
        if request.replay and request._prefix is not None:
            used = torch.cat((request._prefix.chosen, *sequence.chosen))
            answer.chosen = used[: len(request.prompt) + len(answer.tokens) - 1]
        if all(s.request is not request for s in self._sequences) and not request._waiting:
            request._prefix = request._group = None  # whoever keeps the request is not to keep the latents

    # Reading prompts

    def _read(self) -> None:
        """Work out the prefixes of the requests that come next: of each prompt all tokens but the last."""
        spans: list[_Span] = []
        beginnings: set[tuple[Hashable, ...]] = set()
        free, tokens = self._room - len(self._sequences), 0
        for request in self._queue:
            if free <= 0 or tokens > _READ:
                break
            if request._prefix is not None or not request._waiting:
                continue
            key = self._key(request.prompt)
            known = self.read.match(key)
            place = sum(map(len, known))
            if key[: place + 1] in beginnings:
                continue  # it can use what is read for another one now
            beginnings.add(key[: place + 1])
            request.cached = place
            spans.append(_Span(request, self._blank(len(request.prompt) - 1), known))
            free, tokens = free - len(request._waiting), tokens + spans[-1].end - place
        while unread := [span for span in spans if span.place < span.end]:
            self._read_some(unread)
        for span in spans:
            span.request._prefix = span.prefix
            if len(span.request._waiting) > 1 and span.end:
                span.request._group = Group(span.prefix)
            self.read.insert(self._key(span.request.prompt), span.prefix)

    def _key(self, prompt: tuple[int, ...]) -> tuple[Hashable, ...]:
        """What the latents of each place depend on, with the places before it: its token; MTP's also on the next."""
        return tuple(itertools.pairwise(prompt)) if self._speculate else prompt[:-1]

    def _read_some(self, spans: list[_Span]) -> None:
        """The next tokens of prompts, `_READ` at most."""
        taken, free = [], _READ
        for span in spans:
            end = min(span.end, span.place + free)
            taken.append((span, span.place, end))
            free -= end - span.place
            if not free:
                break
        attend = Reading(
            [(span.prefix.latents, start, end) for span, start, end in taken], self.model.config.kv_lora_rank
        )
        tokens = self._tensor([t for span, start, end in taken for t in span.request.prompt[start:end]])
        positions = self._tensor([place for _, start, end in taken for place in range(start, end)])
        hidden, chosen = self._decoder(tokens, positions, attend)
        if self._speculate:
            following = [t for span, start, end in taken for t in span.request.prompt[start + 1 : end + 1]]
            self._decoder.ahead(hidden, self._tensor(following), positions, attend)
        pieces = chosen.split([end - start for _, start, end in taken])
        for (span, start, end), piece in zip(taken, pieces, strict=True):
            span.prefix.chosen[start:end] = piece
            span.place = end

    def _blank(self, tokens: int) -> Prefix:
        config = self.model.config
        latents = self._like.new_empty(self._layers, tokens, config.latent_dim)
        k = config.num_experts_per_tok
        return Prefix(latents, latents.new_empty(tokens, self._decoder.mixtures, k, dtype=torch.int16))

    # Writing

    def _plain(self) -> list[Answer]:
        """One token of each."""
        rules = self._rules()
        hidden, chosen = self._decoder(*self._inputs([]), self._running.step(1))
        logits = self._decoder.logits(hidden)
        found = rules.draw(logits, self._numbers(), self._truncated)
        logs = _log_probs(logits, found.tokens).unsqueeze(1)
        return self._grow([found], logs, chosen.unsqueeze(1), [1] * len(logs))

    def _speculative(self) -> list[Answer]:
        """One token of each, and a second one where the guess of the first was right."""
        rules, count = self._rules(), len(self._sequences)
        guesses = [sequence.draft or 0 for sequence in self._sequences]
        drafts = self._tensor(guesses)
        drawn_from = torch.stack([s.drawn_from if s.drawn_from is not None else self._nothing for s in self._sequences])
        attend = self._running.step(2)
        tokens, positions = self._inputs(guesses)
        hidden, chosen = self._decoder(tokens, positions, attend)
        logits = self._decoder.logits(hidden).view(count, 2, -1)
        first, second = logits.unbind(1)
        wanted = rules.probabilities(first)
        accepted, next_token = verify(wanted, drawn_from, drafts, self._numbers(), self._numbers())
        after = rules.draw(second, self._numbers(), self._truncated)

        following = torch.stack((next_token, after.tokens), 1)
        ahead = self._decoder.ahead(hidden, following.flatten(), positions, attend).view(count, 2, -1)
        guess = rules.probabilities(
            self._decoder.logits(ahead[torch.arange(count, device=ahead.device), accepted.long()])
        )
        found = draw(guess, self._numbers()).tolist()
        for sequence, token, row in zip(self._sequences, found, guess, strict=True):
            sequence.draft, sequence.drawn_from = token, row
        log_probs = torch.stack((_log_probs(first, next_token), _log_probs(second, after.tokens)), 1)
        found_both = [drawn(wanted, next_token, self._truncated), after]
        return self._grow(found_both, log_probs, chosen.unflatten(0, (count, 2)), (accepted.long() + 1).tolist())

    def _inputs(self, drafts: list[int]) -> tuple[Tensor, Tensor]:
        """Last tokens, each with its draft if there are any, and their positions: [rows]."""
        tokens: list[int] = []
        positions: list[int] = []
        width = 2 if drafts else 1
        for row, sequence in enumerate(self._sequences):
            prompt, written = sequence.request.prompt, sequence.answer.tokens
            tokens += [written[-1] if written else prompt[-1], *drafts[row : row + 1]]
            place = len(prompt) + len(written) - 1
            positions += range(place, place + width)
        return self._tensor(tokens), self._tensor(positions)

    def _grow(self, found: list[Drawn], log_probs: Tensor, chosen: Tensor, counts: list[int]) -> list[Answer]:
        """Give each answer the first `counts` of its new tokens; let go of those that are over.

        log_probs [sequences, len(found)]; chosen [sequences, len(found), mixtures, k].
        """
        grown = [sequence.answer for sequence in self._sequences]
        self._running.advance(counts)
        failures: list[Exception] = []
        news = [(f.tokens.tolist(), f.log_probs.tolist(), f.kept) for f in found]
        logs = log_probs.tolist()
        for row, (sequence, used, count) in enumerate(zip(self._sequences, chosen, counts, strict=True)):
            if sequence.request.replay:
                sequence.chosen.append(used[:count].clone())
            for place, (tokens, drawn_logs, kept) in enumerate(news[:count]):
                if sequence.answer.over:
                    break
                sequence.answer.drawn.append(drawn_logs[row])
                if kept is not None and sequence.request.replay and sequence.request.sampling.truncates:
                    sequence.answer.kept.append(kept[row].int())
                try:
                    self._add(sequence, tokens[row], logs[row][place])
                except Exception as failure:  # a watcher's; the other answers are to have their tokens first
                    sequence.answer.over = True
                    failures.append(failure)
        self._let_go()
        if failures:
            raise failures[0]
        return grown

    @property
    def _truncated(self) -> bool:
        """Has it to be told which tokens could be drawn?"""
        return any(s.request.replay and s.request.sampling.truncates for s in self._sequences)

    def _add(self, sequence: _Sequence, token: int, log_prob: float) -> None:
        answer, request = sequence.answer, sequence.request
        answer.tokens.append(token)
        answer.log_probs.append(log_prob)
        watched = request.watch is not None and request.watch(answer)
        answer.ended = watched or token in request.sampling.stop_tokens
        length = len(answer.tokens)
        full = length >= request.sampling.max_tokens or len(request.prompt) + length >= self.context
        answer.over = answer.over or answer.ended or full

    def _rules(self) -> Rules:
        if self._changed:
            self._settings = Rules([s.request.sampling for s in self._sequences], self._like.device)
            self._changed = False
        return self._settings

    def _numbers(self) -> Tensor:
        numbers = [sequence.numbers.random() for sequence in self._sequences]
        return torch.tensor(numbers, dtype=torch.float64, device=self._like.device)

    def _tensor(self, values: Sequence[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=self._like.device)


class _Span:
    """A prompt's prefix as it is read: `place` of its `end` tokens are there."""

    def __init__(self, request: Request, prefix: Prefix, known: Sequence[Prefix]) -> None:
        self.request, self.prefix, self.place, self.end = request, prefix, 0, len(prefix)
        for part in known:
            here = prefix[self.place : self.place + len(part)]
            here.latents.copy_(part.latents)
            here.chosen.copy_(part.chosen)
            self.place += len(part)


def _log_probs(logits: Tensor, tokens: Tensor) -> Tensor:
    """[rows, vocabulary], [rows] → natural logarithms of the tokens' probabilities, [rows]."""
    return logits.gather(1, tokens.unsqueeze(1)).squeeze(1) - logits.logsumexp(1)
