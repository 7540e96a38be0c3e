"""Equations: chains of them, laws of unknown functions, and laws of an unknown operation."""

from __future__ import annotations

from itertools import pairwise

from data.synthesis.draft import Maker, TheoremDraft, assumed
from data.synthesis.terms import factor


def equations(make: Maker, level: int) -> TheoremDraft | None:
    """A theorem about equations; None if none came of this draw."""
    return [_chain, _inverses, _products, _cancelled, _groups][level - 1](make)


def _term(make: Maker, functions: list[str], leaves: list[str], depth: int) -> str:
    if depth == 0:
        return make.choice(leaves)
    return f"{make.choice(functions)} {factor(_term(make, functions, leaves, depth - 1))}"


def _chain(make: Maker) -> TheoremDraft:
    """Equations from one end to the other, in any order and direction, under a function."""
    kind = make.choice(["Nat", "Int", "α"])
    functions, names = make.names("function", 2), make.names("number", make.randint(3, 5))
    terms = [_term(make, functions, [name], make.randint(0, 2)) for name in names]
    facts = [" = ".join(make.shuffled([a, b])) for a, b in pairwise(terms)]
    if make.chance():
        facts.append(" = ".join(make.sample(names, 2)))
    given, _ = assumed(make, facts)
    outer = make.choice([*functions, ""])
    ends = [f"{outer} {factor(t)}" if outer else t for t in (terms[0], terms[-1])]
    start = "(α : Type) " if kind == "α" else ""
    start += f"({' '.join(functions)} : {kind} → {kind}) ({' '.join(names)} : {kind}) "
    return TheoremDraft(f"{start}{given}: {ends[0]} = {ends[1]}", proof="grind")


def _inverses(make: Maker) -> TheoremDraft:
    """Functions that undo each other."""
    f, g, h = make.names("function", 3)
    a, x = make.names("number", 2)
    facts = [f"∀ {x}, {f} ({g} {x}) = {x}", f"∀ {x}, {h} ({h} {x}) = {make.choice([x, f'{h} {x}'])}"]
    given, _ = assumed(make, facts)
    word = [make.choice([f, g, h]) for _ in range(make.randint(0, 2))]
    for _ in range(make.randint(2, 3)):
        at, pair = make.randrange(len(word) + 1), make.choice([[f, g], [h, h]])
        word = word[:at] + pair + word[at:]
    kept: list[str] = []
    for name in word:
        if kept and (kept[-1], name) == (f, g):
            kept.pop()
        elif kept and kept[-1] == name == h:
            kept = kept[:-1] if facts[1].endswith(f"= {x}") else kept
        else:
            kept.append(name)
    sides = [_applied(names, a) for names in (word, kept)]
    return TheoremDraft(f"({f} {g} {h} : Nat → Nat) ({a} : Nat) {given}: {sides[0]} = {sides[1]}", proof="simp_all")


def _applied(functions: list[str], term: str) -> str:
    for name in reversed(functions):
        term = f"{name} {factor(term)}"
    return term


def _tree(make: Maker, op: str, leaves: list[str]) -> str:
    if len(leaves) == 1:
        return leaves[0]
    at = make.randint(1, len(leaves) - 1)
    return f"{op} {factor(_tree(make, op, leaves[:at]))} {factor(_tree(make, op, leaves[at:]))}"


def _laws(make: Maker, op: str, laws: list[str]) -> tuple[str, list[str]]:
    x, y, z = make.names("number", 3)
    texts = {
        "assoc": f"∀ {x} {y} {z}, {op} ({op} {x} {y}) {z} = {op} {x} ({op} {y} {z})",
        "comm": f"∀ {x} {y}, {op} {x} {y} = {op} {y} {x}",
        "unit": f"∀ {x}, {op} {x} e = {x}",
        "one": f"∀ {x}, {op} e {x} = {x}",
        "inv": f"∀ {x}, {op} (i {x}) {x} = e",
        "idem": f"∀ {x}, {op} {x} {x} = {x}",
    }
    return assumed(make, [texts[law] for law in laws])


def _products(make: Maker) -> TheoremDraft:
    """Products with a unit, in other parentheses."""
    op, names = make.name("function"), [n for n in make.names("number", 5) if n not in ("e", "i")][:4]
    unit = make.chance()
    given, called = _laws(make, op, ["assoc", "one", "unit"] if unit else ["assoc"])
    leaves = [make.choice(names) for _ in range(make.randint(3, 5))]
    sides = []
    for _ in range(2):
        word = list(leaves)
        if unit and make.chance(0.7):
            word.insert(make.randrange(len(word) + 1), "e")
        sides.append(_tree(make, op, word))
    used = [n for n in names if n in leaves]
    start = f"({op} : Nat → Nat → Nat) ({' '.join(used)}{' e' if unit else ''} : Nat) "
    return TheoremDraft(f"{start}{given}: {sides[0]} = {sides[1]}", proof=f"simp [{', '.join(called)}]")


def _cancelled(make: Maker) -> TheoremDraft | None:
    """Products whose factors stand in another order."""
    op, names = make.name("function"), make.names("number", 4)
    given, called = _laws(make, op, ["assoc", "comm"])
    leaves = [make.choice(names) for _ in range(make.randint(3, 5))]
    left, right = _tree(make, op, leaves), _tree(make, op, make.shuffled(leaves))
    if left == right:
        return None
    used = [n for n in names if n in leaves]
    a, c = called
    proof = (
        f"have l : ∀ a b c, {op} a ({op} b c) = {op} b ({op} a c) := by\n"
        f"  intro a b c\n  rw [← {a}, {c} a b, {a}]\nsimp [{a}, {c}, l]"
    )
    if op in "abc":
        return None
    return TheoremDraft(f"({op} : Nat → Nat → Nat) ({' '.join(used)} : Nat) {given}: {left} = {right}", proof=proof)


def _groups(make: Maker) -> TheoremDraft:
    """Equations that are solved by multiplying with an inverse."""
    op, names = make.name("function"), [n for n in make.names("number", 6) if n not in ("e", "i")]
    given, _ = _laws(make, op, ["assoc", "one", "inv"])
    a, b, c, *_ = names
    h = make.name("proof") + "'"
    left, right = (
        _tree(make, op, [a, b]),
        make.choice([f"{op} {a} {c}", c, f"{op} {c} {b}", f"{op} {a} ({op} {c} {b})"]),
    )
    solved = {f"{op} {a} {c}": c, c: f"{op} (i {a}) {c}", f"{op} {c} {b}": f"{op} (i {a}) ({op} {c} {b})"}
    value = solved.get(right, f"{op} {c} {b}")
    equation, goal = f"{left} = {right}", f"{b} = {value}"
    if make.chance():
        equation = f"{right} = {left}"
    if make.chance():
        goal = f"{value} = {b}"
    extra = f"have k := congrArg ({op} (i {a})) {h}\ngrind"
    used = [n for n in (a, b, c) if n in (*equation.replace("(", " ").replace(")", " ").split(),)]
    start = f"({op} : Nat → Nat → Nat) (i : Nat → Nat) ({' '.join(used)} e : Nat) "
    return TheoremDraft(f"{start}{given}({h} : {equation}) : {goal}", proof=extra)
