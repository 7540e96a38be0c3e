"""Recursive functions on lists of numbers, and their laws."""

from __future__ import annotations

from dataclasses import dataclass

from data.synthesis.draft import Maker, TheoremDraft, both
from data.synthesis.terms import CONSTANT, Form, factor, plain, plus, times, written


@dataclass(frozen=True)
class Weight:
    """`name xs` is the sum of `each * x + constant` over xs."""

    name: str
    each: int
    constant: int
    lines: str

    def of(self, sum_of: str, length_of: str) -> dict[str, int]:
        return {sum_of: self.each, length_of: self.constant}


@dataclass(frozen=True)
class Change:
    """`name xs` has, for each x of xs in order, the elements `a * x + b` for (a, b) in `parts`."""

    name: str
    parts: tuple[tuple[int, int], ...]
    lines: str


def weight(make: Maker) -> Weight:
    """A recursive function from lists to numbers."""
    f, x, xs = make.name("definition"), *make.choice([("x", "xs"), ("a", "as"), ("y", "ys")])
    each, constant = make.choice([(1, 0), (0, 1), (make.randint(1, 4), make.randint(0, 5)), (make.randint(0, 2), 1)])
    step = make.shuffled([f"{f} {xs}", *([plain({x: each, CONSTANT: constant})])])
    lines = (
        f"def {f} : List Nat → Nat\n  | [] => 0\n  | {_head(x, each)} :: {xs} => {' + '.join(map(_summand, step))}\n"
    )
    return Weight(f, each, constant, lines)


def _head(x: str, used: int) -> str:
    return x if used else "_"


def _summand(text: str) -> str:
    return f"({text})" if " + " in text else text


def change(make: Maker, most: int = 2) -> Change:
    """A recursive function from lists to lists; `most`: elements that it makes of one."""
    g, x, xs = make.name("definition"), *make.choice([("x", "xs"), ("a", "as"), ("y", "ys")])
    parts = tuple((make.choice([1, 1, 1, 2, 3, 0]), make.randint(0, 6)) for _ in range(make.randint(1, most)))
    elements = [factor(plain({x: a, CONSTANT: b} if a else {CONSTANT: b})) for a, b in parts]
    used = any(a for a, _ in parts)
    step = " :: ".join([*elements, f"{g} {xs}"])
    lines = f"def {g} : List Nat → List Nat\n  | [] => []\n  | {_head(x, used)} :: {xs} => {step}\n"
    return Change(g, parts, lines)


def lists(make: Maker, level: int) -> TheoremDraft | None:
    """A theorem about recursive functions on lists; None if none came of this draw."""
    return [_library, _values, _induction, _conditions, _reversal][level - 1](make)


def _library(make: Maker) -> TheoremDraft:
    """Lengths and sums of expressions of the library's functions."""
    names = make.names("list", make.randint(2, 3))

    def term(depth: int) -> tuple[str, dict[str, int]]:
        kind = make.randrange(5) if depth else 5
        if kind == 5:
            name = make.choice(names)
            return name, {f"{name}.length": 1}
        inner, size = term(depth - 1)
        if kind == 0:
            other, more = term(0)
            return f"({inner} ++ {other})", plus(size, more)
        if kind == 1:
            return f"{inner}.reverse", size
        if kind == 2:
            return f"({make.randint(0, 9)} :: {inner})", plus(size, {CONSTANT: 1})
        if kind == 3:
            return f"({inner}.map (· + {make.randint(1, 5)}))", size
        return f"({inner} ++ [{make.randint(0, 9)}, {make.randint(0, 9)}])", plus(size, {CONSTANT: 2})

    text, size = term(make.randint(2, 3))
    return TheoremDraft(f"({' '.join(names)} : List Nat) : {text}.length = {written(make, size)}", proof="grind")


def _values(make: Maker) -> TheoremDraft:
    """A function's value at a list that is written out."""
    items = [make.randint(0, 9) for _ in range(make.randint(2, 5))]
    if make.chance():
        f = weight(make)
        value = str(sum(f.each * k + f.constant for k in items))
        return TheoremDraft(f": {f.name} {items} = {value}", f.lines, "rfl")
    g = change(make)
    image = [a * k + b for k in items[:3] for a, b in g.parts]
    if make.chance():
        xs = make.name("list")
        shown = " :: ".join([*map(str, items[:3]), xs])
        return TheoremDraft(
            f"({xs} : List Nat) : {g.name} ({shown}) = {' :: '.join([*map(str, image), f'{g.name} {xs}'])}",
            g.lines,
            "rfl",
        )
    return TheoremDraft(f": {g.name} {items[:3]} = {image}", g.lines, "rfl")


