"""The tactics policy without Lean: reading goals, and what is proposed for which shape."""

import itertools
from dataclasses import replace
from fractions import Fraction

import pytest

from lean_env.premises import Constant, Local, Premises
from prover.policy.tactics import MAX_PROPOSALS, Proposal, Ranking, own, proposals, steps
from prover.policy.tactics.bounds import proved_box
from prover.policy.tactics.normalise import normalised, substituted
from prover.policy.tactics.polynomials import combination, polynomial
from prover.policy.tactics.state import read_goals
from prover.policy.tactics.terms import parse, value
from prover.policy.tactics.vocabulary import definitions


def families(goal: str) -> set[str]:
    return {p.family for p in proposals(goal)}


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("a + b * c ^ 2", "(a + (b * (c ^ 2)))"),
        ("a - b - c", "((a - b) - c)"),
        ("p → q → r", "(p → (q → r))"),
        ("(a + b) * c = 3", "(((a + b) * c) = 3)"),
        ("¬7 ∣ 2 ^ n + 1", "(¬(7 ∣ ((2 ^ n) + 1)))"),
        ("(n + 7).gcd (2 * n + 1) ≤ 13", "(((n + 7).gcd ((2 * n) + 1)) ≤ 13)"),
        ("Nat.gcd 180 168 = 12", "((Nat.gcd 180 168) = 12)"),
        ("∀ (n : ℕ), n ≥ 5 → x n = x (n - 1)", "(∀ n : ℕ, ((n ≥ 5) → ((x n) = (x (n - 1)))))"),
        ("∃ a b, a ^ 2 = b", "(∃ a b, ((a ^ 2) = b))"),
        ("↑a - -↑b = (2 : ℤ)", "(((↑a) - (-(↑b))) = 2)"),
        ("t.mirror.mirror = t", "(((t.mirror).mirror) = t)"),
    ],
)
def test_terms_parse_with_lean_precedence(text: str, normal: str) -> None:
    term = parse(text)
    assert str(term) == normal
    assert parse(normal) == term


@pytest.mark.parametrize("text", ["∑ i ∈ s, i", "a +", "(a", "{x | p x}"])
def test_text_outside_the_grammar_is_no_term(text: str) -> None:
    assert parse(text) is None


def test_values_follow_lean() -> None:
    def of(text: str, natural: bool = True) -> int | None:
        term = parse(text)
        assert term is not None
        return value(term, {"n": 3}, natural)

    assert of("2 - n") == 0
    assert of("2 - n", natural=False) == -1
    assert of("7 % 0") == 7
    assert of("7 / 0") == 0
    assert of("2 ^ n + 1") == 9
    assert of("m + 1") is None
    assert of("10 ^ (10 ^ 10)") is None  # not worth computing


def test_a_state_is_read_with_long_lines_and_several_goals() -> None:
    goals = read_goals("case inl\nx y : ℕ\nh✝ : x <\n  y\n⊢ x + 1 ≤ y\n\ncase inr\n⊢ True")
    assert [h.name for h in goals[0].hypotheses] == ["x", "y", "h✝"]
    assert goals[0].naturals == ["x", "y"]
    assert goals[0].hypotheses[2].type == "x < y"
    assert goals[1].target == "True"


def test_normalising_names_introduces_and_splits() -> None:
    (goal,) = read_goals("a : ℕ\nh✝ : 0 < a ∧ a < 9\n⊢ ∀ (b : ℕ), b = a + 1 → b < 10")
    plain = normalised(goal)
    assert plain.prefix == ("rename_i hid_1", "intro b hyp_1", "obtain ⟨hid_1_1, hid_1_2⟩ := hid_1")
    assert plain.target == "(b < 10)"
    assert substituted(plain).prefix[-1] == "subst hyp_1"
    assert substituted(plain).target == "((a + 1) < 10)"


def test_bounds_come_from_products_and_powers() -> None:
    (goal,) = read_goals("x y : ℕ\nh : 2 ^ x * 3 ^ y = 1296\n⊢ x + y = 8")
    assert proved_box(goal).bounded() == {"x": (0, 10), "y": (0, 6)}


def test_bounds_of_integers_come_from_squares_and_divisors() -> None:
    (goal,) = read_goals("a b n : ℤ\nh : a ^ 2 + b ^ 2 = 25\nk : n * (n + 1) = 30\n⊢ a ≤ n")
    assert proved_box(goal).bounded() == {"a": (-5, 5), "b": (-5, 5), "n": (-30, 30)}


def test_an_unbounded_variable_has_no_bound() -> None:
    (goal,) = read_goals("x y : ℕ\nh : x < y\n⊢ x ≤ y")
    assert proved_box(goal).bounded() == {}


def test_definitions_of_the_user_are_found() -> None:
    (goal,) = read_goals("t : Tree\nf : ℕ → ℕ\n⊢ t.mirror.size + sumTo (f 2) = Nat.gcd 4 6")
    assert definitions(goal) == ["Tree.size", "Tree.mirror", "sumTo"]


def test_a_linear_combination_is_found() -> None:
    terms = [parse(t) for t in ("x ^ 2 - 1", "x - 1", "x * (x - 1)")]
    target, *parts = [p for t in terms if t and (p := polynomial(t)) is not None]
    assert combination(target, parts) == [Fraction(1), Fraction(1)]
    assert combination({(): Fraction(1)}, parts) is None


