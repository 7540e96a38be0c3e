"""Any OpenAI-compatible server as an Engine: vLLM, SGLang, or a hosted service."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import httpx2
import openai
from openai import AsyncOpenAI, AsyncStream

from prover.engines.base import (
    Answer,
    AnswerReader,
    PolicyUnavailable,
    Request,
    Usage,
    max_answer_tokens,
)
from prover.engines.streaming import StreamedCompletions, StreamError
from prover.model.sampling_params import SamplingParams
from prover.serving.weights import UpdateFailed, WeightSync

if TYPE_CHECKING:
    from torch import Tensor

IN_FLIGHT = 256  # requests under way at a time, over all theorems
PATIENCE = 600.0  # seconds for which a server may be down before it counts as gone: one that restarts loads a model
_SILENCE, _CONNECTING = 600.0, 10.0  # seconds without a word, or a connection, after which a request is made again
_ATTEMPTS = 5  # times in a row that a request is made that brings no answer although the server works
_PAUSE, _LONGEST_PAUSE = 0.5, 8.0  # seconds between attempts, doubled each time; more where the server says so
_WITH_LOGPROBS = frozenset({"vllm", "sglang"})  # servers that give log-probabilities with every model
_COUNTING = 2.0  # seconds after the last answer in which a stream ends
_BUSY = frozenset({429, 502, 503, 504})
_SHOWN = 300  # characters of an error
_NO_KEY = "no-key"

_OPTIONAL = frozenset({"n", "temperature", "top_p", "seed", "stream_options", "max_tokens"})  # not all know them


class OpenAIEngine:
    """An Engine behind an OpenAI-compatible server's `/v1/completions` and `/v1/chat/completions`.

    A server that is down is waited for, up to PATIENCE; an error of one request alone becomes its answers' `failure`.
    The key is the environment's OPENAI_API_KEY; it goes into no log and no message.
    """

    def __init__(self, client: AsyncOpenAI, model: str, kind: str, context: int | None) -> None:
        self.model, self._client, self._kind, self._context = model, client, kind, context
        self._places = asyncio.Semaphore(IN_FLIGHT)
        self._last_event = time.monotonic()  # when anything last came from it
        self.last_error = ""
        self._unknown: set[str] = set()  # parameters that this server does not take
        self._weight_sync = WeightSync(_ServerControl(client.with_options(max_retries=2)))

    @classmethod
    async def connect(cls, base_url: str, model: str = "") -> OpenAIEngine:
        """Connect to a server (`http://host:port/v1`). model: by default the only one that it serves.

        Raises PolicyUnavailable if it does not answer, or does not have the model.
        """
        key = os.environ.get("OPENAI_API_KEY", "").strip() or _NO_KEY
        timeout = openai.Timeout(_SILENCE, connect=_CONNECTING)
        try:
            # Attempts are counted here alone: the client's own would not heed the Retry-After of its last one.
            # Prompts go to the address that was given, and to no other that it names.
            http = openai.DefaultAsyncHttpxClient(follow_redirects=False)
            client = AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=timeout, http_client=http)
        except httpx2.InvalidURL as error:
            raise PolicyUnavailable(f"{base_url} is no address: {error}") from None
        try:
            models = {m.id: m async for m in client.with_options(max_retries=1, timeout=30).models.list() if m.id}
            names = list(models)
            if not model and len(names) == 1:
                model = names[0]
            if model not in names:
                what = f"it does not serve {model!r}" if model else "it has to be said which model"
                raise PolicyUnavailable(f"{base_url}: {what}; it serves: {', '.join(names[:20]) or 'nothing'}")
        except (openai.OpenAIError, httpx2.HTTPError, ValueError, AttributeError, TypeError, RecursionError) as error:
            await client.close()
            raise PolicyUnavailable(f"{base_url}: {_error_text(error, key)}") from None
        except BaseException:
            await client.close()
            raise
        found = models[model]
        context = getattr(found, "max_model_len", None)  # not part of OpenAI's own API
        return cls(client, model, found.owned_by, context if isinstance(context, int) else None)

    async def close(self) -> None:
        await self._client.close()

    async def update(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Take new weights under the names of the checkpoint's files (Hugging Face's): all of them, in any order.

        Only a vLLM on this machine can, started by `prover serve --trainable`. Answers under way stand still meanwhile
        and go on with the new weights, all that they have written so far read anew with these: each token's
        log-probability is that of the weights which drew it, so that an answer can have some of both. Raises
        PolicyUnavailable if it has not taken them, because of what was given (it goes on as before), or on the way:
        all requests, those under way too, then end with PolicyUnavailable until an update succeeds, as they do when
        the server has been started again since the last one.
        """
        try:
            await self._weight_sync.push(weights)
        except openai.NotFoundError:
            what = "it takes no new weights: `prover serve --trainable` starts one that does"
            raise PolicyUnavailable(f"{self._client.base_url}: {what}") from None
        except (openai.OpenAIError, httpx2.HTTPError, ValueError, UpdateFailed) as error:
            self.last_error = self._error_text(error) if self._weight_sync.has_failed else ""
            raise self._unavailable(error) from None
        self.last_error = ""

    async def generate(
        self, request: Request, n: int, sampling: SamplingParams, reader: Callable[[], AnswerReader], usage: Usage
    ) -> AsyncGenerator[Answer]:
        """See Engine. One request for all answers; those that are missing when it breaks are requested again."""
        missing = list(range(n))
        failures, pause = 0, _PAUSE
        down: float | None = None  # since when it has not been taken
        while missing:
            run = self._contiguous_run(missing)
            body = self._body(request, run, sampling)
            reply = StreamedCompletions(request, len(run), reader, usage)
            try:
                async with self._places, aclosing(self._stream(body, reply)) as answers:
                    async for number, answer in answers:
                        missing.remove(run[number])
                        failures, pause, down = 0, _PAUSE, None
                        yield answer
                continue
            except (
                openai.AuthenticationError,
                openai.PermissionDeniedError,
                openai.NotFoundError,
                UpdateFailed,
            ) as error:
                raise self._unavailable(error) from None
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if self._drop_parameter(error.param, body):
                    continue
                problem, wait, failures, lost = self._error_text(error), 0.0, _ATTEMPTS, False
            except (
                openai.OpenAIError,
                httpx2.HTTPError,
                json.JSONDecodeError,
                UnicodeError,
                RecursionError,  # JSON that is nested deeply
                StreamError,
            ) as error:
                if _redirected(error):
                    raise self._unavailable(error) from None
                problem, wait, lost, now = self._error_text(error), _wait(error), True, time.monotonic()
                if reply.received_any or not _is_down(error):
                    failures, down = failures + 1, None
                else:
                    self.last_error = problem
                    down = now if down is None else down
                    if now + wait - down > PATIENCE:
                        if self._last_event < down:
                            raise self._unavailable(error) from None
                        failures = _ATTEMPTS  # it takes the requests of others
            if failures >= _ATTEMPTS:
                for _ in missing:
                    yield Answer.failed(problem, lost)
                return
            await asyncio.sleep(max(min(wait, PATIENCE), pause * random.uniform(0.75, 1)))
            pause = min(_LONGEST_PAUSE, 2 * pause)

    async def _stream(self, body: dict[str, Any], reply: StreamedCompletions) -> AsyncGenerator[tuple[int, Answer]]:
        await self._weight_sync.check()
        path = "/chat/completions" if "messages" in body else "/completions"
        events = await self._client.post(path, body=body, cast_to=object, stream=True, stream_cls=AsyncStream[object])
        try:
            if not _is_stream(events):
                for number, answer in reply.whole(json.loads(await events.response.aread())):
                    self._last_event, self.last_error = time.monotonic(), ""
                    yield number, answer
            while reply.writing or not reply.all_cancelled:
                # After the answers the server may still tell how many tokens they have.
                event = await asyncio.wait_for(anext(events, None), None if reply.writing else _COUNTING)
                if event is None:
                    break
                if reply.writing:  # what comes later says nothing about new requests
                    self._last_event, self.last_error = time.monotonic(), ""
                for number, answer in reply.take(event):
                    yield number, answer
        except TimeoutError:  # nothing more comes, and nothing is missing
            pass
        finally:
            reply.close()
            await events.close()
        if not reply.writing:
            return
        begun = any(answer.text for answer in reply.writing.values())
        if 0 in reply.writing or begun or self._kind in _WITH_LOGPROBS:
            raise StreamError("the reply ended before its answers did")
        self._unknown.add("n")  # it wrote one answer, and took no notice of the others

    def _body(self, request: Request, run: Sequence[int], sampling: SamplingParams) -> dict[str, Any]:
        """The JSON of a request for the answers `run`; the server counts seeds on from the first, as vLLM does."""
        body: dict[str, Any] = {
            "model": self.model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "n": len(run),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k or None,  # this and the next one are not part of OpenAI's own API
            "stop_token_ids": sorted(sampling.stop_token_ids) or None,
            "seed": sampling.seed + run[0],
            "max_tokens": max_answer_tokens(sampling.max_tokens, self._context),
        }
        if request.messages:
            body["messages"] = [{"role": m.role, "content": m.content} for m in request.messages]
        else:
            body["prompt"] = request.text
        if request.stop:
            body["stop"] = list(request.stop)
        if self._kind in _WITH_LOGPROBS:
            body["logprobs"] = True if request.messages else 0  # of a completion: how many alternatives besides
        if self._kind == "vllm":
            body["return_token_ids"] = True
        if "max_tokens" in self._unknown:
            body["max_completion_tokens"] = body["max_tokens"]
        return {name: value for name, value in body.items() if name not in self._unknown and value is not None}

    def _contiguous_run(self, missing: list[int]) -> list[int]:
        """The numbers at the beginning of `missing` that follow each other: one request can have them."""
        if "n" in self._unknown:
            return missing[:1]
        return [number for place, number in enumerate(missing) if number == missing[0] + place]

    def _drop_parameter(self, parameter: object, body: dict[str, Any]) -> bool:
        """Leave out a parameter that the server has refused from now on; False if it cannot be left out."""
        if not isinstance(parameter, str) or parameter not in _OPTIONAL & body.keys() or self._kind in _WITH_LOGPROBS:
            return False
        self._unknown.add(parameter)
        return True

    def _unavailable(self, error: Exception) -> PolicyUnavailable:
        return PolicyUnavailable(f"{self._client.base_url}: {self._error_text(error)}")

    def _error_text(self, error: Exception) -> str:
        return _error_text(error, self._client.api_key)


