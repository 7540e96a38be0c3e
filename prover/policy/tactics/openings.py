"""Proposes the steps of a tree search: single tactics that change a goal, and automation in bundles."""

from collections.abc import Iterator

from prover.policy.tactics.proposal import AUTOMATION, Proposal
from prover.policy.tactics.state import NAT, Goal, Hypothesis, is_proposition
from prover.policy.tactics.vocabulary import definitions

OPENING = "opening"
# One question to Lean instead of one for each. What may search for long stands alone: a time limit ends only that.
BUNDLES = (
    "first | rfl | trivial | omega | ac_rfl | contradiction | (intros; omega)",
    "first | (simp; done) | (simp_all; done) | decide | (simp_all; omega)",
    "grind",
    "decide +kernel",
)
_REWRITES = 4  # equations used in either direction
_WITNESSES = 6


def bundles() -> Iterator[Proposal]:
    """Propose core Lean's automation, several tactics in one proposal."""
    for text in BUNDLES:
        yield Proposal(text, AUTOMATION)


def openings(goal: Goal) -> Iterator[Proposal]:
    """Propose first steps of a proof, those that lose nothing first."""
    for text in (*_shape(goal), *_hypotheses(goal), *_data(goal), *_rewriting(goal)):
        yield Proposal("\n".join([*goal.prefix, text]), OPENING)


def _shape(goal: Goal) -> Iterator[str]:
    """Steps that follow from the head of the target."""
    head = goal.term.head if goal.term else ""
    if head in ("∧", "↔"):
        yield "constructor"
    if head == "∨":
        yield from ("left", "right")
    if head == "∃":
        local = [h.name for h in goal.hypotheses if _is_value(h)]
        for witness in (*local[:_WITNESSES], "0", "1", "_"):
            yield f"refine ⟨{witness}, ?_⟩"
    if "if " in goal.target or "match " in goal.target:
        yield "split"
    if head == "=" and any("→" in h.type for h in goal.hypotheses):
        yield "funext x"
    known = definitions(goal)
    if known:
        yield f"simp only [{', '.join(known)}]"
        yield f"simp only [{', '.join(known)}] at *"
    yield from ("simp", "simp_all", "subst_vars")


def _hypotheses(goal: Goal) -> Iterator[str]:
    """Steps that split or use hypotheses."""
    for h in goal.facts:
        head = h.term.head if h.term else ""
        if head == "∨":
            yield f"rcases {h.name} with {h.name} | {h.name}"
        if head in ("∀", "→", "¬"):
            yield f"apply {h.name}"
    for h in goal.facts:
        if h.term and h.term.head == "∀":
            for v in goal.hypotheses:
                if v.type == h.term.type or (v.type in NAT and h.term.type in NAT):
                    yield f"have := {h.name} {v.name}"


def _data(goal: Goal) -> Iterator[str]:
    """Induction on, and cases of, the variables of the goal."""
    variables = [h for h in goal.hypotheses if _is_value(h) and goal.term is not None and goal.term.mentions(h.name)]
    for h in variables:
        others = [v.name for v in variables if v is not h]
        for generalizing in ("", f" generalizing {' '.join(others)}") if others else ("",):
            if h.type in NAT:
                yield f"induction {h.name}{generalizing} with\n| zero => ?_\n| succ {h.name} ih => ?_"
            elif h.type.startswith("List "):
                yield f"induction {h.name}{generalizing} with\n| nil => ?_\n| cons x {h.name} ih => ?_"
            else:
                yield f"induction {h.name}{generalizing}"
        yield f"cases {h.name}"
    for p in goal.of_type("Prop"):
        yield f"by_cases is : {p}"


def _rewriting(goal: Goal) -> Iterator[str]:
    """Rewriting with hypotheses that are equations."""
    equations = [h.name for h in goal.facts if h.term and _conclusion(h).endswith("=")]
    for name in equations[:_REWRITES]:
        yield from (f"rw [{name}]", f"rw [← {name}]")


def _conclusion(h: Hypothesis) -> str:
    term = h.term
    while term is not None and term.head in ("∀", "→"):
        term = term.args[-1]
    return term.head if term is not None else ""


def _is_value(h: Hypothesis) -> bool:
    """Whether a variable has a value: it is no proof, type or function."""
    if h.term is None or h.type in ("Prop", "Type") or h.type.startswith(("Type", "Sort")):
        return False
    return not is_proposition(h.term) and "→" not in h.type
