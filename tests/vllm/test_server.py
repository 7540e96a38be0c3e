"""Policies over a real vLLM server, held against transformers on the same weights."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import aclosing

import httpx
import pytest
import torch
from transformers import AutoModelForCausalLM

from data import Theorem
from lean_env import LeanPool
from prover.engines.vllm import VLLMEngine
from prover.policy import PolicyConfig, Prompt, Sample, SampleRequest, Usage, open_policy
from search import Budget, SamplingSearch
from tests.vllm.conftest import Serving

FAMILIES = ("deepseek-v1.5", "instruct")  # completions and chats
PROMPT = Prompt(Theorem("t", "theorem t (a b : Nat) : a + b = b + a"))


async def samples(
    server: Serving, n: int, *, start: int = 0, seed: int = 0, family: str = "instruct", usage: Usage | None = None
) -> list[Sample]:
    config = PolicyConfig(name="openai", base_url=server.address, family=family, max_tokens=24)
    async with open_policy(config) as policy:
        return [s async for s in policy.sample(PROMPT, n, SampleRequest(start, seed), usage)]


def log_probs(server: Serving, prompt: Sequence[int], answer: Sequence[int]) -> torch.Tensor:
    """The same by transformers."""
    model = AutoModelForCausalLM.from_pretrained(server.folder, dtype=torch.float32)
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(1, torch.tensor(answer)[:, None])[:, 0]


@pytest.mark.parametrize("family", FAMILIES)
async def test_log_probabilities_are_those_of_transformers(serving: Serving, family: str) -> None:
    for sample in await samples(serving, 3, family=family):
        assert len(sample.tokens) == len(sample.log_probs) > 0
        expected = log_probs(serving, sample.prompt_tokens, sample.tokens)
        assert torch.allclose(torch.tensor(sample.log_probs), expected, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_sample_is_its_number_whatever_it_was_asked_with(serving: Serving, family: str) -> None:
    together = {s.tokens for s in await samples(serving, 4, family=family)}
    alone = {(await samples(serving, 1, start=n, family=family))[0].tokens for n in range(4)}
    assert len(together) == 4
    assert alone == together
    assert together.isdisjoint({s.tokens for s in await samples(serving, 4, seed=1, family=family)})


async def test_tokens_are_counted(serving: Serving) -> None:
    usage = Usage()
    got = await samples(serving, 3, usage=usage)
    assert usage.written == sum(len(s.tokens) for s in got)
    assert usage.read == len(got[0].prompt_tokens)
    again = Usage()
    await samples(serving, 1, usage=again)
    assert again.cached > 0


class Metrics:
    """What the server says of itself."""

    def __init__(self, server: Serving) -> None:
        self.client = httpx.AsyncClient(base_url=server.address.removesuffix("/v1"), timeout=60)

    async def get(self, name: str) -> float:
        rows = (await self.client.get("/metrics")).text.splitlines()
        return sum(float(row.rsplit(" ", 1)[1]) for row in rows if row.startswith(f"vllm:{name}{{"))

    async def until(self, name: str, holds: Callable[[float], bool]) -> None:
        async with asyncio.timeout(120):
            while not holds(await self.get(name)):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)


async def test_what_is_not_wanted_any_more_frees_the_server(serving: Serving) -> None:
    metrics = Metrics(serving)
    async with open_policy(PolicyConfig(name="openai", base_url=serving.address, max_tokens=1024)) as policy:
        usage = Usage()
        async with aclosing(policy.sample(PROMPT, 16, SampleRequest(), usage)) as answers:
            assert len([answer async for answer in answers]) == 16
        each, before, usage = usage.written / 16, await metrics.get("generation_tokens_total"), Usage()
        async with aclosing(policy.sample(PROMPT, 512, SampleRequest(), usage)) as answers:
            first = asyncio.create_task(anext(answers))
            while not usage.written:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)
            first.cancel()  # or it is there already, and the others are not wanted
            await asyncio.gather(first, return_exceptions=True)
        await metrics.until("num_requests_running", lambda n: n == 0)
    assert await metrics.get("generation_tokens_total") - before < 512 * each / 2


async def test_a_server_that_is_killed_and_started_again_loses_no_theorem(serving: Serving, pool: LeanPool) -> None:
    theorems = [Theorem(f"t{n}", f"theorem t{n} (a : Nat) : a + {n} = {n} + a") for n in range(6)]
    await pool.check("")  # Lean is there
    metrics = Metrics(serving)
    before = await metrics.get("generation_tokens_total")
    async with open_policy(PolicyConfig(name="openai", base_url=serving.address, max_tokens=400)) as policy:
        searches = [asyncio.create_task(SamplingSearch(pool, policy).prove(t, Budget(samples=4))) for t in theorems]
        await metrics.until("generation_tokens_total", lambda n: n > before)
        serving.kill()
        assert not all(search.done() for search in searches)
        assert await serving.ended() == 3
        await serving.start()
        results = await asyncio.gather(*searches)
    assert [r.samples for r in results] == [4] * len(theorems)
    assert not any("Connection" in a.detail for r in results if r.trace for a in r.trace.attempts)


@pytest.mark.parametrize("family", FAMILIES)
async def test_the_engine_in_this_process_writes_the_same(
    serving: Serving, family: str, in_process: VLLMEngine
) -> None:
    from prover.policy.model import ModelPolicy
    from prover.prompts import FAMILIES as ALL

    policy, usage = ModelPolicy(in_process, ALL[family], 24), Usage()
    async with aclosing(policy.sample(PROMPT, 4, SampleRequest(seed=5), usage)) as answers:
        here = {s.tokens: s async for s in answers}
    there = {s.tokens: s for s in await samples(serving, 4, seed=5, family=family)}
    assert here.keys() == there.keys()
    for tokens, sample in here.items():
        assert sample.answer == there[tokens].answer
        assert sample.prompt_tokens == there[tokens].prompt_tokens
        assert torch.allclose(torch.tensor(sample.log_probs), torch.tensor(there[tokens].log_probs), atol=1e-4)
    assert usage.written == sum(len(t) for t in here)


async def test_ctrl_c_stops_it_cleanly(serving: Serving) -> None:
    """Last of the file: what comes after starts the server again."""
    assert await serving.stop(signal.SIGINT) == 0
    with pytest.raises(httpx.ConnectError):
        await Metrics(serving).get("num_requests_running")
    await serving.start()
