"""A prover from nothing: theorems are made, found proofs teach a small model, and Lean's feedback does the rest.

    python examples/learn.py FOLDER

On two cores this takes about an hour and a half. Killed and started again, it goes on where it was. The figures, on
held-out theorems before and after each stage, and of `tactics` at the same number of checks, are in
FOLDER/learning.json.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from data import pairs
from data.pairs import Pair, as_row
from data.problems import Problem
from data.records.jsonl import read_jsonl
from data.synthesis import anonymised, generate, renamed
from eval.metrics import difference, interval, pass_at_k
from lean_env import LeanPool, PoolClosed
from lean_env.embedded import install
from prover.policy import TacticsPolicy
from rl import stages
from rl.config import ExpertIterationConfig, GRPOConfig, SFTConfig
from rl.folder import TrainFolder
from rl.measure import measure
from rl.samplers import RolloutConfig
from rl.trainer import Stage
from search import Budget
from search.corpus import Progress, find

SEARCHED, PRACTISED, HELD_OUT = 1500, 3000, 330  # theorems: to search proofs of, to practise on, to measure with
CHECKS = 32  # for each search
NAMES = 16  # times that each proof is shown under other names
SHAPE = {
    "hidden_size": 160,
    "num_hidden_layers": 4,
    "intermediate_size": 448,
    "num_nextn_predict_layers": 0,
    "max_position_embeddings": 1024,
    "initializer_range": 0.06,  # with the usual 0.02 a model so narrow learns to copy names much later
}
DRAWN = {"num_generations": 8, "max_tokens": 160, "check_seconds": 10, "max_num_seqs": 128}
MEASURED = RolloutConfig(num_generations=16, max_tokens=160, check_seconds=10, max_num_seqs=128)
SEEDS = (0, 1, 2)


def problems() -> tuple[list[Problem], list[Problem], list[Problem]]:
    """Theorems to search proofs of, to practise on, and to measure with; no statement is in two of them."""
    held_out = list(generate(seed=1, count=HELD_OUT))
    unseen = {anonymised(problem.theorem) for problem in held_out}
    fresh = (problem for problem in generate(seed=0, count=10**9) if anonymised(problem.theorem) not in unseen)
    return list(islice(fresh, SEARCHED)), list(islice(fresh, PRACTISED)), held_out


def written(file: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """A file of rows, if it is not there yet."""
    if not file.exists():
        draft = file.with_suffix(".draft")
        draft.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        draft.replace(file)
    return file


async def search(pool: LeanPool, some: Sequence[Problem], out: Path) -> None:
    """Proofs by the policy without a model: what the model learns from first."""
    told = time.monotonic()

    def tell(state: Progress) -> None:
        nonlocal told
        if time.monotonic() - told > 20:
            told = time.monotonic()
            print(f"searched {state.done} of {len(some)}, {state.found} proved", flush=True)

    budget = Budget(checks=CHECKS, seconds=10)
    state = await find(pool, TacticsPolicy(), some, out, budget, "sampling", tell)
    print(f"searched {state.done}, {state.found} proved", flush=True)


def under_other_names(found: Path) -> Iterator[dict[str, Any]]:
    """Each pair some times over, with other names each time: there are few, and names must be learnt to be copied."""
    every = list(pairs.read(found, unproved=[]))
    return (as_row(renamed(pair, NAMES * k + n)) for n in range(NAMES) for k, pair in enumerate(every))


async def stage(pool: LeanPool, name: str, config: Stage, folder: Path) -> Path:
    """A stage of training; returns the model that came of it."""
    if not (folder / "model" / "config.json").exists():
        run = TrainFolder(folder, lambda line: print(f"{folder.name}: {line}", flush=True))
        with run.working(name, config, {}):
            await stages.run(config, run, pool)
    return folder / "model"


async def measured(pool: LeanPool, name: str, model: Path, some: Sequence[Problem], kept: Path) -> dict[str, Any]:
    """How often a model proves held-out theorems."""
    file = kept / f"{name}.json"
    if not file.exists():
        written(file, [await measure(model, some, pool, MEASURED)])
    figures: dict[str, Any] = json.loads(file.read_text("utf-8"))
    rates = {k: f"{value:.1%} ({low:.1%} to {high:.1%})" for k, value, low, high in figures["all"]["pass"]}
    print(f"{name}: pass@1 {rates[1]}, pass@8 {rates[8]}", flush=True)
    return figures


def by_checks(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What `tactics` proves with at most k checks, in the form of rl.measure."""
    parts: dict[str, list[float]] = defaultdict(list)
    for row in {row["name"]: row for row in rows}.values():
        spent = row["checks"] if row["formal_proof"] else float("inf")
        for part in ("all", *row["tags"]):
            parts[part].append(spent)

    def figures(spent: list[float]) -> dict[str, Any]:
        rates = [(k, interval([float(s <= k) for s in spent])) for k in (1, 2, 4, 8, 16, 32)]
        return {"theorems": len(spent), "pass": [[k, rate.value, rate.low, rate.high] for k, rate in rates]}

    return {"all": figures(parts.pop("all")), "tags": {part: figures(spent) for part, spent in sorted(parts.items())}}


