"""Many pairs of challenge and solution: a line that cannot be read takes no other line along."""

from __future__ import annotations

import json

from data.judging import judge_lines, judge_pair
from lean_env import LeanPool, Reason

CHALLENGE, SOLUTION = "import Std\ntheorem c : True := by sorry", "import Std\ntheorem c : True := trivial"


async def test_lines_nested_deeply_and_a_byte_order_mark(pool: LeanPool) -> None:
    good = json.dumps({"id": "good", "challenge": CHALLENGE, "solution": SOLUTION})
    deep = "[" * 100_000 + "]" * 100_000
    lines = [f"\ufeff{good}\n", f'{{"id": 1, "challenge": {deep}}}\n', "[" * 100_000, good]
    rows = [row async for row in judge_lines(pool, lines)]
    assert [(row["id"], row["reason"]) for row in rows] == [
        ("good", "proved"),
        (None, "input"),
        (None, "input"),
        ("good", "proved"),
    ]
    assert [row.get("line") for row in rows] == [None, 2, 3, None]


async def test_a_byte_order_mark_is_no_part_of_a_file(pool: LeanPool) -> None:
    assert (await judge_pair(pool, "\ufeff" + CHALLENGE, "\ufeff" + SOLUTION, ["c"]))["c"].proved


MACRO = 'macro "state " n:ident : command => `(theorem $n : 1 + 1 = 2 := by sorry)\nstate made\n'
FIELD = "structure S where\n  n : Nat\n  h : n = n\n"


async def test_what_a_macro_has_stated_is_judged(pool: LeanPool) -> None:
    right = await judge_pair(pool, MACRO, "theorem made : 1 + 1 = 2 := rfl")
    assert {name: verdict.proved for name, verdict in right.items()} == {"made": True}
    assert (await judge_pair(pool, MACRO, MACRO))["made"].reason is Reason.SORRY
    assert (await judge_pair(pool, MACRO, "theorem made : 1 + 2 = 3 := rfl"))["made"].reason is Reason.STATEMENT


async def test_a_field_is_told_to_be_one(pool: LeanPool) -> None:
    challenge = FIELD + "theorem t : 1 = 1 := by sorry"
    verdict = (await judge_pair(pool, challenge, challenge, ["S.h"]))["S.h"]
    assert verdict.reason is Reason.CHALLENGE
    assert "it is a field of the structure S (line 3)" in verdict.detail
