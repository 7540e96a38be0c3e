"""Who writes the answers that are trained on: the engines that also prove, in this process or others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from torch import Tensor

from prover.policy import PolicyUnavailable, Prompt, Usage
from prover.policy.engine import Answer, Decoding, Engine
from prover.prompts import FAMILIES

_PAUSES = (0.5, 2.0, 8.0, 30.0)  # seconds before what failed is tried again

Weights = Iterable[tuple[str, Tensor]]


class Sampler(Protocol):
    """Writes answers, and takes new weights from time to time."""

    def answers(self, prompt: Prompt, family: str, n: int, decoding: Decoding) -> AsyncGenerator[Answer]:
        """As they come in. What fails is tried again; raises PolicyUnavailable if it goes on failing."""
        ...

    async def update(self, weights: Weights) -> None:
        """See Engine.update. What is asked from now on is answered by the new weights."""
        ...

    async def close(self) -> None: ...


class EngineSampler:
    """One engine, in this process or behind a URL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def answers(self, prompt: Prompt, family: str, n: int, decoding: Decoding) -> AsyncGenerator[Answer]:
        format_, came = FAMILIES[family], 0
        for number, pause in enumerate((*_PAUSES, None)):
            # Which of the answers have come is not known, so that the others are drawn anew.
            rest = replace(decoding, seed=decoding.seed + number * n)
            given = self._engine.generate(
                format_.request(prompt), n - came, rest, lambda text: format_.complete(prompt, text), Usage()
            )
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

    async def update(self, weights: Weights) -> None:
        held = list(weights)  # they may have to be given twice
        for pause in (*_PAUSES, None):
            try:
                await self._engine.update(held)
                return
            except PolicyUnavailable:
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    async def close(self) -> None:
        await self._engine.close()
