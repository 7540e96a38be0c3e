"""Who writes the answers that are trained on: the engines that also prove, in this process or others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from data.records.config import ConfigError
from prover.engines.base import Answer, Engine, SamplingParams
from prover.engines.native import Native
from prover.model import checkpoint
from prover.model.config import ModelConfigError, ModelError
from prover.model.generate import Generator
from prover.policy import PolicyUnavailable, Prompt, Usage
from prover.prompts import ProofReader, prompt_format
from rl.config import ModelSource, RolloutConfig
from rl.model import device

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_PAUSES = (0.5, 2.0, 8.0, 30.0)  # seconds before what failed is tried again
_LOADING = (60.0, 120.0, 240.0)  # and then, for new weights: a server that is started again has to load its own first

Weights = Iterable[tuple[str, Tensor]]


class Sampler(Protocol):
    """Writes answers, and takes new weights from time to time."""

    def answers(self, prompt: Prompt, family: str, n: int, sampling: SamplingParams) -> AsyncGenerator[Answer]:
        """As they come in. What fails is tried again; raises PolicyUnavailable if it goes on failing."""
        ...

    async def update(self, weights: Weights) -> None:
        """See Engine.update. What is asked from now on is answered by the new weights."""
        ...

    async def close(self) -> None: ...


class EngineSampler:
    """One engine, in this process or behind a URL.

    restarts: it may be started again by others, as a server is. Then it is given the newest weights again, which are
    kept for that.
    """

    def __init__(self, engine: Engine, restarts: bool = False) -> None:
        self._engine, self._restarts = engine, restarts
        self._held: list[tuple[str, Tensor]] = []
        self._given = 0  # times that weights were taken
        self._giving = asyncio.Lock()

    async def answers(self, prompt: Prompt, family: str, n: int, sampling: SamplingParams) -> AsyncGenerator[Answer]:
        format_, came = prompt_format(family), 0
        for number, pause in enumerate((*_PAUSES, None)):
            # Which of the answers have come is not known, so that the others are drawn anew.
            rest = replace(sampling, seed=sampling.seed + number * n)
            given = self._engine.generate(
                format_.request(prompt), n - came, rest, lambda: ProofReader(format_, prompt), Usage()
            )
            before = self._given
            try:
                async with aclosing(given):
                    async for answer in given:
                        came += 1
                        yield answer
                return
            except PolicyUnavailable:
                if pause is None:
                    raise
            await asyncio.sleep(pause)
            with suppress(PolicyUnavailable):  # what keeps it from taking them keeps it from answering
                await self._give(before)

    async def update(self, weights: Weights) -> None:
        self._held = list(weights)
        for pause in (*_PAUSES, *_LOADING, None):
            try:
                await self._give()
                if not self._restarts:
                    self._held = []
                return
            except PolicyUnavailable:
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    async def _give(self, before: int | None = None) -> None:
        """Let the engine take the newest weights; with `before`, only if it has taken none since this number was so.

        Raises PolicyUnavailable.
        """
        async with self._giving:
            if self._held and before in (None, self._given):
                await self._engine.update(self._held)
                self._given += 1

    async def close(self) -> None:
        await self._engine.close()


async def open_engine(source: ModelSource, tokenizer: PreTrainedTokenizerFast, rollout: RolloutConfig) -> Engine:
    """The engine that a configuration names. Raises ConfigError, PolicyUnavailable."""
    if rollout.base_url:
        from prover.engines.server import Server

        return await Server.connect(rollout.base_url, "")
    if not source.folder:
        raise ConfigError("model: answers are drawn from a model that has been trained before; give its folder")
    if rollout.engine == "vllm":
        from prover.engines.vllm import InProcess

        return await InProcess.load(source.folder)
    return await asyncio.to_thread(native, source.folder, tokenizer, rollout.max_num_seqs)


def native(folder: str, tokenizer: PreTrainedTokenizerFast, room: int) -> Native:
    """Our own generator, with a copy of the model of its own. Raises ConfigError."""
    try:
        at = device()
        network = checkpoint.load(folder, device=at, dtype=torch.bfloat16 if at.type == "cuda" else torch.float32)
    except (ModelError, ModelConfigError) as error:
        raise ConfigError(f"{error}\nOnly our own models can be written with by engine native") from None
    return Native(Generator(network.requires_grad_(False), max_num_seqs=room), tokenizer, folder)
