"""Proposes exhaustive search: bound the variables, then let the kernel try every value."""

import math
from collections.abc import Iterator
from dataclasses import replace

from prover.policy.tactics.bounds import NEGATED, Box, as_natural, linear_box, natural_copies, proved_box
from prover.policy.tactics.proposal import Proposal
from prover.policy.tactics.state import Goal, Hypothesis
from prover.policy.tactics.terms import Term

CASES = 30_000  # the kernel tries some thousand cases in a second
BRANCHES = 500  # cases closed one by one by a tactic
WIDE = 100  # the library's decision procedure is quadratic in the bound, so a wider range is split in two digits
DECIDE = "set_option maxRecDepth 100000 in\nset_option synthInstance.maxSize 10000 in\n" \
    "set_option synthInstance.maxHeartbeats 1000000 in\ndecide +kernel"  # fmt: skip
CLOSE = "first | omega | (simp_all; done) | (simp_all; omega) | grind"


def searches(goal: Goal) -> Iterator[Proposal]:
    """Propose exhaustive proofs of goals whose variables are bounded by the hypotheses or the negated target."""
    for variant in _variants(goal):
        copied = natural_copies(variant, linear_box(variant))
        box = proved_box(copied)
        bounded = box.bounded()
        if bounded:
            yield from _decided(copied, box)
            yield from _branched(copied, box)


def _variants(goal: Goal) -> Iterator[Goal]:
    yield goal
    if goal.term and goal.term.head in NEGATED:
        negated = Term(NEGATED[goal.term.head], goal.term.args)
        yield replace(
            goal,
            hypotheses=(*goal.hypotheses, Hypothesis("hneg", str(negated), negated)),
            target="False",
            term=Term("False"),
            prefix=(*goal.prefix, "refine Decidable.byContradiction fun hneg => ?_"),
        )


def _numeric(goal: Goal) -> set[str]:
    return set(goal.naturals) | set(goal.integers)


def _variables(term: Term, goal: Goal) -> set[str]:
    declared = {h.name for h in goal.hypotheses}
    return {t.head for t in term.walk() if t.head in declared}


def _decided(goal: Goal, box: Box) -> Iterator[Proposal]:
    bounded = box.bounded()
    if goal.term is None:
        return
    needed = _variables(goal.term, goal)
    usable = [h for h in goal.facts if h.term and _variables(h.term, goal) <= set(bounded)]
    # variables the target does not need are tried too where the facts tie them to it
    variables = [v for v in bounded if v in needed or any(h.term and h.term.mentions(v) for h in usable)]
    size = math.prod(hi - lo + 1 for v, (lo, hi) in bounded.items() if v in variables)
    if not variables or not needed <= set(bounded) or size > CASES:
        return
    lines = [*goal.prefix, *box.lines]
    for v in variables:
        lo, hi = bounded[v]
        if v in goal.integers:
            moved = as_natural(replace(goal, prefix=()), v, lo)
            lines += [f"have up_{v} : {v} ≤ {hi} := by omega", *moved.prefix]
    names = {v: v + "'" if v in goal.integers else v for v in variables}
    tops = {v: bounded[v][1] - (bounded[v][0] if v in goal.integers else 0) + 1 for v in variables}
    digits: list[tuple[str, int, str]] = []
    for v in variables:
        name, top = names[v], tops[v]
        lines.append(f"have top_{v} : {name} < {top} := by omega")
    extra = [*box.names, *(f"up_{v}" for v in variables if v in goal.integers)]
    lines.append("clear " + " ".join(reversed(extra))) if extra else None
    unused = [h.name for h in goal.facts if h not in usable]
    if unused:
        lines.append("clear " + " ".join(reversed(unused)))
    if usable:
        lines.append("revert " + " ".join(h.name for h in usable))
    for v in variables:
        name, top = names[v], tops[v]
        if top > WIDE:
            step = math.isqrt(top) + 1
            lines.append(
                f"obtain ⟨{name}q, {name}r, q_{v}, r_{v}, e_{v}⟩ : ∃ q r : Nat, q < {top // step + 1} ∧ r < {step} ∧ "
                f"{name} = {step} * q + r :=\n"
                f"  ⟨{name} / {step}, {name} % {step}, by omega, by omega, by omega⟩\n"
                f"subst e_{v}\nclear top_{v}"
            )
            digits += [(f"{name}q", top // step + 1, f"q_{v}"), (f"{name}r", step, f"r_{v}")]
        else:
            digits.append((name, top, f"top_{v}"))
    lines += [f"revert {proof} {name}" for name, _, proof in reversed(digits)]
    lines.append(DECIDE)
    yield Proposal("\n".join(lines), "finite search")


def _branched(goal: Goal, box: Box) -> Iterator[Proposal]:
    """A proof by cases over the values of one natural number, with a tactic for each case."""
    bounded = box.bounded()
    mentioned = {v for t in goal.terms for v in _variables(t, goal)}
    ranges = sorted((hi - lo, v) for v, (lo, hi) in bounded.items() if v in mentioned and v in box.naturals)
    for width, v in ranges[:2]:
        lo, hi = bounded[v]
        lines = [*goal.prefix, *box.lines]
        clear = ["clear " + " ".join(reversed(box.names))] if box.names else []
        product = _product(goal, v)
        if product and width > 20:
            number, proof = product
            step = math.isqrt(hi) + 1
            values = [d for d in range(max(lo, 1), hi + 1) if number % d == 0]
            cases = " ∨ ".join(f"{step} * q + r = {d}" for d in [0, *values])
            lines += [
                f"have key : ∀ q, q < {hi // step + 1} → ∀ r, r < {step} → {step} * q + r ∣ {number} → {cases} := by",
                *("  " + line for line in DECIDE.splitlines()),
                f"have dv : {v} ∣ {number} := {proof}",
                f"have cs := key ({v} / {step}) (by omega) ({v} % {step}) (by omega) (by rwa [Nat.div_add_mod])",
                "rw [Nat.div_add_mod] at cs",
                *clear,
                "clear key dv",
                f"rcases cs with {' | '.join(['rfl'] * (len(values) + 1))}",
                f"all_goals {CLOSE}",
            ]
        elif width < BRANCHES:
            # one value a step: `omega` and `rcases` are quadratic in the length of a disjunction
            lines += [
                f"have low : {lo} ≤ {v} := by omega",
                f"have top : {v} ≤ {hi} := by omega",
                *clear,
                f"iterate {width} (",
                "  rcases Nat.eq_or_lt_of_le top with rfl | top",
                f"  focus ({CLOSE})",
                "  replace top := Nat.le_of_lt_succ top)",
                "obtain rfl := Nat.le_antisymm top low",
                CLOSE,
            ]
        else:
            continue
        yield Proposal("\n".join(lines), "value cases")


def _product(goal: Goal, name: str) -> tuple[int, str] | None:
    """A number that the natural `name` divides, with a proof, read off a product `name * t = number`."""
    for h in goal.facts:
        if h.term and h.term.head == "=" and h.term.args[0].head == "*":
            left, right = h.term.args[0].args
            number = h.term.args[1].number
            if number and left.head == name:
                return number, f"⟨{right}, {h.name}.symm⟩"
            if number and right.head == name:
                return number, f"⟨{left}, by rw [Nat.mul_comm]; exact {h.name}.symm⟩"
    return None
