"""Types of a few values with functions given by tables, truth values, options and structures."""

from __future__ import annotations

from dataclasses import dataclass

from data.synthesis.draft import Maker, TheoremDraft
from data.synthesis.terms import factor


@dataclass(frozen=True)
class _Values:
    type: str
    values: list[str]
    lines: str


def _values(make: Maker, count: int) -> _Values:
    kind, values = make.name("type"), make.names("value", count)
    return _Values(kind, values, f"inductive {kind}\n  | {' | '.join(values)}\n")


def _table(make: Maker, name: str, v: _Values, images: list[int]) -> str:
    rows = [f"  | .{v.values[k]} => .{v.values[image]}\n" for k, image in enumerate(images)]
    return f"def {name} : {v.type} → {v.type}\n{''.join(rows)}"


def _applied(names: list[str], term: str) -> str:
    for name in reversed(names):
        term = f"{name} {term}" if term.isidentifier() or term.startswith(".") else f"{name} ({term})"
    return term


def finite(make: Maker, level: int) -> TheoremDraft | None:
    """A theorem about a type with a few values; None if none came of this draw."""
    return [_truth, _entries, _compositions, _operations, _choices][level - 1](make)


def _truth(make: Maker) -> TheoremDraft | None:
    """Identities of truth values and of options."""
    if make.chance(0.4):
        x, k = make.name("number"), make.randint(1, 5)
        shifts = [make.randint(1, 9) for _ in range(make.randint(2, 3))]
        start, value = make.choice([(x, f"{x} + {sum(shifts)}"), (f"{x} + {k}", f"{x} + {k + sum(shifts)}")])
        text = f"some {factor(start)}"
        for shift in shifts:
            text = f"({text}).map (· + {shift})"
        return TheoremDraft(f"({x} : Nat) : {text} = some ({value})", proof="simp <;> omega")
    names = make.names("proposition", make.randint(2, 3))

    def term(depth: int) -> tuple[str, int]:
        """A term and its table: bit r is its value where the bits of r are the variables'."""
        if depth == 0:
            k = make.randrange(len(names))
            return names[k], sum(1 << r for r in range(8) if r >> k & 1)
        (a, p), (b, q) = term(depth - 1), term(make.randrange(depth))
        kind = make.randrange(3)
        if kind == 0:
            return f"!{a}" if " " not in a else f"!({a})", 255 & ~p
        sign = "&&" if kind == 1 else "||"
        parts = [t if " " not in t else f"({t})" for t in (a, b)]
        return f"{parts[0]} {sign} {parts[1]}", p & q if kind == 1 else p | q

    left, table = term(2)
    for _ in range(400):
        right, other = term(make.randint(1, 2))
        if other == table and right != left:
            return TheoremDraft(f"({' '.join(names)} : Bool) : ({left}) = ({right})", proof="grind")
    return None


def _entries(make: Maker) -> TheoremDraft:
    """Values at given arguments; fields of structures."""
    if make.chance():
        v = _values(make, make.randint(2, 4))
        f = make.name("definition")
        images = [make.randrange(len(v.values)) for _ in v.values]
        start, times = make.randrange(len(v.values)), make.randint(1, 3)
        end = start
        for _ in range(times):
            end = images[end]
        goal = f"{_applied([f] * times, f'.{v.values[start]}')} = .{v.values[end]}"
        return TheoremDraft(f": {goal}", f"{v.lines}\n{_table(make, f, v, images)}", "rfl")
    kind, f, p = make.name("type"), make.name("definition"), make.name("proposition")
    fields = make.sample(["fst", "snd", "top", "low", "key", "val"], 2)
    a, b = make.randint(0, 5), make.randint(0, 5)
    swap = make.chance()
    x, y = (f"{p}.{field}" for field in (fields[::-1] if swap else fields))
    lines = f"structure {kind} where\n  {fields[0]} : Nat\n  {fields[1]} : Nat\n\n"
    lines += f"def {f} ({p} : {kind}) : {kind} := ⟨{x}{f' + {a}' if a else ''}, {y}{f' + {b}' if b else ''}⟩\n"
    at = make.randrange(2)
    value = [(x, a), (y, b)][at]
    if make.chance():
        shown = f"{value[0]} + {value[1]}" if value[1] else value[0]
        return TheoremDraft(f"({p} : {kind}) : ({f} {p}).{fields[at]} = {shown}", lines, "rfl")
    if swap:
        total = a + b
        shown = f"{p}.{fields[at]} + {total}" if total else f"{p}.{fields[at]}"
    else:
        shown = f"{value[0]} + {2 * value[1]}" if value[1] else value[0]
    return TheoremDraft(f"({p} : {kind}) : ({f} ({f} {p})).{fields[at]} = {shown}", lines, f"simp [{f}] <;> omega")


def _tables(make: Maker, v: _Values, count: int) -> tuple[list[str], list[list[int]], str]:
    """Functions by permutations or any tables, their images and lines."""
    names = make.names("definition", count)
    size = range(len(v.values))
    images = [make.shuffled(size) if make.chance(0.6) else [make.randrange(len(v.values)) for _ in size] for _ in names]
    return names, images, "\n".join(_table(make, n, v, i) for n, i in zip(names, images, strict=True))


