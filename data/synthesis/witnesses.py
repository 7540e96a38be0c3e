"""Existence: the value that makes a statement true has to be read from it."""

from __future__ import annotations

from data.synthesis.draft import Maker, TheoremDraft, assumed, binders
from data.synthesis.terms import CONSTANT, Form, factor, form, plain, plus, times, written


def witnesses(make: Maker, level: int) -> TheoremDraft:
    """A theorem that something exists."""
    return [_solved, _pair, _bounds, _several, _functions][level - 1](make)


def _solved(make: Maker) -> TheoremDraft:
    """One equation with one solution."""
    names, x = make.names("number", make.randint(1, 2)), make.name("number")
    value, other = form(make, names, 3, 3), {CONSTANT: make.randint(1, 5)}
    sides = [written(make, plus(value, other)), f"{x} + {other[CONSTANT]}"]
    left, right = make.shuffled(sides)
    return TheoremDraft(f"{binders(names, 'Nat')}: ∃ {x}, {left} = {right}", proof=f"exact ⟨{plain(value)}, by omega⟩")


def _pair(make: Maker) -> TheoremDraft:
    """Two unknowns: one is given, the other follows; or a number that is to be found."""
    if make.chance():
        x = make.name("number")
        value, a, b = make.randint(1, 25), make.randint(1, 4), make.randint(1, 9)
        extra = f" ∧ {x} {make.choice(['>', '≠'])} {make.randint(0, value - 1)}" if make.chance() else ""
        equation = f"{plain({x: a, CONSTANT: b})} = {a * value + b}"
        return TheoremDraft(f": ∃ {x} : Nat, {equation}{extra}", proof=f"exact ⟨{value}, by decide⟩")
    names, (x, y) = make.names("number", 2), make.names("number", 2)
    first, second = form(make, names[:1], 2, 3), form(make, names[1:], 2, 3)
    parts = make.shuffled(
        [f"{x} = {plain(first)}", f"{written(make, {x: 1, y: 1})} = {written(make, plus(first, second))}"]
    )
    proof = f"exact ⟨{plain(first)}, {plain(second)}, by omega⟩"
    return TheoremDraft(f"{binders(names, 'Nat')}: ∃ {x} {y}, {' ∧ '.join(parts)}", proof=proof)


def _bounded(make: Maker, x: str, names: list[str]) -> tuple[list[str], Form]:
    """Conditions on x from below, and a form that meets them all."""
    bounds = [form(make, [name], 3, 4) if make.chance() else {name: 1} for name in names]
    signs = [make.choice(["<", "≤"]) for _ in names]
    conditions = [f"{plain(b)} {s} {x}" for b, s in zip(bounds, signs, strict=True)]
    return conditions, plus(*bounds, {CONSTANT: 1} if "<" in signs else {})


def _bounds(make: Maker) -> TheoremDraft:
    """A number above one to three others."""
    count = make.choice([1, 2, 2, 3])
    names, x = make.names("number", count), make.name("number")
    conditions, value = _bounded(make, x, names)
    return TheoremDraft(
        f"{binders(names, 'Nat')}: ∃ {x}, {' ∧ '.join(conditions)}", proof=f"exact ⟨{plain(value)}, by omega⟩"
    )


def _several(make: Maker) -> TheoremDraft:
    """Unknowns one of which is bounded by the other, differences, or a list of a given length and sum."""
    kind = make.randrange(3)
    if kind == 0:
        names, (x, y) = make.names("number", 2), make.names("number", 2)
        conditions, first = _bounded(make, x, names[:1])
        lower = {x: 1, names[1]: make.randint(1, 2)}
        sign, values = make.choice(["<", "≤"]), [first]
        values.append(plus(first, {names[1]: lower[names[1]]}, {CONSTANT: 1} if sign == "<" else {}))
        goal = f"∃ {x} {y}, {conditions[0]} ∧ {written(make, lower)} {sign} {y}"
        return TheoremDraft(
            f"{binders(names, 'Nat')}: {goal}", proof=f"exact ⟨{', '.join(map(plain, values))}, by omega⟩"
        )
    if kind == 1:
        a, b, *more = make.names("number", make.randint(2, 3))
        x, gap = make.name("number"), make.randint(0, 3)
        given, _ = assumed(make, [f"{plain({a: 1, CONSTANT: gap})} ≤ {b}"])
        extra = make.randint(0, 3)
        value = " + ".join([b, *more, *([str(extra)] if extra else [])])
        total = written(make, {b: 1, **dict.fromkeys(more, 1), CONSTANT: extra})
        goal = f"∃ {x}, {make.choice([f'{x} + {a}', f'{a} + {x}'])} = {total}"
        return TheoremDraft(f"{binders([a, b, *more], 'Nat')}{given}: {goal}", proof=f"exact ⟨{value} - {a}, by omega⟩")
    xs, items = make.name("list"), [make.randint(0, 9) for _ in range(make.randint(1, 4))]
    facts = [f"{xs}.length = {len(items)}", f"{xs}.sum = {sum(items)}"]
    shown = f"[{', '.join(map(str, [sum(items)] + [0] * (len(items) - 1)))}]"
    if make.chance(0.3):
        facts, shown = [*facts, f"{xs}.head? = some {items[0]}"], f"[{', '.join(map(str, items))}]"
    return TheoremDraft(f": ∃ {xs} : List Nat, {' ∧ '.join(make.shuffled(facts))}", proof=f"exact ⟨{shown}, by decide⟩")


def _functions(make: Maker) -> TheoremDraft:
    """A function with given values, or above others."""
    f, x = make.name("function"), make.name("number")
    parameters = make.names("number", make.randint(0, 2))
    value = form(make, [x], 4, 5)
    for p in parameters:
        value = plus(value, {p: make.randint(1, 2)})
    start = f"{binders(parameters, 'Nat')}: ∃ {f} : Nat → Nat, "
    if make.chance(0.4):
        shift = make.randint(1, 3)
        value = times(make.randint(1, 2), value)
        moved = plus(value, {CONSTANT: value[x] * shift})
        goal = f"∀ {x}, {f} ({x} + {shift}) = {written(make, moved)}"
    elif make.chance():
        goal = f"∀ {x}, {written(make, value)} < {f} {x}"
        value = plus(value, {CONSTANT: 1})
    else:
        goal = f"∀ {x}, {f} {x} = {written(make, value)}"
    if make.chance(0.3) and not parameters:
        goal = f"{f} {factor('0')} = {value[CONSTANT]} ∧ " + goal
        return TheoremDraft(start + goal, proof=f"exact ⟨fun {x} => {plain(value)}, by grind, by grind⟩")
    return TheoremDraft(start + goal, proof=f"exact ⟨fun {x} => {plain(value)}, by grind⟩")
