"""What can be done with a run's proofs from its files alone: to check them all again, and to make them shorter."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from data.tasks import map_ordered
from eval.attempts import Entry, proof_lines
from eval.folder import RunFolder
from lean_env import LeanPool, Verdict
from search.minimise import minimised

_AHEAD = 2  # proofs that wait for each worker
_SLOWER = 2.0  # than the machine that found a proof is the one that checks it again, at most
_SECONDS = 120.0  # for one check at least


@dataclass(frozen=True)
class Proof:
    """A proof of a run: of the attempt with this number, or the shorter one (`number` None)."""

    entry: Entry
    number: int | None
    text: str


def proofs(folder: RunFolder) -> list[Proof]:
    """Every proof in the files, each text once a problem, in the problems' order. Raises RunError."""
    found: dict[str, dict[str, int | None]] = {}
    for attempt in folder.attempts():
        if attempt.proved:
            numbers = found.setdefault(attempt.problem, {})
            before = numbers.get(attempt.text)
            numbers[attempt.text] = attempt.number if before is None else min(before, attempt.number)
    for name, text in folder.minimised().items():
        found.setdefault(name, {}).setdefault(text, None)
    entries = (entry for entry in folder.entries() if entry.name in found)
    return [Proof(entry, number, text) for entry in entries for text, number in found[entry.name].items()]


async def recheck(folder: RunFolder, pool: LeanPool, every: list[Proof]) -> AsyncGenerator[tuple[Proof, Verdict]]:
    """Judge proofs of a run again, by a pool that may be another Lean's. Raises RunError."""
    limit = max(_SECONDS, _SLOWER * (folder.manifest["config"]["budget"]["seconds"] or 0.0))

    async def judge(proof: Proof) -> tuple[Proof, Verdict]:
        return proof, await pool.judge(proof.entry.theorem.claim(proof.text), limit)

    async with aclosing(map_ordered(judge, every, _AHEAD * pool.size)) as judged:
        async for item in judged:
            yield item


async def minimise(
    folder: RunFolder, pool: LeanPool, seconds: float, progress: Callable[[int, int], None]
) -> tuple[int, int]:
    """Shorten the first proof of each problem, for so many seconds at most; what is on record is not done again.

    Lines of those proofs before, and after. Raises RunError, OSError.
    """
    first: dict[str, Proof] = {}
    for proof in proofs(folder):
        if proof.number is not None:
            before = first.setdefault(proof.entry.name, proof)
            if before.number is not None and proof.number < before.number:
                first[proof.entry.name] = proof
    done = folder.minimised()
    todo = [proof for name, proof in first.items() if name not in done]
    progress(len(done), len(first))

    async def work(proof: Proof) -> tuple[str, str]:
        return proof.entry.name, await minimised(pool.share(1), proof.entry.theorem, proof.text, seconds)

    shorter = map_ordered(work, todo, pool.size)
    with folder.exclusive():
        async with folder.writing("minimised.jsonl") as writer, aclosing(shorter):
            async for name, text in shorter:
                await writer.write({"problem": name, "proof": text})
                done[name] = text
                progress(len(done), len(first))
    return sum(proof_lines(p.text) for p in first.values()), sum(map(proof_lines, done.values()))
