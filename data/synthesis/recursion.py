"""Recursive functions on natural numbers."""

from __future__ import annotations

from data.synthesis.draft import Maker, TheoremDraft, both
from data.synthesis.terms import CONSTANT, factor, plain, plus, written


def recursion(make: Maker, level: int) -> TheoremDraft:
    """A theorem about a recursive function on natural numbers."""
    return [_values, _ranges, _lines, _growth, _two][level - 1](make)


def _steps(make: Maker, step: int, slope: int = 0) -> tuple[str, int, str]:
    """A function `f 0 = start`, `f (k + 1) = f k + slope * k + step`: its name, its start, its definition."""
    f, k, start = make.name("definition"), make.choice("nkm"), make.randint(0, 4)
    parts = make.shuffled([f"{f} {k}", *([factor(plain({k: slope, CONSTANT: step}))] if slope or step else [])])
    lines = f"def {f} : Nat → Nat\n  | 0 => {start}\n  | {k} + 1 => {' + '.join(parts)}\n"
    return f, start, lines


def _value(start: int, step: int, slope: int, n: int) -> int:
    return start + n * step + slope * n * (n - 1) // 2


def _values(make: Maker) -> TheoremDraft:
    """A value."""
    step, slope, at = make.randint(1, 5), make.randint(0, 2), make.randint(2, 7)
    f, start, lines = _steps(make, step, slope)
    if make.chance(0.2):
        n = make.name("number")
        return TheoremDraft(
            f"({n} : Nat) : {f} ({n} + 1) = {f} {n} + {factor(plain({n: slope, CONSTANT: step}))}",
            lines,
            f"grind [{f}]",
        )
    value = _value(start, step, slope, at)
    right = str(value) if make.chance() else f"{value - (k := make.randint(0, value))} + {k}"
    return TheoremDraft(f": {f} {at} = {right}", lines, "rfl")


def _ranges(make: Maker) -> TheoremDraft:
    """What holds for each of some numbers."""
    step, slope, n, end = make.randint(0, 4), make.randint(0, 3), make.name("number"), make.randint(3, 9)
    f, start, lines = _steps(make, step, slope)
    most = _value(start, step, slope, end - 1)
    goal = make.choice(
        [f"{f} {n} ≤ {most + make.randint(0, 3)}", f"{f} {n} ≠ {most + make.randint(1, 9)}", f"{start} ≤ {f} {n}"]
    )
    return TheoremDraft(f": ∀ {n}, {n} < {end} → {goal}", lines, "decide")


def _lines(make: Maker) -> TheoremDraft:
    """A constant step."""
    step = make.randint(1, 6)
    f, start, lines = _steps(make, step)
    n, m = make.names("number", 2)
    kind = make.randrange(4)
    if kind == 0:
        goal = f"{f} {n} = {written(make, {n: step, CONSTANT: start})}"
    elif kind == 1:
        goal = f"{written(make, {n: make.randint(1, step), CONSTANT: make.randint(0, start)})} ≤ {f} {n}"
    elif kind == 2:
        g, other, more = _steps(make, step * (k := make.randint(1, 3)))
        lines = f"{lines}\n{more}"
        left = plus({f"{g} {n}": 1}, {CONSTANT: max(0, start * k - other)})
        right = plus({f"{f} {n}": k}, {CONSTANT: max(0, other - start * k)})
        return TheoremDraft(f"({n} : Nat) : {written(make, left)} = {written(make, right)}", lines,
                     f"induction {n} <;> grind [{f}, {g}]")  # fmt: skip
    else:
        goal = f"{f} ({n} + {m}) = {f} {n} + {plain({m: step})}"
        return TheoremDraft(f"({n} {m} : Nat) : {goal}", lines, f"induction {m} <;> grind [{f}]")
    return TheoremDraft(f"({n} : Nat) : {goal}", lines, f"induction {n} <;> grind [{f}]")


