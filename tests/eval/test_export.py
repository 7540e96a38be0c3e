"""What other programs read of a run: its attempts, and results as lm-evaluation-harness has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eval.export import export
from eval.folder import RunFolder
from eval.metrics import pass_at_k
from tests.eval.test_summary import entry, folder, tried


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Of four problems one is proved by half of its attempts, one is not, one is unfinished, one cannot be asked."""
    attempts = [tried(name, k, name == "a" and k % 2 == 1) for name in ("b", "a") for k in (3, 0, 2, 1)]
    found = folder(
        tmp_path / "run", [entry("a"), entry("b"), entry("c"), entry("d", asked=False)], [*attempts, tried("c", 0)], 4
    )
    head = found.manifest
    config: dict[str, Any] = {"split": "valid", "seed": 7, "limit": None, "budget": {"seconds": 5.0}}
    config["policy"] = {"name": "openai", "model": "m", "max_tokens": 99}
    versions = {"policy": "m (instruct)", "lean": "4.28.0"}
    found.write_manifest(
        {**head, "config": head["config"] | config, "versions": versions, "started": "2026-11-29T22:00:00Z"}
    )
    return found


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_attempts_come_in_the_order_of_problems_and_numbers(run: RunFolder, tmp_path: Path) -> None:
    attempts, *_ = export(run, tmp_path / "out")
    found = rows(attempts)
    assert [(row["problem"], row["number"]) for row in found] == [
        *(("a", k) for k in range(4)), *(("b", k) for k in range(4)), ("c", 0)
    ]  # fmt: skip
    assert [row["proved"] for row in found[:4]] == [False, True, False, True]
    assert found[0]["statement"] == "theorem a : secret_a"


def test_results_are_in_the_harness_form(run: RunFolder, tmp_path: Path) -> None:
    _, results, samples = export(run, tmp_path / "out")
    assert (results.name, samples.name) == (
        "results_2026-11-29T22-00-00.json",
        "samples_p_valid_2026-11-29T22-00-00.jsonl",
    )
    told = json.loads(results.read_text("utf-8"))
    for k in (1, 2, 4):
        assert told["results"]["p_valid"][f"pass@{k},none"] == pytest.approx(pass_at_k(4, 2, k) / 2)
        assert told["results"]["p_valid"][f"pass@{k}_stderr,none"] > 0
        assert told["higher_is_better"]["p_valid"][f"pass@{k}"] is True
    assert told["n-shot"] == {"p_valid": 0}
    assert told["n-samples"]["p_valid"] == {"original": 4, "effective": 2}
    assert told["configs"]["p_valid"]["repeats"] == 4
    assert told["config"]["model_args"] == "pretrained=m"
    a, b = rows(samples)
    assert (a["doc_id"], a["pass@1"], a["pass@4"], b["pass@4"]) == (0, 0.5, 1, 0)
    assert a["resps"] == [["text 0", "text 1", "text 2", "text 3"]]
    assert a["filtered_resps"] == [["error", "proved", "error", "proved"]]
    assert {"target", "arguments", "filter", "metrics", "doc_hash", "doc"} <= a.keys()


def test_without_texts_nothing_of_problems_and_proofs_is_in_it(run: RunFolder, tmp_path: Path) -> None:
    for file in export(run, tmp_path / "out", texts=False):
        text = file.read_text("utf-8")
        assert "secret" not in text
        assert "text 1" not in text
        assert "it fails" not in text
