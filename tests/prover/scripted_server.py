"""An OpenAI-compatible server that does what a test says, request by request, down to the bytes."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

PROMPT_IDS, CACHED = [7, 8, 9], 2


def pieces(text: str) -> list[str]:
    """The tokens of a text: words with the space before them."""
    return re.findall(r"\s*\S+|\s+$", text)


def ids(text: str) -> tuple[int, ...]:
    return tuple(sum(map(ord, piece)) for piece in pieces(text))


def log_probs(text: str) -> tuple[float, ...]:
    return tuple(-len(piece) / 8 for piece in pieces(text))


@dataclass
class Asked:
    """A request, and the ways to answer it."""

    server: ScriptedServer
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    writer: asyncio.StreamWriter
    at: float = field(default_factory=time.monotonic)
    gone: bool = False  # has the client closed the connection before the answer's end?

    @property
    def n(self) -> int:
        n: int = self.body.get("n", 1)
        return n

    @property
    def chat(self) -> bool:
        return "messages" in self.body

    def text(self, number: int) -> str:
        """What is written with the seed of this answer."""
        return self.server.answer(self.body.get("seed", 0) + number)

    async def raw(self, sent: bytes) -> None:
        self.writer.write(sent)
        await self.writer.drain()

    async def status(self, code: int, body: object = "", **headers: str) -> None:
        """A whole answer that is no stream; `body`: text, or what becomes JSON. `_` in a header's name: a hyphen."""
        sent = (body if isinstance(body, str) else json.dumps(body)).encode()
        kind = "text/html" if isinstance(body, str) else "application/json"
        named = {"Content-Type": kind, "Content-Length": str(len(sent)), "Connection": "close"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"HTTP/1.1 {code} x", *(f"{name}: {value}" for name, value in named.items())]
        await self.raw("\r\n".join((*lines, "", "")).encode() + sent)

    async def open(self) -> None:
        """The head of a stream."""
        await self.raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )

    async def data(self, text: str | bytes) -> None:
        sent = b"data: " + (text.encode() if isinstance(text, str) else text) + b"\n\n"
        await self.raw(b"%x\r\n%b\r\n" % (len(sent), sent))

    async def event(self, **event: Any) -> None:
        await self.data(json.dumps(event))

    async def part(self, number: int, text: str, end: str | None = None, **told: Any) -> None:
        """The next part of an answer, with what has been asked for about its tokens."""
        choice: dict[str, Any] = {"index": number, "finish_reason": end, **told}
        if self.chat:
            choice["delta"] = {"content": text}
        else:
            choice["text"] = text
        if self.body.get("logprobs", False) is not False:
            told = log_probs(text)
            choice["logprobs"] = {"content": [{"logprob": p} for p in told]} if self.chat else {"token_logprobs": told}
        if self.body.get("return_token_ids"):
            choice["token_ids"] = ids(text)
        await self.event(choices=[choice])

    async def end(self, done: bool = True) -> None:
        if done:
            await self.data("[DONE]")
        await self.raw(b"0\r\n\r\n")

    async def prompt(self) -> None:
        """The prompt's ids, as vLLM tells them: once for a chat, with each choice of a completion."""
        if not self.body.get("return_token_ids"):
            return
        if self.chat:
            await self.event(choices=[], prompt_token_ids=PROMPT_IDS)
        else:
            for number in range(self.n):
                await self.event(choices=[{"index": number, "text": "", "prompt_token_ids": PROMPT_IDS}])

    async def written(self, numbers: Sequence[int], end: str = "stop") -> None:
        """Whole answers, word by word, side by side."""
        words = {number: pieces(self.text(number)) for number in numbers}
        for place in range(max(map(len, words.values()))):
            for number, mine in words.items():
                if place < len(mine):
                    await self.part(number, mine[place])
        for number in numbers:
            await self.part(number, "", end)

    async def usage(self, numbers: Sequence[int]) -> None:
        if self.body.get("stream_options", {}).get("include_usage"):
            count = sum(len(pieces(self.text(number))) for number in numbers)
            details = {"cached_tokens": CACHED}
            told = {"prompt_tokens": len(PROMPT_IDS), "completion_tokens": count, "prompt_tokens_details": details}
            await self.event(choices=[], usage=told)


Script = Callable[[Asked], Awaitable[None]]


async def well(asked: Asked) -> None:
    """As vLLM answers."""
    everything = range(asked.n)
    await asked.open()
    await asked.prompt()
    await asked.written(everything)
    await asked.usage(everything)
    await asked.end()


def in_turn(*scripts: Script, then: Script = well) -> Script:
    """One script for each request; `then` for all that come after."""
    left = iter(scripts)

    async def script(asked: Asked) -> None:
        await next(left, then)(asked)

    return script


class ScriptedServer:
    """Runs on a free port, can go away and come back on it; remembers what it was asked."""

    def __init__(self, script: Script, kind: str, answer: Callable[[int], str], models: Sequence[str]) -> None:
        self.script, self.answer = script, answer
        self.models: Script = self._listing([{"id": m, "owned_by": kind, "max_model_len": 1000} for m in models])
        self.asked: list[Asked] = []
        self.busy = self.busiest = 0  # requests under way now, and at most
        self._port = 0
        self._listening: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    async def come(self) -> None:
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._listening.sockets[0].getsockname()[1]

    async def go(self) -> None:
        """Like a process that is killed."""
        assert self._listening
        self._listening.close()
        for writer in self._connections:
            writer.transport.abort()
        await self._listening.wait_closed()

    def _listing(self, models: Sequence[object]) -> Script:
        async def script(asked: Asked) -> None:
            await asked.status(200, {"object": "list", "data": models})

        return script

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
            body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or "{}")
            asked = Asked(self, head[0].split()[1], headers, body, writer)
            if asked.path.endswith("/models"):
                await self.models(asked)
            else:
                self.asked.append(asked)
                await self._answer(asked, reader)
        self._connections.discard(writer)
        writer.close()

    async def _answer(self, asked: Asked, reader: asyncio.StreamReader) -> None:
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        answering = asyncio.ensure_future(self.script(asked))
        leaving = asyncio.create_task(reader.read())
        try:
            done, _ = await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            asked.gone = answering not in done
        finally:
            self.busy -= 1
            for task in (answering, leaving):
                task.cancel()
            ended, _ = await asyncio.gather(answering, leaving, return_exceptions=True)
        if isinstance(ended, Exception) and not isinstance(ended, ConnectionError):
            raise ended  # a mistake in the test: asyncio logs it


@asynccontextmanager
async def scripted(
    script: Script = well,
    *,
    kind: str = "vllm",
    answer: Callable[[int], str] = lambda seed: f"answer number {seed}",
    models: Sequence[str] = ("m",),
) -> AsyncIterator[ScriptedServer]:
    """`answer`: what is written with a seed."""
    server = ScriptedServer(script, kind, answer, models)
    await server.come()
    try:
        yield server
    finally:
        await server.go()
