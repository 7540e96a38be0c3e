"""Propositions, predicates, and rules from which a fact follows along one path."""

from __future__ import annotations

from itertools import pairwise

from data.synthesis.draft import Maker, TheoremDraft, assumed
from data.synthesis.terms import CONSTANT, factor, plain


def logic(make: Maker, level: int) -> TheoremDraft:
    """A theorem of propositional or predicate logic."""
    return [_propositions, _quantifiers, _paths, _numbers, _relations][level - 1](make)


def _joined(make: Maker, parts: list[str], sign: str) -> str:
    """Operands of one connective, in any order and any parentheses."""
    parts = [p if p.replace("¬", "").isidentifier() else f"({p})" for p in make.shuffled(parts)]
    while len(parts) > 2:
        at = make.randrange(len(parts) - 1)
        parts[at : at + 2] = [f"({parts[at]} {sign} {parts[at + 1]})"]
    return f" {sign} ".join(parts)


def _propositions(make: Maker) -> TheoremDraft:
    """A conclusion reached through implications, conjunctions and cases."""
    names = make.names("proposition", make.randint(3, 5))
    known, facts = [names[0]], []
    for name in names[1:]:
        premise = _joined(make, make.sample(known, min(len(known), make.randint(1, 2))), "∧")
        facts.append(f"{factor(premise)} → {name}" if make.chance(0.7) else f"¬{name} → ¬{factor(premise)}")
        known.append(name)
    wanted = make.sample(known[1:], min(len(known) - 1, make.randint(1, 3)))
    goal = _joined(make, wanted, "∧") if make.chance(0.6) else _joined(make, [wanted[-1], make.choice(names)], "∨")
    if make.chance():
        given, _ = assumed(make, [*facts, names[0]])
    else:
        given, _ = assumed(make, facts)
        goal = f"{names[0]} → {goal}"
    return TheoremDraft(f"({' '.join(names)} : Prop) {given}: {goal}", proof="grind")


def _quantifiers(make: Maker) -> TheoremDraft:
    """Something that has two properties has what follows from them, too."""
    kind, x, a = make.choice(["Nat", "Int", "α"]), *make.names("number", 2)
    names = make.names("predicate", make.randint(3, 5))
    facts, ends = [], []
    for chain in (names[: (cut := make.randint(1, len(names) - 1))], names[cut:]):
        facts += [f"∀ {x}, {p} {x} → {q} {x}" for p, q in pairwise(chain)]
        ends.append((chain[0], make.choice(chain)))
    given_ends, goal_ends = make.shuffled([p for p, _ in ends]), make.shuffled([q for _, q in ends])
    facts.append(f"∃ {x}, {given_ends[0]} {x} ∧ {given_ends[1]} {x}")
    if make.chance():
        p, q = make.sample(names, 2)
        facts.append(make.choice([f"{p} {a}", f"{p} {a} → {q} {a}", f"∀ {x}, {q} {x} → {p} {x} ∨ {q} {a}"]))
    if make.chance(0.7):
        goal = f"∃ {x}, {goal_ends[0]} {x} ∧ {goal_ends[1]} {x}"
    else:
        goal = f"¬∀ {x}, {goal_ends[0]} {x} → ¬{goal_ends[1]} {x}"
    given, _ = assumed(make, facts)
    variable = f"({a} : {kind}) " if f" {a}" in given.replace(")", " ") else ""
    start = "(α : Type) " if kind == "α" else ""
    return TheoremDraft(f"{start}({' '.join(names)} : {kind} → Prop) {variable}{given}: {goal}", proof="grind")


def _paths(make: Maker) -> TheoremDraft:
    """One rule after the other, through function symbols."""
    predicates, functions = make.names("predicate", make.randint(3, 5)), make.names("function", 2)
    x, a = make.names("number", 2)
    rules = []
    for p, q in pairwise(predicates):
        rules.append((p, q, make.choice([*functions, *functions, ""])))
    facts = [f"∀ {x}, {p} {x} → {q} {f'({f} {x})' if f else x}" for p, q, f in rules]
    term, steps = a, []
    for at in range(len(rules)):
        f = rules[at][2]
        term = (f"{f} {factor(term)}") if f else term
        steps.append(at)
    for _ in range(make.randint(0, 2)):
        p, q = make.sample(predicates, 2)
        facts.append(f"∀ {x}, {q} ({make.choice(functions)} {x}) → {p} {x}")
    given, called = assumed(make, [*facts, f"{predicates[0]} {a}"])
    proof = "\n".join([*(f"apply {called[k]}" for k in reversed(steps)), f"exact {called[-1]}"])
    start = f"(α : Type) ({' '.join(predicates)} : α → Prop) ({' '.join(functions)} : α → α) ({a} : α) "
    return TheoremDraft(f"{start}{given}: {predicates[-1]} {factor(term)}", proof=proof)


