"""Work on a run's proofs from its files alone: check them all again, and shorten them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from data.tasks import map_ordered
from eval.attempts import Entry, proof_lines
from eval.folder import RunFolder
from lean_env import LeanPool, Verdict
from search.minimise import minimise_proof

_PREFETCH = 2  # proofs in advance for each worker
_SLOWDOWN = 2.0  # allowed for a machine that checks again, relative to the one that found the proof
_MIN_SECONDS = 120.0  # for one check, at least


@dataclass(frozen=True)
class RecordedProof:
    """A proof of a run: of the attempt with this number, or a shortened one (`number` None)."""

    entry: Entry
    number: int | None
    text: str


def recorded_proofs(folder: RunFolder) -> list[RecordedProof]:
    """Return every proof in the files, each text once per problem, in the problems' order. Raises RunError."""
    numbers_by_text: dict[str, dict[str, int | None]] = {}
    for attempt in folder.attempts():
        if attempt.proved:
            numbers = numbers_by_text.setdefault(attempt.problem, {})
            earlier = numbers.get(attempt.text)
            numbers[attempt.text] = attempt.number if earlier is None else min(earlier, attempt.number)
    for name, text in folder.minimised().items():
        numbers_by_text.setdefault(name, {}).setdefault(text, None)
    entries = (entry for entry in folder.entries() if entry.name in numbers_by_text)
    return [
        RecordedProof(entry, number, text) for entry in entries for text, number in numbers_by_text[entry.name].items()
    ]


async def recheck(
    folder: RunFolder, pool: LeanPool, proofs: list[RecordedProof]
) -> AsyncGenerator[tuple[RecordedProof, Verdict]]:
    """Judge proofs of a run again, with a pool that may run another Lean. Raises RunError."""
    limit = max(_MIN_SECONDS, _SLOWDOWN * (folder.manifest["config"]["budget"]["seconds"] or 0.0))

    async def judge(proof: RecordedProof) -> tuple[RecordedProof, Verdict]:
        return proof, await pool.judge(proof.entry.theorem.claim(proof.text), limit)

    async with aclosing(map_ordered(judge, proofs, _PREFETCH * pool.size)) as judged:
        async for item in judged:
            yield item


async def minimise(
    folder: RunFolder, pool: LeanPool, seconds: float, progress: Callable[[int, int], None]
) -> tuple[int, int]:
    """Shorten the first proof of each problem that has no shortened one yet, for at most `seconds` each.

    Returns the lines of these proofs before and after. Raises RunError, OSError.
    """
    first: dict[str, RecordedProof] = {}
    for proof in recorded_proofs(folder):
        if proof.number is not None:
            current = first.setdefault(proof.entry.name, proof)
            if current.number is not None and proof.number < current.number:
                first[proof.entry.name] = proof
    done = folder.minimised()
    todo = [proof for name, proof in first.items() if name not in done]
    progress(len(done), len(first))

    async def shorten(proof: RecordedProof) -> tuple[str, str]:
        return proof.entry.name, await minimise_proof(pool.share(1), proof.entry.theorem, proof.text, seconds)

    shorter = map_ordered(shorten, todo, pool.size)
    with folder.exclusive():
        async with folder.writing("minimised.jsonl") as writer, aclosing(shorter):
            async for name, text in shorter:
                await writer.write({"problem": name, "proof": text})
                done[name] = text
                progress(len(done), len(first))
    return sum(proof_lines(p.text) for p in first.values()), sum(map(proof_lines, done.values()))