def _induction(make: Maker) -> TheoremDraft:
    """Laws of one or two functions that one induction proves."""
    xs, ys = make.names("list", 2)
    kind = make.randrange(5)
    if kind == 0:
        f = weight(make)
        tail, extra = make.choice([(ys, {f"{f.name} {ys}": 1}), _written_out(make, f)])
        both = f"({xs} ++ {tail})"
        names = f"{xs} {ys}" if tail == ys else xs
        goal = f"{f.name} {both} = {written(make, plus({f'{f.name} {xs}': 1}, extra))}"
        return TheoremDraft(f"({names} : List Nat) : {goal}", f.lines, f"induction {xs} <;> grind [{f.name}]")
    if kind == 1:
        f = weight(make)
        value = written(make, f.of(f"{xs}.sum", f"{xs}.length"))
        return TheoremDraft(
            f"({xs} : List Nat) : {f.name} {xs} = {value}", f.lines, f"induction {xs} <;> grind [{f.name}]"
        )
    if kind == 2:
        g = change(make)
        goal = f"{g.name} ({xs} ++ {ys}) = {g.name} {xs} ++ {g.name} {ys}"
        return TheoremDraft(f"({xs} {ys} : List Nat) : {goal}", g.lines, f"induction {xs} <;> grind [{g.name}]")
    g = change(make)
    if kind == 3:
        goal = f"({g.name} {xs}).length = {written(make, {f'{xs}.length': len(g.parts)})}"
        return TheoremDraft(f"({xs} : List Nat) : {goal}", g.lines, f"induction {xs} <;> grind [{g.name}]")
    f = weight(make)
    each, constant = _composed(f, g)
    right = written(make, {f"{xs}.sum": each, f"{xs}.length": constant})
    proof = f"induction {xs} <;> grind [{f.name}, {g.name}]"
    return TheoremDraft(f"({xs} : List Nat) : {f.name} ({g.name} {xs}) = {right}", f"{f.lines}\n{g.lines}", proof)


def _written_out(make: Maker, f: Weight) -> tuple[str, Form]:
    """Some elements, and what they weigh."""
    items = [make.randint(0, 5) for _ in range(make.randint(1, 2))]
    return str(items), {CONSTANT: sum(f.each * k + f.constant for k in items)}


def _composed(f: Weight, g: Change) -> tuple[int, int]:
    each = sum(f.each * a for a, _ in g.parts)
    return each, sum(f.each * b + f.constant for _, b in g.parts)


def _small(make: Maker, x: str) -> str:
    """A small form in one variable, or a numeral."""
    return plain({x: make.randint(0, 2), CONSTANT: make.randint(0, 4)})


def _question(make: Maker) -> str:
    """A condition on x."""
    m = make.randint(2, 4)
    return make.choice(
        [f"x % {m} = {make.randint(0, m - 1)}", f"x < {make.randint(1, 9)}", f"{make.randint(1, 9)} ≤ x"]
    )


def _two_laws(make: Maker) -> TheoremDraft:
    """Two laws of functions, for two lists: each needs its own induction."""
    f, g = weight(make), change(make)
    each, constant = _composed(f, g)

    def law(kind: int, v: str) -> tuple[str, str]:
        name = f"{f.name} {v}"
        if kind == 0:
            return f"{name} = {written(make, f.of(f'{v}.sum', f'{v}.length'))}", f"induction {v} <;> grind [{f.name}]"
        if kind == 1:
            tail, extra = _written_out(make, f)
            goal = f"{f.name} ({v} ++ {tail}) = {written(make, plus({name: 1}, extra))}"
            return goal, f"induction {v} <;> grind [{f.name}]"
        if kind == 2:
            goal = f"({g.name} {v}).length = {written(make, {f'{v}.length': len(g.parts)})}"
            return goal, f"induction {v} <;> grind [{g.name}]"
        goal = f"{f.name} ({g.name} {v}) = {written(make, {f'{v}.sum': each, f'{v}.length': constant})}"
        return goal, f"induction {v} <;> grind [{f.name}, {g.name}]"

    names, kinds = make.names("list", 2), make.sample(range(4), 2)
    goal, proof = both(law(kinds[0], names[0]), law(kinds[1], names[1]))
    lines = [f.lines] * (f.name in goal) + [g.lines] * (g.name in goal)
    return TheoremDraft(f"({' '.join(names)} : List Nat) : {goal}", "\n".join(lines), proof)


