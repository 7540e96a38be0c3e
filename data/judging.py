"""Does one file prove another file's theorems? One pair, or many pairs as JSON lines."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import aclosing
from typing import Any

from data.lean_file import FileError, parse
from data.parsing import BYTE_ORDER_MARK, ParseError, nonblank_lines, parse_json
from data.tasks import in_order
from lean_env import Claim, LeanPool, Reason, Verdict

_AHEAD = 4  # claims under way for each worker, so that none waits for the next line
_REMEMBERED = 1000  # challenges whose theorems are kept


async def theorem_names(pool: LeanPool, challenge: str, path: str = "<challenge>") -> list[str]:
    """The theorems that a challenge asks for: those with a `sorry`, or all where none has one.

    Raises FileError if the challenge has errors or no theorem.
    """
    file = await parse(pool, challenge, path, keep=True)
    named = [p for p in file.places if not p.anonymous]
    names = [p.name for p in named if p.open] or [p.name for p in named]
    if not names:
        raise FileError(f"{path}: it declares no theorem")
    return names


async def judge_pair(
    pool: LeanPool, challenge: str, solution: str, names: Collection[str], timeout: float = 60.0
) -> dict[str, Verdict]:
    """The verdict on each of the challenge's theorems `names`."""
    challenge, solution = challenge.removeprefix(BYTE_ORDER_MARK), solution.removeprefix(BYTE_ORDER_MARK)
    claims = [Claim(challenge, solution, name) for name in names]
    return dict(zip(names, await asyncio.gather(*(pool.judge(c, timeout) for c in claims)), strict=True))


def verdict_row(name: str, verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON, for programs."""
    return {
        "theorem": name,
        "proved": verdict.proved,
        "reason": str(verdict.reason),
        "detail": verdict.detail,
        "axioms": list(verdict.axioms),
        "kernels": list(verdict.kernels),
        "seconds": round(verdict.seconds, 4),
    }


async def judge_lines(pool: LeanPool, lines: Iterable[str], timeout: float = 60.0) -> AsyncGenerator[dict[str, Any]]:
    """For every line `{"id", "challenge", "solution"}` (and `"theorem"`, if not all are meant) one row
    `{"id", "proved", "reason", "one_kernel", "seconds"}`, in the same order; at most a few lines are read ahead. A line
    that is none of this gets the reason `input` and its number as `line`.
    """
    names: OrderedDict[str, list[str] | None] = OrderedDict()

    async def one(numbered: tuple[int, str]) -> dict[str, Any]:
        number, line = numbered
        start = time.perf_counter()
        item = _read(line)
        if item is None:
            return {
                "id": None,
                "line": number,
                "proved": False,
                "reason": str(Reason.INPUT),
                "one_kernel": False,
                "seconds": 0.0,
            }
        challenge = item["challenge"]
        if "theorem" in item:
            wanted: list[str] | None = [item["theorem"]]
        else:
            if challenge not in names:
                try:
                    names[challenge] = await theorem_names(pool, challenge)
                except (FileError, ValueError):
                    names[challenge] = None
                if len(names) > _REMEMBERED:
                    names.popitem(last=False)
            wanted = names.get(challenge)
        reason, alone = Reason.CHALLENGE, False
        if wanted:
            verdicts = await judge_pair(pool, challenge, item["solution"], wanted, timeout)
            reason = next((v.reason for v in verdicts.values() if not v.proved), Reason.PROVED)
            alone = reason is Reason.PROVED and any(v.one_kernel for v in verdicts.values())
        seconds = round(time.perf_counter() - start, 4)
        found = {"proved": reason is Reason.PROVED, "reason": str(reason), "one_kernel": alone, "seconds": seconds}
        return {"id": item["id"]} | found

    async with aclosing(in_order(one, nonblank_lines(lines), _AHEAD * pool.size)) as rows:
        async for row in rows:
            yield row


def _read(line: str) -> dict[str, Any] | None:
    try:
        item = parse_json(line)
    except ParseError:
        return None
    texts = ("challenge", "solution", *(("theorem",) if isinstance(item, dict) and "theorem" in item else ()))
    if not isinstance(item, dict) or "id" not in item or not all(isinstance(item.get(key), str) for key in texts):
        return None
    return item
