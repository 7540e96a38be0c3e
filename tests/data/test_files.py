"""Every form of theorem that Lean files have (`tests/fixtures/files`): what is listed, and that it can be proved.

A file says in its comments what is expected of it, `-- NAME: STATE`, where STATE is
  blank by PROOF           nothing is written but a `sorry`, and this proves it
  holes by PROOF; PROOF    these fill its `sorry`s one after the other, and it is proved then (⏎: a new line)
  data                     what it leaves open is no proposition
  holes and data           some of it is
  on NAME                  its statement rests on this one, which is open
  done, fails, open        it has a proof, which is right, is not, or rests on what is open
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from data import Declaration, LeanFile, parse
from data.holes import Edit
from lean_env import LeanPool, Reason
from search.prove import select_declarations

FILES = sorted((Path(__file__).parents[1] / "fixtures" / "files").glob("*.lean"))


@pytest_asyncio.fixture(scope="module")
async def pool() -> AsyncIterator[LeanPool]:
    async with LeanPool(workers=1, confirm=False) as running:
        yield running


def expected(text: str) -> dict[str, str]:
    return dict(re.findall(r"^-- (\S.*): ((?:blank|holes|data|on|done|fails|open)\b.*)$", text, re.MULTILINE))


async def _state(pool: LeanPool, file: LeanFile, d: Declaration, known: dict[str, list[Edit]], proofs: str) -> str:
    """What is found of a declaration, in the words of the file; what `proofs` prove is added to what is known."""
    if d.rests_on and d.theorem:
        return f"on {', '.join(d.rests_on)}"
    if not d.open:
        reason = (await pool.judge(file.written(d, known))).reason
        return {Reason.PROVED: "done", Reason.SORRY: "open"}.get(reason, "fails")
    if d.is_blank and d.theorem:
        assert (await pool.judge(file.theorem(d, known).claim(proofs))).proved
        known[d.name] = [file.proof(d, None, proofs)]
        return f"blank by {proofs}"
    if any(not hole.proposition for hole in d.holes):
        return "holes and data" if any(hole.provable for hole in d.holes) else "data"
    filled: list[Edit] = []
    verdict = None
    for hole, proof in zip(d.holes, proofs.split("; "), strict=True):
        theorem = file.hole(d, hole, filled, known)
        verdict = await pool.judge(theorem.claim(proof.replace("⏎", "\n")))
        assert verdict.proved, (hole, verdict)
        filled.append(file.proof(d, hole, proof.replace("⏎", "\n")))
    assert verdict is not None
    assert "_left_open" not in verdict.axioms
    known[d.name] = filled
    return f"holes by {proofs}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_what_a_file_holds(pool: LeanPool, path: Path) -> None:
    text = path.read_bytes().decode()  # noqa: ASYNC240 - a few lines
    file, want = await parse(pool, text, path.name), expected(text)
    known: dict[str, list[Edit]] = {}
    found = {
        d.name: await _state(pool, file, d, known, want.get(d.name, "").partition(" by ")[2])
        for d in select_declarations(file)
    }
    assert found == want
    assert file.with_proofs({}) == text
    filled = file.with_proofs(known)
    check = await pool.check(filled)
    left = sum(len(d.holes) for d in file.declarations if d.name not in known)
    assert len(check.sorries) == left, (filled, check)
    assert len(check.errors) == sum(len(d.errors) for d in file.declarations)


def test_there_are_many() -> None:
    assert len(FILES) >= 60