def gains(results: dict[str, Any], before: str, after: str) -> dict[str, list[float]]:
    """How much more a model proves of the same theorems than another: the mean and its 95 % interval at k = 1 and 8."""
    found = {}
    for k in (1, 8):
        a, b = (
            [pass_at_k(MEASURED.num_generations, c, k) for c in results[name]["proved"]] for name in (before, after)
        )
        gain = difference(a, b)
        found[f"pass@{k}"] = [gain.value, gain.low, gain.high]
        print(f"{after}: {gain.value:+.1%} ({gain.low:+.1%} to {gain.high:+.1%}) more than {before} at pass@{k}")
    return found


def seconds(folder: Path) -> dict[str, float]:
    """What an update of GRPO takes, on average: of which Lean alone is waited for in `only_checking`."""
    rows = list(read_jsonl(folder / "metrics.jsonl"))
    parts = [name for name in rows[0] if name.startswith("seconds/")]
    return {name.removeprefix("seconds/"): fmean(row[name] for row in rows) for name in parts}


async def main(folder: Path) -> None:
    searched, practised, held_out = problems()
    renamings = (renamed(Pair(problem, ""), seed) for seed, problem in enumerate(practised))
    practice = written(folder / "practice.jsonl", map(as_row, renamings))
    results: dict[str, Any] = {}
    async with LeanPool(cache=True) as pool:
        await search(pool, searched, folder / "pairs.jsonl")
        await search(pool, held_out, folder / "tactics.jsonl")
        results["tactics"] = by_checks(read_jsonl(folder / "tactics.jsonl"))

        named = written(folder / "named.jsonl", under_other_names(folder / "pairs.jsonl"))
        shape = {"preset": "tiny", "changes": SHAPE, "vocabulary": 1024}
        supervised = {
            "data": [named],
            "kinds": ["full_text"],
            "context": 256,
            "batch": 8,
            "micro_batch": 8,
            "mtp": 0.0,
            "save_every": 500,
        }
        begun = SFTConfig.model_validate(
            {**supervised, "data": [folder / "pairs.jsonl"], "model": shape, "optimiser": {"lr": 1e-9}}
        )
        results["before"] = await measured(
            pool, "before", await stage(pool, "sft", begun, folder / "begun"), held_out, folder
        )
        taught = SFTConfig.model_validate(
            {
                **supervised,
                "model": shape,
                "epochs": 3,
                "optimiser": {"lr": 3e-3, "warmup": 30, "schedule": "cosine"},
            }
        )
        model = await stage(pool, "sft", taught, folder / "sft")
        results["sft"] = await measured(pool, "sft", model, held_out, folder)
        iterated = ExpertIterationConfig.model_validate(
            {
                **supervised,
                "model": {"folder": str(model)},
                "problems": [practice],
                "rollout": DRAWN,
                "iterations": 2,
                "epochs": 3,
                "optimiser": {"lr": 1e-3, "warmup": 20, "schedule": "cosine"},
            }
        )
        model = await stage(pool, "expert-iteration", iterated, folder / "expert-iteration")
        results["expert-iteration"] = await measured(pool, "expert-iteration", model, held_out, folder)
        drawn = sorted((folder / "expert-iteration").glob("iteration-*/answers.jsonl"))
        for seed in SEEDS:
            rewarded = GRPOConfig.model_validate(
                {
                    "model": {"folder": str(model)},
                    "problems": [practice],
                    "rollout": {**DRAWN, "num_generations": 16, "check_seconds": 5},
                    "context": 512,
                    "micro_batch": 8,
                    "prompts_per_step": 16,
                    "updates": 80,
                    "save_every": 20,
                    "optimiser": {"lr": 2e-4, "warmup": 5, "weight_decay": 0.0},
                    "selection": {"answers": drawn},
                    "seed": seed,
                }
            )
            name = f"grpo-{seed}"
            results[name] = await measured(
                pool, name, await stage(pool, "grpo", rewarded, folder / name), held_out, folder
            )
    runs = ["before", "sft", "expert-iteration"]
    pairs_of = [*pairwise(runs), *((runs[-1], f"grpo-{seed}") for seed in SEEDS)]
    results["gains"] = {after: gains(results, before, after) for before, after in pairs_of}
    results["seconds"] = {f"grpo-{seed}": seconds(folder / f"grpo-{seed}") for seed in SEEDS}
    (folder / "learning.json").write_text(json.dumps(results, indent=1), "utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/learn.py FOLDER")
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    install.install()
    try:
        asyncio.run(main(Path(sys.argv[1])))
    except (KeyboardInterrupt, PoolClosed):
        sys.exit("interrupted: the same command goes on")
