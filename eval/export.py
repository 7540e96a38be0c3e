"""Export of a run for other programs: its attempts as JSON lines, and its results in lm-evaluation-harness's format."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from data.records.files import write_file
from eval.attempts import Attempt, Entry
from eval.folder import RunFolder
from eval.metrics import pass_at_k
from eval.report.store import encoded, lines
from eval.summary import summarise

_Z_95 = 1.96  # half of a 95 % interval in standard errors


def export(folder: RunFolder, target: Path, texts: bool = True) -> list[Path]:
    """Write a run's attempts and results to a folder, and return the files. Raises RunError, OSError.

    `attempts.jsonl` has a line for each attempt. `results_<time>.json` and `samples_<task>_<time>.jsonl` have the
    format of lm-evaluation-harness: one task, named after the problems, whose metrics are pass@k. texts: include
    statements and proofs.
    """
    figures = summarise(folder, texts=False)
    task = _task(figures)
    time = figures["started"].replace(":", "-").removesuffix("Z")
    attempts: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in folder.attempts():
        attempts[attempt.problem].append(attempt)
    entries = [entry for entry in folder.entries() if entry.asked]
    files = {
        target / "attempts.jsonl": lines(_attempts(entries, attempts, texts)),
        target / f"results_{time}.json": encoded(json.dumps(_results(figures, task), indent=1, allow_nan=False) + "\n"),
        target / f"samples_{task}_{time}.jsonl": lines(_samples(entries, attempts, figures, texts)),
    }
    target.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        write_file(path, content)
    return list(files)


def _task(figures: dict[str, Any]) -> str:
    config = figures["config"]
    name = "_".join(filter(None, (Path(config["problems"]).stem, config["split"])))
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)


def _attempts(entries: Iterable[Entry], attempts: dict[str, list[Attempt]], texts: bool) -> Iterator[dict[str, Any]]:
    for entry in entries:
        for attempt in sorted(attempts[entry.name], key=lambda a: a.number):
            row = {key: value for key, value in attempt.as_json().items() if texts or key not in _TEXT_FIELDS}
            yield {**row, "proved": attempt.proved} | ({"statement": entry.theorem.statement} if texts else {})


_TEXT_FIELDS = frozenset(("text", "detail", "failures"))


def _metrics(figures: dict[str, Any]) -> list[int]:
    return [row["k"] for row in figures["pass_at"]]


def _results(figures: dict[str, Any], task: str) -> dict[str, Any]:
    config, counts = figures["config"], figures["counts"]
    metrics: dict[str, Any] = {"alias": task}
    for row in figures["pass_at"]:
        metrics[f"pass@{row['k']},none"] = row["value"]
        metrics[f"pass@{row['k']}_stderr,none"] = round((row["high"] - row["low"]) / 2 / _Z_95, 6)
    policy = config["policy"]
    return {
        "results": {task: metrics},
        "group_subtasks": {task: []},
        "configs": {
            task: {
                "task": task,
                "dataset_path": config["problems"],
                "test_split": config["split"],
                "output_type": "generate_until",
                "num_fewshot": 0,
                "repeats": config["attempts"],
                "generation_kwargs": {"max_gen_toks": policy["max_tokens"]},
                "metric_list": [
                    {"metric": f"pass@{k}", "aggregation": "mean", "higher_is_better": True} for k in _metrics(figures)
                ],
                "metadata": {"version": 0, **{key: config[key] for key in ("search", "budget", "seed")}},
            }
        },
        "versions": {task: 0},
        "n-shot": {task: 0},
        "higher_is_better": {task: {f"pass@{k}": True for k in _metrics(figures)}},
        "n-samples": {task: {"original": counts["problems"], "effective": counts["finished"]}},
        "config": {
            "model": policy["name"],
            "model_args": f"pretrained={policy['model']}" if policy["model"] else "",
            "random_seed": config["seed"],
            "limit": config["limit"],
        },
        "model_name": figures["versions"]["policy"],
        "lean_version": figures["versions"].get("lean"),
        "date": datetime.fromisoformat(figures["started"]).timestamp(),
    }


def _samples(
    entries: Iterable[Entry], attempts: dict[str, list[Attempt]], figures: dict[str, Any], texts: bool
) -> Iterator[dict[str, Any]]:
    """Yield the samples of problems that have had all attempts."""
    for number, entry in enumerate(entries):
        problem_attempts = sorted(attempts[entry.name], key=lambda a: a.number)[: figures["attempts"]]
        if len(problem_attempts) < figures["attempts"]:
            continue
        proofs = sum(attempt.proved for attempt in problem_attempts)
        values = {f"pass@{k}": pass_at_k(len(problem_attempts), proofs, k) for k in _metrics(figures)}
        problem_text = "\n".join([*entry.theorem.context, entry.theorem.statement])
        responses = [attempt.text if texts else attempt.reason for attempt in problem_attempts]
        yield {
            "doc_id": number,
            "doc": {"name": entry.name, "split": entry.problem.split}
            | ({"formal_statement": problem_text} if texts else {}),
            "target": "",
            "arguments": {"gen_args_0": {"arg_0": problem_text if texts else "", "arg_1": {}}},
            "resps": [responses],
            "filtered_resps": [[attempt.reason for attempt in problem_attempts]],
            "filter": "none",
            "metrics": [*values],
            "doc_hash": hashlib.sha256(problem_text.encode()).hexdigest(),
            **values,
        }