def _growth(make: Maker) -> TheoremDraft:
    """Steps that grow or alternate; order; two laws, each of which needs its own induction."""
    n, m = make.names("number", 2)
    if make.chance(0.25):
        step, other = make.randint(1, 6), make.randint(1, 6)
        f, start, lines = _steps(make, step)
        g, first, more = _steps(make, other)
        goal, proof = both(
            (f"{f} {n} = {written(make, {n: step, CONSTANT: start})}", f"induction {n} <;> grind [{f}]"),
            make.choice(
                [
                    (f"{g} {m} = {written(make, {m: other, CONSTANT: first})}", f"induction {m} <;> grind [{g}]"),
                    (f"{plain({m: other})} ≤ {g} {m}", f"induction {m} <;> grind [{g}]"),
                    (f"{first} ≤ {g} {m}", f"induction {m} <;> grind [{g}]"),
                ]
            ),
        )
        return TheoremDraft(f"({n} {m} : Nat) : {goal}", f"{lines}\n{more}", proof)
    kind = make.randrange(4)
    if kind == 0:
        step, slope = make.randint(0, 4), make.randint(1, 4)
        f, start, lines = _steps(make, step, slope)
        square, line = {f"{n} * {n}": slope}, {n: 2 * step, CONSTANT: 2 * start}
        left = plus({f"2 * {f} {n}": 1}, {n: slope})
        goal = f"{written(make, left)} = {written(make, plus(square, line))}"
        return TheoremDraft(f"({n} : Nat) : {goal}", lines, f"induction {n} <;> grind [{f}]")
    if kind == 1:
        step, slope = make.randint(0, 3), make.randint(0, 3)
        f, start, lines = _steps(make, step, slope)
        goal = make.choice([f"{f} {n} ≤ {f} ({n} + {m})", f"{f} {n} ≤ {f} ({n} + {m} + 1)"])
        proof = f"induction {m} <;> grind [{f}]"
        if make.chance(0.4):
            goal, proof = f"{n} ≤ {m} → {f} {n} ≤ {f} {m}", f"intro h\ninduction h <;> grind [{f}]"
        return TheoremDraft(f"({n} {m} : Nat) : {goal}", lines, proof)
    f = make.name("definition")
    if kind == 2:
        a, b, c = make.randint(1, 3), make.randint(0, 3), make.randint(0, 3)
        lines = f"def {f} : Nat → Nat\n  | 0 => {c}\n  | n + 1 => if n % 2 = 0 then {f} n + {a} else {f} n + {b}\n"
        k = make.randint(0, 2)
        right = plus({n: a + b, CONSTANT: c + (a if k else 0)})
        goal = f"{f} (2 * {n}{' + 1' if k else ''}) = {written(make, right)}"
        return TheoremDraft(f"({n} : Nat) : {goal}", lines, f"induction {n} <;> grind [{f}]")
    d, r = make.randint(2, 5), make.randint(0, 4)
    step = d * make.randint(1, 3)
    lines = f"def {f} : Nat → Nat\n  | 0 => {r}\n  | n + 1 => {make.choice([f'{f} n + {step}', f'{d + 1} * {f} n'])}\n"
    goal = f"{f} {n} % {d} = {r % d}"
    return TheoremDraft(f"({n} : Nat) : {goal}", lines, f"induction {n} <;> grind [{f}]")


def _two(make: Maker) -> TheoremDraft:
    """A function of two arguments, whose laws need its closed form."""
    f = make.name("definition")
    x, y, z = make.names("number", 3)
    kind = make.randrange(3)
    step = make.randint(1, 4)
    base, value = make.choice([("m", {"b": 1}), ("2 * m", {"b": 2}), ("m + 1", {"b": 1, CONSTANT: 1}), ("m", {"b": 1})])
    moved = make.randint(1, 3)
    if kind == 0:
        lines, each = f"def {f} : Nat → Nat → Nat\n  | 0, m => {base}\n  | n + 1, m => {f} n m + {step}\n", step
    elif kind == 1:
        lines, each = (
            f"def {f} : Nat → Nat → Nat\n  | 0, m => {base}\n  | n + 1, m => {f} n (m + {moved})\n",
            moved * value["b"],
        )
    else:
        lines, each = (
            f"def {f} : Nat → Nat → Nat\n  | 0, m => {base}\n  | n + 1, m => {f} n (m + {moved}) + {step}\n",
            (moved * value["b"] + step),
        )
    closed = plus({"a": each}, value)
    goals = [
        (f"{x} {y} {z}", f"{f} ({x} + {y}) {z} = {f} {x} {z} + {plain({y: each})}"),
        (f"{x} {y}", f"{f} {x} ({y} + 1) = {f} {x} {y} + {closed['b']}"),
        (f"{x} {y} {z}", f"{x} ≤ {y} → {f} {x} {z} ≤ {f} {y} {z}"),
        (f"{x} {y} {z}", f"{x} ≤ {y} → {f} {z} {x} ≤ {f} {z} {y}"),
    ]
    if closed["b"] == 1:
        goals += [(f"{x} {y} {z}", f"{f} {x} ({f} {y} {z}) = {f} {y} ({f} {x} {z})")] * 2
    if each == closed["b"]:
        goals += [(f"{x} {y}", f"{f} {x} {y} = {f} {y} {x}")] * 3
    names, goal = make.choice(goals)
    if closed == {"a": 1, "b": 1} and make.chance():
        goal = f"{f} ({f} {x} {y}) {z} = {f} {x} ({f} {y} {z})"
        names = f"{x} {y} {z}"
    proof = "\n".join(
        [
            f"have e : ∀ a b, {f} a b = {plain(closed)} := by",
            "  intro a b",
            f"  induction a generalizing b <;> grind [{f}]",
            "grind",
        ]
    )
    return TheoremDraft(f"({names} : Nat) : {goal}", lines, proof)
