"""The reward is Lean's verdict: what it gives and takes, and that nobody earns by cheating."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from data import Theorem
from data.syntax.declarations import read_theorem
from lean_env import LeanPool, Reason
from prover.policy import Prompt
from prover.prompts import FAMILIES
from rl import losses
from rl.losses import PolicyLoss
from rl.reward import Judge, RewardResult, RewardSettings, follows

CHAT, TEXT = FAMILIES["deepseek-v2"], FAMILIES["deepseek-v1.5-noncot"]
SWAP = Theorem("swap", "theorem swap (p q : Prop) (hp : p) (hq : q) : q ∧ p")
DEFINED = Theorem("t", "theorem t : twice 2 = 4", preamble=("def twice (n : Nat) := n + n",))
STRICT = RewardSettings(consistency=0.25, format=0.5)
FIXTURES = Path(__file__).parents[1] / "fixtures" / "verdicts"


def block(theorem: Theorem, proof: str) -> str:
    return f"```lean4\n{theorem.statement} := by\n  {proof}\n```\n"


async def graded(pool: LeanPool, answer: str, theorem: Theorem = SWAP, **how: Any) -> RewardResult:
    family = how.pop("family", CHAT)
    prompt = Prompt(theorem, prefix=how.pop("prefix", ""))
    return await Judge(pool, family, how.pop("settings", STRICT)).grade(prompt, answer, **how)


# ---- what it gives and takes ----


async def test_a_proof_earns_1_and_anything_else_nothing(pool: LeanPool) -> None:
    proved = await graded(pool, block(SWAP, "exact ⟨hq, hp⟩"))
    assert (proved.reward, proved.proof, proved.readable, proved.follows_sketch) == (1, "exact ⟨hq, hp⟩", True, True)
    assert proved.verdict.proved
    wrong = await graded(pool, block(SWAP, "exact ⟨hp, hq⟩"))
    assert (wrong.reward, wrong.proof, wrong.verdict.reason) == (0, "exact ⟨hp, hq⟩", Reason.ERROR)
    defined = await graded(pool, "  rfl\n```", DEFINED, family=TEXT)
    assert defined.reward == 1


async def test_the_prompts_prefix_is_a_part_of_the_proof(pool: LeanPool) -> None:
    found = await graded(pool, "  exact hp\n```", prefix="constructor\n· exact hq", family=TEXT)
    assert found.reward == 1
    assert found.proof == "constructor\n· exact hq\nexact hp"


UNREADABLE = [
    "",
    "It is obvious.",
    "```lean4\n```",
    "```lean4\nsorry\n```",
    block(SWAP, "sorry"),
    "```lean4\n\x00\n```",
]


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_what_cannot_be_read_costs(pool: LeanPool, answer: str) -> None:
    found = await graded(pool, answer)
    assert (found.reward, found.readable, found.verdict.reason) == (-0.5, False, Reason.ANSWER)
    assert (await graded(pool, answer, settings=RewardSettings())).reward == 0


async def test_an_answer_that_was_cut_off_has_no_last_line(pool: LeanPool) -> None:
    assert (await graded(pool, "  exact ⟨hq, hp⟩", family=TEXT)).reward == 1
    assert (await graded(pool, "  exact ⟨hq, hp⟩", family=TEXT, finished=False)).reward == -0.5
    assert (await graded(pool, "  exact ⟨hq, hp⟩\n  exa", family=TEXT, finished=False)).reward == 1


SKETCH = block(SWAP, "have one : q := by\n    sorry\n  have two (_ : q) : p := sorry\n  exact ⟨one, two one⟩")
FINAL = "### Complete Lean 4 Proof\n\n"
PROOFS = {
    "have one : q := hq\n  have two (_ : q) : p := hp\n  exact ⟨one, two one⟩": 1.0,
    "have other :   q  := by -- renamed\n    exact hq\n  have (_ : q) : p := hp\n  exact ⟨other, this other⟩": 1.0,
    "have one : q := hq\n  exact ⟨one, hp⟩": 0.75,
    "have one : q := hq\n  -- have two (_ : q) : p := hp\n  exact ⟨one, hp⟩": 0.75,
    "exact ⟨hq, hp⟩": 0.75,
    "have one : q := hp\n  exact ⟨one, hp⟩": 0.0,
}


@pytest.mark.parametrize("proof", PROOFS)
async def test_a_proof_that_leaves_its_plan_costs(pool: LeanPool, proof: str) -> None:
    answer = f"### Plan\n\n{SKETCH}\n{FINAL}{block(SWAP, proof)}"
    found = await graded(pool, answer)
    assert found.reward == PROOFS[proof]
    if found.verdict.proved:
        assert found.follows_sketch is (found.reward == 1)
        assert (await graded(pool, answer, settings=RewardSettings())).reward == 1


def test_without_a_sketch_there_is_nothing_to_follow() -> None:
    assert follows("", "exact h")
    assert follows("have h : p := by sorry", "exact h")  # no code block
    assert follows("```lean4\nhave h : p := hp\n```", "exact h")  # nothing is left open
    assert not follows("```lean4\nhave h : p := by sorry\n```", "exact h")
    assert follows("```lean4\nhave h : p := by sorry\n```", "have := 1\nhave g : p := hp")


# ---- nobody earns by cheating ----

_NAMES = """
    axiom-declared axiom-in-the-middle-of-a-line theorem-restated-as-axiom trust-compiler lc-proof native-decide
    native-decide-in-first challenge-axiom-with-autobound-letter changed-challenge-axiom bv-decide
    unsafe-cast-in-a-theorem unsafe-theorem partial-theorem implemented-by-a-lie run-tac-in-a-proof by-elab-term
    panic-as-a-proof circular-proof circular-through-symmetry guard-msgs-swallows-the-error
    comment-sign-in-a-string bidi-override-hides-a-hole terminal-escape-erases-the-error unsolved-goals-left
    failing-simp-hidden-by-later-success option-in-term option-in-tactic-block skip-kernel-check-in-one-theorem
    by-as-sorry option-inside-grind sorry-inside-grind sorry-behind-try sorry-in-nested-have sorryax-applied
    quoted-sorry-identifier sorry-in-auto-param fake-axiom-report-in-output fake-protocol-answer-in-output
    hypothesis-added variable-adds-a-hypothesis definition-value-changed open-resolves-another-constant
    constructor-added notation-for-equality instance-lying-about-decidability macro-for-decide classical-decide
