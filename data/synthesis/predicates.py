"""Inductive predicates: what their rules derive, and what holds of all that they derive."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from data.synthesis.draft import Maker, TheoremDraft, assumed
from data.synthesis.terms import factor


@dataclass(frozen=True)
class _Rule:
    """From n to `factor * n + add`."""

    name: str
    factor: int
    add: int

    def of(self, n: int) -> int:
        return self.factor * n + self.add

    def text(self, n: str) -> str:
        shown = n if self.factor == 1 else f"{self.factor} * {n}"
        return f"{shown} + {self.add}" if self.add else shown


@dataclass(frozen=True)
class _Predicate:
    name: str
    base: str
    start: int
    rules: list[_Rule]

    @property
    def lines(self) -> str:
        rules = [f"  | {r.name} (n : Nat) : {self.name} n → {self.name} ({r.text('n')})\n" for r in self.rules]
        return f"inductive {self.name} : Nat → Prop\n  | {self.base} : {self.name} {self.start}\n{''.join(rules)}"

    def derived(self, path: list[_Rule]) -> tuple[int, str]:
        """Where a path of rules leads, and the derivation as a term."""
        n, proof = self.start, f"{self.name}.{self.base}"
        for rule in path:
            n, proof = rule.of(n), f"{self.name}.{rule.name} {n} {factor(proof)}"
        return n, proof


def _predicate(make: Maker, rules: list[tuple[int, int]]) -> _Predicate:
    base, *names = make.names("rule", 1 + len(rules))
    return _Predicate(
        make.name("type"),
        base,
        make.choice([0, 0, make.randint(1, 9)]),
        [_Rule(n, f, a) for n, (f, a) in zip(names, rules, strict=True)],
    )


def predicates(make: Maker, level: int) -> TheoremDraft:
    """A theorem about an inductive predicate."""
    return [_step, _steps, _invariants, _derivations, _relations][level - 1](make)


def _step(make: Maker) -> TheoremDraft:
    """What was derived is derived: hypotheses about a predicate, or one rule."""
    p = _predicate(make, [(1, make.randint(2, 9))])
    n, m = make.names("number", 2)
    if make.chance(0.7):
        k = p.rules[0].add
        facts = [f"{p.name} {n}", f"{n} + {k} = {m}" if make.chance() else f"{m} = {n}", f"{m} < {make.randint(3, 30)}"]
        given, _ = assumed(make, facts)
        goal = f"{p.name} {m}" if f"{m} = {n}" == facts[1] else f"{p.name} ({m} - {k})"
        return TheoremDraft(f"({n} {m} : Nat) {given}: {goal}", p.lines, "grind")
    end, proof = p.derived(p.rules[:1])
    return TheoremDraft(f": {p.name} {end}", p.lines, f"exact {proof}")


def _steps(make: Maker) -> TheoremDraft:
    """Some rules, one after the other, from what is given."""
    adds = make.sample(range(1, 9), 2)
    p = _predicate(make, [(1, add) for add in adds])
    n = make.name("number")
    count = make.randint(1, 3)
    path = [make.choice(p.rules) for _ in range(count)]
    total = sum(r.add for r in path)
    proof, at = "h", n
    for rule in path:
        proof = f"{p.name}.{rule.name} _ {factor(proof)}"
    return TheoremDraft(f"({n} : Nat) (h : {p.name} {at}) : {p.name} ({n} + {total})", p.lines, f"exact {proof}")


def _invariants(make: Maker) -> TheoremDraft:
    """What the rules keep: a residue, a bound, or a part of a sum."""
    (n, j), h = make.names("number", 2), make.name("proof")
    d = make.randint(2, 6)
    rules = [(1, d * k) for k in make.sample(range(1, 4), make.randint(1, 2))]
    if make.chance(0.4):
        rules[-1] = (d + 1, 0)
    p = _predicate(make, rules)
    goal = make.choice(
        [
            f"{n} % {d} = {p.start % d}",
            f"{p.start} ≤ {n}" if p.start else f"{n} % {d} ≠ 1",
            f"∃ {j}, {n} = {d} * {j} + {p.start % d}",
        ]
    )
    proof = f"induction {h} <;> omega"
    if goal.startswith("∃"):
        proof = f"have e : {n} % {d} = {p.start % d} := by\n  induction {h} <;> omega\nexact ⟨{n} / {d}, by omega⟩"
    if make.chance(0.4):
        return TheoremDraft(f"({n} : Nat) : {p.name} {n} → {goal}", p.lines, f"intro {h}\n{proof}")
    return TheoremDraft(f"({n} : Nat) ({h} : {p.name} {n}) : {goal}", p.lines, proof)


def _derivations(make: Maker) -> TheoremDraft:
    """A number that the rules reach in some way, or never."""
    if make.chance(0.75):
        shapes = make.sample([(1, 3), (1, 4), (1, 5), (1, 7), (2, 0), (2, 1), (3, 0), (3, 1), (1, 2)], 2)
        p = _predicate(make, shapes)
        path = [make.choice(p.rules) for _ in range(make.randint(2, 5))]
        end, proof = p.derived(path)
        if end != p.start:
            return TheoremDraft(f": {p.name} {end}", p.lines, f"exact {proof}")
    d = make.randint(2, 6)
    p = _predicate(make, [(1, d * make.randint(1, 2))])
    n = make.randint(0, 40)
    while (n - p.start) % d == 0:
        n += 1
    keep = f"have e : ∀ n, {p.name} n → n % {d} = {p.start % d} := by\n  intro n h\n  induction h <;> omega\n"
    return TheoremDraft(f": ¬ {p.name} {n}", p.lines, keep + f"intro h\nhave := e {n} h\nomega")


def _relations(make: Maker) -> TheoremDraft:
    """Sums of derived numbers, and relations that are derived step by step."""
    n, m = make.names("number", 2)
    if make.chance():
        p = _predicate(make, [(1, k) for k in make.sample(range(2, 12), make.randint(1, 2))])
        first, second = make.shuffled(["hx", "hy"])
        goal = f"{p.name} ({n} + {m}{f' - {p.start}' if p.start else ''})"
        if p.start:
            z = make.name("number")
            goal = f"∃ {z}, {p.name} {z} ∧ {z} + {p.start} = {n} + {m}"
            held = (n, first) if first == "hx" else (m, first)
            rules = [
                f"| {r.name} j _ ih =>\n  obtain ⟨k, hk, e⟩ := ih\n"
                f"  exact ⟨k + {r.add}, {p.name}.{r.name} k hk, by omega⟩"
                for r in p.rules
            ]
            proof = "\n".join(
                [f"induction {second} with", f"| {p.base} => exact ⟨{held[0]}, {held[1]}, by omega⟩", *rules]
            )
        else:
            proof = f"induction {second} <;> grind [{p.name}]"
        return TheoremDraft(f"({n} {m} : Nat) (hx : {p.name} {n}) (hy : {p.name} {m}) : {goal}", p.lines, proof)
    r, base, step = make.name("type"), *make.names("rule", 2)
    a, b = make.randint(1, 7), make.randint(0, 7)
    b += a == b
    left, right = (f"n + {a}", f"m + {b}" if b else "m")
    lines = (
        f"inductive {r} : Nat → Nat → Prop\n  | {base} (n : Nat) : {r} n n\n"
        f"  | {step} (n m : Nat) : {r} n m → {r} ({left}) ({right})\n"
    )
    k = a - b
    goal = f"{n} ≥ {m}" if k > 0 else f"{n} ≤ {m}"
    if make.chance():
        g = gcd(k, 12) if abs(k) > 1 else 1
        goal = f"{n} % {g} = {m} % {g}" if g > 1 else goal
    if make.chance(0.3):
        i = make.randint(1, 3)
        x = make.name("number")
        proof = f"{r}.{base} {x}"
        for at in range(i):
            left_, right_ = (f"({x} + {c * at})" if c * at else x for c in (a, b))
            proof = f"{r}.{step} {left_} {right_} {factor(proof)}"
        ends = [f"({x} + {c * i})" if c else x for c in (a, b)]
        return TheoremDraft(f"({x} : Nat) : {r} {ends[0]} {ends[1]}", lines, f"exact {proof}")
    return TheoremDraft(f"({n} {m} : Nat) (h : {r} {n} {m}) : {goal}", lines, "induction h <;> omega")
