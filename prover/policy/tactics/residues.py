"""Proposes proofs modulo a number: residues of variables case by case, and periodic residues of powers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from prover.policy.tactics.proposal import Proposal
from prover.policy.tactics.state import Goal
from prover.policy.tactics.terms import Term, value

BRANCHES = 64
PERIOD = 60
SIMP = {
    True: "Nat.dvd_iff_mod_eq_zero, Nat.mul_mod, Nat.add_mod, Nat.pow_mod",
    False: "Int.dvd_iff_emod_eq_zero, Int.mul_emod, Int.add_emod, Int.sub_emod, Int.pow_succ",
}


def residues(goal: Goal) -> Iterator[Proposal]:
    """Propose proofs by residues, for every modulus in the goal, or small ones if it has none."""
    goal = _divisibility(goal)
    moduli = _moduli(goal)
    orbits = {m: orbit for m in moduli if (orbit := _orbits(goal, m)).lemmas}
    for orbit in orbits.values():
        lines = [*goal.prefix, *orbit.exponents, *_clear(orbit.huge), *orbit.lemmas, "omega"]
        yield Proposal("\n".join(lines), "power residues")
    for m in moduli:
        for orbit in [Orbit(), *([orbits[m]] if m in orbits else [])]:
            yield from _explicit(goal, m, orbit)
    for m in moduli:
        yield from _simplified(goal, m)


@dataclass
class Orbit:
    """Lean lines that prove the residues of powers of numerals modulo one number.

    `exponents` are residues of exponents that a hypothesis gives as a number, `huge` those hypotheses. They have to
    go before the `lemmas`, because `omega` multiplies their numerals out.
    """

    exponents: list[str] = field(default_factory=list)
    huge: list[str] = field(default_factory=list)
    lemmas: list[str] = field(default_factory=list)


def _clear(names: list[str]) -> list[str]:
    return ["clear " + " ".join(dict.fromkeys(names))] if names else []


def _choose(index: int, count: int) -> str:
    """Tactics that pick one disjunct, so that `omega` need not try them all."""
    return f"(iterate {index} right); " * (index > 0) + "left; " * (index < count - 1)


def _divisibility(goal: Goal) -> Goal:
    """Read `∃ k, a = m * k` as `m ∣ a`, which it is by definition."""
    term = goal.term
    if term is None or term.head != "∃" or len(term.names) != 1 or term.args[0].head != "=":
        return goal
    left, right = term.args[0].args
    k = term.names[0]
    if right.head == "*" and right.args[1].head == k and not left.mentions(k) and not right.args[0].mentions(k):
        target = Term("∣", (right.args[0], left))
        return Goal(goal.hypotheses, str(target), target, (*goal.prefix, f"suffices dv : {target} from dv"))
    return goal


def _moduli(goal: Goal) -> list[int]:
    found = []
    for t in goal.subterms():
        if t.head in ("%", "∣") and len(t.args) == 2:
            m = value(t.args[1 if t.head == "%" else 0], {})
            if m and 2 <= m <= 1000:
                found.append(m)
    return list(dict.fromkeys(found))


def _known(goal: Goal) -> dict[str, tuple[int, int, str]]:
    """Variables with a residue: name to (residue, modulus, hypothesis); modulus 0 for a value."""
    found = {}
    for h in goal.facts:
        if h.term is None or h.term.head != "=":
            continue
        left, right = h.term.args
        number = value(right, {})
        if number is None:
            continue
        if left.is_name:
            found[left.head] = (number, 0, h.name)
        elif left.head == "%" and left.args[0].is_name and (m := value(left.args[1], {})):
            found[left.args[0].head] = (number, m, h.name)
    return found


def _orbits(goal: Goal, m: int) -> Orbit:
    """What every power of a numeral in the goal is modulo m."""
    powers = {
        t.args: None
        for t in goal.subterms()
        if t.head == "^" and t.args[0].number is not None and value(t.args[1], {}) is None
    }
    natural = not goal.integers
    known = _known(goal)
    orbit = Orbit()
    done: dict[int, tuple[int, int]] = {}
    for base, exponent in powers:
        b = base.number
        if b is None or b < 2 or any(t.head in ("∀", "∃") for t in exponent.walk()):
            continue
        if b not in done:
            seen: dict[int, int] = {}
            r, k = 1 % m, 0
            while r not in seen and k <= PERIOD:
                seen[r] = k
                r, k = r * b % m, k + 1
            if k > PERIOD:
                continue
            start, period = seen[r], k - seen[r]
            done[b] = (start, period)
            cast = f"({b} : {'Nat' if natural else 'Int'})"
            cases = []
            for r, k in seen.items():
                when = f"k = {k} ∧" if k < start else f"k % {period} = {k % period} ∧" if period > 1 else ""
                late = f"{start} ≤ k ∧" if 0 < start <= k else ""
                cases.append(f"({late} {when} {cast} ^ k % {m} = {r})")
            after = range(1, len(cases) + 1)  # the case of k + 1; past the last it is the start of the period
            orbit.lemmas.append(
                f"have orb_{b} : ∀ k : Nat, {' ∨ '.join(cases)} := by\n"
                f"  intro k\n  induction k with\n  | zero => first | decide | omega\n  | succ k ih =>\n"
                f"    rw [{'Nat' if natural else 'Int'}.pow_succ]\n"
                f"    rcases ih with {' | '.join(['ih'] * len(cases))}\n"
                + "\n".join(f"    · {_choose(k if k < len(cases) else start, len(cases))}omega" for k in after)
            )
        start, period = done[b]
        orbit.lemmas.append(f"have := orb_{b} ({exponent})")
        if natural:  # `omega` forgets this where the power stands in a difference
            orbit.lemmas.append(f"have : 0 < {b} ^ ({exponent}) := Nat.pow_pos (by decide)")
        for name in (t.head for t in exponent.walk() if t.head in known):
            number, of, proof = known[name]
            if of == 0:
                fact = f"{start} ≤ {name} ∧ {name} % {period} = {number % period}"
                orbit.exponents.append(f"have : {fact} := by rw [{proof}]; decide +kernel")
                orbit.huge.append(proof)
    return orbit


@dataclass
class _Residues:
    """Lean lines that compute residues modulo `m`, one `have` for each node of a term."""

    m: int
    natural: bool
    values: dict[str, int]  # of the variables
    proofs: dict[str, str]
    lines: list[str] = field(default_factory=list)
    done: dict[Term, tuple[int, str]] = field(default_factory=dict)

    def of(self, term: Term) -> tuple[int, str] | None:
        """The residue, and the name of its proof (empty for a numeral)."""
        if term in self.done:
            return self.done[term]
        if term.number is not None:
            return term.number % self.m, ""
        if term.is_name:
            return (self.values[term.head], self.proofs[term.head]) if term.head in self.values else None
        parts = [self.of(a) for a in term.args]
        kind = "Nat" if self.natural else "Int"
        mod = "mod" if self.natural else "emod"
        match term.head, parts:
            case "+", [(a, _), (b, _)]:
                result, proof = a + b, "omega"
            case "-", [(a, _), (b, _)] if not self.natural:
                result, proof = a - b, "omega"
            case "-", [(a, _)]:
                result, proof = -a, "omega"
            case "*", [(a, p), (b, q)]:
                result = a * b
                proof = f"simp [{', '.join([f'{kind}.mul_{mod}', *filter(None, (p, q))])}]" if p and q else "omega"
            case "^", [(a, p), _] if term.args[1].number is not None and term.args[1].number <= 16:
                result = a ** (term.args[1].number)
                proof = f"simp [{'Nat.pow_mod' if self.natural else 'Int.pow_succ, Int.mul_emod'}, {p}]"
            case _:
                return None
        name = f"r{len(self.lines)}"
        self.lines.append(f"have {name} : {term} % {self.m} = {result % self.m} := by {proof}")
        self.done[term] = (result % self.m, name)
        return self.done[term]


def _is_nonlinear(term: Term) -> bool:
    if term.head == "^":
        return value(term.args[0], {}) is None
    return term.head == "*" and all(value(a, {}) is None for a in term.args)


def _nonlinear(goal: Goal) -> list[Term]:
    """The maximal arithmetic terms with a product or a power of variables in them."""
    found: list[Term] = []

    def visit(term: Term) -> None:
        if term.head in ("*", "^", "+", "-") and term.args and value(term, {}) is None:
            if any(_is_nonlinear(t) for t in term.walk()):
                found.append(term)
        elif term.head not in ("∀", "∃", "fun"):
            for arg in term.args:
                visit(arg)

    for t in goal.terms:
        visit(t)
    return found


def _split_variables(goal: Goal, terms: list[Term]) -> list[str]:
    numeric = [*goal.naturals, *goal.integers]
    return [v for v in numeric if any(t.mentions(v) for t in terms)]


def _explicit(goal: Goal, m: int, orbit: Orbit) -> Iterator[Proposal]:
    """Each combination of residues on its own, with the residue of every product and power spelled out."""
    terms = _nonlinear(goal)
    known = _known(goal)
    variables = _split_variables(goal, terms)
    natural = not goal.integers
    fixed: dict[str, int] = {}
    head = [*goal.prefix, *orbit.exponents]
    huge = list(orbit.huge)
    for v in variables:
        if v in known and known[v][1] % m == 0:
            number, modulus, proof = known[v]
            fixed[v] = number % m
            how = "omega" if modulus else f"rw [{proof}]; decide +kernel"
            head.append(f"have res_{v} : {v} % {m} = {number % m} := by {how}")
            if not modulus:
                huge.append(proof)
    free = [v for v in variables if v not in fixed]
    if not terms or m ** len(free) > BRANCHES:
        return
    head += [*_clear(huge), *orbit.lemmas]

    def branch(values: dict[str, int], rest: list[str], indent: str) -> list[str] | None:
        if not rest:
            box = _Residues(m, natural, values, {v: f"res_{v}" for v in values})
            for t in terms:
                for part in _arithmetic(t):
                    box.of(part)
            return [indent + line for line in [*box.lines, "omega"]] if box.lines else None
        v, *others = rest
        options = " ∨ ".join(f"{v} % {m} = {r}" for r in range(m))
        out = [f"{indent}rcases (by omega : {options}) with {' | '.join([f'res_{v}'] * m)}"]
        for r in range(m):
            inner = branch({**values, v: r}, others, indent + "  ")
            if inner is None:
                return None
            out.append(f"{indent}· skip")
            out += inner
        return out

    body = branch(fixed, free, "")
    if body:
        yield Proposal("\n".join([*head, *body]), "residue cases")


def _arithmetic(term: Term) -> list[Term]:
    """The term itself where all of it is polynomial; else its summands, for a sum with a power like 2 ^ n in it."""
    if term.head in ("+", "-") and len(term.args) == 2:
        return [*_arithmetic(term.args[0]), *_arithmetic(term.args[1]), term]
    return [term]


def _simplified(goal: Goal, m: int) -> Iterator[Proposal]:
    """All combinations of residues at once, closed by rewriting with the laws of `%`."""
    terms = goal.terms[:1] if goal.term else []
    known = _known(goal)
    variables = _split_variables(goal, terms)
    fixed = [known[v][2] for v in variables if v in known and known[v][1] and known[v][1] % m == 0]
    free = [v for v in variables if v not in known]
    if not variables or math.prod([m] * len(free)) > BRANCHES:
        return
    lines = [*goal.prefix]
    for v in free:
        options = " ∨ ".join(f"{v} % {m} = {r}" for r in range(m))
        lines.append(f"have res_{v} : {options} := by omega")
    split = " <;> ".join(f"rcases res_{v} with {' | '.join([f'res_{v}'] * m)}" for v in free)
    simp = f"simp [{SIMP[not goal.integers]}, {', '.join([*fixed, *(f'res_{v}' for v in free)])}]".replace(", ]", "]")
    for close in (simp, f"({simp} at *; done)", f"(try {simp} at *) <;> omega"):
        yield Proposal("\n".join([*lines, f"{split} <;> {close}" if split else close]), "residue cases")