"""
CHEATS = _NAMES.split()


def cheats() -> list[tuple[Theorem, str]]:
    """The fixtures' challenges, as theorems, and their solutions as answers; and answers that say nothing."""
    cases = {case["id"]: case for path in FIXTURES.glob("*.yaml") for case in yaml.safe_load(path.read_text("utf-8"))}
    found = []
    for name in CHEATS:
        case = cases[name]
        assert not case["proved"]
        found.append((read_theorem(case["challenge"], case["name"]), f"```lean4\n{case['solution']}\n```\n"))
    return found + [(SWAP, answer) for answer in UNREADABLE]


async def rewards(pool: LeanPool, arms: list[tuple[Theorem, str]], settings: RewardSettings) -> list[float]:
    judge = Judge(pool, FAMILIES["deepseek-v2-noncot"], settings)
    return [(await judge.grade(Prompt(theorem), answer)).reward for theorem, answer in arms]


def learnt(earns: list[float], updates: int, loss: PolicyLoss) -> tuple[torch.Tensor, float]:
    """GRPO on a bandit whose arms earn so much: what it came to think of them, from 0 on, and all it has earned."""
    chance, groups, answers = random.Random(0), 4, 16
    logits = torch.zeros(len(earns), requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.1)
    began, earned = logits.detach().log_softmax(0), 0.0
    for _ in range(updates):
        before = logits.detach().log_softmax(0)
        drawn = torch.tensor(chance.choices(range(len(earns)), before.exp().tolist(), k=groups * answers))
        got = torch.tensor(earns)[drawn]
        earned += float(got.sum())
        advantages = losses.advantages(got.view(groups, answers)).flatten()
        weights = losses.token_weights(torch.ones(groups * answers), loss.weighting, 1)
        now, which = logits.log_softmax(0)[drawn], torch.arange(groups * answers)
        old = before[drawn]
        value, _ = losses.grpo_loss(now, old, old, began[drawn], which, advantages, weights, loss)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return logits.detach(), earned


@pytest.mark.parametrize(
    "loss", [PolicyLoss(), PolicyLoss(weighting="token", off_policy_mask_threshold=0.1, importance_ratio_cap=None)]
)
async def test_a_bandit_that_cheats_earns_nothing_and_learns_nothing(pool: LeanPool, loss: PolicyLoss) -> None:
    arms = cheats()
    assert len(arms) > 50
    earns = await rewards(pool, arms, RewardSettings())
    assert dict(zip(CHEATS, earns, strict=False)) == dict.fromkeys(CHEATS, 0.0)
    logits, earned = learnt(earns, 30, loss)
    assert earned == 0
    assert not logits.any()
    honest = block(SWAP, "exact ⟨hq, hp⟩")
    earns += await rewards(pool, [(SWAP, honest)], RewardSettings())
    logits, earned = learnt(earns, 150, loss)
    assert float(logits.softmax(0)[-1]) > 0.95
    assert earned > 150 * 64 / 2


async def test_no_setting_makes_cheats_earn(pool: LeanPool) -> None:
    earns = await rewards(pool, cheats(), RewardSettings(consistency=1, format=0.1))
    assert max(earns) == 0
    assert min(earns) == -0.1
    _, earned = learnt(earns, 30, PolicyLoss())
    assert earned < 0
