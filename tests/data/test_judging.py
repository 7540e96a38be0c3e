"""Many pairs of challenge and solution: a line that cannot be read takes no other line along."""

from __future__ import annotations

import json

from data.judging import judge_lines, judge_pair
from lean_env import LeanPool

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
