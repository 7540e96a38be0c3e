"""Made theorems: the same for a seed, no two alike, and what Lean says of them and of the proofs that are known."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from data.pairs import Pair
from data.problems import read
from data.synthesis import (
    FAMILIES,
    LEVELS,
    GeneratedTheorem,
    SynthesisError,
    anonymised,
    generate,
    renamed,
    with_proofs,
)
from data.synthesis.draft import VOCABULARY
from data.theorem import Theorem
from lean_env import LeanPool


def test_the_first_of_many_are_the_first_of_a_few() -> None:
    many = list(generate(7, 300))
    assert list(generate(7, 120)) == many[:120]
    assert list(islice(generate(7, 10**9), 120)) == many[:120]
    assert {p.name for p in generate(8, 120)} - {p.name for p in many}


def test_no_two_state_the_same() -> None:
    problems = list(generate(0, 5000))
    assert len({anonymised(p.theorem) for p in problems}) == len({p.name for p in problems}) == len(problems)


def test_names_do_not_tell_theorems_apart() -> None:
    first = Theorem("goal", "theorem goal (a b : Nat) (h : a ≤ b) : a < b + 1", preamble=("def go := 1\n",))
    second = Theorem("main", "theorem main (x y : Nat) (hx : x ≤ y) : x < y + 1", preamble=("def run := 1\n",))
    third = Theorem("main", "theorem main (x y : Nat) (hx : x ≤ y) : y < x + 1", preamble=("def run := 1\n",))
    assert anonymised(first) == anonymised(second) != anonymised(third)


def test_families_and_levels_come_equally_often() -> None:
    problems = list(generate(3, 20 * len(FAMILIES) * len(LEVELS)))
    assert set(Counter(p.tags for p in problems).values()) == {20}
    assert set(Counter(p.tags[0] for p in generate(3, 30, ["trees", "logic"])).values()) == {15}


def test_other_seeds_make_other_theorems() -> None:
    seen = {p.name for p in generate(0, 2000)}
    assert len(seen & {p.name for p in generate(1, 1000)}) < 150  # small ones come again


def test_what_cannot_be_made() -> None:
    with pytest.raises(SynthesisError, match="no family is called geometry; there are: logic"):
        next(generate(0, 1, ["geometry"]))


def test_statements_are_short() -> None:
    sizes = sorted(len("".join(p.theorem.preamble) + p.theorem.statement) for p in generate(4, 1000))
    assert sizes[500] < 200 < 600 > sizes[-1]


def test_they_can_be_written_down_and_read(tmp_path: Path) -> None:
    problems = list(generate(1, 110))
    rows = [
        {
            "name": p.name,
            "formal_statement": f"{''.join(p.theorem.preamble)}{p.theorem.statement} := by",
            "tags": list(p.tags),
        }
        for p in problems
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert [(p.name, p.theorem.context, p.theorem.statement, p.tags) for p in read(path)] == [
        (p.name, p.theorem.context, p.theorem.statement, p.tags) for p in problems
    ]


async def test_no_name_is_taken_in_lean(pool: LeanPool) -> None:
    words = [word for kind in ("type", "definition", "law") for word in VOCABULARY[kind]]
    check = await pool.check("\n".join(f"def {word} : Nat := {k}" for k, word in enumerate(words)))
    assert check.ok, check.errors


@pytest.fixture(scope="module")
def sample() -> list[GeneratedTheorem]:
    """One of each family and level."""
    return list(with_proofs(11, len(FAMILIES) * len(LEVELS)))


async def test_lean_takes_the_statements(pool: LeanPool, sample: list[GeneratedTheorem]) -> None:
    for made in sample:
        theorem = made.problem.theorem
        check = await pool.check(theorem.challenge, context=theorem.context)
        assert check.ok, (theorem, check.errors)
        assert check.sorries, theorem


@pytest.mark.slow
async def test_under_other_names_it_is_as_true(pool: LeanPool, sample: list[GeneratedTheorem]) -> None:
    pairs = [Pair(made.problem, made.proof) for made in sample if made.proof]
    others = [renamed(pair, seed) for seed, pair in enumerate(pairs)]
    for pair, other in zip(pairs, others, strict=True):
        assert renamed(pair, 7) == renamed(pair, 7) != renamed(pair, 8)
        before, after = [await pool.judge(p.problem.theorem.claim(p.proof), 20) for p in (pair, other)]
        assert after.proved or not before.proved, other
    text = " ".join(other.problem.theorem.statement for other in others)
    vocabulary = {word for words in VOCABULARY.values() for word in words}
    assert len({name for name in re.findall(r"[(]([^\W\d][\w'₀-₉]*)", text)} - vocabulary) > 3  # made up


@pytest.mark.slow
async def test_known_proofs_prove_nearly_all(pool: LeanPool, sample: list[GeneratedTheorem]) -> None:
    failed = [m for m in sample if not (await pool.judge(m.problem.theorem.claim(m.proof), 20)).proved]
    assert len(failed) <= 2, failed


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_known_proof(pool: LeanPool, sample: list[GeneratedTheorem], family: str) -> None:
    made = next(m for m in sample if m.problem.tags == (family, "level-4"))
    assert (await pool.judge(made.problem.theorem.claim(made.proof), 20)).proved, made
