"""A reward of the user's own: a Python function, called as TRL calls its reward functions."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from data.problems import Problem
from data.records.config import ConfigError
from lean_env import Verdict
from prover.prompts import Request

_SHOWN = 300  # characters of an error


class RewardFunction:
    """What `module:function` adds to the rewards of a group of answers.

    The function is called with keyword arguments, each a list with one entry for every answer: `prompts` and
    `completions` (texts; where the prompt is a chat, lists of messages), `name`, `statement`, `proof` (what was read
    from the answer), `proved` and `reason` (Lean's verdict). It returns a number for each answer; None adds nothing.
    It may be a coroutine function.
    """

    def __init__(self, name: str) -> None:
        """name: `module:function`; modules in the current folder are found, too. Raises ConfigError."""
        self.name = name
        module, colon, function = name.partition(":")
        if not (module and colon and function):
            raise ConfigError(f"reward.function: {name!r} is not MODULE:FUNCTION, such as rewards:shorter")
        if (here := str(Path.cwd())) not in sys.path:
            sys.path.insert(0, here)
        try:
            found = getattr(importlib.import_module(module), function)
        except Exception as error:  # whatever the module does when it is imported
            raise self._wrong(_said(error)) from None
        if not callable(found):
            raise self._wrong("it is no function")
        self._function: Callable[..., Any] = found

    async def __call__(
        self,
        request: Request,
        problem: Problem,
        answers: Sequence[str],
        proofs: Sequence[str],
        verdicts: Sequence[Verdict],
    ) -> list[float]:
        """For each answer. Raises ConfigError, with what the function raised or why its answer is of no use."""
        n = len(answers)
        chat = [{"role": message.role, "content": message.content} for message in request.messages]
        columns = {
            "prompts": [chat or request.text] * n,
            "completions": [[{"role": "assistant", "content": text}] if chat else text for text in answers],
            "name": [problem.name] * n,
            "statement": [problem.theorem.statement] * n,
            "proof": list(proofs),
            "proved": [verdict.proved for verdict in verdicts],
            "reason": [str(verdict.reason) for verdict in verdicts],
        }
        try:
            if inspect.iscoroutinefunction(self._function):
                found = await self._function(**columns)
            else:
                found = await asyncio.to_thread(self._function, **columns)
        except Exception as error:
            raise self._wrong(_said(error)) from None
        return self._numbers(found, n)

    def _numbers(self, found: Any, n: int) -> list[float]:
        try:
            rewards = [0.0 if reward is None else float(reward) for reward in found]
        except (TypeError, ValueError):
            raise self._wrong(f"it returned {_shown(found)}, not a number for each answer") from None
        if len(rewards) != n:
            raise self._wrong(f"it returned {len(rewards)} rewards for {n} answers")
        if not all(map(math.isfinite, rewards)):
            raise self._wrong(f"it returned {_shown(found)}, with a number that is not finite")
        return rewards

    def _wrong(self, what: str) -> ConfigError:
        return ConfigError(f"reward.function: {self.name}: {what}")


def _said(error: Exception) -> str:
    """What was raised, and in which line."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" (line {frame.tb_lineno} of {frame.tb_frame.f_code.co_filename})" if frame else ""
    place = "" if "importlib" in place else place
    return f"{type(error).__name__}: {_shown(str(error), quoted=False)}{place}"


def _shown(value: object, quoted: bool = True) -> str:
    text = repr(value) if quoted else " ".join(str(value).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
