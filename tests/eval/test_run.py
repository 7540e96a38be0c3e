"""Runs: what is on record, going on after a kill, and what must not be mixed."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from data.problems import ProblemError
from data.records.run_folder import RunError
from eval.config import RunConfig
from eval.folder import RunFolder
from eval.problems import select_problems
from eval.summary import summarise
from lean_env import LeanPool
from prover.policy import PolicyUnavailable, Prompt, Sample, SampleRequest, TacticsPolicy, Usage
from tests.eval.runs import Fixed, do, results, write_problems


def config(path: Path, **fields: object) -> RunConfig:
    return RunConfig.model_validate({"problems": str(path), "attempts": 4, **fields})


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    write_problems(path, 10)
    return path


async def test_every_attempt_is_made_once_and_all_numbers_add_up(
    pool: LeanPool, problems: Path, tmp_path: Path
) -> None:
    folder, policy = RunFolder(tmp_path / "run"), Fixed()
    await do(folder, pool, config(problems), policy)
    asked = [entry.name for entry in folder.entries() if entry.asked]
    assert len(asked) == 8
    assert sorted(policy.asked) == sorted((name, k) for name in asked for k in range(4))
    made = Counter((a.problem, a.number) for a in folder.attempts())
    assert set(made) == set(policy.asked)
    assert set(made.values()) == {1}
    counts = summarise(folder)["counts"]
    assert counts["asked"] + counts["inexpressible"] == counts["problems"] == 10
    assert counts["proved"] + counts["failed"] + counts["unfinished"] == counts["asked"]
    assert counts["proved"] > 0
    assert all("Unknown identifier `ℝ`" in entry.why for entry in folder.entries() if not entry.asked)


async def test_a_finished_run_asks_nothing_again(pool: LeanPool, problems: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    await do(folder, pool, config(problems), Fixed())
    before, policy = list(results(folder)), Fixed()
    await do(folder, pool, config(problems), policy)
    assert policy.asked == []
    assert list(results(folder)) == before


async def test_only_what_is_missing_is_done(pool: LeanPool, problems: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    await do(folder, pool, config(problems), Fixed())
    whole = list(results(folder))
    for name, kept in (("attempts.jsonl", 11), ("problems.jsonl", 6)):
        lines = (folder.path / name).read_bytes().splitlines(keepends=True)
        (folder.path / name).write_bytes(
            b"".join(lines[:kept]) + lines[kept][:20]
        )  # the kill came in the middle of a line
    policy = Fixed()
    await do(folder, pool, config(problems), policy)
    assert len(policy.asked) == 32 - 11
    assert list(results(folder)) == whole


async def test_another_run_is_refused_in_the_same_folder(pool: LeanPool, problems: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    await do(folder, pool, config(problems), Fixed())
    with pytest.raises(RunError, match=r"seed: there 0, now 5"):
        await do(folder, pool, config(problems, seed=5), Fixed())
    _add(problems, json.dumps({"name": "new", "formal_statement": "theorem new : True := by sorry"}))
    with pytest.raises(RunError, match="problems"):
        await do(folder, pool, config(problems), Fixed())


async def test_a_run_may_get_more_attempts(pool: LeanPool, problems: Path, tmp_path: Path) -> None:
    folder, policy = RunFolder(tmp_path / "run"), Fixed()
    await do(folder, pool, config(problems, attempts=2), Fixed())
    await do(folder, pool, config(problems, attempts=4), policy)
    assert {number for _, number in policy.asked} == {2, 3}
    whole = RunFolder(tmp_path / "whole")
    await do(whole, pool, config(problems, attempts=4), Fixed())
    assert list(results(folder)) == list(results(whole))
    assert summarise(folder)["attempts"] == 4


async def test_the_number_of_workers_and_the_place_of_the_file_do_not_make_another_run(
    pool: LeanPool, problems: Path, tmp_path: Path
) -> None:
    folder, moved = RunFolder(tmp_path / "run"), tmp_path / "moved.jsonl"
    await do(folder, pool, config(problems), Fixed())
    await asyncio.to_thread(shutil.copy, problems, moved)
    await do(folder, pool, config(moved, workers=1), Fixed())


async def test_two_processes_cannot_work_on_one_run(tmp_path: Path) -> None:
    head = {"identity": {}, "config": {"attempts": 1}}
    with (
        RunFolder(tmp_path).locked(head),
        pytest.raises(RunError, match="another process"),
        RunFolder(tmp_path).locked(head),
    ):
        raise AssertionError


async def test_a_damaged_file_is_told_and_not_passed_over(pool: LeanPool, problems: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    await do(folder, pool, config(problems), Fixed())
    lines = (folder.path / "attempts.jsonl").read_bytes().splitlines(keepends=True)
    (folder.path / "attempts.jsonl").write_bytes(b"".join([*lines[:5], b'{"problem"\n', *lines[6:]]))
    with pytest.raises(RunError, match=r"attempts.jsonl:6: damaged"):
        summarise(folder)


async def test_rows_that_cannot_be_read_are_counted(pool: LeanPool, problems: Path, tmp_path: Path) -> None:
    _add(problems, 'not json\n{"name": "empty"}')
    folder = RunFolder(tmp_path / "run")
    await do(folder, pool, config(problems, split="valid"), Fixed())
    unreadable = {entry.name: entry.why for entry in folder.entries() if "cannot be read" in entry.why}
    assert list(unreadable) == ["problems.jsonl:11", "problems.jsonl:12"]
    assert unreadable["problems.jsonl:11"].startswith("it cannot be read: not JSON")
    assert summarise(folder)["counts"]["problems"] == 5 + 2


async def test_two_problems_of_one_name_are_two(pool: LeanPool, problems: Path, tmp_path: Path) -> None:
    _add(problems, (await asyncio.to_thread(problems.read_text)).splitlines()[0])
    folder = RunFolder(tmp_path / "run")
    await do(folder, pool, config(problems), Fixed())
    last = list(folder.entries())[-1]
    assert last.name == "t0 (2)"
    assert [(flag.kind, flag.detail) for flag in last.flags] == [("duplicate", "t0 states the same")]
    assert sum(a.problem == "t0 (2)" for a in folder.attempts()) == 4


def test_a_name_means_the_same_problem_whatever_the_split(tmp_path: Path) -> None:
    rows = [
        {"name": n, "split": s, "formal_statement": f"theorem t : {i} = {i} := by"}
        for i, (n, s) in enumerate([("a", "test"), ("a", "valid"), ("a (2)", "valid"), ("a", "valid")])
    ]
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    everything = {p.name: p.theorem.statement for p in select_problems(path)}
    valid = {p.name: p.theorem.statement for p in select_problems(path, "valid")}
    assert len(everything) == 4
    assert valid == {name: said for name, said in everything.items() if "0 = 0" not in said}
    with pytest.raises(ProblemError, match="its splits are: test, valid"):
        list(select_problems(path, "vlid"))


async def test_searches_are_attempts_too(pool: LeanPool, problems: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    wanted = config(problems, search="rmaxts", attempts=2, budget={"checks": 20, "seconds": 30}, limit=4)
    await do(folder, pool, wanted, TacticsPolicy())
    figures = summarise(folder)
    assert figures["counts"]["proved"] == 4
    assert figures["attempts_done"] == 8
    assert all(a.proved and 0 < a.checks <= 22 and a.text for a in folder.attempts())


async def test_a_statement_that_does_not_hold_is_refuted(pool: LeanPool, tmp_path: Path) -> None:
    file, folder = tmp_path / "false.lean", RunFolder(tmp_path / "run")
    file.write_text("theorem wrong (n : Nat) : n * n > n := by sorry\n", "utf-8")
    wanted = config(file, search="sampling", attempts=1, budget={"cpu": 60}, refute=True)
    await do(folder, pool, wanted, TacticsPolicy())
    (attempt,) = folder.attempts()
    assert (attempt.reason, attempt.proved) == ("refuted", False)
    assert "n = 0" in attempt.detail
    assert "wrong.negation : ¬" in attempt.text
    counts = summarise(folder)["counts"]
    assert (counts["asked"], counts["proved"], counts["refuted"], counts["failed"]) == (1, 0, 1, 0)


async def test_a_policy_with_no_further_proof_fails_the_remaining_attempts(
    pool: LeanPool, problems: Path, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    await do(folder, pool, config(problems, limit=1, attempts=200, budget={"seconds": 5}), TacticsPolicy())
    made = list(folder.attempts())
    assert len(made) == 200
    rest = [a for a in made if a.detail == "the policy has no further proof"]
    assert rest
    assert {a.samples for a in rest} == {0}
    assert min(a.number for a in rest) + len(rest) == 200


def _add(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")


def test_processor_time_takes_the_place_of_wall_time(problems: Path) -> None:
    assert config(problems, search="sampling", budget={"cpu": 5}).budget.seconds is None
    assert config(problems, search="sampling", budget={"cpu": 5, "seconds": 60}).budget.seconds == 60
    assert config(problems).budget.seconds == 60


def test_limit_and_split_choose_problems(problems: Path) -> None:
    names = [p.name for p in select_problems(problems, "test", 3)]
    assert names == ["t0", "t2", "t4"]


class Ill(Fixed):
    """A server that answers nothing but errors for a while, and has a few questions that it never answers."""

    def __init__(self, until: int) -> None:
        super().__init__()
        self.until = until

    def learn(self, sample: Sample, proved: bool) -> None:
        """A search tells; that is all right in a policy that no other problem sees."""

    async def sample(
        self, prompt: Prompt, n: int, params: SampleRequest, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        ill = len(self.asked) < self.until
        refused = (prompt.theorem.name, params.start) == ("t1", 2)
        async for sample in super().sample(prompt, n, params, usage):
            if ill:
                yield Sample("", "fixed", "the server answers 500", lost=True)
            else:
                yield Sample("", "fixed", "the prompt is too long: 400") if refused else sample


async def test_a_server_that_is_ill_is_not_written_down_as_failed_attempts(
    pool: LeanPool, problems: Path, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(PolicyUnavailable, match="the server answers 500"):
        await do(folder, pool, config(problems), Ill(until=10_000))
    assert list(folder.attempts()) == []
    await do(folder, pool, config(problems), Ill(until=9))  # it recovers: what it refused at first is asked again
    assert not any("500" in a.detail for a in folder.attempts())
    refused = [(a.problem, a.number) for a in folder.attempts() if "400" in a.detail]
    assert refused == [("t1", 2)]
    assert len(list(folder.attempts())) == 32


class Faulty(Fixed):
    """A server that at first does not answer one question, by a fault of its own."""

    faulty = True

    def learn(self, sample: Sample, proved: bool) -> None:
        """As above."""

    async def sample(
        self, prompt: Prompt, n: int, params: SampleRequest, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        lost = self.faulty and prompt.theorem.name == "t1" and params.start == 0
        async for sample in super().sample(prompt, n, params, usage):
            yield Sample("", "fixed", "the reply ended early", lost=True) if lost else sample


@pytest.mark.parametrize("search", ["single", "sampling"])
async def test_what_a_server_lost_is_not_on_record_and_asked_again(
    search: str, pool: LeanPool, problems: Path, tmp_path: Path
) -> None:
    folder, policy = RunFolder(tmp_path / "run"), Faulty()
    budget = {} if search == "single" else {"samples": 1}
    wanted = config(problems, limit=2, search=search, attempts=1, budget=budget)
    with pytest.raises(PolicyUnavailable, match="1 attempts have no answer, and are not counted"):
        await do(folder, pool, wanted, policy)
    assert [a.problem for a in folder.attempts()] == ["t0"]
    policy.faulty = False
    await do(folder, pool, wanted, policy)
    assert [a.problem for a in folder.attempts()] == ["t0", "t1"]


async def test_nor_is_it_written_down_as_searches_that_found_nothing(
    pool: LeanPool, problems: Path, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(PolicyUnavailable, match="the server answers 500"):
        await do(folder, pool, config(problems, search="sampling", attempts=1), Ill(until=10_000))
    assert list(folder.attempts()) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_killed_at_eight_random_moments_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    problems = tmp_path / "problems.jsonl"
    write_problems(problems, 200)
    start = time.monotonic()
    _process(tmp_path / "whole", problems).wait()
    unbroken = time.monotonic() - start
    rng = random.Random(7)
    for _ in range(8):
        process = _process(tmp_path / "killed", problems)
        with pytest.raises(subprocess.TimeoutExpired):  # it must not end before it is killed
            process.wait(0.5 + rng.random() * unbroken / 6)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert _process(tmp_path / "killed", problems).wait() == 0
    whole = list(results(RunFolder(tmp_path / "whole")))
    assert len(whole) == 200 + 160 * 4
    assert list(results(RunFolder(tmp_path / "killed"))) == whole


def _process(folder: Path, problems: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.eval.runs", str(folder), str(problems), "4"])


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
async def test_a_run_on_two_machines_of_a_ray_cluster_is_the_same_run(
    pool: LeanPool, problems: Path, tmp_path: Path
) -> None:
    """One of them joins late, and one is lost in the middle."""
    import ray
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 100_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        second = cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
        here, there = RunFolder(tmp_path / "here"), RunFolder(tmp_path / "there")
        await do(here, pool, config(problems), Fixed())
        async with LeanPool(backend="ray", address=cluster.address, workers=2) as remote:
            running = asyncio.create_task(do(there, remote, config(problems), Fixed()))
            while not list(there.attempts()) and not running.done():  # noqa: ASYNC110 - a file has no events
                await asyncio.sleep(0.1)
            cluster.remove_node(second)
            await running
        assert list(results(there)) == list(results(here))
    finally:
        ray.shutdown()
        cluster.shutdown()
