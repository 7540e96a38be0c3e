"""The policy `native`: our model in this process, from a folder to proofs that Lean checks."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import torch

from data import Theorem
from prover.engines.base import Answer
from prover.engines.native import NativeEngine
from prover.model import checkpoint, tokenizer
from prover.model.config import PRESETS
from prover.model.sampling_params import SamplingParams
from prover.model.transformer import Transformer
from prover.policy import PolicyUnavailable, Prompt, Usage
from prover.policy.base import SampleRequest
from prover.policy.registry import PolicyConfig, open_policy
from prover.prompts import ChatMessage, Request
from tests.prover.readers import to_the_end

FAMILY = "deepseek-v1.5-noncot"
EXAMPLE = Path(__file__).parents[2] / "examples" / "model.py"
LEAN = ["theorem t (a b : Nat) (h : a < b) : a + 1 ≤ b := by\n  omega\n```", "⟨h₁, h₂⟩ ∀ x ∈ ℕ, x = x"] * 20
SHAPE = PRESETS["tiny"].replace(hidden_size=64, num_hidden_layers=2, max_position_embeddings=512, initializer_range=0.3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights, and a tokenizer."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("random")
    words = tokenizer.train(LEAN, 300)
    checkpoint.save(Transformer(SHAPE.replace(vocab_size=len(words))), place)
    words.save_pretrained(place)
    return place


@pytest.fixture
async def native(folder: Path) -> AsyncIterator[NativeEngine]:
    engine = await NativeEngine.load(str(folder))
    yield engine
    await engine.close()


async def answers(
    engine: NativeEngine, request: Request, n: int, decoding: SamplingParams, usage: Usage | None = None
) -> list[Answer]:
    given = engine.generate(request, n, decoding, to_the_end, Usage() if usage is None else usage)
    return [answer async for answer in given]


async def test_answers_come_with_tokens_and_log_probabilities(native: NativeEngine, folder: Path) -> None:
    usage = Usage()
    found = await answers(native, Request("theorem t"), 3, SamplingParams(top_p=1, max_tokens=20), usage)
    model, words = checkpoint.load(folder), tokenizer.load(str(folder))
    assert len(found) == 3
    for answer in found:
        assert list(answer.prompt_tokens) == words.encode("theorem t")
        text = torch.tensor([[*answer.prompt_tokens, *answer.tokens]])
        told = model(text[:, :-1], targets=text[:, 1:]).logprobs[0, len(answer.prompt_tokens) - 1 :]
        torch.testing.assert_close(torch.tensor(answer.log_probs), told.detach(), atol=1e-4, rtol=0)
        assert answer.text == words.decode(answer.tokens, skip_special_tokens=True)
    assert usage.read == len(found[0].prompt_tokens)
    assert usage.written == sum(len(answer.tokens) for answer in found)


async def test_new_weights_are_taken_when_what_is_being_written_has_come_to_its_end(
    native: NativeEngine, folder: Path
) -> None:
    old = checkpoint.load(folder)
    torch.manual_seed(1)
    new = Transformer(old.config)
    long = SamplingParams(top_p=1, max_tokens=200, replay=True)
    under_way = asyncio.create_task(answers(native, Request("theorem t"), 3, long))
    await asyncio.sleep(0.05)
    taking = asyncio.create_task(native.update(checkpoint.export_weights(new)))
    await asyncio.sleep(0)
    after = asyncio.create_task(answers(native, Request("theorem t"), 3, long))
    await taking
    for model, found in ((old, await under_way), (new, await after)):
        for answer in found:
            assert answer.replay is not None
            assert answer.replay.sampler_logprobs == pytest.approx(answer.log_probs, abs=1e-5)
            text = torch.tensor([[*answer.prompt_tokens, *answer.tokens]])
            told = model(text[:, :-1], targets=text[:, 1:], expert_ids=answer.replay.expert_ids[None])
            told = told.logprobs[0, len(answer.prompt_tokens) - 1 :].detach()
            torch.testing.assert_close(torch.tensor(answer.log_probs), told, atol=1e-4, rtol=0)


async def test_weights_that_do_not_fit_are_refused_and_it_goes_on(native: NativeEngine, folder: Path) -> None:
    other = Transformer(SHAPE.replace(vocab_size=40, num_hidden_layers=1))
    with pytest.raises(PolicyUnavailable, match="the new weights"):
        await native.update(checkpoint.export_weights(other))
    await native.update(checkpoint.export_weights(checkpoint.load(folder)))
    assert len(await answers(native, Request("theorem t"), 2, SamplingParams(max_tokens=5))) == 2


async def test_who_waits_for_weights_to_be_taken_is_told_when_it_is_closed(folder: Path) -> None:
    engine = await NativeEngine.load(str(folder))
    under_way = asyncio.create_task(answers(engine, Request("theorem t"), 1, SamplingParams(max_tokens=400)))
    await asyncio.sleep(0.05)
    taking = asyncio.create_task(engine.update(checkpoint.export_weights(checkpoint.load(folder))))
    await asyncio.sleep(0)
    await engine.close()
    for waiting in (under_way, taking):
        with pytest.raises(PolicyUnavailable, match="it was closed"):
            await waiting


async def test_a_seed_gives_the_same_answers_and_requests_run_side_by_side(native: NativeEngine) -> None:
    decoding = SamplingParams(max_tokens=15, seed=3)
    both = await asyncio.gather(*(answers(native, Request(text), 2, decoding) for text in ("theorem t", "⟨h₁")))
    again = await answers(native, Request("theorem t"), 2, decoding)
    assert {a.tokens for a in again} == {a.tokens for a in both[0]}
    assert len({a.tokens for given in both for a in given}) == 4


async def test_a_stop_text_ends_an_answer_and_is_no_part_of_it(native: NativeEngine) -> None:
    decoding = SamplingParams(max_tokens=40, seed=1)
    (whole,) = await answers(native, Request("theorem t"), 1, decoding)
    stop = whole.text[5:8]
    (cut,) = await answers(native, Request("theorem t", stop=(stop,)), 1, decoding)
    assert cut.finish_reason == "stop"
    assert whole.finish_reason in ("eos", "length")
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.tokens == whole.tokens[: len(cut.tokens)]


async def test_a_closed_iterator_ends_what_is_under_way(native: NativeEngine) -> None:
    usage = Usage()
    given = native.generate(Request("theorem t"), 4, SamplingParams(max_tokens=10), to_the_end, usage)
    async with aclosing(given):
        await anext(given)
    long = native.generate(Request("theorem"), 4, SamplingParams(max_tokens=400), to_the_end, usage)
    task = asyncio.ensure_future(anext(long))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await long.aclose()
    assert len(await answers(native, Request("⟨h₁"), 1, SamplingParams(max_tokens=5))) == 1
    assert usage.written < 1000  # of 1,600
    assert not native._generator.busy


async def test_a_prompt_that_is_too_long_is_the_answers_failure(native: NativeEngine) -> None:
    found = await answers(native, Request("theorem " * 600), 2, SamplingParams())
    assert [answer.failure for answer in found] == [found[0].failure] * 2
    assert "context is 512" in found[0].failure


async def test_a_chat_needs_a_template(native: NativeEngine) -> None:
    with pytest.raises(PolicyUnavailable, match="no chat template"):
        await answers(native, Request(messages=(ChatMessage("user", "hello"),)), 1, SamplingParams())


async def test_what_goes_wrong_in_the_model_is_told_to_everyone_who_waits(
    native: NativeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise RuntimeError("no memory is left")

    with monkeypatch.context() as patch:
        patch.setattr(native._generator, "step", fails)
        with pytest.raises(PolicyUnavailable, match="no memory is left"):
            await answers(native, Request("theorem t"), 2, SamplingParams())
        assert native.last_error == "no memory is left"
    assert len(await answers(native, Request("theorem t"), 2, SamplingParams(max_tokens=5))) == 2
    assert native.last_error == ""


async def test_the_first_token_may_be_the_end(native: NativeEngine) -> None:
    usage, decoding = Usage(), SamplingParams(max_tokens=20, seed=2)
    (whole,) = await answers(native, Request("theorem t"), 1, decoding)
    native._tokenizer.eos_token = native._tokenizer.convert_ids_to_tokens(whole.tokens[0])
    (empty,) = await answers(native, Request("theorem t"), 1, decoding, usage)
    assert empty.finish_reason == "eos"
    assert empty.tokens == whole.tokens[:1]
    assert usage.written == 1


async def test_who_waits_when_it_is_closed_is_told(folder: Path) -> None:
    engine = await NativeEngine.load(str(folder))
    waits = asyncio.ensure_future(answers(engine, Request("theorem t"), 2, SamplingParams(max_tokens=400)))
    await asyncio.sleep(0.05)
    await engine.close()
    with pytest.raises(PolicyUnavailable, match="closed"):
        await asyncio.wait_for(waits, 5)
    with pytest.raises(PolicyUnavailable, match="closed"):
        await answers(engine, Request("theorem t"), 1, SamplingParams())


async def test_a_tokenizer_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    checkpoint.save(Transformer(SHAPE.replace(vocab_size=100)), tmp_path)
    tokenizer.load(str(folder)).save_pretrained(tmp_path)
    with pytest.raises(PolicyUnavailable, match="knows only 100"):
        await NativeEngine.load(str(tmp_path))


@pytest.mark.parametrize("broken", ["nothing", "no weights"])
async def test_a_folder_that_is_no_model_is_unavailable(broken: str, folder: Path, tmp_path: Path) -> None:
    if broken == "no weights":
        for file in ("tokenizer.json", "tokenizer_config.json", "config.json"):
            (tmp_path / file).write_bytes((folder / file).read_bytes())
    with pytest.raises(PolicyUnavailable, match=str(tmp_path)):
        await NativeEngine.load(str(tmp_path))


async def test_the_policy_reads_proofs_from_answers(folder: Path) -> None:
    theorem = Theorem("t", "theorem t : 1 = 1")
    async with open_policy(PolicyConfig(name="native", model=str(folder), max_tokens=12)) as policy:
        usage = Usage()
        samples = [s async for s in policy.sample(Prompt(theorem), 3, SampleRequest(), usage)]
    assert [s.family for s in samples] == [FAMILY] * 3  # what small models are trained on
    assert all(s.tokens and len(s.tokens) == len(s.log_probs) for s in samples)


@pytest.mark.slow
def test_the_command_proves_with_a_model_that_has_learnt(tmp_path: Path) -> None:
    model, file = tmp_path / "model", tmp_path / "file.lean"
    subprocess.run([sys.executable, str(EXAMPLE), str(model)], check=True, timeout=250)
    file.write_text(
        "theorem small (a b c : Nat) (h : a < b) : c + a < c + b := by sorry\n\n"
        "theorem false (a b c : Nat) (h : a < b) : c + a < c := by sorry\n"
    )
    command = [sys.executable, "-m", "prover", "prove", str(file), "--policy", "native", "--model", str(model)]
    options = ["--search", "sampling", "--timeout", "60", "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=250)
    rows = {row["theorem"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1, done.stderr
    assert {name: row["status"] for name, row in rows.items()} == {"small": "proved", "false": "refuted"}
    assert rows["small"]["proof"] == "omega"


def test_a_folder_without_a_model_ends_the_command_with_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "file.lean"
    file.write_text("theorem t : 1 = 1 := by sorry\n")
    command = [sys.executable, "-m", "prover", "prove", str(file), "--policy", "native", "--model", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 3, done.stderr
    assert "tokenizer" in done.stderr
    assert "Traceback" not in done.stderr
