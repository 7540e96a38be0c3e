"""`prover prove` with a model: a small one that has learnt to write `omega`, served by vLLM, against real Lean."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from data import Theorem
from prover.policy import Prompt
from prover.prompts import FAMILIES
from tests.vllm.conftest import Serving
from tests.vllm.models import save

FAMILY = "deepseek-v1.5-noncot"
ANSWER = "  omega\n```"
WORDS = ("add", "sum_of", "linear", "t", "small_case", "le_of_lt")
FILE = """\
theorem small (a b : Nat) (h : a < b) : a + 1 ≤ b := by sorry

theorem false (a : Nat) : a = 0 := by sorry

theorem swapped (x y : Int) : x + y = y + x := by sorry
"""


def lesson(steps: int = 1000) -> Iterator[tuple[str, str]]:
    """Prompts of other theorems, all with the same answer."""
    chance = random.Random(0)
    for step in range(steps):
        x, y, z = chance.sample("abcdefghijklmnpqrstuvwxyz", 3)
        kind, sign, times = chance.choice(["Nat", "Int"]), chance.choice("=<≤"), chance.randrange(4)
        assumptions = "".join(f" (h{n} : {x} {sign} {y} + {n})" for n in range(times))
        statement = f"theorem {chance.choice(WORDS)}{step} ({x} {y} {z} : {kind}){assumptions} : {z} + {x} {sign} {y}"
        before = (f"{statement} := by sorry\n\n",) * chance.randrange(3)
        yield FAMILIES[FAMILY].request(Prompt(Theorem("t", statement, preamble=before))).text, ANSWER


async def test_prove_with_a_served_model(tmp_path: Path) -> None:
    model, file, out = tmp_path / "omega-llama", tmp_path / "file.lean", tmp_path / "proved.lean"
    save("llama", model, lesson())
    file.write_text(FILE)
    serving = Serving("llama", model)
    await serving.start()
    command = [sys.executable, "-m", "prover", "prove", str(file), "--policy", "openai", "--base-url", serving.address]
    options = ["--model", str(model), "--family", FAMILY, "--timeout", "60", "--search", "sampling", "--out", str(out)]
    prove = await asyncio.create_subprocess_exec(*command, *options, "--json", stdout=asyncio.subprocess.PIPE)
    output, _ = await prove.communicate()
    rows = {row["theorem"]: row for row in map(json.loads, output.decode().splitlines())}
    assert prove.returncode == 1
    assert {name: row["status"] for name, row in rows.items()} == {
        "small": "proved",
        "false": "refuted",
        "swapped": "proved",
    }
    assert rows["small"]["proof"] == "omega"
    assert rows["small"]["tokens"]["written"] > 0
    assert out.read_text().count("omega") == 2
    assert await serving.stop() == 0
