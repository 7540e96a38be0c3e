"""Shortening of found proofs: parts that Lean does not need are dropped while Lean still accepts the proof."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from data import Theorem
from lean_env import Check, LeanPool
from search.edits import TextEdit, alternative_edits, listings, shorter_edits
from search.expansion import suggested

_RESOLVE_SECONDS = 10.0  # seconds for `resolve_alternatives`
_SLOWDOWN, _SLACK = 2.0, 1.0  # time limit of a check relative to the found proof: a factor, and seconds on top


async def minimise_proof(pool: LeanPool, theorem: Theorem, proof: str, seconds: float = 60.0) -> str:
    """Return the proof without unneeded steps, list items and parts of `<;>`, and with automation for long blocks.

    First the lists of `simp` and `grind` lose the items that these say they do not use (`simp?`). Then the edit that
    saves most (lines, then tokens) is tried first, and again from the result, until no single edit is accepted or
    `seconds` are over (a running check is waited for). Each intermediate text is checked, and the last one judged,
    within twice the time of the original plus one second, so that no short proof is a slow one. A comment goes with its
    step. A proof that Lean does not accept is returned as it is.
    """
    end = time.monotonic() + seconds
    check_seconds = []
    for _ in range(2):  # the first time may be that of starting a process and loading the context
        seconds_left = end - time.monotonic()
        verdict = await pool.judge(theorem.claim(proof), seconds_left) if seconds_left > 0 else None
        if verdict is None or not verdict.proved:
            return proof
        check_seconds.append(verdict.seconds)
    search = _EditSearch(pool, theorem, end, _SLOWDOWN * min(check_seconds) + _SLACK)
    return await _apply_and_judge(search, proof, shorter_edits, await search.with_used_items(proof))


async def resolve_alternatives(pool: LeanPool, theorem: Theorem, proof: str) -> str:
    """Return the proof with each `first | …` replaced by its first alternative that Lean accepts.

    The tactics policy writes `first` to try several tactics in one check. Without any `first` no check is made;
    otherwise they take 10 s at most, and one judgement.
    """
    return await _apply_and_judge(
        _EditSearch(pool, theorem, time.monotonic() + _RESOLVE_SECONDS, _RESOLVE_SECONDS), proof, alternative_edits
    )


async def _apply_and_judge(
    search: _EditSearch, proof: str, edits: Callable[[str], Iterable[TextEdit]], begin: str | None = None
) -> str:
    """Return the proof (or what it has become, `begin`) after every accepted edit; unchanged if that is not proved."""
    shorter = await search.apply_all(begin or proof, edits)
    if shorter == proof:
        return proof
    verdict = await search.pool.judge(search.theorem.claim(shorter), search.limit)
    return shorter if verdict.proved else proof


class _EditSearch:
    """Tries edits of a proof one after the other until the time `end`; `limit`: seconds for one check."""

    def __init__(self, pool: LeanPool, theorem: Theorem, end: float, limit: float) -> None:
        self.pool, self.theorem, self.end, self.limit = pool, theorem, end, limit
        self._refused: set[str] = set()

    async def apply_all(self, proof: str, edits: Callable[[str], Iterable[TextEdit]]) -> str:
        """Return the proof after every accepted edit, until none is accepted."""
        changed = True
        while changed:
            changed = False
            # What failed once in a round is not tried again before the others: most often it is needed in the shorter
            # proof, too. The last round, in which nothing changes, has tried everything.
            failed: set[object] = set()
            while shorter := await self._first_accepted(proof, edits(proof), failed):
                proof, changed = shorter, True
        return proof

    async def with_used_items(self, proof: str) -> str:
        """Return the proof with the lists of `simp` and `grind` cut to what Lean says is used, if it accepts that."""
        for listing in listings(proof):  # from the end on: the places before it stay
            said = (await self._check(listing.question.apply(proof))).messages
            for edit in listing.shorter([line for m in said for line in suggested(m.text)]):
                if await self._is_accepted(edit.apply(proof)):
                    proof = edit.apply(proof)
                    break
        return proof

    async def _first_accepted(self, proof: str, edits: Iterable[TextEdit], failed: set[object]) -> str:
        """Return the proof after the first accepted edit; empty if there is none or the time is over.

        As many edits are checked at once as there are workers. Edits after the first accepted one are discarded, so
        that the result is the same for any number of workers.
        """
        candidates = [(name, edit.apply(proof)) for name, edit in _edit_keys(proof, edits) if name not in failed]
        candidates = [(name, text) for name, text in candidates if text not in self._refused]
        for k in range(0, len(candidates), self.pool.size):
            if time.monotonic() >= self.end:
                return ""
            batch = candidates[k : k + self.pool.size]
            # Not ended at the first success: a cancelled check costs its process.
            accepted = await asyncio.gather(*(self._is_accepted(text) for _, text in batch))
            for (name, text), is_accepted in zip(batch, accepted, strict=True):
                if is_accepted:
                    return text
                failed.add(name)
                self._refused.add(text)
        return ""

    async def _is_accepted(self, text: str) -> bool:
        return time.monotonic() < self.end and (await self._check(text)).ok

    async def _check(self, text: str) -> Check:
        """Check a proof without running again what has not changed before the edit."""
        return await self.pool.check(
            self.theorem.solution(text),
            context=self.theorem.context,
            timeout=max(0.1, min(self.limit, self.end - time.monotonic())),
            reuse=True,
            challenge=self.theorem.challenge,
        )


def _edit_keys(proof: str, edits: Iterable[TextEdit]) -> Iterator[tuple[object, TextEdit]]:
    """Yield each edit with a key that identifies it in another version of the proof.

    The key is the replaced text's head, the new text and a count of edits with both. A block that is to be replaced
    stays the same block when something in it has changed.
    """
    count: Counter[tuple[str, str]] = Counter()
    for edit in edits:
        replaced = proof[edit.start : edit.end].strip()
        head = next(iter(replaced.split() if edit.new else replaced.splitlines()), "")
        count[head, edit.new] += 1
        yield (head, edit.new, count[head, edit.new]), edit
