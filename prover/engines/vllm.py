"""vLLM in this process as an Engine: no server to start (extra `vllm`)."""

from __future__ import annotations

import importlib.util
import itertools
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from prover.engines.base import (
    Answer,
    AnswerReader,
    PolicyUnavailable,
    Request,
    Usage,
    max_answer_tokens,
)
from prover.engines.streaming import StreamedCompletions, StreamError
from prover.engines.tokens import prompt_tokens
from prover.model.config import ModelError
from prover.model.sampling_params import SamplingParams
from prover.serving.model import Model, machine
from prover.serving.weights import FLAGS, UpdateFailed, WeightSync

if TYPE_CHECKING:
    from torch import Tensor


class VLLMEngine:
    """An Engine with vLLM's asynchronous engine; prefix caching is on, so that a theorem's samples share its prompt."""

    def __init__(self, engine: Any, tokenizer: Any, model: str) -> None:
        self.model, self.last_error, self._engine, self._tokenizer = model, "", engine, tokenizer
        self._numbers, self._weight_sync = itertools.count(), WeightSync(_EngineControl(engine))

    @classmethod
    async def load(cls, model: str, context: int | None = None) -> VLLMEngine:
        """Load a model (a folder, or a name on Hugging Face), with the flags that `prover serve` gives it.

        context: in tokens, by default as many as fit. Raises PolicyUnavailable if vLLM is not installed or cannot load
        it.
        """
        if importlib.util.find_spec("vllm") is None:  # before anybody is asked for the model
            raise PolicyUnavailable("vLLM is not installed here: pip install -e '.[vllm]'")
        try:
            found, here = Model.read(model), machine()
            for name, value in found.environment(here).items():
                os.environ.setdefault(name, value)  # vLLM reads them when it is imported
            from vllm import AsyncEngineArgs
            from vllm.utils.argparse_utils import FlexibleArgumentParser
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError as error:
            raise PolicyUnavailable(f"vLLM cannot be imported ({error}): pip install -e '.[vllm]'") from None
        except ModelError as error:
            raise PolicyUnavailable(str(error)) from None
        parser = AsyncEngineArgs.add_cli_args(FlexibleArgumentParser())
        flags = ["--model", model, *found.flags(here, context), *FLAGS]
        settings = AsyncEngineArgs.from_cli_args(parser.parse_args(flags))
        try:
            engine = AsyncLLM.from_engine_args(settings)
        except (ValueError, RuntimeError, OSError) as error:
            raise PolicyUnavailable(f"vLLM cannot load {model!r}: {error}") from None
        return cls(engine, engine.get_tokenizer(), model)

    async def close(self) -> None:
        self._engine.shutdown()

    async def update(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """See OpenAIEngine.update."""
        try:
            await self._weight_sync.push(weights)
        except Exception as error:  # of no kind of its own, if it comes from the workers
            problem = f"vLLM has not taken the new weights: {error}"
            self.last_error = problem if self._weight_sync.has_failed else ""
            raise PolicyUnavailable(problem) from None
        self.last_error = ""

    async def generate(
        self, request: Request, n: int, sampling: SamplingParams, reader: Callable[[], AnswerReader], usage: Usage
    ) -> AsyncGenerator[Answer]:
        """See Engine; answer number k is sampled with the seed `sampling.seed + k`."""
        import vllm
        from vllm.exceptions import VLLMClientError, VLLMError
        from vllm.sampling_params import RequestOutputKind

        params = vllm.SamplingParams(
            n=n,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=max_answer_tokens(sampling.max_tokens, self._engine.model_config.max_model_len),
            seed=sampling.seed,
            stop=list(request.stop),
            stop_token_ids=sorted(sampling.stop_token_ids),
            logprobs=0,
            output_kind=RequestOutputKind.DELTA,
        )
        reply = StreamedCompletions(request, n, reader, usage)
        try:
            await self._weight_sync.check()
            outputs = self._engine.generate(
                {"prompt_token_ids": prompt_tokens(self._tokenizer, request)}, params, str(next(self._numbers))
            )
            async with aclosing(outputs):
                async for output in outputs:
                    for _, answer in reply.take(_event(output)):
                        yield answer
                    if reply.all_cancelled:
                        return
        except VLLMClientError as error:  # a prompt that is too long
            for _ in reply.writing:
                yield Answer.failed(str(error))
        except (VLLMError, StreamError, UpdateFailed) as error:
            raise PolicyUnavailable(f"vLLM: {error}") from None
        finally:
            reply.close()


class _EngineControl:
    """Calls the engine for weight updates (see weights.VLLMControl)."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    async def pause(self, mode: str) -> None:
        await self._engine.pause_generation(mode=mode, clear_cache=False)

    async def resume(self) -> None:
        await self._engine.resume_generation()

    async def call(self, method: str, *arguments: object) -> Sequence[Any]:
        found: Sequence[Any] = await self._engine.collective_rpc(method, args=arguments)
        return found

    async def reset_prefix_cache(self) -> bool:
        return bool(await self._engine.reset_prefix_cache(reset_running_requests=True))

    async def set_version(self, version: str) -> None:
        await self._engine.update_weight_version(version)

    async def version(self) -> str:
        return str(await self._engine.get_weight_version())


def _event(output: Any) -> dict[str, Any]:
    """A part of vLLM's output in the form in which its server streams it."""
    choices = [
        {
            "index": part.index,
            "text": part.text,
            "token_ids": part.token_ids,
            "logprobs": {
                "token_logprobs": [ps[t].logprob for t, ps in zip(part.token_ids, part.logprobs or (), strict=False)]
            },
            "finish_reason": part.finish_reason,
            "stop_reason": part.stop_reason,
        }
        for part in output.outputs
    ]
    event = {"choices": choices, "prompt_token_ids": output.prompt_token_ids}
    if output.finished:
        details = {"cached_tokens": output.num_cached_tokens}
        event["usage"] = {"prompt_tokens": len(output.prompt_token_ids), "prompt_tokens_details": details}
    return event
