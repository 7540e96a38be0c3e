"""A run of easy problems, to be killed: `python -m tests.eval.runs FOLDER PROBLEMS ATTEMPTS` does it, or goes on."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

from eval import run
from eval.config import RunConfig
from eval.folder import RunFolder
from eval.problems import problems_digest, select_problems
from lean_env import LeanPool
from prover.policy import Policy, Prompt, Sample, SampleRequest, Usage

PROOFS = ("rfl", "omega", "simp", "exact absurd", "trivial", "decide", "sorry", "skip")


class Fixed:
    """Sample number k follows from the theorem, the seed and k; some of them cannot be read."""

    name = "fixed"
    stepwise = False
    uses_premises = False
    window = 4
    last_error = ""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def sample(
        self, prompt: Prompt, n: int, params: SampleRequest, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        for number in range(params.start, params.start + n):
            self.asked.append((prompt.theorem.name, number))
            await asyncio.sleep(0)
            turn = (sum(prompt.theorem.name.encode()) + 5 * number + params.seed) % (len(PROOFS) + 1)
            if usage is not None:
                usage.written += 3
            if turn == len(PROOFS):
                yield Sample("", "fixed", "no code in it", "words")
            else:
                yield Sample(PROOFS[turn], "fixed")

    def learn(self, sample: Sample, proved: bool) -> None:
        raise AssertionError("in an evaluation nothing is learnt from a problem")

    def fresh(self) -> Policy:
        return self


def write_problems(path: Path, count: int) -> None:
    """Statements of four kinds; every fifth one cannot be asked without Mathlib."""
    kinds = (
        "{0} + 0 = {0}",
        "{0} < {0} + 1",
        "∀ n : ℕ, n + {0} = {0} + n",
        "(p q : Prop), p ∧ q → p",
        "(x : ℝ), x = x",
    )
    with path.open("w", encoding="utf-8") as file:
        for i in range(count):
            kind = kinds[i % len(kinds)].format(i)
            statement = (
                f"theorem t{i} : ∀ {kind} := by sorry" if kind[0] == "(" else f"theorem t{i} : {kind} := by sorry"
            )
            row = {"name": f"t{i}", "split": "valid" if i % 2 else "test", "header": "import Mathlib\n"}
            file.write(json.dumps(row | {"formal_statement": statement, "tags": [f"kind {i % 5}"]}) + "\n")


async def do(folder: RunFolder, pool: LeanPool, config: RunConfig, policy: Policy) -> None:
    """What `prover eval run` does, without a command line."""
    path = Path(config.problems)
    count, hashed = problems_digest(select_problems(path, config.split, config.limit))
    identity = config.identity | {"problems": hashed, "policy": policy.name, "lean": "embedded"}
    head = {"config": config.model_dump(mode="json"), "identity": identity, "problems": count}
    with folder.locked(head | {"versions": {"policy": policy.name}, "started": "2026-01-01T00:00:00Z"}):
        await run.write_problems(folder, pool, select_problems(path, config.split, config.limit), lambda _: None)
        await run.make_attempts(folder, pool, policy, config, lambda _: None)


def results(folder: RunFolder) -> Iterator[dict[str, Any]]:
    """Everything that a run came to, without times and without the order in which things ended."""
    yield from (entry.as_json() for entry in folder.entries())
    for attempt in sorted(folder.attempts(), key=lambda a: (a.problem, a.number)):
        yield {key: value for key, value in attempt.as_json().items() if key != "seconds"}


async def main() -> None:
    folder, problems, attempts = sys.argv[1:]
    config = RunConfig(problems=problems, attempts=int(attempts))
    async with LeanPool(workers=2, cache=True) as pool:
        await do(RunFolder(Path(folder)), pool, config, Fixed())


if __name__ == "__main__":
    asyncio.run(main())