@pytest.mark.parametrize(
    ("goal", "family"),
    [
        ("x y : ℕ\nh : x < y\n⊢ x + 1 ≤ y", "automation"),
        ("x : ℕ\nh : x ^ 2 + x = 12\n⊢ x = 3", "finite search"),
        ("m x : ℕ\nh : 3 ≤ m ∧ m ≤ 9\nk : x % m = 5\n⊢ m ≠ 4", "value cases"),
        ("n : ℤ\n⊢ n ^ 2 % 3 = 0 ∨ n ^ 2 % 3 = 1", "residue cases"),
        ("n : ℕ\n⊢ 8 ∣ 9 ^ n - 1", "power residues"),
        ("f : ℕ → ℕ\nh : f 0 = 1\nk : ∀ (n : ℕ), f (n + 1) = 2 * f n\n⊢ f 4 = 16", "recurrence"),
        ("x y : ℤ\n⊢ x - y ∣ x ^ 2 - y ^ 2", "certificate"),
        ("n : ℕ\n⊢ (2 * n + 1).gcd (3 * n + 5) ≤ 7", "common divisor"),
        ("a b : ℤ\n⊢ 2 * a * b ≤ a ^ 2 + b ^ 2", "nonlinear"),
        ("n : ℕ\n⊢ n < 2 ^ n", "induction"),
        ("t : Tree\n⊢ t.mirror.mirror = t", "structural induction"),
        ("⊢ ∃ a b, 0 < a ∧ a ^ 2 = b ^ 3", "witness"),
        ("p q : Prop\nh : p ∨ q\n⊢ q ∨ p", "cases"),
        ("α : Type\nf g : α → α\n⊢ f ∘ g = g ∘ f", "extensionality"),
    ],
)
def test_each_shape_gets_its_family(goal: str, family: str) -> None:
    assert family in families(goal)


def test_powers_modulo_a_number_are_spelled_out() -> None:
    texts = [p.text for p in proposals("n : ℕ\n⊢ ¬7 ∣ 2 ^ n + 1") if p.family == "power residues"]
    assert "k % 3 = 2 ∧ (2 : Nat) ^ k % 7 = 4" in texts[0]


def test_witnesses_are_checked_before_they_are_proposed() -> None:
    texts = [p.text for p in proposals("⊢ ∃ a b, 1 < a ∧ a ^ 2 = b ^ 3") if p.family == "witness"]
    assert texts[0] == "exact ⟨8, 4, by decide⟩"


def test_proposals_are_lazy_distinct_and_bounded() -> None:
    many = "\n".join(["a b c d e f g : ℕ", *(f"h{i} : a ^ 2 * b < {i} ∧ c ∣ d" for i in range(30)), "⊢ a ^ e = f * g"])
    first = list(itertools.islice(proposals(many), 3))
    assert [p.text for p in first] == ["rfl", "trivial", "omega"]
    texts = [p.text for p in proposals(many)]
    assert len(texts) == len(set(texts)) <= MAX_PROPOSALS


@pytest.mark.parametrize("goal", ["", "nonsense", "⊢", "x : {y // y < 3}\n⊢ ∑ i ∈ s, i = 3", "h : ∀\n⊢ ∃ x,"])
def test_what_does_not_parse_still_gets_automation(goal: str) -> None:
    assert "automation" in families(goal)


def test_nothing_is_proposed_that_a_verdict_refuses() -> None:
    for goal in ("n : ℕ\n⊢ n < 2 ^ n", "x : ℕ\nh : x * 3 = 12\n⊢ x = 4"):
        for p in proposals(goal):
            assert not any(word in p.text for word in ("sorry", "native_decide", "axiom"))


def test_ranking_moves_successful_families_forward_and_keeps_the_rest() -> None:
    ranking = Ranking()
    given = [Proposal("a", "x"), Proposal("b", "y"), Proposal("c", "x"), Proposal("d", "y")]
    assert ranking.rank(given) == given
    ranking.succeeded("y")
    assert [p.text for p in ranking.rank(given)] == ["b", "d", "a", "c"]


def test_a_goal_is_tidied_before_it_is_closed() -> None:
    """What is hidden gets a name, existentials are taken apart, what is bound is introduced."""
    plain = Local("x", True, "Nat", False, False, True, False, False, "", True)
    locals_ = (plain, replace(plain, name="h", accessible=False, shape="∃"), replace(plain, name="g", shape="∧"))
    premises = Premises("∀", ("x", "y", ""), (Constant("f", "definition", True, False),), locals=locals_)
    first = next(own(premises)).text
    assert first == "rename_i a1\nobtain ⟨a2, a3⟩ := a1\nobtain ⟨a4, a5⟩ := g\nintro a6 y a7"
    assert next(steps("⊢ True", own(premises))).text == first
    assert first not in {p.text for p in proposals("⊢ True", own(premises))}


def test_induction_along_a_derivation_generalises_what_may_change() -> None:
    variable = Local("s", True, "T", True, False, True, False, False, "", True)
    h = replace(variable, name="h", type="Step", predicate=True, variables=("s",), arguments=("f 0",), variable=False)
    predicate = Constant("Step", "predicate", True, True, ("Step.a",))
    premises = Premises("=", (), (predicate,), locals=(variable, replace(variable, name="u"), h))
    texts = [p.text for p in own(premises)]
    assert any(t.startswith("generalize e1 : f 0 = x1 at h\ninduction h generalizing u <;> ") for t in texts)
    assert any("grind [Step]" in t and "solve_by_elim [Step.a]" in t for t in texts)


def test_without_premises_of_its_own_a_goal_gets_what_it_got() -> None:
    goal = "n : Nat\n⊢ n + 0 = n"
    assert list(own(Premises())) == []
    assert list(steps(goal, own(Premises()))) == list(steps(goal))
