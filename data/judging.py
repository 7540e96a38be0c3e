"""Judges whether one file proves another file's theorems: one pair, or many pairs as JSON lines."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from data.lean_file import Declaration, FileError, LeanFile, parse, parse_solution
from data.records.parsing import BYTE_ORDER_MARK, ParseError, nonblank_lines, parse_json
from data.tasks import map_ordered
from lean_env import Claim, LeanPool, Reason, Verdict
from lean_env.check import InputError
from lean_env.process import ProcessDied

_AHEAD = 4  # claims under way for each worker, so that none waits for the next line
_REMEMBERED = 1000  # challenges whose theorems are kept


@dataclass(frozen=True)
class Challenge:
    """A file that states theorems, each of which a solution has to prove."""

    file: LeanFile

    @property
    def names(self) -> list[str]:
        """The theorems that it asks for: those with a `sorry`, or all where none has one. (An example is asked for only
        where it has one, or where there is nothing else; so is what a macro makes.)"""
        theorems, made = self.file.theorems, [o for o in self.file.others if o.how == "made"]
        open_ones = [d.name for d in theorems if d.open] + [o.name for o in made if o.open]
        named = [d.name for d in theorems if d.kind != "example"]
        return open_ones or named or [d.name for d in theorems] or [o.name for o in made]

    async def judge(
        self, pool: LeanPool, solution: str, names: Collection[str], timeout: float = 60.0
    ) -> dict[str, Verdict]:
        """The verdict on each of the theorems `names`, by what it rests on: no other one counts."""
        solution = solution.removeprefix(BYTE_ORDER_MARK)
        found = {d.name: d for d in self.file.theorems}
        texts = self.file.text, solution
        if any(name in found and found[name].kind == "example" for name in names):
            texts = await self._with_named_examples(pool, solution, timeout)
        judging = (self._judge(pool, *texts, name, found.get(name), timeout) for name in names)
        return dict(zip(names, await asyncio.gather(*judging), strict=True))

    async def _judge(
        self, pool: LeanPool, challenge: str, solution: str, name: str, asked: Declaration | None, timeout: float
    ) -> Verdict:
        if asked is None:
            other = next((o for o in self.file.others if o.name == name), None)
            if other is not None and other.how != "field":
                return await pool.judge(Claim(challenge, solution, name), timeout)
            why = "" if other is None else f": {other.said}"
            return Verdict(Reason.CHALLENGE, f"the challenge declares no theorem named {name}{why}")
        if asked.rests_on:
            left = ", ".join(asked.rests_on)
            return Verdict(Reason.CHALLENGE, f"the statement rests on what the challenge leaves open: {left}")
        definition = asked.kind not in ("theorem", "lemma", "example")
        claim = Claim(challenge, solution, asked.constant, definition=definition)
        verdict = await pool.judge(claim, timeout)
        return replace(verdict, detail=verdict.detail.replace(asked.constant, name))

    async def _with_named_examples(self, pool: LeanPool, solution: str, timeout: float) -> tuple[str, str]:
        """Challenge and solution with their examples as theorems: the first of one goes with the first of the other."""
        examples = [d for d in self.file.theorems if d.kind == "example"]
        headings = [d.heading for d in examples]
        try:
            theirs = await parse_solution(pool, self.file.text, solution, timeout)
        except (InputError, ProcessDied):
            return self.file.text, solution  # what is wrong with it, its verdict says
        given = [d for d in theirs.declarations if d.kind == "example" and d.theorem]
        return self.file.with_headings(examples, headings), theirs.with_headings(given, headings)


async def read_challenge(pool: LeanPool, challenge: str, path: str = "<challenge>") -> Challenge:
    """A challenge from its text. Raises FileError if it has errors or no theorem, InputError for what is no text."""
    file = await parse(pool, challenge, path, keep=True)
    if not file.theorems and not any(o.how == "made" for o in file.others):
        raise FileError(f"{path}: it declares no theorem")
    return Challenge(file)


async def judge_pair(
    pool: LeanPool,
    challenge: str,
    solution: str,
    names: Collection[str] = (),
    timeout: float = 60.0,
    path: str = "<challenge>",
) -> dict[str, Verdict]:
    """The verdict on each of the challenge's theorems `names` (none: on those that it asks for). Raises as above."""
    pool.expect_proofs((challenge.removeprefix(BYTE_ORDER_MARK),))
    asked = await read_challenge(pool, challenge, path)
    return await asked.judge(pool, solution, names or asked.names, timeout)


def verdict_row(name: str, verdict: Verdict) -> dict[str, Any]:
    """The fields of a verdict as JSON."""
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
    challenges: OrderedDict[str, Challenge | None] = OrderedDict()

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
        text = item["challenge"]
        if text not in challenges:
            try:
                challenges[text] = await read_challenge(pool, text)
            except (FileError, ValueError):
                challenges[text] = None
            if len(challenges) > _REMEMBERED:
                challenges.popitem(last=False)
        challenge, reason, alone = challenges.get(text), Reason.CHALLENGE, False
        if challenge is not None:
            names = [item["theorem"]] if "theorem" in item else challenge.names
            verdicts = await challenge.judge(pool, item["solution"], names, timeout)
            reason = next((v.reason for v in verdicts.values() if not v.proved), Reason.PROVED)
            alone = reason is Reason.PROVED and any(v.one_kernel for v in verdicts.values())
        seconds = round(time.perf_counter() - start, 4)
        found = {"proved": reason is Reason.PROVED, "reason": str(reason), "one_kernel": alone, "seconds": seconds}
        return {"id": item["id"]} | found

    async with aclosing(map_ordered(one, nonblank_lines(lines), _AHEAD * pool.size)) as rows:
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
