"""Natural numbers and integers: what decision procedures do, and products and divisors, which need a lemma."""

from __future__ import annotations

from itertools import pairwise

from data.synthesis.draft import Maker, TheoremDraft, assumed, binders
from data.synthesis.terms import CONSTANT, factor, form, plain, plus, written


def arithmetic(make: Maker, level: int) -> TheoremDraft:
    """A theorem about natural numbers or integers."""
    return [_sums, _chain, _residues, _products, _divisors][level - 1](make)


def _sums(make: Maker) -> TheoremDraft:
    """Two ways of writing one sum, or two sums one of which is visibly larger."""
    names = make.names("number", make.randint(2, 3))
    left = form(make, names)
    more = make.randint(0, 3)
    right = plus(left, {CONSTANT: more})
    relation = "=" if not more else make.choice(["≤", "<", "≠"])
    sides = f"{written(make, left)} {relation} {written(make, right)}"
    return TheoremDraft(f"{binders(names, make.choice(['Nat', 'Nat', 'Int']))}: {sides}", proof="omega")


def _chain(make: Maker) -> TheoremDraft:
    """Inequalities that have to be added up, among some that do not matter."""
    names = make.names("number", make.randint(3, 5))
    forms = [form(make, [name], 2, 3) for name in names]
    slack, facts = 0, []
    for low, high in pairwise(forms):
        gap, strict = make.randint(0, 3), make.chance(0.4)
        slack += gap + strict
        facts.append(f"{written(make, plus(low, {CONSTANT: gap}))} {'<' if strict else '≤'} {written(make, high)}")
    if make.chance():
        bounded = f"{make.choice(names)} {make.choice(['≠', '≤'])} {make.randint(0, 9)}"
        facts.append(f"{bounded} ∨ {make.choice(names)} = {make.randint(0, 9)}")
    given, _ = assumed(make, facts)
    goal = f"{written(make, plus(forms[0], {CONSTANT: make.randint(0, slack)}))} ≤ {written(make, forms[-1])}"
    return TheoremDraft(f"{binders(names, make.choice(['Nat', 'Int']))}{given}: {goal}", proof="omega")


def _residues(make: Maker) -> TheoremDraft:
    """What a residue tells of another one."""
    n = make.name("number")
    d, times_, r = make.randint(2, 6), make.randint(1, 4), 0
    m = d * times_
    r, a, b = make.randint(0, m - 1), make.randint(1, 4), make.randint(0, 7)
    shown = written(make, {n: a, CONSTANT: b})
    goal = f"({shown}) % {d} = {(a * r + b) % d}"
    if make.chance(0.4):
        goal += f" ∧ {n} {'≠' if r else '≥'} 0"
    elif make.chance(0.4):
        goal += f" ∨ {n} < {make.randint(1, 9)}"
    if make.chance():
        return TheoremDraft(f": ∀ {n} : Nat, {n} % {m} = {r} → {goal}", proof="omega")
    return TheoremDraft(f"({n} : Nat) ({make.name('proof')} : {n} % {m} = {r}) : {goal}", proof="omega")


def _products(make: Maker) -> TheoremDraft:
    """Products of sums: their expansion, or their growth with each factor."""
    if make.chance(0.35):
        names = make.names("number", make.randint(2, 3))
        first, second = (form(make, make.sample(names, make.randint(1, 2)), 3, 3) for _ in range(2))
        expanded: dict[str, int] = {}
        for a, i in first.items():
            for b, j in second.items():
                expanded = plus(expanded, {" * ".join(filter(None, (a, b))): i * j})
        product = f"{factor(plain(first))} * {factor(plain(second))}"
        return TheoremDraft(
            f"{binders(names, make.choice(['Nat', 'Int']))}: {product} = {written(make, expanded)}", proof="grind"
        )
    count = make.randint(2, 3)
    names = make.names("number", 2 * count)
    low, high = names[:count], names[count:]
    add = [make.randint(0, 2) if make.chance() else 0 for _ in low]
    sides = [[factor(plain({v: 1, CONSTANT: k})) for v, k in zip(side, add, strict=True)] for side in (low, high)]
    given, called = assumed(make, [f"{a} ≤ {b}" for a, b in zip(low, high, strict=True)])
    steps = [f"Nat.add_le_add_right {h} {k}" if k else h for h, k in zip(called, add, strict=True)]
    proof = factor(steps[0])
    for step in steps[1:]:
        proof = f"(Nat.mul_le_mul {proof} {factor(step)})"
    goal = f"{' * '.join(sides[0])} ≤ {' * '.join(sides[1])}"
    return TheoremDraft(f"{binders(names, 'Nat')}{given}: {goal}", proof=f"exact {proof[1:-1]}")


def _divisors(make: Maker) -> TheoremDraft:
    """A number divides combinations of its multiples."""
    d, *names = make.names("number", make.randint(3, 4))
    parts = names[:2]
    given, called = assumed(make, [f"{d} ∣ {part}" for part in parts])
    factors = [make.choice([*map(str, range(2, 7)), *names, d]) for _ in parts]
    terms = [f"{f} * {part}" for f, part in zip(factors, parts, strict=True)]
    cofactors = [f"{f} * u{k}" for k, f in enumerate(factors)]
    if make.chance():
        own = make.choice([str(make.randint(2, 5)), *names])
        terms.append(f"{d} * {own}")
        cofactors.append(own)
    order = make.shuffled(range(len(terms)))
    opened = [f"obtain ⟨u{k}, e{k}⟩ := {h}" for k, h in enumerate(called)]
    proof = "\n".join([*opened, f"exact ⟨{' + '.join(cofactors[k] for k in order)}, by grind⟩"])
    signature = f"{binders([d, *names], 'Nat')}{given}: {d} ∣ {' + '.join(terms[k] for k in order)}"
    return TheoremDraft(signature, proof=proof)
