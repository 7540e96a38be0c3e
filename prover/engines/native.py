"""Our own model in this process as an Engine (extra `train`): on a CPU or a GPU."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prover.engines.base import (
    Answer,
    AnswerReader,
    FinishReason,
    PolicyUnavailable,
    Replay,
    Request,
    Usage,
    max_answer_tokens,
)
from prover.engines.tokens import prompt_tokens
from prover.model.config import ModelError
from prover.model.sampling_params import SamplingParams

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

    from prover.model.generate import GeneratedSequence, GenerationRequest, Generator
    from prover.model.tokenizer import DecodeStream

_STEP_SECONDS = 0.02  # seconds after which it is looked whether there is something new (a long prompt is read at once)


class NativeEngine:
    """An Engine with our own model in this process: continuous batching in a thread beside the event loop.

    Only that thread touches the generator; changes to it are queued in `_changes`. New requests wait in `_asked` while
    there are new weights, which are taken once all running sequences are finished.
    """

    def __init__(self, generator: Generator, tokenizer: PreTrainedTokenizerFast, model: str) -> None:
        self.model, self.last_error = model, ""
        self._generator, self._tokenizer = generator, tokenizer
        self._changes: deque[Callable[[], None]] = deque()
        self._asked: deque[GenerationRequest] = deque()
        self._weights: Callable[[], None] | None = None
        self._taken: asyncio.Future[None] | None = None  # have they been taken?
        self._waiting: dict[
            GeneratedSequence, asyncio.Queue[GeneratedSequence | None]
        ] = {}  # None: the model has failed
        self._work: asyncio.Task[None] | None = None
        self._thread, self._closed = ThreadPoolExecutor(1), False

    @classmethod
    async def load(cls, model: str) -> NativeEngine:
        """Load a checkpoint's folder: to the GPU in bfloat16 if there is one, otherwise to memory in fp32.

        Raises PolicyUnavailable.
        """
        return await asyncio.to_thread(cls._load, model)

    @classmethod
    def _load(cls, model: str) -> NativeEngine:
        try:
            import torch

            from prover.model import checkpoint, tokenizer
            from prover.model.generate import Generator
        except ImportError as error:
            raise PolicyUnavailable(f"torch is not installed ({error}): pip install -e '.[train]'") from None
        device, dtype = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
        try:
            words = tokenizer.load(model)
            network = checkpoint.load(model, device=device, dtype=dtype)
            generator = Generator(network, speculate=bool(len(network.mtp)))
        except (ModelError, ValueError, RuntimeError) as error:  # the last is torch's, for want of memory
            raise PolicyUnavailable(str(error)) from None
        if len(words) > network.config.vocab_size:
            had = network.config.vocab_size
            raise PolicyUnavailable(f"{model}: the tokenizer has {len(words)} tokens, but the model knows only {had}")
        return cls(generator, words, model)

    @property
    def chats(self) -> bool:
        """Whether its tokenizer has a chat template."""
        return bool(self._tokenizer.chat_template)

    async def close(self) -> None:
        """End all generation; callers that wait for answers get PolicyUnavailable."""
        self._closed, self.last_error = True, "it was closed"
        self._fail()
        if self._work is not None:
            await asyncio.gather(self._work, return_exceptions=True)
        self._thread.shutdown()

    async def generate(
        self, request: Request, n: int, sampling: SamplingParams, reader: Callable[[], AnswerReader], usage: Usage
    ) -> AsyncGenerator[Answer]:
        """See Engine; answer number k is sampled with the seed `sampling.seed + k`."""
        from prover.model.generate import GenerationRequest

        prompt, context = prompt_tokens(self._tokenizer, request), self._generator.context_length
        if not 0 < len(prompt) < context:
            for _ in range(n):
                yield Answer.failed(f"the prompt has {len(prompt)} tokens, and the model's context is {context}")
            return
        ends = {self._tokenizer.eos_token_id, self._generator.model.config.eos_token_id} - {None}
        sampling = replace(
            sampling,
            max_tokens=max_answer_tokens(sampling.max_tokens, context),
            stop_token_ids=sampling.stop_token_ids | ends,
        )
        texts = _SequenceTexts(self._tokenizer, request.stop, reader, usage)
        asked = GenerationRequest(tuple(prompt), n, sampling, stopping_criterion=texts.watch)
        finished: asyncio.Queue[GeneratedSequence | None] = asyncio.Queue()
        if self._closed:
            raise PolicyUnavailable(f"the model cannot be asked: {self.last_error}")
        self._waiting |= dict.fromkeys(asked.sequences, finished)
        self._asked.append(asked)
        self._ensure_running()
        usage.read += len(prompt)
        try:
            for _ in range(n):
                written = await finished.get()
                if written is None:
                    raise PolicyUnavailable(f"the model failed: {self.last_error}")
                yield Answer(
                    texts.read(written),
                    texts.finish_reason(written),
                    tuple(written.tokens),
                    tuple(written.logprobs),
                    asked.prompt,
                    replay=_replay(written) if sampling.replay else None,
                )
        finally:
            usage.cached += asked.cached_tokens
            for answer in asked.sequences:
                self._waiting.pop(answer, None)
            self._change(asked.cancel)

    async def update(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """See Engine; running sequences are finished first. `weights` is consumed in another thread."""
        from prover.model import checkpoint

        if self._closed:
            raise PolicyUnavailable(f"the model cannot be asked: {self.last_error}")
        if self._weights is not None:
            raise PolicyUnavailable("the model is taking other weights already")
        loop = asyncio.get_running_loop()
        taken = self._taken = loop.create_future()

        def take() -> None:
            failure: PolicyUnavailable | None = None
            try:
                checkpoint.load_weights(self._generator.model, dict(weights))
                self._generator.reload_weights()
            except Exception as error:  # of whoever makes the weights, and torch's
                failure = PolicyUnavailable(f"{self.model}: {error}")
            loop.call_soon_threadsafe(_settle, taken, failure)

        self._weights = take
        self._ensure_running()
        await taken

    def _change(self, change: Callable[[], None]) -> None:
        self._changes.append(change)
        self._ensure_running()

    def _ensure_running(self) -> None:
        if not self._closed and (self._work is None or self._work.done()):
            self._work = asyncio.create_task(self._run())

    async def _run(self) -> None:
        """Run the generator as long as there is something to generate."""
        loop = asyncio.get_running_loop()
        while not self._closed and (self._changes or self._asked or self._weights or self._generator.busy):
            try:
                over = await loop.run_in_executor(self._thread, self._run_steps)
            except Exception as error:  # torch's, first of all for want of memory
                self.last_error = str(error)
                self._fail()
                continue
            self.last_error = self.last_error if self._closed else ""
            for answer in over:
                if answer in self._waiting:
                    self._waiting.pop(answer).put_nowait(answer)

    def _fail(self) -> None:
        """Fail the waiting callers; unless it is closed, requests that the generator has not seen go on waiting."""
        unseen = set() if self._closed else {answer for asked in self._asked for answer in asked.sequences}
        for answer in self._waiting.keys() - unseen:
            self._waiting.pop(answer).put_nowait(None)
        if self._closed and self._taken is not None:
            _settle(self._taken, PolicyUnavailable(f"the model cannot be asked: {self.last_error}"))

    def _run_steps(self) -> list[GeneratedSequence]:
        """Apply changes, then generate for a moment; returns the sequences that are finished."""
        while self._changes:
            self._changes.popleft()()
        if self._weights is not None and not self._generator.busy:
            weights, self._weights = self._weights, None
            weights()
        while self._asked and self._weights is None:
            self._generator.submit(self._asked.popleft())
        started, over = time.monotonic(), []
        while self._generator.busy and not self._closed and time.monotonic() < started + _STEP_SECONDS:
            over += [answer for answer in self._generator.step() if answer.finished]
        return over


def _replay(written: GeneratedSequence) -> Replay:
    expert_ids = None if written.expert_ids is None or not written.expert_ids.numel() else written.expert_ids.cpu()
    candidates = tuple(tokens.cpu() for tokens in written.candidate_token_ids)
    return Replay(tuple(written.sampler_logprobs), candidates, expert_ids)


def _settle(taken: asyncio.Future[None], failure: Exception | None) -> None:
    if not taken.done():
        taken.set_exception(failure) if failure else taken.set_result(None)


class _SequenceTexts:
    """The texts of a request's sequences as they grow; ends them at a stop text, or when a reader says so."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        stops: tuple[str, ...],
        reader: Callable[[], AnswerReader],
        usage: Usage,
    ) -> None:
        self._tokenizer, self._stops, self._reader, self._usage = tokenizer, stops, reader, usage
        self._texts: dict[GeneratedSequence, _SequenceText] = {}

    def watch(self, answer: GeneratedSequence) -> bool:
        """Add a sequence's last token; returns True if the sequence ends with it (a stopping criterion)."""
        from prover.model.tokenizer import DecodeStream

        text = self._texts.get(answer)
        if text is None:
            text = self._texts[answer] = _SequenceText(DecodeStream(self._tokenizer), self._reader())
        self._usage.written += 1
        new = text.stream.push(answer.tokens[-1])
        before, text.so_far = len(text.so_far), text.so_far + new
        for stop in self._stops:
            place = text.so_far.find(stop, max(before - len(stop) + 1, 0))
            if place >= 0:
                text.so_far, text.ended_by = text.so_far[:place], "stop"
                return True
        if text.reader.push(new):
            text.ended_by = "complete"
        return text.ended_by is not None

    def finish_reason(self, answer: GeneratedSequence) -> FinishReason:
        """The reason why a sequence ended."""
        text = self._texts.get(answer)
        return text.ended_by if text and text.ended_by else "eos" if answer.stopped else "length"

    def read(self, answer: GeneratedSequence) -> str:
        """The whole text of a sequence, without the stop text that ended it."""
        text = self._texts[answer]
        return text.so_far if text.ended_by == "stop" else text.so_far + text.stream.finish()


@dataclass
class _SequenceText:
    """The text of a sequence so far. ended_by: a stop text or the reader; None: neither."""

    stream: DecodeStream
    reader: AnswerReader
    so_far: str = ""
    ended_by: FinishReason | None = None