def _conditions(make: Maker) -> TheoremDraft | None:
    """Functions that ask a question of each element, or give two results."""
    if make.chance(0.25):
        return _two_laws(make)
    f, xs, ys, n = make.name("definition"), *make.names("list", 2), make.name("number")
    kind = make.randrange(4)
    proof = f"induction {xs} <;> grind [{f}]"
    if kind == 0:
        first, second, asked = _small(make, "x"), _small(make, "x"), _question(make)
        if first == second:
            return None
        lines = (
            f"def {f} : List Nat → Nat\n  | [] => 0\n  | x :: xs => {f} xs + if {asked} then {first} else {second}\n"
        )
        value = " ".join(n if word == "x" else word for word in f"if {asked} then {first} else {second}".split())
        goal = f"{f} ({xs} ++ [{n}]) = {f} {xs} + {value}"
        return TheoremDraft(f"({n} : Nat) ({xs} : List Nat) : {goal}", lines, proof)
    if kind == 1:
        yes, no = make.sample(range(5), 2)
        lines = (
            f"def {f} (k : Nat) : List Nat → Nat\n  | [] => 0\n"
            f"  | x :: xs => if x = k then {plain({f'{f} k xs': 1, CONSTANT: yes})}"
            f" else {plain({f'{f} k xs': 1, CONSTANT: no})}\n"
        )
        tail = make.choice([f"[{n}]", f"({n} :: {ys})", f"[{n}, {n}]"])
        more = {f"{f} {n} {ys}": 1} if ys in tail else {}
        total = plus({f"{f} {n} {xs}": 1}, more, {CONSTANT: yes * max(1, tail.count(f"{n}"))})
        goal = f"{f} {n} ({xs} ++ {tail}) = {written(make, total)}"
        return TheoremDraft(f"({n} : Nat) ({f'{xs} {ys}' if more else xs} : List Nat) : {goal}", lines, proof)
    if kind == 2:
        forms = [(make.randint(0, 3), make.randint(0, 3)) for _ in range(2)]
        ends = [plain({f"({f} xs).{k + 1}": 1, "x": a, CONSTANT: b}) for k, (a, b) in enumerate(forms)]
        head = _head("x", forms[0][0] + forms[1][0])
        lines = f"def {f} : List Nat → Nat × Nat\n  | [] => (0, 0)\n  | {head} :: xs => ({', '.join(ends)})\n"
        values = [written(make, {f"{xs}.sum": a, f"{xs}.length": b}) for a, b in forms]
        return TheoremDraft(f"({xs} : List Nat) : {f} {xs} = ({', '.join(values)})", lines, proof)
    asked = _question(make)
    of_n = asked.replace("x", n)
    added = make.randint(0, 3)
    lines = f"def {f} : List Nat → List Nat\n  | [] => []\n  | x :: xs => if {asked} then x :: {f} xs else {f} xs\n"
    goal = make.choice(
        [
            f"{n} ∈ {f} {xs} ↔ {n} ∈ {xs} ∧ {of_n}",
            f"{of_n} → {f} ({xs} ++ [{n}]) = {f} {xs} ++ [{n}]",
            f"{f} ({f} {xs}) = {f} {xs}",
            f"({f} {xs}).length ≤ {plain({f'{xs}.length': 1, CONSTANT: added})}",
            f"{f} ({xs} ++ {ys}) = {f} {xs} ++ {f} {ys}",
            f"({f} {xs}).sum ≤ {plain({f'{xs}.sum': 1, CONSTANT: added})}",
        ]
    )
    start = (f"({n} : Nat) " if of_n in goal else "") + f"({xs}{f' {ys}' if ys in goal else ''} : List Nat) "
    return TheoremDraft(f"{start}: {goal}", lines, proof)


def _reversal(make: Maker) -> TheoremDraft:
    """Laws of an own reversal: they need the one of appending first."""
    r, xs = make.name("definition"), make.name("list")
    reverse = f"def {r} : List Nat → List Nat\n  | [] => []\n  | x :: xs => {r} xs ++ [x]\n"
    kind = make.randrange(3)
    if kind == 0:
        f = weight(make)
        law = f"{f.name} (as ++ bs) = {f.name} as + {f.name} bs"
        left, right, used = f"{f.name} ({r} {xs})", f"{f.name} {xs}", f.name
        if make.chance():
            k = make.randint(2, 4)
            left, right = written(make, {left: k}), written(make, {right: k})
        if make.chance():
            left, right = f"{f.name} ({r} {xs} ++ {xs})", written(make, times(2, {f"{f.name} {xs}": 1}))
        lines = f.lines
    elif kind == 1:
        g = change(make, 1)
        law = f"{g.name} (as ++ bs) = {g.name} as ++ {g.name} bs"
        left, right, used, lines = f"{g.name} ({r} {xs})", f"{r} ({g.name} {xs})", g.name, g.lines
        if make.chance():
            left, right = f"{r} {factor(left)}", f"{r} {factor(right)}"
    else:
        law, left, right, used, lines = f"{r} (as ++ bs) = {r} bs ++ {r} as", f"{r} ({r} {xs})", xs, r, ""
        if make.chance():
            tail = f"[{make.randint(0, 9)}]"
            left, right = f"{r} ({r} {xs} ++ {tail})", f"{tail[1:-1]} :: {xs}"
    proof = "\n".join(
        [
            f"have e : ∀ as bs, {law} := by",
            "  intro as bs",
            f"  induction as <;> grind [{used}]",
            f"induction {xs} <;> grind [{used}, {r}]",
        ]
    )
    return TheoremDraft(f"({xs} : List Nat) : {left} = {right}", "\n".join(filter(None, [reverse, lines])), proof)
