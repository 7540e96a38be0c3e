"""What each family of models is asked, to the letter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from data import Theorem
from lean_env import LeanPool
from prover.policy import PreviousAttempt, Prompt
from prover.prompts import FAMILIES, AnswerParseError, Request, family_of
from prover.prompts.few_shot import EXAMPLES

HEADER = "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats {}\n\nopen BigOperators Real Nat Topology Rat\n\n"
GOLDEN = Path(__file__).parent / "golden"

THEOREM = Theorem(
    name="swap",
    statement="theorem swap (p q : Prop) (h : p ∧ q)\n    (n : ℕ) : q ∧ p",
    header=HEADER.format(400000),
    preamble=("\ndef two : ℕ := 2\n", "\n\ntheorem two_pos : 0 < two := by\n  decide\n"),
    informal="Show that $q$ and $p$ hold if $p$ and $q$ hold.",
    source="swap.lean:7",
)
CONTEXT = "p q : Prop\nh : p ∧ q\nn : ℕ\n"
INSIDE = Prompt(
    THEOREM,
    goal=f"case zero\n{CONTEXT}⊢ q ∧\n    p",
    prefix="have hp := h.1\ncases n with\n| zero =>\n  skip",
    column=2,
)
CASES = {
    "whole": Prompt(THEOREM, goal=f"{CONTEXT}⊢ q ∧ p"),
    "continuation": INSIDE,
    "round": Prompt(
        THEOREM,
        goal=f"{CONTEXT}⊢ q ∧ p",
        rounds=(
            PreviousAttempt("exact h", "line 1: exact h\nType mismatch"),
            PreviousAttempt(
                "constructor\n· exact h.2\n· exact h", "line 3: · exact h\nType mismatch\n  h\nhas type\n  p ∧ q"
            ),
        ),
    ),
}


def written(request: Request) -> str:
    """A request as a text file."""
    parts = [f"==== {m.role}\n{m.content}\n" for m in request.messages] or [f"==== text\n{request.text}\n"]
    return "".join((*parts, f"==== stop {list(request.stop)}\n"))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_request_is_the_published_one(family: str, case: str) -> None:
    request = FAMILIES[family].request(CASES[case])
    assert bool(request.text) != bool(request.messages)
    assert written(request) == (GOLDEN / f"{family}.{case}.txt").read_text("utf-8")


@pytest.mark.parametrize("family", FAMILIES)
def test_earlier_answers_are_shown_to_those_that_can_correct_them(family: str) -> None:
    shown = "has type" in written(FAMILIES[family].request(CASES["round"]))
    assert shown == FAMILIES[family].corrects


def test_deepseek_prover_v1_5_is_asked_as_its_repository_does() -> None:
    """`quick_start.py` of the repository, on one of its problems."""
    theorem = Theorem(
        name="mathd_algebra_182",
        statement="theorem mathd_algebra_182 (y : ℂ) : 7 * (3 * y + 2) = 21 * y + 14",
        header=HEADER.format(0),
        informal="Expand the following expression: $7(3y+2)$ Show that it is 21y+14.",
    )
    assert FAMILIES["deepseek-v1.5-noncot"].request(Prompt(theorem)).text == (
        "Complete the following Lean 4 code:\n\n```lean4\nimport Mathlib\nimport Aesop\n\n"
        "set_option maxHeartbeats 0\n\nopen BigOperators Real Nat Topology Rat\n\n"
        "/-- Expand the following expression: $7(3y+2)$ Show that it is 21y+14.-/\n"
        "theorem mathd_algebra_182 (y : ℂ) : 7 * (3 * y + 2) = 21 * y + 14 := by\n"
    )


def test_a_continued_text_ends_with_the_state_as_the_paper_lays_it_out() -> None:
    assert (
        FAMILIES["deepseek-v1.5"]
        .request(INSIDE)
        .text.endswith(
            " : q ∧ p := by\n  have hp := h.1\n  cases n with\n  | zero =>\n    skip\n    /- tactic state:\n"
            "      case zero\n      p q : Prop\n      h : p ∧ q\n      n : ℕ\n      ⊢ q ∧\n          p\n    -/\n"
        )
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_the_state_at_the_start_of_a_proof_is_not_shown(family: str) -> None:
    assert "tactic state" not in written(FAMILIES[family].request(CASES["whole"]))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_theorem_without_a_header_and_words_leaves_no_empty_lines(family: str) -> None:
    text = written(FAMILIES[family].request(Prompt(Theorem("t", "theorem t : True"))))
    assert f"```lean4\ntheorem {'claim' if family == 'bare' else 't'} : True := by" in text
    assert "/--" not in text.replace("".join(EXAMPLES), "") or family == "deepseek-v1.5-fewshot"


def test_a_small_model_sees_only_what_the_statement_speaks_of() -> None:
    preamble = (
        "/-- def idle -/\n@[simp] private def base : ℕ := 2  -- two\n\nopen Nat\n\n/- theorem\nx -/\n"
        "def Ns.doubled : Nat → Nat\n  | n => n + base\n\ndef idle := 3\n\ntheorem t : 1 = 1 := by sorry\n\n",
    )
    theorem = Theorem("u", "/-- words -/\ntheorem u\n  (n : ℤ) :\n  Ns.doubled 1 = 3", "import Mathlib", preamble)
    assert FAMILIES["bare"].request(Prompt(theorem)).text == (
        "Complete the following Lean 4 code:\n\n```lean4\n@[simp] private def base : Nat := 2\n\n"
        "def Ns.doubled : Nat → Nat\n  | n => n + base\n\ntheorem claim (n : Int) : Ns.doubled 1 = 3 := by\n"
    )


def test_a_doc_comment_cannot_be_closed_by_its_text() -> None:
    asked = FAMILIES["instruct"].request(Prompt(replace(THEOREM, informal="a -/ b /- c"))).messages[0].content
    assert "/-- a - / b / - c-/\n" in asked


def test_the_examples_for_base_models_are_whole_blocks() -> None:
    text = FAMILIES["deepseek-v1.5-fewshot"].request(CASES["whole"]).text
    *blocks, asked = text.split("```\n\n\n")
    assert [block.split("\n\n")[-1].rstrip("\n") for block in blocks] == list(EXAMPLES)
    assert asked == FAMILIES["deepseek-v1.5"].request(CASES["whole"]).text
    assert not any("sorry" in example or "ℕ" in example for example in EXAMPLES)


@pytest.mark.parametrize(
    ("model", "family"),
    {
        "deepseek-ai/DeepSeek-Prover-V1.5-Base": "deepseek-v1.5-fewshot",
        "deepseek-ai/DeepSeek-Prover-V1.5-SFT": "deepseek-v1.5",
        "/models/deepseek-prover-v1.5-rl/": "deepseek-v1.5",
        "~/.cache/models--deepseek-ai--DeepSeek-Prover-V1.5-RL/snapshots/0a1b": "deepseek-v1.5",
        "deepseek-ai/DeepSeek-Prover-V2-671B": "deepseek-v2",
        "deepseek_prover_v2_7b.gguf": "deepseek-v2",
        "Goedel-LM/Goedel-Prover-V2-8B": "goedel-v2",
        "Goedel-LM/Goedel-Prover-SFT": "deepseek-v1.5",
        "Goedel-LM/Goedel-Prover-DPO": "deepseek-v1.5",
        "AI-MO/Kimina-Prover-Preview-Distill-7B": "kimina",
        "/runs/kimina-prover/DeepSeek-Prover-V2-7B": "deepseek-v2",
        "Qwen/Qwen3-0.6B": "instruct",
        "": "instruct",
    }.items(),
)
def test_a_models_name_tells_its_family(model: str, family: str) -> None:
    assert family_of(model) == family
    assert FAMILIES[family].name == family


def test_reasons_are_short() -> None:
    with pytest.raises(AnswerParseError, match=r"^an empty answer$"):
        FAMILIES["instruct"].proof(CASES["whole"], "", True)


async def test_the_few_shot_examples_hold(pool: LeanPool) -> None:
    for example in EXAMPLES:
        check = await pool.check(example)
        assert check.ok, check.errors
