"""A run's figures from its files; no Lean is needed for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data import Theorem
from data.problems import Problem
from data.records.jsonl import JsonlWriter
from data.records.run_folder import RunError
from eval.attempts import Attempt, Entry, Flag
from eval.folder import RunFolder
from eval.metrics import pass_at_k
from eval.summary import build_report, compare_runs, summarise


def entry(
    name: str, *, asked: bool = True, split: str = "valid", tags: Sequence[str] = (), flags: Sequence[Flag] = ()
) -> Entry:
    theorem = Theorem(name, f"theorem {name} : secret_{name}", informal="in words")
    why = "" if asked else "expected token at `∑ i ∈`"
    return Entry(Problem(name, theorem, split, tuple(tags)), asked, why, "⊢ goal", tuple(flags))


def tried(name: str, number: int, proved: bool = False, **fields: Any) -> Attempt:
    reason = "proved" if proved else "error"
    return Attempt(name, number, reason, "" if proved else "it fails", f"text {number}", reasons={reason: 1}, **fields)


def folder(path: Path, entries: Sequence[Entry], attempts: Sequence[Attempt], n: int = 1) -> RunFolder:
    path.mkdir(exist_ok=True)
    config = {"attempts": n, "problems": "/home/secret/p.jsonl", "search": "single", "policy": {"name": "a model"}}
    head = {"config": config, "identity": {}, "problems": len(entries), "versions": {}, "started": "now"}
    (path / "run.json").write_text(json.dumps(head))
    for name, rows in (("problems.jsonl", entries), ("attempts.jsonl", attempts)):
        lines = JsonlWriter(path / name)
        lines.append(row.as_json() for row in rows)
        lines.close()
    return RunFolder(path)


def test_asked_inexpressible_proved_failed_and_unfinished_add_up(tmp_path: Path) -> None:
    entries = [entry("a"), entry("b"), entry("c"), entry("d", asked=False)]
    attempts = [tried("a", 0, True), tried("a", 1), tried("b", 0), tried("b", 1), tried("c", 1)]
    figures = summarise(folder(tmp_path, entries, attempts, 2))
    counts = {"problems": 4, "inexpressible": 1, "asked": 3, "proved": 1, "refuted": 0, "failed": 1, "unfinished": 1}
    rest = {"finished": 2, "replaced": 0, "flagged": 0, "proved_flagged": 0, "one_kernel": 0}
    assert figures["counts"] == counts | rest
    assert [p["status"] for p in figures["problems"]] == ["proved", "failed", "unfinished", "inexpressible"]
    assert not figures["complete"]
    assert figures["proved_rate"]["value"] == 0.5  # of those that are finished


def test_costs_are_counted_up_to_the_first_proof_by_number_not_by_time(tmp_path: Path) -> None:
    cost = {"checks": 2, "tokens": 10, "seconds": 1.5}
    attempts = [tried("a", k, k in (2, 5), **cost) for k in (5, 7, 2, 0, 6, 1, 3, 4)]
    (problem,) = summarise(folder(tmp_path, [entry("a")], attempts, 8))["problems"]
    assert (problem["first"], problem["proof"]) == (2, "text 2")
    assert (problem["samples"], problem["checks"], problem["tokens"], problem["seconds"]) == (3, 6, 30, 4.5)
    assert (problem["attempts"], problem["proofs"]) == (8, 2)


def test_problems_that_one_kernel_alone_accepts_are_counted(tmp_path: Path) -> None:
    attempts = [tried("a", 0, True, one_kernel=True), tried("b", 0, True), tried("b", 1, True, one_kernel=True)]
    figures = summarise(folder(tmp_path, [entry("a"), entry("b")], attempts, 2))
    assert figures["counts"]["one_kernel"] == 1
    assert [p["one_kernel"] for p in figures["problems"]] == [True, False]


def test_pass_at_k_is_over_the_problems_that_have_all_attempts(tmp_path: Path) -> None:
    entries = [entry("a"), entry("b"), entry("c")]
    attempts = [tried("a", k, k == 3) for k in range(6)] + [tried("b", k) for k in range(6)] + [tried("c", 0, True)]
    rows = summarise(folder(tmp_path, entries, attempts, 6))["pass_at"]
    assert [row["k"] for row in rows] == [1, 2, 4, 6]
    assert [row["value"] for row in rows] == pytest.approx([pass_at_k(6, 1, k) / 2 for k in (1, 2, 4, 6)])
    assert all(row["low"] < row["value"] < row["high"] for row in rows)


def test_curves_count_the_problems_proved_at_most_at_a_cost(tmp_path: Path) -> None:
    attempts = [tried("a", 0, True, samples=3, seconds=2.0), tried("b", 0, True, samples=3, seconds=1.0), tried("c", 0)]
    figures = summarise(folder(tmp_path, [entry("a"), entry("b"), entry("c")], attempts))
    assert figures["solved_by_samples"] == [[3, 2]]
    assert figures["solved_by_seconds"] == [[1.0, 1], [2.0, 2]]
    many = [entry(f"t{i}") for i in range(5000)]
    made = [tried(f"t{i}", 0, True, seconds=float(i)) for i in range(5000)]
    curve = summarise(folder(tmp_path / "many", many, made))["solved_by_seconds"]
    assert len(curve) <= 401
    assert curve[-1] == [4999.0, 5000]


def test_groups_are_splits_and_tags(tmp_path: Path) -> None:
    entries = [
        entry("a", tags=["algebra", "easy"]),
        entry("b", tags=["algebra"], split="test"),
        entry("c", asked=False),
    ]
    figures = summarise(folder(tmp_path, entries, [tried("a", 0, True), tried("b", 0)]))
    found = {(g["kind"], g["name"]): (g["problems"], g["asked"], g["proved"]) for g in figures["groups"]}
    expected = {
        ("split", "test"): (1, 1, 0),
        ("split", "valid"): (2, 1, 1),
        ("tag", "algebra"): (2, 2, 1),
        ("tag", "easy"): (1, 1, 1),
    }
    assert found == expected


def test_flagged_problems_are_counted_and_so_are_the_proved_ones(tmp_path: Path) -> None:
    flag = [Flag("contradictory", "omega")]
    figures = summarise(
        folder(
            tmp_path,
            [entry("a", flags=flag), entry("b", flags=flag), entry("c")],
            [tried("a", 0, True), tried("b", 0), tried("c", 0, True)],
        )
    )
    assert (figures["counts"]["flagged"], figures["counts"]["proved_flagged"]) == (2, 1)


def test_a_proof_is_shown_however_late_it_came(tmp_path: Path) -> None:
    attempts = [tried("a", k, k == 90) for k in range(100)]
    (problem,) = summarise(folder(tmp_path, [entry("a")], attempts, 100))["problems"]
    assert len(problem["shown"]) == 20
    assert problem["shown"][-1]["number"] == 90


def test_without_texts_nothing_of_the_problems_is_given_away(tmp_path: Path) -> None:
    made = replace(
        tried("a", 0, True), text="exact secret_proof", failures=(("error", "secret_detail", "secret_text"),)
    )
    whole = folder(tmp_path, [entry("a"), entry("b", asked=False)], [made])
    assert "secret_a" in json.dumps(summarise(whole))
    figures = json.dumps(summarise(whole, texts=False))
    assert "secret" not in figures
    assert "in words" not in figures
    assert "∑" not in json.loads(figures)["problems"][1]["why"]
    assert json.loads(figures)["problems"][0]["lines"] == 1


def test_runs_are_compared_with_as_many_attempts_as_both_have(tmp_path: Path) -> None:
    names = [f"t{i}" for i in range(12)]
    entries = [entry(name) for name in names]
    late = [tried(name, k, k == 1) for name in names for k in range(2)]
    never = [tried(name, 0, name == "t0") for name in names]
    a, b = (summarise(folder(tmp_path / "a", entries, late, 2)), summarise(folder(tmp_path / "b", entries, never)))
    assert (compare_runs([a, b], 0, 1)["only_a"], compare_runs([a, b], 0, 1)["only_b"]) == ([], ["t0"])
    c = summarise(folder(tmp_path / "c", entries, [tried(name, 0, name != "t0") for name in names]))
    found = compare_runs([c, b], 0, 1)
    assert (len(found["only_a"]), found["only_b"], found["both"], found["neither"]) == (11, ["t0"], 0, 0)
    assert found["p"] == pytest.approx(2 * 13 / 2**12)
    assert [(pair["a"], pair["b"]) for pair in build_report([a, b, c])["pairs"]] == [(0, 1), (0, 2), (1, 2)]


def test_problems_that_one_run_did_not_ask_are_not_compared(tmp_path: Path) -> None:
    a = summarise(folder(tmp_path / "a", [entry("x"), entry("y")], [tried("x", 0, True), tried("y", 0, True)]))
    b = summarise(folder(tmp_path / "b", [entry("x"), entry("y", asked=False)], [tried("x", 0)]))
    found = compare_runs([a, b], 0, 1)
    assert (found["problems"], found["only_a"]) == (1, ["x"])


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run"):
        summarise(RunFolder(tmp_path))
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError, match="damaged"):
        summarise(RunFolder(tmp_path))


def test_a_run_that_got_more_attempts_is_not_judged_by_its_early_proofs(tmp_path: Path) -> None:
    """Killed in the middle, it has failed attempts at all problems, but full sets of them only at some."""
    entries = [entry(f"t{i}") for i in range(10)]
    once = [tried(f"t{i}", 0, i < 2) for i in range(10)]
    grown = [tried(f"t{i}", k) for i in range(1, 5) for k in range(1, 4)]
    figures = summarise(folder(tmp_path / "grown", entries, once + grown, 4))
    assert figures["proved_rate"]["value"] == 0.25  # t1 to t4 have had all attempts
    assert figures["counts"]["finished"] == 4
    assert not figures["complete"]
    whole = summarise(folder(tmp_path / "whole", entries, [tried(f"t{i}", k) for i in range(10) for k in range(4)], 4))
    assert compare_runs([figures, whole], 0, 1)["problems"] == 4


def test_time_is_that_of_all_attempts(tmp_path: Path) -> None:
    attempts = [tried("a", k, True, seconds=10.0, tokens=7) for k in range(8)]
    figures = summarise(folder(tmp_path, [entry("a")], attempts, 8))
    assert (figures["seconds"], figures["tokens"]) == (80.0, 56)
    assert figures["problems"][0]["seconds"] == 10.0  # until the first proof


def test_a_search_and_single_proofs_are_compared_by_all_that_they_had(tmp_path: Path) -> None:
    single = summarise(folder(tmp_path / "a", [entry("x")], [tried("x", k, k == 2) for k in range(4)], 4))
    searched = summarise(folder(tmp_path / "b", [entry("x")], [tried("x", 0)]))
    searched["config"]["search"] = "rmaxts"
    found = compare_runs([single, searched], 0, 1)
    assert (found["attempts"], found["only_a"]) == ([4, 1], ["x"])


def test_statements_that_differ_are_not_compared(tmp_path: Path) -> None:
    other = replace(entry("x"), problem=Problem("x", Theorem("x", "theorem x : something_else"), "valid"))
    a = summarise(folder(tmp_path / "a", [entry("x"), entry("y")], [tried("x", 0, True), tried("y", 0, True)]))
    b = summarise(folder(tmp_path / "b", [other, entry("y")], [tried("x", 0), tried("y", 0, True)]))
    found = compare_runs([a, b], 0, 1)
    assert (found["problems"], found["different"], found["only_a"]) == (1, 1, [])


def test_attempts_in_a_fixed_order_are_no_random_draws(tmp_path: Path) -> None:
    run = folder(tmp_path, [entry("a")], [tried("a", k, k == 0) for k in range(8)], 8)
    assert summarise(run)["pass_at"][0]["value"] == pytest.approx(1 / 8)
    head = json.loads((tmp_path / "run.json").read_text())
    head["config"]["policy"]["name"] = "tactics"
    (tmp_path / "run.json").write_text(json.dumps(head))
    assert summarise(run)["pass_at"][0]["value"] == 1.0


def test_runs_with_other_numbers_of_attempts_stand_side_by_side_at_the_same_k(tmp_path: Path) -> None:
    few = [tried(name, k, name == "a") for name in ("a", "b") for k in range(3)]
    many = [tried(name, k, k == 5) for name in ("a", "b") for k in range(6)]
    runs = [
        summarise(folder(tmp_path / name, [entry("a"), entry("b")], attempts, n))
        for name, attempts, n in (("few", few, 3), ("many", many, 6))
    ]
    ours, theirs = (run["headline"] for run in build_report(runs)["runs"])
    assert (ours["k"], ours["value"]) == (3, 0.5)
    assert (theirs["k"], theirs["value"]) == (3, pass_at_k(6, 1, 3))
    assert build_report(runs[1:])["runs"][0]["headline"]["k"] == 6
