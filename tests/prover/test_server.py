"""Servers over real connections, and all that can go wrong with them: nothing is lost, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import pytest

from data import Theorem
from lean_env import LeanPool, Reason
from prover.engines import server as module
from prover.engines.base import Answer, AnswerReader, FinishReason
from prover.engines.server import OpenAIEngine
from prover.model.sampling_params import SamplingParams
from prover.policy import PolicyUnavailable, PreviousAttempt, Prompt, Sample, SampleRequest, Usage
from prover.policy.model import ModelPolicy
from prover.prompts import FAMILIES, ChatMessage, Request
from search import Budget, SamplingSearch
from tests.prover.readers import Reader, to_the_end
from tests.prover.scripted_server import (
    CACHED,
    PROMPT_IDS,
    Asked,
    Script,
    ScriptedServer,
    ids,
    in_turn,
    log_probs,
    scripted,
    well,
)

KEY = "sk-this-is-a-secret"
TEXT = Request(text="theorem t", stop=("```",))
CHAT = Request(messages=(ChatMessage("system", "You prove."), ChatMessage("user", "Prove t.")))
THEOREM = Theorem("t", "theorem t (a b : Nat) : a + b = b + a")
both = pytest.mark.parametrize("request_", [TEXT, CHAT], ids=["completions", "chat"])


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(module, "PATIENCE", 5.0)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@asynccontextmanager
async def connected(server: ScriptedServer, model: str = "") -> AsyncIterator[OpenAIEngine]:
    engine = await OpenAIEngine.connect(server.url, model)
    try:
        yield engine
    finally:
        await engine.close()


async def asked(
    engine: OpenAIEngine,
    n: int = 1,
    request: Request = TEXT,
    *,
    seed: int = 0,
    usage: Usage | None = None,
    reader: Callable[[], AnswerReader] = to_the_end,
) -> list[Answer]:
    answers = engine.generate(request, n, SamplingParams(seed=seed), reader, usage or Usage())
    async with asyncio.timeout(20), aclosing(answers):
        return [answer async for answer in answers]


def texts(answers: list[Answer]) -> list[str]:
    assert not any(answer.failure for answer in answers), answers
    return sorted(answer.text for answer in answers)


def numbered(n: int, start: int = 0) -> list[str]:
    """What the server writes with these seeds."""
    return [f"answer number {seed}" for seed in range(start, start + n)]


def wanted(server: ScriptedServer) -> list[tuple[int, int]]:
    """The first seed and the number of answers of each request."""
    return [(asked.body["seed"], asked.n) for asked in server.asked]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what the server sees comes over a socket, in its own time
            await asyncio.sleep(0.005)


# ---- servers that do not stream ----


async def plain(asked: Asked) -> None:
    """One JSON object, whatever `stream` says."""
    texts = [asked.text(number) for number in range(asked.n)]
    choices = [
        {"index": n, "finish_reason": "stop", **({"message": {"content": t}} if asked.chat else {"text": t})}
        for n, t in enumerate(texts)
    ]
    told = {"prompt_tokens": 5, "completion_tokens": 10 * asked.n}
    await asked.status(200, {"choices": choices, "usage": told})


@both
async def test_a_server_that_answers_with_plain_json_is_read_as_well(request_: Request) -> None:
    usage = Usage()
    async with scripted(plain, kind="other") as server, connected(server) as engine:
        assert texts(await asked(engine, 3, request_, usage=usage)) == numbered(3)
    assert wanted(server) == [(0, 3)]
    assert (usage.read, usage.written) == (5, 30)


async def test_json_that_is_no_answer_is_the_servers_fault() -> None:
    for body in ({"error": "busy"}, {"choices": [3]}, [1], {"choices": [{"index": 0, "message": {"content": 3}}]}):
        async with scripted(refusing(200, body), kind="other") as server, connected(server) as engine:
            (answer,) = await asked(engine, 1, CHAT)
        assert answer.failure
        assert answer.lost


@both
async def test_one_answer_in_one_chunk_is_counted_by_the_servers_usage(request_: Request) -> None:
    """Which comes after it; and of one that tells no usage, tokens are estimated."""
    long = "word " * 40

    def at_once(told: bool) -> Script:
        async def script(asked: Asked) -> None:
            await asked.open()
            await asked.part(0, long, "stop")
            if told:
                await asked.event(choices=[], usage={"prompt_tokens": 5, "completion_tokens": 41})
                await asked.end()
            else:
                await asyncio.sleep(60)

        return script

    module_counting, module._COUNTING = module._COUNTING, 0.2
    try:
        for told, count in ((True, 41), (False, 50)):
            usage = Usage()
            async with scripted(at_once(told), kind="other") as server, connected(server) as engine:
                assert texts(await asked(engine, 1, request_, usage=usage)) == [long]
            assert usage.written == count
    finally:
        module._COUNTING = module_counting


# ---- ways to misbehave ----


def refusing(code: int, body: object = "", **headers: str) -> Script:
    async def script(asked: Asked) -> None:
        await asked.status(code, body, **headers)

    return script


def refusing_parameter(name: str) -> Script:
    """As hosted services refuse what a model does not take."""

    async def script(asked: Asked) -> None:
        if name in asked.body:
            await asked.status(400, {"error": {"message": f"Unsupported parameter: '{name}'", "param": name}})
        else:
            await well(asked)

    return script


def saying(data: str | bytes) -> Script:
    """A stream with an event in it that is none, after a good one."""

    async def script(asked: Asked) -> None:
        await asked.open()
        await asked.part(0, "The")
        await asked.data(data)
        await asked.end()

    return script


async def dropping(asked: Asked) -> None:
    asked.writer.transport.abort()


async def silent(asked: Asked) -> None:
    await asyncio.sleep(60)


async def silent_in_the_middle(asked: Asked) -> None:
    await asked.open()
    await asked.part(0, "The")
    await asyncio.sleep(60)


async def empty(asked: Asked) -> None:
    await asked.open()
    await asked.end()


async def broken_in_a_chunk(asked: Asked) -> None:
    await asked.open()
    await asked.part(0, "The")
    await asked.raw(b'100\r\ndata: {"choi')


async def broken_in_an_answer(asked: Asked) -> None:
    await asked.open()
    await asked.part(0, "The")
    await asked.end()


async def broken_in_an_error(asked: Asked) -> None:
    await asked.raw(b"HTTP/1.1 500 x\r\nContent-Length: 100\r\n\r\nInternal")


async def aborting(asked: Asked) -> None:
    await asked.open()
    await asked.written([0], "abort")
    await asked.end()


async def slow(asked: Asked) -> None:
    await asyncio.sleep(0.2)
    await well(asked)


TROUBLES = {
    "500": refusing(500, {"error": {"message": "the engine is dead"}}),
    "error in the stream": saying('{"error": {"message": "the engine is dead", "code": 500}}'),
    "an error that is a word": saying('{"error": "the engine is dead"}'),
    "silence": silent,
    "silence in the middle": silent_in_the_middle,
    "an empty stream": empty,
    "a page": refusing(200, "<html><body>Sign in:\n\ndata here</body></html>"),
    "no JSON": saying("{choices"),
    "no UTF-8": saying(b'{"choices": "\xff"}'),
    "deep JSON": saying("[" * 100_000 + "]" * 100_000),
    "a list": saying("[1]"),
    "null": saying("null"),
    "no choices": saying('{"id": 1}'),
    "choices without a number": saying('{"choices": [{"text": "x"}]}'),
    "a text that is none": saying('{"choices": [{"index": 0, "text": 5, "delta": {"content": 5}}]}'),
    "log-probabilities that are none": saying('{"choices": [{"index": 0, "text": "", "logprobs": [1]}]}'),
    "broken in a chunk": broken_in_a_chunk,
    "broken in an answer": broken_in_an_answer,
    "broken in an error": broken_in_an_error,
    "aborted": aborting,
}
AWAY = {
    "429": refusing(429, {"error": {"message": "slow down"}}),
    "502": refusing(502, "<html>bad gateway</html>"),
    "503": refusing(503),
    "dropped": dropping,
}
troubles = pytest.mark.parametrize("trouble", [pytest.param(script, id=name) for name, script in TROUBLES.items()])
away = pytest.mark.parametrize("trouble", [pytest.param(script, id=name) for name, script in AWAY.items()])
either = pytest.mark.parametrize(
    "trouble", [pytest.param(script, id=name) for name, script in (TROUBLES | AWAY).items()]
)


# ---- what is asked and read ----


@both
async def test_the_request_says_all_that_matters(request_: Request) -> None:
    async with scripted() as server, connected(server) as engine:
        decoding = SamplingParams(temperature=0.5, top_p=0.9, max_tokens=100, seed=40)
        async for _ in engine.generate(request_, 3, decoding, to_the_end, Usage()):
            pass
        (asked,) = server.asked
    body = asked.body
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert {key: body[key] for key in ("model", "n", "temperature", "top_p", "max_tokens", "seed")} == {
        "model": "m",
        "n": 3,
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 100,
        "seed": 40,
    }
    if request_ is CHAT:
        assert asked.path == "/v1/chat/completions"
        assert body["messages"] == [
            {"role": "system", "content": "You prove."},
            {"role": "user", "content": "Prove t."},
        ]
        assert "stop" not in body
        assert "prompt" not in body
    else:
        assert asked.path == "/v1/completions"
        assert (body["prompt"], body["stop"]) == ("theorem t", ["```"])


async def test_answers_are_no_longer_than_the_context_has_room_for() -> None:
    async with scripted() as server, connected(server) as engine:
        for max_tokens in (None, 10_000, 500, 499):
            async for _ in engine.generate(TEXT, 1, SamplingParams(max_tokens=max_tokens), to_the_end, Usage()):
                pass
        assert [asked.body["max_tokens"] for asked in server.asked] == [500, 500, 500, 499]


@both
async def test_texts_tokens_and_log_probabilities_are_read(request_: Request) -> None:
    async with scripted() as server, connected(server) as engine:
        usage = Usage()
        answers = await asked(engine, 3, request_, seed=5, usage=usage)
    assert texts(answers) == numbered(3, 5)
    for answer in answers:
        assert answer.finished
        assert answer.tokens == ids(answer.text)
        assert answer.log_probs == log_probs(answer.text)
        assert answer.prompt_tokens == tuple(PROMPT_IDS)
    assert usage == Usage(read=3, cached=CACHED, written=9)


@both
async def test_hosted_services_are_asked_for_no_extras(request_: Request) -> None:
    async with scripted(kind="openai") as server, connected(server) as engine:
        (answer,) = await asked(engine, 1, request_)
        assert not {"logprobs", "return_token_ids"} & set(server.asked[0].body)
    assert (answer.text, answer.tokens, answer.log_probs, answer.prompt_tokens) == ("answer number 0", (), (), ())


@pytest.mark.parametrize(
    ("end", "told", "stop", "reason"),
    [
        ("length", {}, ("```",), "length"),
        ("content_filter", {}, (), "length"),
        ("stop", {}, (), "eos"),
        ("eos_token", {}, ("```",), "eos"),
        ("stop", {}, ("```",), "stop"),  # it does not tell which
        ("stop", {"stop_reason": "```"}, ("```",), "stop"),
        ("stop", {"stop_reason": None}, ("```",), "eos"),
        ("stop", {"matched_stop": 2}, ("```",), "eos"),
        ("stop", {"matched_stop": "```"}, ("```",), "stop"),
    ],
)
async def test_an_answer_tells_why_it_ended(
    end: str, told: dict[str, object], stop: tuple[str, ...], reason: FinishReason
) -> None:
    async def script(asked: Asked) -> None:
        await asked.open()
        await asked.part(0, "one", end, **told)
        await asked.end()

    async with scripted(script) as server, connected(server) as engine:
        (answer,) = await asked(engine, request=Request("t", stop=stop))
    assert answer.finish_reason == reason
    assert answer.finished == (reason != "length")


async def test_an_empty_reason_is_no_end() -> None:
    async def script(asked: Asked) -> None:
        await asked.open()
        await asked.part(0, "one ", "")
        await asked.part(0, "two", "")
        await asked.part(0, "", "stop")
        await asked.end()

    async with scripted(script, kind="localai") as server, connected(server) as engine:
        assert texts(await asked(engine)) == ["one two"]


# ---- usage ----


async def test_without_the_servers_own_count_tokens_are_counted_as_they_come() -> None:
    async def script(asked: Asked) -> None:
        await asked.open()
        await asked.prompt()
        await asked.written(range(asked.n))
        await asked.end()

    for kind, read in (("vllm", 3), ("openai", 0)):
        async with scripted(script, kind=kind) as server, connected(server) as engine:
            usage = Usage()
            await asked(engine, 2, usage=usage)
            assert usage == Usage(read=read, written=6)


async def test_a_count_that_grows_with_each_event_is_counted_once() -> None:
    async def script(asked: Asked) -> None:
        await asked.open()
        for count, end in ((1, None), (5, None), (9, "stop")):
            told = {"prompt_tokens": 50, "completion_tokens": count, "prompt_tokens_details": {"cached_tokens": 40}}
            await asked.event(choices=[{"index": 0, "text": "x", "finish_reason": end}], usage=told)
        await asked.end()

    async with scripted(script, kind="xai") as server, connected(server) as engine:
        usage = Usage()
        await asked(engine, usage=usage)
    assert usage == Usage(read=50, cached=40, written=9)


async def test_what_was_written_before_it_broke_is_counted() -> None:
    async with scripted(in_turn(broken_in_a_chunk)) as server, connected(server) as engine:
        usage = Usage()
        await asked(engine, usage=usage)
    assert usage == Usage(read=3, cached=CACHED, written=1 + 3)


@both
async def test_a_closed_iterator_closes_the_connection_and_has_counted(request_: Request) -> None:
    async def endless(asked: Asked) -> None:
        await asked.open()
        await asked.prompt()
        await asked.written([1])
        await asked.part(0, "The first")
        await silent(asked)

    async with scripted(endless) as server, connected(server) as engine:
        usage = Usage()
        answers = engine.generate(request_, 2, SamplingParams(), to_the_end, usage)
        assert (await anext(answers)).text == "answer number 1"
        assert server.busy == 1
        await answers.aclose()
        await until(lambda: server.busy == 0)
        assert server.asked[0].gone
        assert usage.read == 3
        assert usage.written in (3, 3 + 2)  # what was under way may have been read or not


# ---- answers that are complete before they end ----


def complete(text: str) -> bool:
    return text.count("```") >= 2


async def test_a_complete_answer_is_ended_there_and_nothing_more_is_waited_for() -> None:
    async def endless(asked: Asked) -> None:
        await asked.open()
        await asked.prompt()
        for part in ("```lean4", "\nrfl\n`", "``", "\nbecause"):
            await asked.part(0, part)
        await silent(asked)

    async with scripted(endless) as server, connected(server) as engine:
        usage = Usage()
        (answer,) = await asked(engine, 1, CHAT, reader=lambda: Reader(complete), usage=usage)
        assert answer.text == "```lean4\nrfl\n```"
        assert answer.finish_reason == "complete"
        await until(lambda: server.busy == 0)
        assert server.asked[0].gone
        assert usage == Usage(read=3, written=4)


async def test_a_complete_answer_does_not_end_the_others() -> None:
    async def script(asked: Asked) -> None:
        await asked.open()
        await asked.part(0, "```\nrfl\n``` and so on")
        await asked.part(0, " and on")
        await asked.written([1])
        await silent(asked)

    async with scripted(script) as server, connected(server) as engine:
        usage = Usage()
        answers = await asked(engine, 2, reader=lambda: Reader(complete), usage=usage)
        await until(lambda: server.busy == 0)
    assert [answer.text for answer in answers] == ["```\nrfl\n``` and so on", "answer number 1"]
    assert usage.written == 6 + 2 + 3


async def test_the_servers_count_is_waited_for_where_all_answers_have_come_to_their_end() -> None:
    async def script(asked: Asked) -> None:
        await asked.open()
        await asked.written([0])
        await asked.part(1, "one two three")
        await asked.part(1, "", "stop")
        await asyncio.sleep(0.05)
        await asked.usage([0, 1])
        await asked.end()

    async with scripted(script, answer=lambda seed: "```\nrfl\n``` so") as server, connected(server) as engine:
        usage = Usage()
        await asked(engine, 2, reader=lambda: Reader(complete), usage=usage)
        assert usage == Usage(read=3, cached=CACHED, written=8)
        assert not server.asked[0].gone


# ---- trouble ----


@both
@either
async def test_trouble_that_comes_once_costs_nothing(
    trouble: Script, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SILENCE", 0.5)
    async with scripted(in_turn(trouble)) as server, connected(server) as engine:
        assert texts(await asked(engine, 2, request_, seed=3)) == numbered(2, 3)
        assert wanted(server) == [(3, 2), (3, 2)]


@troubles
async def test_trouble_that_stays_becomes_a_reason(trouble: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SILENCE", 0.1)
    async with scripted(trouble) as server, connected(server) as engine:
        first, second = await asked(engine, 2)
        assert first == second == Answer.failed(first.failure, lost=True)
        assert 3 < len(first.failure) <= 300
        assert len(server.asked) == module._ATTEMPTS


@away
async def test_a_server_that_takes_nothing_any_more_is_unavailable(
    trouble: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    async with scripted(trouble) as server, connected(server) as engine:
        began = time.monotonic()
        with pytest.raises(PolicyUnavailable, match=server.url):
            await asked(engine, 2)
        assert 0.3 <= time.monotonic() - began < 3
        assert len(server.asked) > module._ATTEMPTS


async def test_a_request_that_alone_is_not_taken_becomes_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)

    async def script(asked: Asked) -> None:
        if asked.body.get("messages"):
            await asked.status(429, {"error": {"message": "Request too large for m"}})
        else:
            await well(asked)

    async with scripted(script) as server, connected(server) as engine:
        refused = asyncio.create_task(asked(engine, 1, CHAT))
        while not refused.done():
            assert texts(await asked(engine)) == numbered(1)
            await asyncio.sleep(0.02)
        (answer,) = await refused
        assert "Request too large" in answer.failure


async def test_a_slow_server_is_waited_for() -> None:
    async with scripted(slow) as server, connected(server) as engine:
        assert texts(await asked(engine)) == numbered(1)
        assert len(server.asked) == 1


async def test_nobody_is_asked_again_before_the_time_he_named() -> None:
    busy = [refusing(429, Retry_After="0.3"), refusing(503, Retry_After="0.3"), refusing(500, Retry_After="0.3")]
    async with scripted(in_turn(*busy, *busy)) as server, connected(server) as engine:
        assert texts(await asked(engine)) == numbered(1)
        times = [asked.at for asked in server.asked]
        assert len(times) == 7
        assert all(after - before >= 0.3 for before, after in itertools.pairwise(times))


async def test_a_time_that_is_none_is_passed_over() -> None:
    odd = [refusing(429, Retry_After=value) for value in ("soon", "-5", "nan", "Wed, 21 Oct 2015 07:28:00 GMT")]
    async with scripted(in_turn(*odd)) as server, connected(server) as engine:
        assert texts(await asked(engine)) == numbered(1)


async def test_a_server_that_wants_to_be_left_alone_for_long_is_unavailable() -> None:
    async with scripted(refusing(429, Retry_After="3600")) as server, connected(server) as engine:
        with pytest.raises(PolicyUnavailable):
            await asked(engine)
        assert len(server.asked) == 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_told_and_not_followed(code: int) -> None:
    async with scripted() as other, scripted(refusing(code, Location=f"{other.url}/elsewhere")) as server:
        async with connected(server) as engine:
            with pytest.raises(
                PolicyUnavailable, match=f"{server.url}/?: it redirects to {other.url}/elsewhere, which"
            ):
                await asked(engine)
        assert (len(server.asked), other.asked) == (1, [])
        server.models = refusing(code, Location="/v2/models")
        with pytest.raises(PolicyUnavailable, match=r"it redirects to http://127.0.0.1:[0-9]*/v2/models, which"):
            await OpenAIEngine.connect(server.url)


async def test_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.2)
    async with scripted(in_turn(*[AWAY["503"]] * 6)) as server, connected(server) as engine:
        await asked(engine)
        times = [asked.at for asked in server.asked]
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert min(gaps[:2]) < 0.1
        assert gaps[5] >= 0.2 * 0.75


# ---- half of the answers ----


async def after_two(asked: Asked) -> None:
    """The first and the third of four answers come."""
    await asked.open()
    await asked.written([0, 2] if asked.n == 4 else range(asked.n))
    await asked.part(1, "The")


async def ending_in_a_chunk(asked: Asked) -> None:
    await after_two(asked)
    await asked.raw(b'100\r\ndata: {"choi')


async def ending_in_a_choice(asked: Asked) -> None:
    await after_two(asked)
    await asked.end()


async def ending_between_choices(asked: Asked) -> None:
    await asked.open()
    await asked.written([0, 2])
    await asked.end(done=False)


async def ending_in_an_error(asked: Asked) -> None:
    await after_two(asked)
    await asked.event(error={"message": "out of memory"})


@pytest.mark.parametrize("script", [ending_in_a_chunk, ending_in_a_choice, ending_between_choices, ending_in_an_error])
async def test_only_missing_answers_are_asked_for_again_with_their_own_seeds(script: Script) -> None:
    async with scripted(in_turn(script)) as server, connected(server) as engine:
        assert texts(await asked(engine, 4, seed=10)) == numbered(4, 10)
        assert wanted(server) == [(10, 4), (11, 1), (13, 1)]


async def test_one_answer_at_a_time_is_enough_to_go_on() -> None:
    async def script(asked: Asked) -> None:
        await asked.open()
        await asked.written([asked.n - 1])
        asked.writer.transport.abort()

    async with scripted(script) as server, connected(server) as engine:
        assert texts(await asked(engine, 12)) == sorted(numbered(12))
        assert len(server.asked) == 12 > module._ATTEMPTS


# ---- what servers do not know ----


async def test_a_service_that_writes_one_answer_only_is_asked_for_each() -> None:
    async def one(asked: Asked) -> None:
        await asked.open()
        await asked.written([0])
        await asked.end()

    async with scripted(one, kind="openai") as server, connected(server) as engine:
        assert texts(await asked(engine, 4, seed=6)) == numbered(4, 6)
        sent = [(asked.body["seed"], asked.body.get("n")) for asked in server.asked]
        assert sent == [(6, 4), (7, None), (8, None), (9, None)]
        await asked(engine, 2)
        assert wanted(server)[4:] == [(0, 1), (1, 1)]


async def test_a_parameter_that_is_refused_is_left_out_from_then_on() -> None:
    async with scripted(refusing_parameter("n"), kind="openai") as server, connected(server) as engine:
        results = await asyncio.gather(*(asked(engine, 2, seed=10 * k) for k in range(4)))
        assert [texts(answers) for answers in results] == [numbered(2, 10 * k) for k in range(4)]
        assert sum("n" in asked.body for asked in server.asked) == 4  # those sent before the first refusal came
        await asked(engine, 2)
        assert sum("n" in asked.body for asked in server.asked) == 4


async def test_the_length_limit_has_a_second_name() -> None:
    async with scripted(refusing_parameter("max_tokens"), kind="openai") as server, connected(server) as engine:
        assert texts(await asked(engine, 2, CHAT)) == numbered(2)
        assert [(a.body.get("max_tokens"), a.body.get("max_completion_tokens")) for a in server.asked] == [
            (500, None),
            (None, 500),
        ]


async def test_a_parameter_that_must_be_known_is_not_left_out() -> None:
    for kind, name in (("vllm", "n"), ("openai", "model")):
        async with scripted(refusing_parameter(name), kind=kind) as server, connected(server) as engine:
            (answer,) = await asked(engine)
            assert f"Unsupported parameter: '{name}'" in answer.failure
            assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "no"}}, "no"),
        ({"error": "no such thing"}, "no such thing"),
        ({"detail": [{"msg": "Field required"}]}, "Field required"),
        ({"error": {"message": "strange", "param": ["n"]}}, "strange"),
        ("<html>\n<b>Bad request", "<b>Bad request"),
    ],
)
@pytest.mark.parametrize("code", [400, 422])
async def test_what_the_server_says_of_a_request_is_passed_on(code: int, body: object, said: str) -> None:
    async with scripted(refusing(code, body), kind="openai") as server, connected(server) as engine:
        (answer,) = await asked(engine)
        assert said in answer.failure
        assert "\n" not in answer.failure
        assert len(server.asked) == 1


async def test_a_prompt_that_is_too_long_is_the_answers_failure() -> None:
    said = {"error": {"message": "This model's maximum context length is 10 tokens.", "param": None, "code": 400}}
    async with scripted(in_turn(refusing(400, said))) as server, connected(server) as engine:
        answers = await asked(engine, 3)
        assert len(answers) == 3
        assert all("maximum context length" in answer.failure for answer in answers)
        assert len(server.asked) == 1
        assert texts(await asked(engine)) == numbered(1)


# ---- the key ----


@pytest.mark.parametrize("code", [401, 403, 404])
async def test_the_key_is_told_to_nobody(code: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = {"error": {"message": f"Incorrect API key provided: {KEY}"}}
    async with scripted(in_turn(refusing(code, echo), refusing(400, echo))) as server, connected(server) as engine:
        with pytest.raises(PolicyUnavailable) as refused:
            await asked(engine)
        assert "Incorrect API key provided: …" in str(refused.value)
        assert len(server.asked) == 1
        (answer,) = await asked(engine)
        shown = [str(refused.value), repr(refused.value), repr(answer), repr(engine), repr(vars(engine))]
        server.models = refusing(code, echo)
        with pytest.raises(PolicyUnavailable) as at_first:
            await OpenAIEngine.connect(server.url)
        shown += [str(at_first.value), *(f"{r.getMessage()} {r.args}" for r in caplog.records)]
        assert server.asked[0].headers["authorization"].endswith(KEY)
    assert "Sending HTTP Request" in "".join(shown)
    assert not any(KEY in text for text in shown)


async def test_a_key_with_a_line_end_is_the_key_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    async with scripted() as server, connected(server) as engine:
        await asked(engine)
        assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"


# ---- at the start ----


async def test_a_server_that_is_down_at_the_start_is_unavailable_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(PolicyUnavailable, match=f"http://127.0.0.1:{port}/v1: Connection error. All connection"):
        await OpenAIEngine.connect(f"http://127.0.0.1:{port}/v1")
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("address", "said"),
    [("127.0.0.1:8000/v1", "protocol"), ("http://127.0.0.1:port/v1", "Invalid port"), ("", "protocol")],
)
async def test_an_address_that_is_none_is_said_to_be_so(address: str, said: str) -> None:
    with pytest.raises(PolicyUnavailable, match=said):
        await OpenAIEngine.connect(address)


@pytest.mark.parametrize(
    ("listing", "said"),
    [
        (refusing(200, "<html>Sign in</html>"), "."),
        (refusing(200, [1, 2]), "."),
        (refusing(200, {"data": 5}), "."),
        (refusing(200, {"data": [{"name": "m"}]}), "."),
        (refusing(200, "{", Content_Type="application/json"), "."),
        (refusing(404, {"error": "no such page"}), "no such page"),
        (refusing(200, {"data": []}), "it serves: nothing"),
        (broken_in_an_error, "peer closed"),
    ],
)
async def test_something_else_at_the_address_is_unavailable(listing: Script, said: str) -> None:
    async with scripted() as server:
        server.models = listing
        with pytest.raises(PolicyUnavailable, match=f"{server.url}: .*{said}"):
            await OpenAIEngine.connect(server.url)


async def test_it_has_to_be_clear_which_model() -> None:
    async with scripted(models=["a", "b"]) as server:
        for model, said in (("", "which model; it serves: a, b"), ("c", "does not serve 'c'; it serves: a, b")):
            with pytest.raises(PolicyUnavailable, match=said):
                await OpenAIEngine.connect(server.url, model)
        async with connected(server, "b") as engine:
            await asked(engine)
            assert engine.model == server.asked[0].body["model"] == "b"


async def test_a_service_that_says_little_of_its_model_will_do() -> None:
    async with scripted() as server:
        server.models = refusing(200, {"data": [{"id": "m"}]})
        async with connected(server) as engine:
            assert texts(await asked(engine)) == numbered(1)
            assert "max_tokens" not in server.asked[0].body


# ---- in the middle of a run ----


async def test_a_server_that_goes_away_and_comes_back_loses_nothing() -> None:
    gone = asyncio.Event()

    async def script(asked: Asked) -> None:
        await asked.open()
        await asked.written([0])
        gone.set()
        await silent(asked)

    async with scripted(script) as server, connected(server) as engine:
        runs = [asyncio.create_task(asked(engine, 3, seed=10 * k)) for k in range(5)]
        await gone.wait()
        await asyncio.sleep(0.05)
        await server.go()
        await asyncio.sleep(0.3)
        assert not any(run.done() for run in runs)
        server.script = well
        await server.come()
        for k, run in enumerate(runs):
            assert texts(await run) == numbered(3, 10 * k)
        assert sorted(wanted(server)[5:]) == [(10 * k + 1, 2) for k in range(5)]


async def test_a_server_that_stays_away_is_unavailable_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    async with scripted(silent_in_the_middle) as server, connected(server) as engine:
        runs = [asyncio.create_task(asked(engine, 2)) for _ in range(3)]
        await until(lambda: server.busy == 3)
        await server.go()
        ends = await asyncio.gather(*runs, return_exceptions=True)
        assert [type(end) for end in ends] == [PolicyUnavailable] * 3
        await server.come()
        server.script = well
        assert texts(await asked(engine)) == numbered(1)


async def test_an_outage_of_long_ago_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    async with scripted(in_turn(AWAY["503"], silent, AWAY["503"])) as server, connected(server) as engine:
        given_up = asyncio.create_task(asked(engine))
        await until(lambda: len(server.asked) == 2)
        given_up.cancel()
        await asyncio.sleep(0.3)
        assert texts(await asked(engine)) == numbered(1)


async def test_an_outage_that_was_got_over_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)

    async def one(asked: Asked) -> None:
        await asyncio.sleep(0.3)
        await asked.open()
        await asked.written([0])
        await asked.end()

    async with (
        scripted(in_turn(AWAY["503"], one, AWAY["503"]), kind="openai") as server,
        connected(server) as engine,
    ):
        assert texts(await asked(engine, 2)) == numbered(2)
        assert len(server.asked) == 4


async def test_a_machine_that_is_gone_from_the_network_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    monkeypatch.setattr(module, "_CONNECTING", 0.1)
    async with scripted() as server, connected(server) as engine:
        await server.go()
        place = ("127.0.0.1", int(server.url.split(":")[2].removesuffix("/v1")))
        with socket.create_server(place, backlog=0), socket.socket() as first, socket.socket() as second:
            for caller in (first, second):  # nobody takes their calls, and there is no room for more
                caller.setblocking(False)
                caller.connect_ex(place)
            with pytest.raises(PolicyUnavailable, match="timed out"):
                await asked(engine)
        await server.come()


async def test_no_more_requests_are_under_way_than_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT", 3)

    async def script(asked: Asked) -> None:
        await asyncio.sleep(0.01)
        await well(asked)

    async with scripted(script) as server, connected(server) as engine:
        await asyncio.gather(*(asked(engine, 2) for _ in range(20)))
        assert (server.busiest, len(server.asked)) == (3, 20)


async def test_every_request_ends_in_its_answers_or_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SILENCE", 0.3)
    monkeypatch.setattr(module, "_ATTEMPTS", 3)
    chance = random.Random(4)
    scripts = [*TROUBLES.values(), *AWAY.values(), ending_in_a_choice, ending_between_choices, slow]

    async def script(asked: Asked) -> None:
        await (well if chance.random() < 0.3 else chance.choice(scripts))(asked)

    async with scripted(script) as server, connected(server) as engine:
        usages = [Usage() for _ in range(200)]
        kinds = [CHAT if k % 2 else TEXT for k in range(200)]
        runs = await asyncio.gather(*(asked(engine, 4, kinds[k], seed=10 * k, usage=usages[k]) for k in range(200)))
        await until(lambda: server.busy == 0)
    ends: Counter[str] = Counter()
    for k, answers in enumerate(runs):
        assert len(answers) == 4
        good = [answer.text for answer in answers if not answer.failure]
        assert len(set(good)) == len(good)
        assert set(good) <= set(numbered(4, 10 * k))
        assert usages[k].written >= 3 * len(good)
        ends["good"] += len(good)
        ends["failed"] += 4 - len(good)
    assert ends["good"] > 400, ends
    assert ends["failed"] > 20, ends


# ---- the policy on top ----


@asynccontextmanager
async def writing(
    family: str, answers: dict[int, str], script: Script = well
) -> AsyncIterator[tuple[ModelPolicy, ScriptedServer]]:
    """A policy whose samples are written with these texts, by seed."""
    async with scripted(script, answer=lambda seed: answers.get(seed, "")) as server, connected(server) as engine:
        yield ModelPolicy(engine, FAMILIES[family]), server


async def sampled(policy: ModelPolicy, n: int, prompt: Prompt, params: SampleRequest | None = None) -> list[Sample]:
    return [sample async for sample in policy.sample(prompt, n, params or SampleRequest())]


async def test_an_answer_becomes_a_sample_and_an_unreadable_one_says_why() -> None:
    right = "Plan.\n```lean4\ntheorem t (a b : Nat) : a + b = b + a := by\n  omega\n```\n"
    async with writing("instruct", {0: right, 1: "I give up."}) as (policy, server):
        assert policy.name == "m (instruct)"
        samples = {sample.answer: sample for sample in await sampled(policy, 2, Prompt(THEOREM))}
        assert (samples[right].proof, samples[right].failure) == ("omega", "")
        assert (samples["I give up."].proof, samples["I give up."].failure) == ("", "no Lean code")
        for text, sample in samples.items():
            assert (sample.family, sample.tokens, sample.log_probs) == ("instruct", ids(text), log_probs(text))
            assert sample.prompt_tokens == tuple(PROMPT_IDS)
        assert "theorem t (a b : Nat)" in server.asked[0].body["messages"][-1]["content"]


async def test_samples_are_numbered_by_their_seeds() -> None:
    async with writing("deepseek-v1.5", {}) as (policy, server):
        for params in (SampleRequest(start=8), SampleRequest(start=8, seed=1), SampleRequest(seed=2**40)):
            await sampled(policy, 2, Prompt(THEOREM), params)
        first, other, large = (asked.body["seed"] for asked in server.asked)
        assert first == 8
        assert other - first > 10**6
        assert 0 <= large < 2**31


async def test_a_request_that_fails_gives_samples_with_its_reason() -> None:
    async with writing("deepseek-v1.5", {}, refusing(400, {"error": {"message": "too long"}})) as (policy, _):
        samples = await sampled(policy, 2, Prompt(THEOREM))
        assert ["too long" in sample.failure for sample in samples] == [True, True]


async def test_families_that_do_not_correct_are_not_asked_to() -> None:
    earlier = Prompt(THEOREM, rounds=(PreviousAttempt("rfl", "no"),))
    async with writing("deepseek-v1.5", {}) as (policy, server):
        assert await sampled(policy, 2, earlier) == []
        assert server.asked == []
    async with writing("instruct", {}) as (policy, server):
        assert len(await sampled(policy, 2, earlier)) == 2
        assert len(server.asked[0].body["messages"]) == 3


# ---- the search on top ----


async def test_a_search_over_a_server_finds_the_answer_that_is_right(pool: LeanPool) -> None:
    answers = {0: "  sorry\n", 1: "  rfl\n", 2: "  omega\n"}
    async with writing("deepseek-v1.5", answers) as (policy, server):
        result = await SamplingSearch(pool, policy).prove(THEOREM, Budget(samples=3, seconds=60))
        assert wanted(server) == [(0, 3)]
    assert (result.proof, result.samples) == ("omega", 3)
    assert result.reasons[Reason.ANSWER] == result.reasons[Reason.PROVED] == 1
    assert result.usage == Usage(read=3, cached=CACHED, written=sum(len(ids(text)) for text in answers.values()))


async def test_what_a_server_has_written_is_judged_before_it_counts_as_gone(
    pool: LeanPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    judged: list[tuple[str, bool]] = []
    answers = {k: f"  exact foo{k}\n" for k in range(4)}
    async with writing("deepseek-v1.5", answers, in_turn(well, then=dropping)) as (policy, _):
        monkeypatch.setattr(policy, "learn", lambda sample, proved: judged.append((sample.proof, proved)))
        with pytest.raises(PolicyUnavailable):
            await SamplingSearch(pool, policy).prove(THEOREM, Budget(seconds=60))
    assert sorted(judged) == [(f"exact foo{k}", False) for k in range(4)]
