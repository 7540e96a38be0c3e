"""RMaxTS over real Lean. The policies are scripts: what is tested is what the search makes of them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from data import Theorem
from data.records.jsonl import JsonlWriter
from lean_env import LeanPool, Reason
from prover.policy import Prompt, Sample, SampleRequest, Usage
from search import Budget, RMaxTS
from search.journal import JournalError
from search.rmaxts import first_tactic
from search.searcher import SearchResult
from tests.search import resumed
from tests.search.policies import Scripted, by_goal, orders

AND = Theorem("t", "theorem t (p q r : Prop) (hp : p) (hq : q) (hr : r) : p ∧ q ∧ r")
STEPS = by_goal(
    {
        "⊢ p ∧ q ∧ r": ["exact hq", "constructor\n· exact hq", "simp [", "constructor"],
        "⊢ q ∧ r": ["exact hp\nskip", "refine ⟨?_, ?_⟩"],
        "⊢ p": ["exact hp"],
        "⊢ q": ["exact hq"],
        "⊢ r": ["exact hr"],
    }
)
# Finishes the first goal only after the others' states have been found by cutting its failures.
WHOLE = by_goal(
    {
        "⊢ p ∧ q ∧ r": ["constructor\n· exact hp\n· constructor\n  · exact hp\n  · exact hr", "sorry"],
        "⊢ p\n": ["exact hp"],
        "case right.left": ["  · exact hq\n  · exact hr"],
    }
)


async def search(pool: LeanPool, policy: Scripted, theorem: Theorem = AND, **how: object) -> SearchResult:
    budget = how.pop("budget", Budget(seconds=60))
    assert isinstance(budget, Budget)
    return await RMaxTS(pool, policy, **how).prove(theorem, budget)  # type: ignore[arg-type]


async def test_finds_a_proof_that_no_single_sample_is(pool: LeanPool) -> None:
    policy = Scripted(STEPS)
    result = await search(pool, policy)
    assert result.proof == "constructor\nexact hp\nrefine ⟨?_, ?_⟩\nexact hq\nexact hr"
    assert result.verdict is not None
    assert result.verdict.proved
    trace = result.trace
    assert trace is not None
    assert trace.completed is not None
    assert (trace.proof, trace.attempts[trace.completed].outcome) == (result.proof, "proved")
    path = "\n".join(trace.nodes[n].text for n in trace.found[1:])
    assert result.proof == f"{path}\nexact hr"


async def test_the_policy_is_shown_the_state_and_the_proof_so_far(pool: LeanPool) -> None:
    policy = Scripted(STEPS)
    await search(pool, policy, concurrency=1)
    prefixes = {prompt.goal.rsplit("⊢ ", 1)[1]: prompt.prefix for prompt, _, _ in policy.asked}
    assert prefixes["p ∧ q ∧ r"] == ""
    assert prefixes["r"] == "constructor\nexact hp\nrefine ⟨?_, ?_⟩\nexact hq"


async def test_whole_proofs_are_cut_at_their_first_error_and_gone_on_from(pool: LeanPool) -> None:
    policy = Scripted(WHOLE, stepwise=False)
    result = await search(pool, policy, concurrency=1)
    assert result.proof == "constructor\n· exact hp\n· constructor\n  · exact hq\n  · exact hr"
    assert any(prompt.column > 0 for prompt, _, _ in policy.asked)


async def test_what_failed_is_not_asked_again(pool: LeanPool) -> None:
    texts = ["exact hq", "exact hq\nskip", "constructor\nexact hq", "constructor\nexact hq\nsimp", "constructor"]
    result = await search(pool, Scripted(by_goal({"⊢ p ∧ q ∧ r": texts})), concurrency=1)
    assert result.trace is not None
    assert [a.outcome for a in result.trace.attempts] == ["error", "known", "error", "known", "known"]
    assert result.checks == 2


async def test_it_ends_when_nothing_is_left_to_try(pool: LeanPool) -> None:
    result = await search(pool, Scripted(orders), resumed.THEOREM, budget=Budget())
    assert result.trace is not None
    assert len(result.trace.nodes) == resumed.NODES
    assert not result.proved


@pytest.mark.parametrize("budget", [Budget(checks=9), Budget(samples=9)])
async def test_a_budget_is_kept(pool: LeanPool, budget: Budget) -> None:
    result = await search(pool, Scripted(orders), resumed.THEOREM, budget=budget, concurrency=1)
    assert max(result.samples, result.checks) == 9


async def test_seconds_end_a_search(pool: LeanPool) -> None:
    policy = Scripted(lambda prompt: [f"have : {n} = {n} := rfl" for n in range(10**4)])
    start = time.monotonic()
    result = await search(pool, policy, resumed.THEOREM, budget=Budget(seconds=2))
    assert not result.proved
    assert time.monotonic() - start < 12


async def test_what_a_limit_cut_off_has_another_turn(pool: LeanPool) -> None:
    theorem = Theorem("t", "theorem t : ∀ a b c : Fin 300, a.val + b.val + c.val < 5000")
    policy = Scripted(by_goal({"Fin 300": ["decide +kernel", "intro a b", "intro a b c"]}))
    result = await search(pool, policy, theorem, timeouts=(0.2, 0.5), concurrency=1)
    assert result.trace is not None
    tried = [a.text for a in result.trace.attempts if a.node == 0]
    assert tried == ["decide +kernel", "intro a b", "intro a b c", "decide +kernel"]
    assert result.reasons[Reason.TIMEOUT] == 1


async def test_a_proof_that_does_not_hold_is_not_believed(pool: LeanPool) -> None:
    """`exact h` closes the goal in tactic mode, but its claim says something else than the statement: it is refused."""
    theorem = Theorem("t", "theorem t : 1 = 2")

    result = await search(pool, Scripted(lambda prompt: ["sorry", "exact t", "native_decide"]), theorem)
    assert not result.proved


async def test_a_statement_without_a_goal_is_a_problem(pool: LeanPool) -> None:
    result = await search(pool, Scripted(orders), Theorem("t", "theorem t : 1 = "))
    assert result.problem
    assert (result.checks, result.trace) == (0, None)


# ---- the same again ----


class Slow(Scripted):
    """Takes its time at random, so that expansions end in another order than they began."""

    def __init__(self, seed: int) -> None:
        super().__init__(orders)
        self.chance = random.Random(seed)

    async def sample(
        self, prompt: Prompt, n: int, params: SampleRequest, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        await asyncio.sleep(self.chance.choice([0, 0, 0.02, 0.05]))
        async for sample in super().sample(prompt, n, params):
            yield sample


async def test_the_same_seed_and_samples_give_the_same_tree(pool: LeanPool) -> None:
    results = [await search(pool, Slow(n), resumed.THEOREM, seed=3, concurrency=4, budget=Budget()) for n in range(2)]
    one, other = [r.trace for r in results]
    assert one is not None
    assert other is not None
    assert one.nodes == other.nodes
    assert [(a.node, a.text) for a in one.attempts] == [(a.node, a.text) for a in other.attempts]


async def test_several_trees_share_the_budget(pool: LeanPool) -> None:
    policy = Scripted(orders)
    result = await search(pool, policy, resumed.THEOREM, trees=3, concurrency=1, budget=Budget(checks=30))
    assert {params.seed for _, _, params in policy.asked} == {0, 1, 2}
    assert 30 <= result.checks <= 32
    assert (await search(pool, Scripted(STEPS), trees=3)).proved


# ---- checkpoints ----


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_finished_journal_asks_nothing_again(pool: LeanPool, tmp_path: Path) -> None:
    first, again = Scripted(orders), Scripted(orders)
    for policy in (first, again):
        result = await search(pool, policy, resumed.THEOREM, journals=tmp_path, concurrency=2, budget=Budget())
        assert result.trace is not None
        assert len(result.trace.nodes) == resumed.NODES
    assert first.asked
    assert not again.asked


async def test_a_journal_that_ends_in_the_middle_of_a_line(pool: LeanPool, tmp_path: Path) -> None:
    await search(pool, Scripted(orders), resumed.THEOREM, journals=tmp_path, budget=Budget(checks=40))
    (file,) = files(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) * 2 // 3])
    result = await search(pool, Scripted(orders), resumed.THEOREM, journals=tmp_path, budget=Budget())
    assert result.trace is not None
    assert len(result.trace.nodes) == resumed.NODES


async def test_every_tree_and_seed_has_a_journal_of_its_own(pool: LeanPool, tmp_path: Path) -> None:
    for seed in (1, 5):
        how = {"journals": tmp_path, "budget": Budget(checks=8), "seed": seed, "trees": 2}
        await search(pool, Scripted(orders), resumed.THEOREM, **how)
    assert len(files(tmp_path)) == 4


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda lines: [*lines[:6], lines[3], *lines[6:]], "does not fit from line 7 on"),  # as two writers left it
        (lambda lines: [*lines[:6], lines[6][:20] + lines[6], *lines[7:]], r"jsonl:7: damaged: not JSON"),
        (lambda lines: [*lines[:6], "[]\n", *lines[6:]], "does not fit from line 7 on"),
        (lambda lines: [*lines[:6], lines[6].replace('"outcome"', '"came"'), *lines[7:]], "does not fit from line 7"),
    ],
    ids=["twice", "mixed", "no row", "older"],
)
async def test_a_journal_is_used_up_to_where_it_does_not_fit(
    damage: Callable[[list[str]], list[str]],
    said: str,
    pool: LeanPool,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    how = {"journals": tmp_path, "concurrency": 2, "budget": Budget()}
    first = await search(pool, Scripted(orders), resumed.THEOREM, **how)
    (file,) = files(tmp_path)
    lines = file.read_text("utf-8").splitlines(keepends=True)
    assert len(lines) > 12
    file.write_text("".join(damage(lines)), "utf-8")
    again = Scripted(orders)
    second = await search(pool, again, resumed.THEOREM, **how)
    assert first.trace is not None
    assert second.trace is not None
    assert second.trace.nodes == first.trace.nodes
    assert file.read_text("utf-8") == "".join(lines)
    assert len(again.asked) == len(lines) - 6
    assert re.search(said, caplog.text)


async def test_another_search_s_journal_is_left_alone(pool: LeanPool, tmp_path: Path) -> None:
    how = {"journals": tmp_path, "concurrency": 1, "budget": Budget(checks=2)}
    await search(pool, Scripted(orders), resumed.THEOREM, **how)
    (file,) = files(tmp_path)
    for head in ("{}\n", "damaged\n"):
        whole = head + file.read_text("utf-8")
        file.write_text(whole, "utf-8")
        with pytest.raises(JournalError, match="not the journal of this search"):
            await search(pool, Scripted(orders), resumed.THEOREM, **how)
        assert file.read_text("utf-8") == whole


LEMMAS = ("def two := 2", "theorem l : two = 2 := by\n  {}\n-- it is", "theorem m (n : Nat) : n + 0 = n := {}")


async def test_a_journal_is_the_theorems_whatever_the_proofs_before_it(pool: LeanPool, tmp_path: Path) -> None:
    """And what it calls a proof is judged again."""

    def after(one: str, other: str, statement: str = "theorem t : two + 0 = 2") -> Theorem:
        return Theorem("t", statement, preamble=(LEMMAS[0], LEMMAS[1].format(one), LEMMAS[2].format(other)))

    asked = []
    for theorem in (
        after("rfl", "rfl"),
        after("decide", "by\n  simp"),
        after("rfl", "Nat.add_zero n"),
        after("sorry", "by sorry"),
        after("rfl", "rfl", "theorem t : two = 2"),
    ):
        policy = Scripted(lambda prompt: ["rw [m, l]"])
        found = await search(pool, policy, theorem, journals=tmp_path, budget=Budget(checks=8), concurrency=1)
        asked.append((len(policy.asked) > 0, found.proved))
    # The first one's proof is taken over where it holds; where its lemmas are open it is none, whatever is on record.
    assert asked[:3] == [(True, True), (False, True), (False, True)]
    assert not asked[3][1]
    assert asked[4][0]
    assert len(files(tmp_path)) == 2


async def test_two_searches_cannot_write_to_one_journal(pool: LeanPool, tmp_path: Path) -> None:
    how = {"journals": tmp_path, "concurrency": 1, "budget": Budget(checks=2)}
    await search(pool, Scripted(orders), resumed.THEOREM, **how)
    (file,) = files(tmp_path)
    whole = file.read_bytes()
    with closing(JsonlWriter(file)), pytest.raises(JournalError, match="another process is writing to it"):
        await search(pool, Scripted(orders), resumed.THEOREM, **how)
    assert file.read_bytes() == whole
    await search(pool, Scripted(orders), resumed.THEOREM, **how)


async def test_a_spent_samples_budget_closes_nothing(pool: LeanPool, tmp_path: Path) -> None:
    how = {"journals": tmp_path, "concurrency": 3, "width": 2}
    policy = Scripted(orders)
    result = await search(pool, policy, resumed.THEOREM, budget=Budget(samples=5), **how)
    assert (result.samples, min(n for _, n, _ in policy.asked)) == (5, 1)
    result = await search(pool, Scripted(orders), resumed.THEOREM, budget=Budget(), **how)
    assert result.trace is not None
    assert len(result.trace.nodes) == resumed.NODES


async def test_a_longer_text_is_not_judged_by_a_shorter_one(pool: LeanPool) -> None:
    policy = Scripted(by_goal({"p ∧ q ∧ r": ["constructor", "constructor\n· exact hp\n· simp_all"]}), stepwise=False)
    assert (await search(pool, policy, concurrency=1)).proved


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_killed_ten_times_it_ends_with_the_same_nodes(pool: LeanPool, tmp_path: Path) -> None:
    unbroken = await resumed.nodes(pool, None)
    assert len(unbroken) == resumed.NODES
    assert await asyncio.to_thread(killed, tmp_path, 10) == unbroken


def killed(folder: Path, times: int) -> list[str]:
    """The nodes of a search that was killed so many times, each time a little further: half of it in all."""
    chance, rows = random.Random(11), 0

    def written() -> int:
        return sum(file.read_bytes().count(b"\n") for file in folder.glob("*.jsonl"))

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.search.resumed", str(folder)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)

    for kill in range(times):
        process = start()
        rows += chance.randrange(1, 6)
        while written() < rows and process.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.02)
        assert process.poll() is None, f"it ended before kill {kill}"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        rows = written()
    out, _ = start().communicate(timeout=200)
    nodes: list[str] = json.loads(out)
    return nodes


def test_the_first_tactic_of_a_text() -> None:
    assert first_tactic("simp\nomega") == "simp"
    assert first_tactic("induction n with\n| zero => rfl\n| succ n ih =>\n  simp\n\n  omega\nrfl").endswith("\n  omega")
    assert first_tactic("constructor\n· rfl") == "constructor"
    assert first_tactic("cases h\n<;> simp") == "cases h\n<;> simp"


async def test_what_lean_suggests_is_written_out(pool: LeanPool) -> None:
    double = "def double : Nat → Nat\n  | 0 => 0\n  | n + 1 => double n + 2"
    theorem = Theorem("t", "theorem t (n : Nat) : double n = n + n", preamble=(double,))
    result = await RMaxTS(pool, Scripted(lambda prompt: ["try?"])).prove(theorem, Budget(seconds=100))
    assert (result.proof or "").startswith("(fun_induction double) <;> grind")
