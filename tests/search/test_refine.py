"""Refinement and the portfolio over real Lean."""

from __future__ import annotations

from collections.abc import Sequence

from data import Theorem
from lean_env import LeanPool, Reason
from prover.policy import Prompt
from search import Budget, Meter, Phase, Portfolio, Refine, RMaxTS, SamplingSearch, SearchResult
from search.refine import format_feedback
from tests.search.policies import Scripted, by_goal

AND = Theorem("t", "theorem t (p q : Prop)\n    (hp : p) (hq : q) : p ∧ q")


def correcting(prompt: Prompt) -> Sequence[str]:
    """Learns from what Lean says: only a second correction is right."""
    if not prompt.rounds:
        return ["exact hq"]
    said = prompt.rounds[-1].feedback
    if "Type mismatch" in said:
        return ["constructor\nexact hp"]
    return ["constructor\nexact hp\nexact hq"] if "unsolved goals" in said else ["exact nonsense"]


async def test_errors_go_back_to_the_policy_until_the_proof_holds(pool: LeanPool) -> None:
    policy = Scripted(correcting, stepwise=False)
    result = await Refine(pool, policy).prove(AND, Budget(seconds=60))
    assert result.proof == "constructor\nexact hp\nexact hq"
    shown = max((prompt.rounds for prompt, _, _ in policy.asked), key=len)
    assert [r.proof for r in shown] == ["exact hq", "constructor\nexact hp"]
    assert shown[0].feedback.startswith("line 1: exact hq\nType mismatch")
    assert result.trace is not None
    assert result.trace.completed is not None
    assert result.trace.attempts[result.trace.completed].outcome == "proved"


async def test_rounds_and_history_are_bounded(pool: LeanPool) -> None:
    def stubborn(prompt: Prompt) -> Sequence[str]:
        return [f"exact foo{len(prompt.rounds)}{n}{hash(prompt.rounds)}" for n in range(3)]

    policy = Scripted(stubborn, stepwise=False)
    result = await Refine(pool, policy, rounds=3).prove(AND, Budget(seconds=60))
    assert result.samples == result.checks == 3 * 4
    assert max(len(prompt.rounds) for prompt, _, _ in policy.asked) == 2


async def test_a_policy_that_repeats_itself_gets_no_further_round(pool: LeanPool) -> None:
    result = await Refine(pool, Scripted(by_goal({"p ∧ q": ["exact hq"]}))).prove(AND, Budget(seconds=60))
    assert result.reasons == {Reason.ERROR: 1}


async def test_a_budget_is_kept(pool: LeanPool) -> None:
    endless = Scripted(lambda prompt: [f"exact foo{n}{len(prompt.rounds)}" for n in range(10**4)])
    for budget in (Budget(checks=7), Budget(samples=7)):
        assert (await Refine(pool, endless).prove(AND, budget)).checks <= 7 + pool.size
    result = await Refine(pool, endless).prove(AND, Budget(seconds=1.5))
    assert result.seconds < 10


async def test_only_what_helps_is_shown(pool: LeanPool) -> None:
    proof = "constructor\n· exact foo\n· have : 1 = 2 := by\n    decide\n  exact hq"
    verdict = await pool.judge(AND.claim(proof))
    said = format_feedback(AND, proof, verdict)
    assert said.index("line 2: · exact foo\nUnknown identifier `foo`") < said.index("line 4: decide")
    long = "have : " + " ∧ ".join(f"{n} = {n + 1}" for n in range(400)) + " := by\n  skip\nexact ⟨hp, hq⟩"
    assert len(format_feedback(AND, long, await pool.judge(AND.claim(long)))) < 4000
    assert format_feedback(AND, "sorry", await pool.judge(AND.claim("sorry"))).startswith("`sorry`")


# ---- several searches, one budget ----


class Counted:
    """A search that spends all it is given and finds nothing, or says at once that it has nothing to try."""

    name = "counted"

    def __init__(self, spends: bool = True) -> None:
        self.spends, self.given = spends, []

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        self.given.append(budget)
        result = SearchResult(theorem)
        if self.spends:
            result.checks, result.samples = budget.checks or 0, budget.samples or 0
        result.reasons[Reason.ERROR] += 1
        return result


async def test_a_portfolio_shares_one_budget() -> None:
    turns = [Counted(), Counted(spends=False), Counted()]
    portfolio = Portfolio([Phase(turns[0], 0.25), Phase(turns[1], 0.5), Phase(turns[2], 0.5)])
    result = await portfolio.prove(AND, Budget(checks=100, samples=40))
    assert [t.given[0].checks for t in turns] == [25, 38, 75]
    assert [t.given[0].samples for t in turns] == [10, 15, 30]
    assert (result.checks, result.samples, result.reasons[Reason.ERROR]) == (100, 40, 3)


async def test_the_first_success_ends_a_portfolio(pool: LeanPool) -> None:
    sampling = SamplingSearch(pool, Scripted(by_goal({"p ∧ q": ["exact hq"]}), stepwise=False))
    tree = RMaxTS(pool, Scripted(by_goal({"p ∧ q": ["constructor"], "⊢ p": ["exact hp"], "⊢ q": ["exact hq"]})))
    never = Counted()
    portfolio = Portfolio([Phase(sampling, 0.5), Phase(tree, 0.5), Phase(never, 1)])
    result = await portfolio.prove(AND, Budget(seconds=60))
    assert result.proof == "constructor\nexact hp\nexact hq"
    assert result.trace is not None
    assert result.trace.search == "rmaxts"
    assert not never.given
    assert result.checks >= 5
    assert result.reasons[Reason.ERROR] == 1


async def test_a_statement_with_a_problem_is_not_tried_twice(pool: LeanPool) -> None:
    never = Counted()
    sampling = SamplingSearch(pool, Scripted(by_goal({})))
    result = await Portfolio([Phase(sampling, 0.5), Phase(never, 1)]).prove(Theorem("t", "theorem t : 1 ="), Budget())
    assert result.problem
    assert not never.given


def test_a_part_of_a_budget() -> None:
    meter = Meter(Budget(samples=10, checks=100), samples=9, checks=50)
    assert meter.fraction(0.1) == Budget(samples=1, checks=5)
    assert Meter(Budget()).fraction(0.5) == Budget()
    assert Meter(Budget(samples=10), samples=10).fraction(0.5) == Budget(samples=0)
