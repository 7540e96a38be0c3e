"""Existence: the value that makes a statement true has to be read from it."""

from __future__ import annotations

from data.synthesis.draft import Draft, Maker, assumed, binders
from data.synthesis.terms import CONSTANT, Form, factor, form, plain, plus, times, written


def witnesses(make: Maker, level: int) -> Draft:
    """A theorem that something exists."""
    return [_solved, _pair, _bounds, _several, _functions][level - 1](make)


def _solved(make: Maker) -> Draft:
    """One equation with one solution."""
    names, x = make.names("number", make.number(1, 2)), make.name("number")
    value, other = form(make, names, 3, 3), {CONSTANT: make.number(1, 5)}
    sides = [written(make, plus(value, other)), f"{x} + {other[CONSTANT]}"]
    left, right = make.mixed(sides)
    return Draft(f"{binders(names, 'Nat')}: ∃ {x}, {left} = {right}", proof=f"exact ⟨{plain(value)}, by omega⟩")


def _pair(make: Maker) -> Draft:
    """Two unknowns: one is given, the other follows; or a number that is to be found."""
    if make.chance():
        x = make.name("number")
        value, a, b = make.number(1, 25), make.number(1, 4), make.number(1, 9)
        extra = f" ∧ {x} {make.one(['>', '≠'])} {make.number(0, value - 1)}" if make.chance() else ""
        equation = f"{plain({x: a, CONSTANT: b})} = {a * value + b}"
        return Draft(f": ∃ {x} : Nat, {equation}{extra}", proof=f"exact ⟨{value}, by decide⟩")
    names, (x, y) = make.names("number", 2), make.names("number", 2)
    first, second = form(make, names[:1], 2, 3), form(make, names[1:], 2, 3)
    parts = make.mixed(
        [f"{x} = {plain(first)}", f"{written(make, {x: 1, y: 1})} = {written(make, plus(first, second))}"]
    )
    proof = f"exact ⟨{plain(first)}, {plain(second)}, by omega⟩"
    return Draft(f"{binders(names, 'Nat')}: ∃ {x} {y}, {' ∧ '.join(parts)}", proof=proof)


def _bounded(make: Maker, x: str, names: list[str]) -> tuple[list[str], Form]:
    """Conditions on x from below, and a form that meets them all."""
    bounds = [form(make, [name], 3, 4) if make.chance() else {name: 1} for name in names]
    signs = [make.one(["<", "≤"]) for _ in names]
    conditions = [f"{plain(b)} {s} {x}" for b, s in zip(bounds, signs, strict=True)]
    return conditions, plus(*bounds, {CONSTANT: 1} if "<" in signs else {})


def _bounds(make: Maker) -> Draft:
    """A number above one to three others."""
    count = make.one([1, 2, 2, 3])
    names, x = make.names("number", count), make.name("number")
    conditions, value = _bounded(make, x, names)
    return Draft(f"{binders(names, 'Nat')}: ∃ {x}, {' ∧ '.join(conditions)}", proof=f"exact ⟨{plain(value)}, by omega⟩")


def _several(make: Maker) -> Draft:
    """Unknowns one of which is bounded by the other, differences, or a list of a given length and sum."""
    kind = make.below(3)
    if kind == 0:
        names, (x, y) = make.names("number", 2), make.names("number", 2)
        conditions, first = _bounded(make, x, names[:1])
        lower = {x: 1, names[1]: make.number(1, 2)}
        sign, values = make.one(["<", "≤"]), [first]
        values.append(plus(first, {names[1]: lower[names[1]]}, {CONSTANT: 1} if sign == "<" else {}))
        goal = f"∃ {x} {y}, {conditions[0]} ∧ {written(make, lower)} {sign} {y}"
        return Draft(f"{binders(names, 'Nat')}: {goal}", proof=f"exact ⟨{', '.join(map(plain, values))}, by omega⟩")
    if kind == 1:
        a, b, *more = make.names("number", make.number(2, 3))
        x, gap = make.name("number"), make.number(0, 3)
        given, _ = assumed(make, [f"{plain({a: 1, CONSTANT: gap})} ≤ {b}"])
        extra = make.number(0, 3)
        value = " + ".join([b, *more, *([str(extra)] if extra else [])])
        total = written(make, {b: 1, **dict.fromkeys(more, 1), CONSTANT: extra})
        goal = f"∃ {x}, {make.one([f'{x} + {a}', f'{a} + {x}'])} = {total}"
        return Draft(f"{binders([a, b, *more], 'Nat')}{given}: {goal}", proof=f"exact ⟨{value} - {a}, by omega⟩")
    xs, items = make.name("list"), [make.number(0, 9) for _ in range(make.number(1, 4))]
    facts = [f"{xs}.length = {len(items)}", f"{xs}.sum = {sum(items)}"]
    shown = f"[{', '.join(map(str, [sum(items)] + [0] * (len(items) - 1)))}]"
    if make.chance(0.3):
        facts, shown = [*facts, f"{xs}.head? = some {items[0]}"], f"[{', '.join(map(str, items))}]"
    return Draft(f": ∃ {xs} : List Nat, {' ∧ '.join(make.mixed(facts))}", proof=f"exact ⟨{shown}, by decide⟩")


def _functions(make: Maker) -> Draft:
    """A function with given values, or above others."""
    f, x = make.name("function"), make.name("number")
    parameters = make.names("number", make.number(0, 2))
    value = form(make, [x], 4, 5)
    for p in parameters:
        value = plus(value, {p: make.number(1, 2)})
    start = f"{binders(parameters, 'Nat')}: ∃ {f} : Nat → Nat, "
    if make.chance(0.4):
        shift = make.number(1, 3)
        value = times(make.number(1, 2), value)
        moved = plus(value, {CONSTANT: value[x] * shift})
        goal = f"∀ {x}, {f} ({x} + {shift}) = {written(make, moved)}"
    elif make.chance():
        goal = f"∀ {x}, {written(make, value)} < {f} {x}"
        value = plus(value, {CONSTANT: 1})
    else:
        goal = f"∀ {x}, {f} {x} = {written(make, value)}"
    if make.chance(0.3) and not parameters:
        goal = f"{f} {factor('0')} = {value[CONSTANT]} ∧ " + goal
        return Draft(start + goal, proof=f"exact ⟨fun {x} => {plain(value)}, by grind, by grind⟩")
    return Draft(start + goal, proof=f"exact ⟨fun {x} => {plain(value)}, by grind⟩")
