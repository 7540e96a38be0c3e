"""A found proof made shorter: whatever Lean does not need is left out, as long as Lean accepts what is left."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from data import Theorem
from lean_env import LeanPool
from search.edits import Edit, choices, reductions

_QUICK = 10.0  # seconds for `shortened`
_SLOWER, _SLACK = 2.0, 1.0  # how much longer than the proof that was found: a factor, and seconds


async def minimised(pool: LeanPool, theorem: Theorem, proof: str, seconds: float = 60.0) -> str:
    """The proof with steps, list items and parts of `<;>` chains dropped, and automation in place of long blocks.

    The edit that saves most (lines, then tokens) is tried first, and again from there, until no single edit holds or
    the seconds are over (a check under way is waited for). Each text on the way was checked, and the last one judged,
    within twice the time of the original and one second, so that no short proof is a slow one. A comment goes with its
    step. A proof that is not accepted comes back as it is.
    """
    end = time.monotonic() + seconds
    spent = []
    for _ in range(2):  # the first time may be that of starting a process and loading the context
        left = end - time.monotonic()
        verdict = await pool.judge(theorem.claim(proof), left) if left > 0 else None
        if verdict is None or not verdict.proved:
            return proof
        spent.append(verdict.seconds)
    return await _judged(_Reduction(pool, theorem, end, _SLOWER * min(spent) + _SLACK), proof, reductions)


async def shortened(pool: LeanPool, theorem: Theorem, proof: str) -> str:
    """The proof with each `first | …`, which a policy writes to ask Lean once, replaced by its first part that does.

    Takes no check where there is none, and 10 s at most, and one judgement.
    """
    return await _judged(_Reduction(pool, theorem, time.monotonic() + _QUICK, _QUICK), proof, choices)


async def _judged(reduction: _Reduction, proof: str, edits: Callable[[str], Iterable[Edit]]) -> str:
    """The proof after every edit that holds, or as it is if what comes of it is not proved."""
    shorter = await reduction.of(proof, edits)
    if shorter == proof:
        return proof
    verdict = await reduction.pool.judge(reduction.theorem.claim(shorter), reduction.limit)
    return shorter if verdict.proved else proof


class _Reduction:
    """Edits tried one after the other; `limit`: seconds for one check."""

    def __init__(self, pool: LeanPool, theorem: Theorem, end: float, limit: float) -> None:
        self.pool, self.theorem, self.end, self.limit = pool, theorem, end, limit
        self._refused: set[str] = set()

    async def of(self, proof: str, edits: Callable[[str], Iterable[Edit]]) -> str:
        """The proof after every edit that holds, until none does."""
        changed = True
        while changed:
            changed = False
            # What failed once in a round is not tried again before the others: most often it is needed in the shorter
            # proof, too. The last round, in which nothing changes, has tried everything.
            failed: set[object] = set()
            while shorter := await self._first(proof, edits(proof), failed):
                proof, changed = shorter, True
        return proof

    async def _first(self, proof: str, edits: Iterable[Edit], failed: set[object]) -> str:
        """The proof after the first edit that holds; empty if there is none or the time is over.

        As many are checked at once as there are workers. What comes after the first that holds is forgotten, so that
        the result is the same for any number of workers.
        """
        candidates = [(name, edit.of(proof)) for name, edit in _named(proof, edits) if name not in failed]
        candidates = [(name, text) for name, text in candidates if text not in self._refused]
        for k in range(0, len(candidates), self.pool.size):
            if time.monotonic() >= self.end:
                return ""
            batch = candidates[k : k + self.pool.size]
            # Not ended at the first success: a cancelled check costs its process.
            held = await asyncio.gather(*(self._holds(text) for _, text in batch))
            for (name, text), good in zip(batch, held, strict=True):
                if good:
                    return text
                failed.add(name)
                self._refused.add(text)
        return ""

    async def _holds(self, text: str) -> bool:
        limit = min(self.limit, self.end - time.monotonic())
        if limit <= 0:
            return False
        # Without running again what has not changed before the edit.
        check = await self.pool.check(
            self.theorem.solution(text),
            context=self.theorem.context,
            timeout=limit,
            reuse=True,
            challenge=self.theorem.challenge,
        )
        return check.ok


def _named(proof: str, edits: Iterable[Edit]) -> Iterator[tuple[object, Edit]]:
    """Edits with what makes them the same in another text: what becomes what, and the how manieth of its kind.

    A block that shall give way to something is the same block when something in it has changed.
    """
    count: Counter[tuple[str, str]] = Counter()
    for edit in edits:
        old = proof[edit.start : edit.end].strip()
        head = next(iter(old.split() if edit.new else old.splitlines()), "")
        count[head, edit.new] += 1
        yield (head, edit.new, count[head, edit.new]), edit
