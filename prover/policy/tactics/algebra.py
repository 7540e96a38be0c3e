"""Polynomial arithmetic: divisibility certificates, nonlinear hints, common divisors of linear forms."""

import itertools
from collections.abc import Iterator
from fractions import Fraction

from prover.policy.tactics.polynomials import (
    Polynomial,
    add,
    combination,
    degree,
    monomials,
    multiply,
    polynomial,
    scale,
    text,
)
from prover.policy.tactics.proposal import Proposal
from prover.policy.tactics.state import Goal
from prover.policy.tactics.terms import Term, value

UNKNOWNS = 80
HINTS = 12


def algebra(goal: Goal) -> Iterator[Proposal]:
    """Propose proofs of equations and divisibility by polynomial arithmetic."""
    yield from _quotients(goal)
    yield from _common_divisors(goal)
    yield from _divisibility(goal)
    yield from _products(goal)


def _quotients(goal: Goal) -> Iterator[Proposal]:
    """`d ∣ t` by a quotient, found by undetermined coefficients modulo the hypotheses that are equations."""
    if goal.term is None or goal.term.head != "∣":
        return
    divisor, total = (polynomial(t) for t in goal.term.args)
    if not divisor or total is None or degree(divisor) == 0:
        return
    equations: list[Polynomial] = []
    for h in goal.facts:
        if h.term and h.term.head == "=":
            left, right = (polynomial(t) for t in h.term.args)
            if left is not None and right is not None:
                equations.append(add(left, scale(right, Fraction(-1))))
    variables = sorted({v for p in [divisor, total, *equations] for m in p for v, _ in m})
    for slack in (0, 1):
        highest = max(degree(total) - degree(divisor), 0) + slack
        quotient = monomials(variables, highest)
        parts = [multiply(divisor, {m: Fraction(1)}) for m in quotient]
        multipliers = monomials(variables, slack)
        parts += [multiply(e, {m: Fraction(1)}) for e in equations for m in multipliers]
        if len(parts) > UNKNOWNS:
            return
        solution = combination(total, parts)
        if solution and all(c.denominator == 1 for c in solution[: len(quotient)]):
            answer = {m: c for m, c in zip(quotient, solution, strict=False) if c}
            yield Proposal("\n".join([*goal.prefix, f"exact ⟨{text(answer)}, by grind⟩"]), "certificate")
            return


def _linear(term: Term) -> tuple[str, int, int] | None:
    """A term `a * v + b` in one variable."""
    p = polynomial(term)
    if p is None or degree(p) != 1 or any(c.denominator != 1 for c in p.values()):
        return None
    names = [m[0][0] for m in p if m]
    return (names[0], int(p[((names[0], 1),)]), int(p.get((), Fraction(0)))) if len(names) == 1 else None


def _common_divisors(goal: Goal) -> Iterator[Proposal]:
    """A common divisor of two linear forms divides the combination in which the variable is gone."""
    for t in dict.fromkeys(goal.subterms()):
        if t.head not in (".gcd", "Nat.gcd") or len(t.args) != 2 or goal.integers:
            continue
        a, b = (_linear(x) for x in t.args)
        lines = [
            f"have dl := Nat.gcd_dvd_left {t.args[0]} {t.args[1]}",
            f"have dr := Nat.gcd_dvd_right {t.args[0]} {t.args[1]}",
        ]
        if a and b and a[0] == b[0] and a[1] > 0 and b[1] > 0:
            # b₁ * (a₁ v + a₀) - a₁ * (b₁ v + b₀)
            rest = b[1] * a[2] - a[1] * b[2]
            first, second = (f"{b[1]} * {t.args[0]}", f"{a[1]} * {t.args[1]}")
            proofs = [f"(Nat.dvd_mul_left_of_dvd dl {b[1]})", f"(Nat.dvd_mul_left_of_dvd dr {a[1]})"]
            if rest < 0:
                first, second, proofs = second, first, proofs[::-1]
            if rest:
                lines += [
                    f"have dd : {t} ∣ {abs(rest)} := by",
                    f"  have := Nat.dvd_sub {proofs[0]} {proofs[1]}",
                    f"  rwa [show {first} - {second} = {abs(rest)} by omega] at this",
                    "have le := Nat.le_of_dvd (by decide) dd",
                ]
                for close in ("omega", f"generalize {t} = g at *\nomega", "simp_all [Nat.gcd_eq_iff]"):
                    yield Proposal("\n".join([*goal.prefix, *lines, close]), "common divisor")
        for close in ("omega", "grind", "simp_all [Nat.gcd_comm]"):
            yield Proposal("\n".join([*goal.prefix, *lines[:2], close]), "common divisor")