class _ServerControl:
    """Calls vLLM's server, beside `/v1`, for weight updates (see weights.VLLMControl). All calls can be repeated."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    async def pause(self, mode: str) -> None:
        await self._post(f"pause?mode={mode}&clear_cache=false")

    async def resume(self) -> None:
        await self._post("resume")

    async def call(self, method: str, *arguments: object) -> Sequence[Any]:
        found: Sequence[Any] = (await self._post("collective_rpc", {"method": method, "args": arguments}))["results"]
        return found

    async def reset_prefix_cache(self) -> bool:
        return bool((await self._post("reset_prefix_cache?reset_running_requests=true"))["success"])

    async def set_version(self, version: str) -> None:
        await self._post("update_weight_version", {"new_version": version})

    async def version(self) -> str:
        found: Any = await self._client.get(self._address("weight_info"), cast_to=object)
        return str(found["weight_version"])

    async def _post(self, path: str, body: dict[str, object] | None = None) -> Any:
        return await self._client.post(self._address(path), body=body, cast_to=object)

    def _address(self, path: str) -> str:
        return str(self._client.base_url.join(f"../{path}"))


def _is_stream(events: AsyncStream[object]) -> bool:
    """Whether a reply is streamed; some servers ignore `stream`, and send one JSON object."""
    return "json" not in events.response.headers.get("content-type", "")


def _error_text(error: Exception, key: str) -> str:
    """The text of an error, on one line, without the key."""
    text = str(error) or type(error).__name__
    if isinstance(error, openai.APIConnectionError) and error.__cause__:
        text = f"{text} {error.__cause__}"
    if isinstance(error, openai.APIStatusError) and text == f"Error code: {error.status_code}":
        text = f"{text} - {error.response.text}"  # in none of the forms that the client library knows
    if target := _redirected(error):
        text = f"it redirects to {target}, which is not followed"
    return " ".join(text.replace(key, "…").split())[:_SHOWN]


def _redirected(error: Exception) -> str:
    """The address to which the server redirects a request; empty if it does not."""
    if not (isinstance(error, openai.APIStatusError) and error.response.is_redirect):
        return ""
    following = error.response.next_request
    return str(following.url) if following else "no address"


def _wait(error: Exception) -> float:
    """Seconds for which the server asks not to be called again."""
    if not isinstance(error, openai.APIStatusError):
        return 0.0
    try:
        return max(0.0, float(error.response.headers.get("retry-after", 0)))
    except ValueError:  # a date: what is asked too early is refused again
        return 0.0


def _is_down(error: Exception) -> bool:
    """Whether an error means that the server is away or too busy, rather than that it fails on this request."""
    if isinstance(error, openai.APITimeoutError):
        return isinstance(error.__cause__, httpx2.ConnectTimeout)
    if isinstance(error, openai.APIStatusError):
        return error.status_code in _BUSY
    return isinstance(error, openai.APIConnectionError)
