"""Samplers: the engines that also prove, in this process or others, as they are used in training."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from data.records.config import ConfigError, StrictModel
from prover.engines.base import Answer, Engine
from prover.engines.native import NativeEngine
from prover.model import checkpoint
from prover.model.config import ModelConfigError, ModelError
from prover.model.generate import Generator
from prover.model.sampling_params import SamplingParams
from prover.policy import PolicyUnavailable, Prompt, Usage
from prover.prompts import ProofReader, prompt_format
from rl.model import ModelSource, device

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_PAUSES = (0.5, 2.0, 8.0, 30.0)  # seconds before what failed is tried again
_LOADING = (60.0, 120.0, 240.0)  # and then, for new weights: a server that is started again has to load its own first

Weights = Iterable[tuple[str, Tensor]]


class RolloutConfig(StrictModel):
    """The settings of sampling in training (DeepSeek-Prover-V1.5, arXiv 2408.08152, §2.3).

    num_generations: answers to each prompt. families: prompt formats; each theorem is asked in each. max_tokens: length
        of an answer at most. check_seconds: limit of a check.
    temperature, top_p: training takes them into account; values other than 1 need our own generator.
    engine: our own generator, or vLLM, in this process or in `placement.rollouts` others. base_url: instead, a vLLM
        server that takes new weights (`prover serve --trainable`). max_num_seqs: answers generated at a time.
    """

    num_generations: PositiveInt = 32
    families: list[str] = Field(default=["deepseek-v1.5-noncot"], min_length=1)
    temperature: PositiveFloat = 1.0
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: PositiveInt = 2048
    check_seconds: PositiveFloat = 60.0
    engine: Literal["native", "vllm"] = "native"
    base_url: str = ""
    max_num_seqs: PositiveInt = 128

    @model_validator(mode="after")
    def _are_known(self) -> RolloutConfig:
        for name in self.families:
            prompt_format(name)
        return self


class Sampler(Protocol):
    """Samples answers, and takes new weights from time to time."""

    def answers(self, prompt: Prompt, family: str, n: int, sampling: SamplingParams) -> AsyncGenerator[Answer]:
        """Sample `n` answers, as they are finished; retries failed requests, then raises PolicyUnavailable."""
        ...

    async def update(self, weights: Weights) -> None:
        """Take new weights, see Engine.update; answers to requests made after this call are by the new weights."""
        ...

    async def close(self) -> None:
        """Release its resources."""
        ...


class EngineSampler:
    """A Sampler with one engine, in this process or behind a URL.

    restarts: others may start the engine again, as they do a server: the newest weights are kept, and given to it
    again.
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
        """Give the engine the newest weights; with `before`, only if it has taken none since `_given` had this value.

        Raises PolicyUnavailable.
        """
        async with self._giving:
            if self._held and before in (None, self._given):
                await self._engine.update(self._held)
                self._given += 1

    async def close(self) -> None:
        await self._engine.close()


async def open_engine(source: ModelSource, tokenizer: PreTrainedTokenizerFast, rollout: RolloutConfig) -> Engine:
    """Open the engine that a configuration names. Raises ConfigError, PolicyUnavailable."""
    if rollout.base_url:
        from prover.engines.server import OpenAIEngine

        return await OpenAIEngine.connect(rollout.base_url, "")
    if not source.folder:
        raise ConfigError("model: answers are drawn from a model that has been trained before; give its folder")
    if rollout.engine == "vllm":
        from prover.engines.vllm import VLLMEngine

        return await VLLMEngine.load(source.folder)
    return await asyncio.to_thread(load_native_engine, source.folder, tokenizer, rollout.max_num_seqs)


def load_native_engine(folder: str, tokenizer: PreTrainedTokenizerFast, room: int) -> NativeEngine:
    """Load a copy of the model into our own generator. room: sequences at a time. Raises ConfigError."""
    try:
        at = device()
        network = checkpoint.load(folder, device=at, dtype=torch.bfloat16 if at.type == "cuda" else torch.float32)
    except (ModelError, ModelConfigError) as error:
        raise ConfigError(f"{error}\nOnly our own models can be written with by engine native") from None
    return NativeEngine(Generator(network.requires_grad_(False), max_num_seqs=room), tokenizer, folder)