def _numbers(make: Maker) -> TheoremDraft:
    """Rules that lead from numbers to numbers, to a number that is reached along one path."""
    predicates, x = make.names("predicate", make.randint(2, 3)), make.name("number")
    rules = []
    for k, p in enumerate(predicates):
        q = predicates[(k + 1) % len(predicates)]
        rules.append((p, q, *make.choice([(1, make.randint(1, 5)), (1, make.randint(1, 5)), (2, 0), (2, 1), (3, 0)])))
    if make.chance():
        p, q = make.choice(predicates), make.choice(predicates)
        rules.append((p, q, 1, make.randint(1, 9)))
    facts = [f"∀ {x}, {p} {x} → {q} {factor(plain({x: a, CONSTANT: b}))}" for p, q, a, b in rules]
    start = make.randint(0, 5)
    given, called = assumed(make, [*facts, f"{predicates[0]} {start}"])
    at, n, proof = predicates[0], start, called[-1]
    for _ in range(make.randint(3, 5)):
        k = make.choice([k for k, rule in enumerate(rules) if rule[0] == at])
        proof = f"{called[k]} {n} {factor(proof)}"
        at, n = rules[k][1], rules[k][2] * n + rules[k][3]
    return TheoremDraft(f"({' '.join(predicates)} : Nat → Prop) {given}: {at} {n}", proof=f"exact {proof}")


def _relations(make: Maker) -> TheoremDraft:
    """Steps of relations put together: where each leads has to be named."""
    return _existing(make) if make.chance() else _shifted(make)


def _existing(make: Maker) -> TheoremDraft:
    """Everything has a successor in two relations; a third one joins steps of theirs."""
    names = make.names("predicate", make.randint(2, 3))
    a, x, y, z = make.names("number", 4)
    steps = names[:-1]
    totals = [f"∀ {x}, ∃ {y}, {r} {x} {y}" for r in steps]
    word = [make.choice(steps) for _ in range(make.randint(1, 3))]
    used = [r for r in steps if r in word]
    points = [x, y, z, "t"][: len(word) + 1]
    flipped = make.chance(0.4)
    s = names[-1]
    ends = f"{points[-1]} {points[0]}" if flipped else f"{points[0]} {points[-1]}"
    premises = [f"{r} {u} {v}" for r, (u, v) in zip(word, pairwise(points), strict=True)]
    joined = f"∀ {' '.join(points)}, {' → '.join(premises)} → {s} {ends}"
    given, called = assumed(make, [*(t for t, r in zip(totals, steps, strict=True) if r in used), joined])
    of = dict(zip(used, called, strict=False))
    rounds, universal = make.randint(1, 2), make.chance(0.3)
    found = make.names("number", rounds)
    facts = [f"{s} {v} {u}" if flipped else f"{s} {u} {v}" for u, v in pairwise([a, *found])]
    goal = f"∃ {' '.join(found)}, {' ∧ '.join(facts)}"
    lines, at, proofs, reached = [f"intro {a}"] if universal else [], a, [], []
    for _ in range(rounds):
        seen = []
        for r in word:
            k = len(lines)
            lines.append(f"obtain ⟨u{k}, e{k}⟩ := {of[r]} {at}")
            at = f"u{k}"
            seen.append(f"e{k}")
        reached.append(at)
        proofs.append(f"{called[-1]} {' '.join(['_'] * len(points))} {' '.join(seen)}")
    lines.append(f"exact ⟨{', '.join([*reached, *proofs])}⟩")
    start = f"({' '.join([*used, s])} : Nat → Nat → Prop) "
    if universal:
        return TheoremDraft(f"{start}{given}: ∀ {a}, {goal}", proof="\n".join(lines))
    return TheoremDraft(f"{start}({a} : Nat) {given}: {goal}", proof="\n".join(lines))


def _shifted(make: Maker) -> TheoremDraft:
    """A transitive relation along steps of given lengths."""
    r, (a, x, y, z) = make.name("predicate"), make.names("number", 4)
    lengths = make.sample(range(1, 10), make.randint(1, 2))
    join = f"∀ {x} {y} {z}, {r} {x} {y} → {r} {y} {z} → {r} {x} {z}"
    given, called = assumed(make, [*(f"∀ {x}, {r} {x} ({x} + {k})" for k in lengths), join])
    word = [make.randrange(len(lengths)) for _ in range(make.randint(2, 4))]
    base, at = make.choice([0, 0, make.randint(1, 5)]), 0
    proofs = []
    for k in word:
        place = plain({a: 1, CONSTANT: base + at})
        proofs.append(f"({called[k]} {factor(place)})")
        at += lengths[k]
    proof = proofs[-1]
    for step in reversed(proofs[:-1]):
        proof = f"({called[-1]} _ _ _ {step} {proof})"
    ends = [factor(plain({a: 1, CONSTANT: base + k})) for k in (0, at)]
    start = f"({r} : Nat → Nat → Prop) ({a} : Nat) "
    return TheoremDraft(f"{start}{given}: {r} {ends[0]} {ends[1]}", proof=f"exact {proof[1:-1]}")
