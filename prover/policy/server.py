"""Any OpenAI-compatible server as an Engine: vLLM, SGLang, or a hosted service."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import openai
from openai import AsyncOpenAI, AsyncStream

from prover.policy.base import PolicyUnavailable, Usage
from prover.policy.engine import Answer, Decoding, longest
from prover.policy.reply import Broken, Reply
from prover.prompts import Request

IN_FLIGHT = 256  # requests under way at a time, over all theorems
PATIENCE = 600.0  # seconds for which a server may be down before it counts as gone: one that restarts loads a model
_SILENCE = 600.0  # seconds without a word after which a request is made again
_ATTEMPTS = 3  # times that a request is made that breaks although the server works
_RETRIES = 4  # of each time, by the client library, which heeds the server's Retry-After
_PAUSE, _LONGEST_PAUSE = 0.5, 8.0  # seconds between attempts
_TELLING = frozenset({"vllm", "sglang"})  # servers that give log-probabilities with every model
_BUSY = frozenset({429, 502, 503, 504})
_SHOWN = 300  # characters of an error

_OPTIONAL = frozenset({"n", "temperature", "top_p", "seed", "stream_options", "max_tokens"})  # not all know them


class Server:
    """A model behind `/v1/completions` and `/v1/chat/completions`.

    A server that is down is waited for, up to PATIENCE; what is wrong with one request alone becomes its answers'
    `failure`. The key is the environment's OPENAI_API_KEY; it goes into no log and no message.
    """

    def __init__(self, client: AsyncOpenAI, model: str, kind: str, context: int | None) -> None:
        self.model, self._client, self._kind, self._context = model, client, kind, context
        self._places = asyncio.Semaphore(IN_FLIGHT)
        self._down: float | None = None  # since when nothing has been heard although something was asked
        self._unknown: set[str] = set()  # parameters that this server does not take

    @classmethod
    async def connect(cls, base_url: str, model: str = "") -> Server:
        """Ask a server (`http://host:port/v1`) what it serves. No `model`: the only one there is.

        Raises PolicyUnavailable if it does not answer, or does not have the model.
        """
        key = os.environ.get("OPENAI_API_KEY") or "none"
        client = AsyncOpenAI(base_url=base_url, api_key=key, max_retries=_RETRIES, timeout=_SILENCE)
        try:
            models = [m async for m in client.with_options(max_retries=1, timeout=30).models.list()]
            names = [m.id for m in models]
            if not model and len(names) == 1:
                model = names[0]
            if model not in names:
                what = f"it does not serve {model!r}" if model else "it has to be said which model"
                raise PolicyUnavailable(f"{base_url}: {what}; it serves: {', '.join(names[:20]) or 'nothing'}")
        except (openai.OpenAIError, json.JSONDecodeError, AttributeError, TypeError) as error:
            await client.close()
            raise PolicyUnavailable(f"{base_url}: {str(error).replace(key, '…')[:_SHOWN]}") from None
        except PolicyUnavailable:
            await client.close()
            raise
        found = models[names.index(model)]
        context = getattr(found, "max_model_len", None)  # not part of OpenAI's own API
        return cls(client, model, found.owned_by, context if isinstance(context, int) else None)

    async def close(self) -> None:
        await self._client.close()

    async def generate(
        self, request: Request, n: int, decoding: Decoding, complete: Callable[[str], bool], usage: Usage
    ) -> AsyncGenerator[Answer]:
        """See Engine. One request for all answers; those that are missing when it breaks are asked for again."""
        missing = list(range(n))
        failures = attempts = 0
        while missing:
            run = self._run(missing)
            reply, attempts = Reply(len(run), complete, usage), attempts + 1
            try:
                async with self._places, aclosing(self._stream(self._body(request, run, decoding), reply)) as answers:
                    async for number, answer in answers:
                        missing.remove(run[number])
                        yield answer
                continue
            except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
                raise self._unavailable(error) from None
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if self._forgo(error.param):
                    continue
                problem, failures = self._said(error), _ATTEMPTS
            except (openai.OpenAIError, json.JSONDecodeError, Broken) as error:
                problem = self._said(error)
                if reply.heard or not _is_down(error):
                    failures += 1
                elif self._down is None:
                    self._down = time.monotonic()
                elif time.monotonic() - self._down > PATIENCE:
                    raise self._unavailable(error) from None
            if failures >= _ATTEMPTS:
                for _ in missing:
                    yield Answer(failure=problem)
                return
            await asyncio.sleep(min(_LONGEST_PAUSE, _PAUSE * 2**attempts) * random.uniform(0.75, 1))

    async def _stream(self, body: dict[str, Any], reply: Reply) -> AsyncGenerator[tuple[int, Answer]]:
        path = "/chat/completions" if "messages" in body else "/completions"
        events = await self._client.post(path, body=body, cast_to=object, stream=True, stream_cls=AsyncStream[object])
        try:
            async for event in events:
                self._down = None
                for number, answer in reply.take(event):
                    yield number, answer
                if reply.over:
                    return
        finally:
            reply.close()
            await events.close()
        if not reply.writing:
            return
        if 0 in reply.writing or any(answer.text for answer in reply.writing.values()):
            raise Broken("the reply ended in the middle of an answer")
        self._unknown.add("n")  # it wrote one answer, and took no notice of the others

    def _body(self, request: Request, run: Sequence[int], decoding: Decoding) -> dict[str, Any]:
        """What is sent; the seed is the first answer's, the others count on from it, as vLLM has it."""
        body: dict[str, Any] = {
            "model": self.model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "n": len(run),
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "seed": decoding.seed + run[0],
            "max_tokens": longest(decoding.max_tokens, self._context),
        }
        if request.messages:
            body["messages"] = [{"role": m.role, "content": m.content} for m in request.messages]
        else:
            body["prompt"] = request.text
        if request.stop:
            body["stop"] = list(request.stop)
        if self._kind in _TELLING:
            body["logprobs"] = True if request.messages else 0  # of a completion: how many alternatives besides
        if self._kind == "vllm":
            body["return_token_ids"] = True
        if "max_tokens" in self._unknown:
            body["max_completion_tokens"] = body["max_tokens"]
        return {name: value for name, value in body.items() if name not in self._unknown and value is not None}

    def _run(self, missing: list[int]) -> list[int]:
        """Numbers of answers that can be had by one request, because they follow each other."""
        if "n" in self._unknown:
            return missing[:1]
        return [number for place, number in enumerate(missing) if number == missing[0] + place]

    def _forgo(self, parameter: str | None) -> bool:
        """Do without a parameter that the server has refused. False if it is one that it must know."""
        if self._kind in _TELLING or parameter not in _OPTIONAL or parameter in self._unknown:
            return False
        self._unknown.add(parameter)
        return True

    def _unavailable(self, error: Exception) -> PolicyUnavailable:
        return PolicyUnavailable(f"{self._client.base_url}: {self._said(error)}")

    def _said(self, error: Exception) -> str:
        text = str(error) or type(error).__name__
        return text.replace(self._client.api_key, "…")[:_SHOWN]


def _is_down(error: Exception) -> bool:
    """Does an error mean that the server is away or too busy, rather than that it does not get on with the request?"""
    if isinstance(error, openai.APITimeoutError):
        return False
    if isinstance(error, openai.APIStatusError):
        return error.status_code in _BUSY
    return isinstance(error, openai.APIConnectionError)
