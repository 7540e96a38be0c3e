"""Trains a prover from nothing: synthetic theorems, SFT on found proofs, then expert iteration and GRPO with Lean.

    python examples/learn.py FOLDER

On two cores this takes about an hour and a half. A killed run continues when started again. The figures, on
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
from eval.metrics import mean_interval, paired_difference, pass_at_k
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
from search.corpus import CorpusProgress, find_proofs

NUM_SEARCHED, NUM_PRACTICE, NUM_HELD_OUT = 1500, 3000, 330  # theorems
CHECKS_PER_SEARCH = 32  # requests to Lean
RENAMINGS = 16  # of each found proof
SHAPE = {
    "hidden_size": 160,
    "num_hidden_layers": 4,
    "intermediate_size": 448,
    "num_nextn_predict_layers": 0,
    "max_position_embeddings": 1024,
    "initializer_range": 0.06,  # with the usual 0.02 a model so narrow learns to copy names much later
}
ROLLOUT = {"num_generations": 8, "max_tokens": 160, "check_seconds": 10, "max_num_seqs": 128}
MEASURE_ROLLOUT = RolloutConfig(num_generations=16, max_tokens=160, check_seconds=10, max_num_seqs=128)
SEEDS = (0, 1, 2)


def problems() -> tuple[list[Problem], list[Problem], list[Problem]]:
    """Return the theorems to search proofs of, to practise on, and to measure with; no statement is in two of them."""
    held_out = list(generate(seed=1, count=NUM_HELD_OUT))
    held_out_forms = {anonymised(problem.theorem) for problem in held_out}
    new_problems = (
        problem for problem in generate(seed=0, count=10**9) if anonymised(problem.theorem) not in held_out_forms
    )
    return list(islice(new_problems, NUM_SEARCHED)), list(islice(new_problems, NUM_PRACTICE)), held_out


def write_rows(file: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write a JSONL file, unless it exists, and return it."""
    if not file.exists():
        draft = file.with_suffix(".draft")
        draft.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        draft.replace(file)
    return file


async def search_proofs(pool: LeanPool, problems: Sequence[Problem], out: Path) -> None:
    """Search proofs with the policy without a model: the first training data."""
    last_report = time.monotonic()

    def report(state: CorpusProgress) -> None:
        nonlocal last_report
        if time.monotonic() - last_report > 20:
            last_report = time.monotonic()
            print(f"searched {state.done} of {len(problems)}, {state.found} proved", flush=True)

    budget = Budget(checks=CHECKS_PER_SEARCH, seconds=10)
    state = await find_proofs(pool, TacticsPolicy(), problems, out, budget, "sampling", report)
    print(f"searched {state.done}, {state.found} proved", flush=True)


def renamed_pairs(file: Path) -> Iterator[dict[str, Any]]:
    """Yield each pair with several renamings: there are few pairs, and the model must learn to copy names."""
    all_pairs = list(pairs.read(file, unproved=[]))
    return (as_row(renamed(pair, RENAMINGS * k + n)) for n in range(RENAMINGS) for k, pair in enumerate(all_pairs))


async def run_stage(pool: LeanPool, name: str, config: Stage, folder: Path) -> Path:
    """Run a stage of training; return its model."""
    if not (folder / "model" / "config.json").exists():
        run = TrainFolder(folder, lambda line: print(f"{folder.name}: {line}", flush=True))
        with run.working(name, config, {}):
            await stages.run(config, run, pool)
    return folder / "model"


async def measure_model(
    pool: LeanPool, name: str, model: Path, problems: Sequence[Problem], folder: Path
) -> dict[str, Any]:
    """Return how often a model proves held-out theorems."""
    file = folder / f"{name}.json"
    if not file.exists():
        write_rows(file, [await measure(model, problems, pool, MEASURE_ROLLOUT)])
    figures: dict[str, Any] = json.loads(file.read_text("utf-8"))
    rates = {k: f"{value:.1%} ({low:.1%} to {high:.1%})" for k, value, low, high in figures["all"]["pass"]}
    print(f"{name}: pass@1 {rates[1]}, pass@8 {rates[8]}", flush=True)
    return figures