def _compositions(make: Maker) -> TheoremDraft:
    """Two ways to compute the same for every value."""
    v = _values(make, make.randint(3, 4))
    names, images, lines = _tables(make, v, 2)
    size = range(len(v.values))
    words = [[make.randrange(2) for _ in range(make.randint(0, 3))] for _ in range(60)]
    first = next((w for w in words if w), [0])

    def value(word: list[int], k: int) -> int:
        for f in reversed(word):
            k = images[f][k]
        return k

    c = make.name("number")
    left = _applied([names[f] for f in first], c)
    for second in words:
        if second != first and all(value(first, k) == value(second, k) for k in size):
            right = _applied([names[f] for f in second], c)
            used = ", ".join(names[f] for f in sorted({*first, *second}))
            return TheoremDraft(
                f"({c} : {v.type}) : {left} = {right}", f"{v.lines}\n{lines}", f"cases {c} <;> simp [{used}]"
            )
    seen = {value(first, k) for k in size}
    missing = [k for k in size if k not in seen]
    if missing:
        goal = f"{left} ≠ .{v.values[make.choice(missing)]}"
    else:
        goal = f"{left} = .{v.values[value(first, k := make.choice(list(size)))]} → {c} = .{v.values[k]}"
    return TheoremDraft(f"({c} : {v.type}) : {goal}", f"{v.lines}\n{lines}", f"cases {c} <;> simp [{', '.join(names)}]")


def _operations(make: Maker) -> TheoremDraft:
    """An operation on two values: a law that its table has."""
    v = _values(make, 3)
    f = make.name("definition")
    c, d = make.names("number", 2)
    size = range(3)
    kind = make.randrange(3)
    unit, zero = make.sample(list(size), 2)
    other = 3 - unit - zero
    square = make.choice([unit, zero, other])
    # the unit changes nothing, the zero takes all, what is left is given
    rows = [f"  | .{v.values[unit]}, y => y\n", f"  | x, .{v.values[unit]} => x\n"]
    rows += [f"  | .{v.values[other]}, .{v.values[other]} => .{v.values[square]}\n", f"  | _, _ => .{v.values[zero]}\n"]
    lines = f"def {f} : {v.type} → {v.type} → {v.type}\n{''.join(rows)}"
    table = {
        (x, y): y if x == unit else x if y == unit else square if x == y == other else zero for x in size for y in size
    }
    goals = [
        f"{f} {c} {d} = {f} {d} {c}",
        f"{f} {c} .{v.values[zero]} = .{v.values[zero]}",
        f"{f} .{v.values[unit]} {c} = {c}",
    ]
    for a in size:
        for b in size:
            if all(table[x, y] == a for x in size for y in size if b in (x, y)):
                goals.append(f"{c} = .{v.values[b]} ∨ {d} = .{v.values[b]} → {f} {c} {d} = .{v.values[a]}")
        for b in size:
            if all(x == b and y == b for x in size for y in size if table[x, y] == a):
                goals.append(f"{f} {c} {d} = .{v.values[a]} → {c} = .{v.values[b]} ∧ {d} = .{v.values[b]}")
                goals.append(f"{f} {c} {d} = .{v.values[a]} → {c} = {d}")
    if all(table[x, table[x, y]] == table[x, y] for x in size for y in size):
        goals += [f"{f} {c} ({f} {c} {d}) = {f} {c} {d}"] * 2
    goal = make.choice(goals)
    if kind:
        second = make.choice(goals)
        goal = f"{goal} ∧ {second}" if "→" not in goal + second else f"({goal}) ∧ ({second})"
    names = f"{c} {d}" if f" {d}" in goal else c
    cases = " <;> ".join(f"cases {x}" for x in names.split())
    return TheoremDraft(f"({names} : {v.type}) : {goal}", f"{v.lines}\n{lines}", f"{cases} <;> simp [{f}]")


def _choices(make: Maker) -> TheoremDraft:
    """For each value there is one that goes with it."""
    v = _values(make, 3)
    size = range(3)
    c, d = make.names("number", 2)
    if make.chance():
        (f,), (images,), lines = _tables(make, v, 1)
        images = make.shuffled(size)
        lines = _table(make, f, v, images)
        g = make.name("definition")
        other = [make.randrange(3) for _ in size]
        lines = f"{lines}\n{_table(make, g, v, other)}"
        pick = [images.index(other[k]) for k in size]
        goal = f"∃ {d}, {f} {d} = {g} {c}"
    else:
        f = make.name("definition")
        rows, pick = [], []
        target = make.randrange(3)
        for k in size:
            rule = make.shuffled(size)
            rows += [f"  | .{v.values[k]}, .{v.values[j]} => .{v.values[rule[j]]}\n" for j in size[:2]]
            rows.append(f"  | .{v.values[k]}, .{v.values[2]} => .{v.values[rule[2]]}\n")
            pick.append(rule.index(target))
        lines = f"def {f} : {v.type} → {v.type} → {v.type}\n{''.join(rows)}"
        goal = f"∃ {d}, {f} {c} {d} = .{v.values[target]}"
    cases = [f"| {v.values[k]} => exact ⟨.{v.values[pick[k]]}, rfl⟩" for k in size]
    if make.chance(0.4):
        proof = "\n".join([f"intro {c}", f"cases {c} with", *cases])
        return TheoremDraft(f": ∀ {c} : {v.type}, {goal}", f"{v.lines}\n{lines}", proof)
    return TheoremDraft(f"({c} : {v.type}) : {goal}", f"{v.lines}\n{lines}", "\n".join([f"cases {c} with", *cases]))
