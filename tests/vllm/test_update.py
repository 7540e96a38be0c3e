"""New weights for a vLLM that runs: DeepSeek-V3's kind behind a real server, Llama's in this process."""

from __future__ import annotations

import asyncio
import copy
import os
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from prover.engines.base import Answer
from prover.engines.server import OpenAIEngine
from prover.engines.vllm import VLLMEngine
from prover.model import checkpoint
from prover.model.sampling_params import SamplingParams
from prover.policy import PolicyUnavailable, Prompt, Usage
from prover.prompts import Request
from rl.folder import TrainFolder
from rl.grpo import GRPOLoop
from rl.learner import Learner
from rl.model import TransformersModel, tokenizer_of
from rl.samplers import EngineSampler
from tests.prover.readers import to_the_end
from tests.rl.test_bandit import FAMILY, LETTERS, PROBLEMS, FirstLetter, configured
from tests.vllm.conftest import ENVIRONMENT, LAST
from tests.vllm.models import CONTEXT, save

REQUEST = Request(text="theorem t (a b : Nat) (h : a < b) : a + 1 ≤ b := by\n" * 3)  # more than one block of the cache
Weights = dict[str, Tensor]


class Engine:
    """A vLLM, and the same model by transformers (Llama) or by us (DeepSeek)."""

    def __init__(self, kind: str, engine: OpenAIEngine | VLLMEngine, folder: Path) -> None:
        self.kind, self.engine, self.folder = kind, engine, folder
        self.model: Any
        if kind == "llama":
            self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        else:
            self.model = checkpoint.load(folder)

    def changed(self) -> Weights:
        """Give the model other weights, and return them: its answers hardly ever end by themselves."""
        with torch.no_grad():
            for name, tensor in self.model.state_dict().items():
                tensor.add_(torch.randn(tensor.shape) * (0.02 if "score" in name else 0.1))
                if name == "lm_head.weight":
                    tensor[1] = 0  # </s>
        return self.weights()

    def weights(self) -> Weights:
        found: Weights = (
            self.model.state_dict() if self.kind == "llama" else dict(checkpoint.export_weights(self.model))
        )
        return found

    async def answers(self, n: int = 3, tokens: int = 24, usage: Usage | None = None) -> list[Answer]:
        decoding = SamplingParams(top_p=1.0, max_tokens=tokens)
        writing = self.engine.generate(REQUEST, n, decoding, to_the_end, usage or Usage())
        async with aclosing(writing) as answers:
            return [answer async for answer in answers]

    @asynccontextmanager
    async def asked(self) -> AsyncIterator[list[Answer]]:
        """Answers are under way until the block ends; all of them, afterwards."""
        found: list[Answer] = []
        usage, over = Usage(), False

        async def ask(tokens: int) -> None:
            while not over:
                found.extend(await self.answers(2, tokens, usage))

        asking = [asyncio.create_task(ask(tokens)) for tokens in (500, 700)]  # which do not end at the same time
        while usage.written < 40:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)
        yield found
        over = True
        await asyncio.gather(*asking)

    async def start_again(self) -> None:
        """As far as can be told from outside: vLLM then calls its weights `default`."""
        assert isinstance(self.engine, OpenAIEngine)
        root = str(self.engine._client.base_url).removesuffix("/v1/")
        async with httpx.AsyncClient() as client:
            await client.post(f"{root}/update_weight_version", json={"new_version": "default"})

    def errors(self, answer: Answer, model: Any = None) -> Tensor:
        """How far its log-probabilities are from a model's, by default this one's: a number for each token."""
        tokens, start = torch.tensor([*answer.prompt_tokens, *answer.tokens]), len(answer.prompt_tokens)
        with torch.no_grad():
            found = (model or self.model)(tokens[None]).logits[0].log_softmax(-1)[start - 1 : -1]
        return (found.gather(1, tokens[start:, None])[:, 0] - torch.tensor(answer.log_probs)).abs()

    async def assert_same(self) -> set[tuple[int, ...]]:
        """It answers, and as the model does; the answers."""
        found = await self.answers()
        assert [answer.failure for answer in found] == [""] * 3
        assert max(float(self.errors(answer).max()) for answer in found) < 1e-3
        return {answer.tokens for answer in found}


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[str]:
    """`prover serve --trainable`; its address."""
    command = [*LAST, sys.executable, "-m", "prover", "serve", str(folder), "--trainable", "--port", "0"]
    process = await asyncio.create_subprocess_exec(
        *command, "--context", str(CONTEXT), stdout=asyncio.subprocess.PIPE, env={**os.environ, **ENVIRONMENT}
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


@pytest_asyncio.fixture(scope="module", params=["deepseek", "llama"])
async def it(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    folder = tmp_path_factory.mktemp("models") / request.param
    save(request.param, folder)
    if request.param == "llama":
        here = await VLLMEngine.load(str(folder), CONTEXT)
        yield Engine("llama", here, folder)
        await here.close()
        return
    async with serving(folder) as address:
        server = await OpenAIEngine.connect(address)
        yield Engine("deepseek", server, folder)
    with pytest.raises(PolicyUnavailable):  # it is not there any more
        await server.update({}.items())
    await server.close()


async def test_what_it_writes_next_is_by_the_new_weights_alone(it: Engine) -> None:
    before = await it.assert_same()
    for _ in range(2):
        usage = Usage()
        await it.answers(1, usage=usage)
        assert usage.cached > 0  # there is something to forget
        await it.engine.update(it.changed().items())
        usage = Usage()
        await it.answers(1, usage=usage)
        assert usage.cached == 0
        after = await it.assert_same()
        assert after.isdisjoint(before)
        before = after


async def test_answers_under_way_go_on_with_the_new_weights(it: Engine) -> None:
    await it.engine.update(it.changed().items())
    mixed = 0
    for _ in range(8):  # vLLM can keep this process from running until its answers are written
        before, weights = copy.deepcopy(it.model), it.changed()
        async with it.asked() as answers:
            await it.engine.update(weights.items())
        for answer in answers:
            old, new = it.errors(answer, before), it.errors(answer)
            switch = int((old < 1e-3).cumprod(0).sum())  # up to here it is by the old weights
            # Then by the new ones, and nothing of the old ones is left in what it remembers.
            wrong = {k: (float(old[k]), float(new[k])) for k in range(switch, len(new)) if new[k] >= 1e-3}
            assert not wrong, f"{len(answer.tokens)} tokens, {switch} by the old weights; errors by both: {wrong}"
            mixed += 0 < switch < len(answer.tokens)
        if mixed:
            return
    pytest.fail("no update came while answers were written")


async def test_weights_that_are_not_the_models_change_nothing(it: Engine) -> None:
    weights = it.changed()
    await it.engine.update(weights.items())
    norm = weights["model.norm.weight"]
    for wrong, said in (
        (
            {name: tensor for name, tensor in weights.items() if "layers.1.mlp" not in name},
            "missing (model.layers.1.mlp",
        ),
        (weights | {"model.nothing": norm.clone()}, "not in it (model.nothing)"),
    ):
        with pytest.raises(PolicyUnavailable) as error:
            await it.engine.update(wrong.items())
        assert said in str(error.value)
        assert not it.engine.last_error
    await it.assert_same()


async def test_an_update_that_breaks_is_told_until_one_succeeds(it: Engine) -> None:
    await it.engine.update(it.changed().items())
    weights = it.changed()
    narrow = {name: tensor[:-1].clone() if "layers.1.mlp" in name else tensor for name, tensor in weights.items()}

    async def breaking() -> None:
        async with it.asked():
            with pytest.raises(PolicyUnavailable, match="Error"):
                await it.engine.update(narrow.items())

    with pytest.raises(PolicyUnavailable):  # for those who wait for answers
        await breaking()
    assert it.engine.last_error
    with pytest.raises(PolicyUnavailable, match="weights"):
        await it.answers()
    await it.engine.update(weights.items())
    assert not it.engine.last_error
    await it.assert_same()


async def test_it_writes_what_is_trained_on(it: Engine, tmp_path: Path) -> None:
    """GRPO from the checkpoint: what was drawn is as likely to the trainer, and in the end it has the last weights."""
    rollout = {"num_generations": 8, "max_tokens": 16, "engine": "vllm"}
    config = configured(it.folder, context=256, rollout=rollout, prompts_per_step=2, updates=4, staleness=1)
    learner, folder = Learner(config, tokenizer_of(config.model, ())), TrainFolder(tmp_path / "run")
    judges: Any = {FAMILY: FirstLetter(LETTERS)}
    with folder.working("grpo", config, {}):
        await GRPOLoop(config, folder, PROBLEMS, learner, EngineSampler(it.engine), judges).run()
    rows = folder.metrics()
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert rows[0]["mismatch"] < 1e-3
    assert any(row["groups"] for row in rows)
    trained = learner.trainer.model
    it.model.load_state_dict((trained.inner if isinstance(trained, TransformersModel) else trained).state_dict())
    await it.assert_same()


async def test_a_server_that_is_started_again_gets_the_last_weights(it: Engine) -> None:
    """While training."""
    if not isinstance(it.engine, OpenAIEngine):
        pytest.skip("what is in this process is not started again")
    sampler = EngineSampler(it.engine, restarts=True)
    await sampler.update(it.changed().items())
    await it.start_again()

    async def asked() -> int:
        prompt, decoding = Prompt(PROBLEMS[0].theorem), SamplingParams(max_tokens=8)
        return len([answer async for answer in sampler.answers(prompt, FAMILY, 2, decoding)])

    assert await asyncio.gather(*(asked() for _ in range(3))) == [2, 2, 2]
    await it.assert_same()


async def test_a_server_without_the_last_weights_is_found_out(it: Engine) -> None:
    if not isinstance(it.engine, OpenAIEngine):
        pytest.skip("what is in this process is not started again")
    await it.engine.update(it.changed().items())
    await it.start_again()
    with pytest.raises(PolicyUnavailable, match="weights"):
        await it.answers()
    await it.engine.update(it.weights().items())
    await it.assert_same()