def tactics_by_checks(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return what `tactics` proves with at most k checks, in the form of rl.measure."""
    parts: dict[str, list[float]] = defaultdict(list)
    for row in {row["name"]: row for row in rows}.values():
        spent = row["checks"] if row["formal_proof"] else float("inf")
        for part in ("all", *row["tags"]):
            parts[part].append(spent)

    def figures(spent: list[float]) -> dict[str, Any]:
        rates = [(k, mean_interval([float(s <= k) for s in spent])) for k in (1, 2, 4, 8, 16, 32)]
        return {"theorems": len(spent), "pass": [[k, rate.value, rate.low, rate.high] for k, rate in rates]}

    return {"all": figures(parts.pop("all")), "tags": {part: figures(spent) for part, spent in sorted(parts.items())}}


def gains(results: dict[str, Any], before: str, after: str) -> dict[str, list[float]]:
    """Return the gain of one model over another on the same theorems: mean and 95 % interval at k = 1 and 8."""
    rows = {}
    for k in (1, 8):
        a, b = (
            [pass_at_k(MEASURE_ROLLOUT.num_generations, c, k) for c in results[name]["proved"]]
            for name in (before, after)
        )
        gain = paired_difference(a, b)
        rows[f"pass@{k}"] = [gain.value, gain.low, gain.high]
        print(f"{after}: {gain.value:+.1%} ({gain.low:+.1%} to {gain.high:+.1%}) more than {before} at pass@{k}")
    return rows


def step_seconds(folder: Path) -> dict[str, float]:
    """Return the mean seconds of the parts of a GRPO step; in `only_checking` only Lean is waited for."""
    rows = list(read_jsonl(folder / "metrics.jsonl"))
    parts = [name for name in rows[0] if name.startswith("seconds/")]
    return {name.removeprefix("seconds/"): fmean(row[name] for row in rows) for name in parts}


async def main(folder: Path) -> None:
    """Run all stages and write the figures."""
    searched, practice_problems, held_out = problems()
    renamings = (renamed(Pair(problem, ""), seed) for seed, problem in enumerate(practice_problems))
    practice = write_rows(folder / "practice.jsonl", map(as_row, renamings))
    results: dict[str, Any] = {}
    async with LeanPool(cache=True) as pool:
        await search_proofs(pool, searched, folder / "pairs.jsonl")
        await search_proofs(pool, held_out, folder / "tactics.jsonl")
        results["tactics"] = tactics_by_checks(read_jsonl(folder / "tactics.jsonl"))

        renamed_file = write_rows(folder / "named.jsonl", renamed_pairs(folder / "pairs.jsonl"))
        shape = {"preset": "tiny", "changes": SHAPE, "vocabulary": 1024}
        shared = {
            "data": [renamed_file],
            "kinds": ["full_text"],
            "context": 256,
            "batch": 8,
            "micro_batch": 8,
            "mtp": 0.0,
            "save_every": 500,
        }
        untrained = SFTConfig.model_validate(
            {**shared, "data": [folder / "pairs.jsonl"], "model": shape, "optimiser": {"lr": 1e-9}}
        )
        results["before"] = await measure_model(
            pool, "before", await run_stage(pool, "sft", untrained, folder / "begun"), held_out, folder
        )
        supervised_config = SFTConfig.model_validate(
            {
                **shared,
                "model": shape,
                "epochs": 3,
                "optimiser": {"lr": 3e-3, "warmup": 30, "schedule": "cosine"},
            }
        )
        model = await run_stage(pool, "sft", supervised_config, folder / "sft")
        results["sft"] = await measure_model(pool, "sft", model, held_out, folder)
        iteration_config = ExpertIterationConfig.model_validate(
            {
                **shared,
                "model": {"folder": str(model)},
                "problems": [practice],
                "rollout": ROLLOUT,
                "iterations": 2,
                "epochs": 3,
                "optimiser": {"lr": 1e-3, "warmup": 20, "schedule": "cosine"},
            }
        )
        model = await run_stage(pool, "expert-iteration", iteration_config, folder / "expert-iteration")
        results["expert-iteration"] = await measure_model(pool, "expert-iteration", model, held_out, folder)
        earlier_answers = sorted((folder / "expert-iteration").glob("iteration-*/answers.jsonl"))
        for seed in SEEDS:
            grpo_config = GRPOConfig.model_validate(
                {
                    "model": {"folder": str(model)},
                    "problems": [practice],
                    "rollout": {**ROLLOUT, "num_generations": 16, "check_seconds": 5},
                    "context": 512,
                    "micro_batch": 8,
                    "prompts_per_step": 16,
                    "updates": 80,
                    "save_every": 20,
                    "optimiser": {"lr": 2e-4, "warmup": 5, "weight_decay": 0.0},
                    "selection": {"answers": earlier_answers},
                    "seed": seed,
                }
            )
            name = f"grpo-{seed}"
            results[name] = await measure_model(
                pool, name, await run_stage(pool, "grpo", grpo_config, folder / name), held_out, folder
            )
    runs = ["before", "sft", "expert-iteration"]
    pairs_of = [*pairwise(runs), *((runs[-1], f"grpo-{seed}") for seed in SEEDS)]
    results["gains"] = {after: gains(results, before, after) for before, after in pairs_of}
    results["seconds"] = {f"grpo-{seed}": step_seconds(folder / f"grpo-{seed}") for seed in SEEDS}
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
