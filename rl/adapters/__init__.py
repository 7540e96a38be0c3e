"""Our reward in other libraries' trainers: the parts that all adapters share."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from data import Theorem
from data.problems import ProblemError, problem_of
from data.syntax.declarations import SourceError
from prover.policy import Prompt
from prover.prompts import PromptFormat
from rl.reward import Judge, RewardResult


def theorem_of(row: Mapping[str, Any]) -> Theorem:
    """The theorem of a row with the fields of our JSONL files (data/problems.py). Raises ProblemError."""
    try:
        return problem_of(row, "row").theorem
    except SourceError as error:
        raise ProblemError(str(error)) from None


def messages(row: Mapping[str, Any], family: PromptFormat) -> str | list[dict[str, str]]:
    """The prompt of a row in a family's format: a text, or the messages of a chat. Raises ProblemError."""
    request = family.request(Prompt(theorem_of(row)))
    return [{"role": m.role, "content": m.content} for m in request.messages] or request.text


class Grader:
    """A Judge for callers without an event loop: its pool's loop runs in a thread beside them, any of which may ask.

    The judge's pool must not be in use elsewhere. It is closed by `close`, at the latest when the program ends.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge, self._loop = judge, asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lean", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def grade(self, row: Mapping[str, Any], answer: str) -> Future[RewardResult]:
        """See Judge.grade. These libraries do not say which answers were cut off: all count as finished, so that the
        last line of one that was cut off is judged as it stands. Raises ProblemError.
        """
        return asyncio.run_coroutine_threadsafe(self._judge.grade(Prompt(theorem_of(row)), answer), self._loop)

    def close(self) -> None:
        """End Lean's processes; answers that are still being judged raise PoolClosed."""
        atexit.unregister(self.close)
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._judge.pool.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