def _divisibility(goal: Goal) -> Iterator[Proposal]:
    """Rewrite divisibility hypotheses as equations."""
    facts = [h for h in goal.facts if h.term and h.term.head == "∣" and value(h.term.args[0], {}) is None]
    if not facts and not (goal.term and goal.term.head == "∣"):
        return
    lines = [f"obtain ⟨c{i}, e{i}⟩ := {h.name}" for i, h in enumerate(facts)]
    if facts and goal.term and goal.term.head == "∣":
        divided = [h.term.args[1] for h in facts if h.term]
        for kind in ("Nat", "Int"):
            lemma = f"exact {kind}.dvd_add (by assumption) (by assumption)"
            yield Proposal("\n".join([*goal.prefix, lemma]), "divisibility")
        factors = _linear_factors(goal.term.args[1], divided)
        if factors:
            witness = " + ".join(f"{f} * c{i}" for i, f in enumerate(factors) if f != "0") or "0"
            yield Proposal("\n".join([*goal.prefix, *lines, f"exact ⟨{witness}, by grind⟩"]), "divisibility")
    for close in ("grind", "subst_vars\nsimp_all [Nat.mul_assoc, Nat.dvd_mul_right]", "simp_all"):
        yield Proposal("\n".join([*goal.prefix, *lines, close]), "divisibility")
    if facts:
        bounds = [f"have := Nat.le_of_dvd (by omega) {h.name}" for h in facts]
        for close in ("omega", "grind"):
            yield Proposal("\n".join([*goal.prefix, *bounds, close]), "divisibility")


def _linear_factors(total: Term, parts: list[Term]) -> list[str] | None:
    """Coefficients of the divided terms in the total, where it is a linear combination of them."""
    t = polynomial(total)
    ps = [p for x in parts if (p := polynomial(x)) is not None]
    if t is None or len(ps) != len(parts):
        return None
    solution = combination(t, ps)
    if solution is None or any(c.denominator != 1 for c in solution):
        return None
    return [str(c) if c >= 0 else f"({c})" for c in solution]


def _products(goal: Goal) -> Iterator[Proposal]:
    """Nonlinear arithmetic: squares are not negative, and neither are products of what the hypotheses bound."""
    relational = [t for t in goal.terms if t.head in ("≤", "<", "≥", ">", "=", "≠", "∧", "¬")]
    if not relational or not any(t.head in ("*", "^") for r in relational for t in r.walk()):
        return
    integers, naturals = goal.integers, goal.naturals
    order = {"≤": (0, 1), "<": (0, 1), "≥": (1, 0), ">": (1, 0)}
    bounds = [h for h in goal.facts if h.term and h.term.head in order]
    hints: list[str] = []
    if integers:
        forms = [*integers, *(f"({a} {op} {b})" for a, b in itertools.combinations(integers, 2) for op in "-+")]
        squares = [f"have := Int.sq_nonnneg {form}" for form in forms]
        for close in ("grind", "omega", "simp only [Int.pow_succ, Int.pow_zero] at *; grind"):
            yield Proposal("\n".join([*goal.prefix, *squares[:HINTS], close]), "nonlinear")
        differences = []
        for h in bounds:
            assert h.term is not None
            low, high = (h.term.args[i] for i in order[h.term.head])
            proof = f"(show (0 : Int) ≤ {high} - {low} by omega)"
            differences.append(proof)
        hints = [f"have := Int.mul_nonneg {p} {q}" for p, q in itertools.combinations_with_replacement(differences, 2)]
        if hints:
            for close in ("grind", "omega"):
                yield Proposal("\n".join([*goal.prefix, *hints[:HINTS], close]), "nonlinear")
                yield Proposal("\n".join([*goal.prefix, *squares[:6], *hints[:HINTS], close]), "nonlinear")
    elif naturals:
        proofs = []
        for h in bounds:
            assert h.term is not None
            low, high = (h.term.args[i] for i in order[h.term.head])
            proofs.append(f"(show {low} ≤ {high} by omega)")
        proofs += [f"(Nat.zero_le {v})" for v in naturals]
        hints = [f"have := Nat.mul_le_mul {p} {q}" for p, q in itertools.combinations_with_replacement(proofs, 2)]
        for close in ("grind", "omega", "simp only [Nat.pow_succ, Nat.pow_zero, Nat.mul_add, Nat.add_mul] at *; omega"):
            yield Proposal("\n".join([*goal.prefix, *hints[:HINTS], close]), "nonlinear")
        for a, b in itertools.islice(itertools.combinations(naturals, 2), 1):
            case = "· obtain ⟨d, rfl⟩ := Nat.exists_eq_add_of_le le\n  grind"
            lines = [f"rcases Nat.le_total {a} {b} with le | le", case, case]
            yield Proposal("\n".join([*goal.prefix, *lines]), "nonlinear")
