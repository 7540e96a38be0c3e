"""A goal's premises: what Lean tells of a text's definitions and lemmas, written as it means them at the goal."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from lean_env import LeanPool
from lean_env.embedded import install
from lean_env.premises import Constant, Lemma, Premises
from prover.policy.tactics import own

TEXT = (
    """
namespace A
inductive T | leaf (n : Nat) | fork (l r : T)
private def T.sum : T → Nat | leaf n => n | fork l r => l.sum + r.sum
def «odd name» (t : T) : Nat := helper t where helper (t : T) := t.sum
def unrelated : Nat := 1
abbrev Ts := List T
inductive Has : Nat → T → Prop
  | here n : Has n (.leaf n)
  | left {n l r} : Has n l → Has n (.fork l r)
instance : Add T := ⟨.fork⟩
""",
    "theorem open_one (t : T) : t.sum = t.sum := by sorry",
    "theorem from_open (t : T) : t.sum = t.sum := open_one t",
    "private theorem sum_fork (l r : T) : (T.fork l r).sum = l.sum + r.sum := by simp [T.sum]",
    "theorem other : unrelated = 1 := rfl",
    "end A\nnamespace B\ndef sum : Nat := 0",
)
FAMILIES = (
    """
inductive Tree (α : Type) | node (a : α) (ts : List (Tree α))
inductive Value | null | list (vs : List Value) | record (fields : List (String × Value))
mutual
def Tree.size {α : Type} : Tree α → Nat | node _ ts => 1 + sizes ts
def Tree.sizes {α : Type} : List (Tree α) → Nat | [] => 0 | t :: ts => t.size + sizes ts
end
mutual
def Tree.flip {α : Type} : Tree α → Tree α | node a ts => node a (flips ts)
def Tree.flips {α : Type} : List (Tree α) → List (Tree α) | [] => [] | t :: ts => flips ts ++ [t.flip]
end
def Tree.map {α β : Type} (f : α → β) : Tree α → Tree β | node a ts => node (f a) (ts.map (map f))
def Value.ok (_ : Value) : Prop := True
mutual
inductive Ev : Nat → Prop | zero : Ev 0 | succ {n} : Od n → Ev (n + 1)
inductive Od : Nat → Prop | succ {n} : Ev n → Od (n + 1)
end
""",
    "theorem Tree.sizes_append {α : Type} (ts us : List (Tree α)) : sizes (ts ++ us) = sizes ts + sizes us := by\n"
    "  induction ts <;> grind [sizes]",
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool() -> AsyncIterator[LeanPool]:
    install.install()
    async with LeanPool(workers=1) as pool:
        yield pool


async def premises(pool: LeanPool, statement: str, after: str = "") -> Premises:
    found = await pool.premises(f"theorem t {statement} := by sorry", after=after, context=TEXT)
    assert found is not None
    return found


async def test_definitions_in_the_goal_and_one_unfolding_away(pool: LeanPool) -> None:
    found = await premises(pool, "(s : A.T) : A.«odd name» s = A.unrelated")
    assert {(w.name, w.kind, w.near) for w in found.constants} == {
        ("A.«odd name»", "definition", True),
        ("A.unrelated", "definition", True),
        ("A.T", "type", True),
        ("A.«odd name».helper", "definition", False),
    }


async def test_names_mean_what_they_meant(pool: LeanPool) -> None:
    """`sum` is B's here, and a variable may have a definition's name; what is open may be written short."""
    found = await premises(pool, "(s : A.T) (sum : Nat) : s.sum = sum + B.sum")
    assert {w.name for w in found.constants} == {"A.T.sum", "B.sum", "A.T"}
    within = await pool.premises("open A in theorem t (s : T) : s.sum = 0 := by sorry", context=TEXT)
    assert within is not None
    assert {w.name for w in within.constants} == {"T.sum", "T"}
    for word in within.constants:
        check = await pool.check(f"open A in example : True := by have := @{word.name}; trivial", context=TEXT)
        assert check.ok


async def test_lemmas_that_share_symbols_and_are_proved(pool: LeanPool) -> None:
    assert (await premises(pool, "(l : A.T) : l.sum = 1")).lemmas == (Lemma("A.sum_fork", True, True),)
    assert (await premises(pool, ": A.unrelated = 1")).lemmas == (Lemma("A.other", True, True),)
    assert (await premises(pool, ": 1 = 1")).lemmas == ()


async def test_what_no_tactic_can_use_as_a_lemma_is_told(pool: LeanPool) -> None:
    lemma = "theorem no_pattern (p : Nat → Prop) (h : ∀ n, p (f n)) : p 1 := h 0"
    found = await pool.premises("theorem t : f 0 = 1 := by sorry", context=("def f (n : Nat) := n + 1", lemma))
    assert found is not None
    assert found.lemmas == (Lemma("no_pattern", True, False),)


async def test_locals_calls_and_shapes(pool: LeanPool) -> None:
    found = await premises(pool, "(s : A.T) (h : A.Has 1 (.fork s s)) : ∀ n, (s + s).sum = n → ∃ m, m = s.sum")
    assert (found.shape, found.names) == ("∀", ("n", ""))
    assert [(v.name, v.type, v.own, v.predicate, v.variables, v.arguments) for v in found.locals] == [
        ("s", "A.T", True, False, (), ()),
        ("h", "A.Has", True, True, (), ("1", "s.fork s")),
    ]
    assert found.methods == ("HAdd.hAdd", "Add.add")
    assert [(c.text, c.function, c.recursive) for c in found.calls] == [("s.sum", "A.T.sum", True)]
    (predicate,) = (w for w in found.constants if w.kind == "predicate")
    assert predicate == Constant("A.Has", "predicate", True, True, ("A.Has.here", "A.Has.left"))
    later = await premises(pool, "(s : A.T) : ∀ n, s.sum = n → True", after="intro n h")
    assert (later.shape, [v.name for v in later.locals]) == ("", ["s", "n", "h"])


async def test_names_that_are_keywords_are_quoted(pool: LeanPool) -> None:
    context = ("inductive P : Nat → Prop | «then» : P 0 | other : P 1\nnamespace P\n",)
    found = await pool.premises("theorem t : P 0 := by sorry", context=context)
    assert found is not None
    assert found.constants[0].constructors == ("«then»", "other")


@pytest.mark.parametrize(
    ("statement", "local", "motives"),
    [
        (
            "(t : Tree Nat) (n : Nat) : n + t.flip.size = t.size + n",
            "t",
            [{"motive_2": "n + Tree.sizes (Tree.flips x0) = Tree.sizes x0 + n"},
             {"motive_2": "∀ x1 ∈ x0, n + x1.flip.size = x1.size + n"}],
        ),
        ("(t : Tree Nat) (x0 : Nat) (h : t.size = x0) : x0 = 1", "t", [
            {"motive_2": "Tree.sizes x0' = x0 → x0 = 1"}, {"motive_2": "∀ x1 ∈ x0', x1.size = x0 → x0 = 1"}]),
        ("(v : Value) : v.ok", "v", [{"motive_2": "∀ x1 ∈ x0, x1.ok", "motive_3": "∀ x1 ∈ x0, ∀ x2, x2 = x1.2 → x2.ok",
                                      "motive_4": "∀ x1, x1 = x0.2 → x1.ok"}]),
        ("(m n : Nat) (h : Ev m) : Ev (m + 2 * n)", "h", [{"motive_2": "Od (x0 + 2 * n)"}, {"motive_2": "True"}]),
        ("(n : Nat) (h : Ev (n + n)) : Ev n", "h", []),  # an index that is no variable
        ("(n : Nat) : n = n", "n", []),
    ],
)  # fmt: skip
async def test_motives_for_the_other_types_of_a_family(
    pool: LeanPool, statement: str, local: str, motives: list[dict[str, str]]
) -> None:
    found = await pool.premises(f"theorem t {statement} := by sorry", context=FAMILIES)
    assert found is not None
    (v,) = (v for v in found.locals if v.name == local)
    assert [{name: body for name, _, body in way.motives} for way in v.principles] == motives


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("{α : Type} (t : Tree α) : t.flip.size = t.size", "structural induction"),
        ("{α β γ : Type} (f : α → β) (g : β → γ) (t : Tree α) : (t.map f).map g = t.map fun a => g (f a)",
         "structural induction"),
        ("(m n : Nat) (h : Ev m) (k : Ev n) : Ev (m + n)", "derivation"),
    ],
)  # fmt: skip
async def test_an_induction_with_these_motives_proves_what_needs_it(pool: LeanPool, statement: str, kind: str) -> None:
    found = await pool.premises(f"theorem t {statement} := by sorry", context=FAMILIES)
    assert found is not None
    for proposal in (p for p in own(found) if p.family == kind and " using " in p.text):
        steps = await pool.steps(f"theorem t {statement} := by sorry", proposal.text, context=FAMILIES, timeout=15)
        if steps.complete:
            break
    else:
        pytest.fail("none of them is a proof")


async def test_lemmas_of_the_library_are_selected_where_the_imports_allow_it(pool: LeanPool) -> None:
    """`grind` alone does not use the lemma of the library that this one follows from."""
    text = "def f (xs : List Nat) := xs.reverse"
    challenge = "theorem t (xs : List Nat) (n : Nat) : (f xs).take n = f (xs.drop (xs.length - n)) := by sorry"
    without = await pool.premises(challenge, context=(text,))
    assert without is not None
    assert not without.selects
    context = ("import Lean.LibrarySuggestions.Default\n", text)
    found = await pool.premises(challenge, context=context)
    assert found is not None
    assert found.selects
    (proposal,) = (p.text for p in own(found) if p.family == "library")
    steps = await pool.steps(challenge, proposal, context=context, timeout=30)
    alone = await pool.steps(challenge, "grind [f]", context=context, timeout=30)
    assert (steps.complete, alone.complete) == (True, False)


async def test_what_hypotheses_give_is_asked_for_one_after_the_other(pool: LeanPool) -> None:
    context = ("def Total {α β : Type} (R : α → β → Prop) : Prop := ∀ x, ∃ y, R x y",)
    challenge = (
        "theorem t {α β γ : Type} {R : α → β → Prop} {S : β → γ → Prop} (h : Total R) (k : Total S) (x : α) :"
        " ∃ z y, R x y ∧ S y z := by sorry"
    )
    found = await pool.premises(challenge, context=context)
    assert found is not None
    assert [v.name for v in found.locals if v.gives] == ["h", "k"]
    (text,) = (p.text for p in own(found) if "h x\nobtain ⟨a3, a4⟩ := k a1" in p.text)
    assert (await pool.steps(challenge, text, context=context, timeout=15)).complete
