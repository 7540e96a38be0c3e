"""Inductive types of the theorem's own: trees and expressions, what is computed from them and how they are changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from data.synthesis.draft import Maker, TheoremDraft
from data.synthesis.terms import CONSTANT, Form, factor, plain, plus, written


@dataclass(frozen=True)
class _Kind:
    """A type of trees: leaves that may hold a number, nodes that may hold one, with two or three subtrees."""

    type: str
    leaf: str
    node: str
    leaf_holds: bool
    node_holds: bool
    arity: int

    @property
    def lines(self) -> str:
        leaf = f"  | {self.leaf} (n : Nat)\n" if self.leaf_holds else f"  | {self.leaf}\n"
        number = " (n : Nat)" if self.node_holds else ""
        return f"inductive {self.type}\n{leaf}  | {self.node}{number} ({' '.join(self.parts)} : {self.type})\n"

    @property
    def parts(self) -> list[str]:
        return list("lrm"[: self.arity])

    def leaf_of(self, number: str) -> str:
        return f".{self.leaf} {factor(number)}" if self.leaf_holds else f".{self.leaf}"

    def node_of(self, number: str, parts: list[str]) -> str:
        return " ".join([f".{self.node}", *([factor(number)] if self.node_holds else []), *map(factor, parts)])

    def function(self, name: str, result: str, leaf: str, node: str, *, uses: tuple[bool, bool] = (True, True)) -> str:
        number = ["n" if used else "_" for used in uses]
        at_leaf, at_node = self.leaf_of(number[0]), self.node_of(number[1], self.parts)
        return f"def {name} : {self.type} → {result}\n  | {at_leaf} => {leaf}\n  | {at_node} => {node}\n"


def _kind(make: Maker) -> _Kind:
    holds = make.choice([(True, False), (False, True), (True, True)])
    return _Kind(make.name("type"), make.name("leaf"), make.name("node"), *holds, make.choice([2, 2, 2, 3]))


@dataclass(frozen=True)
class _Measure:
    """A sum over a tree: `leaf` and `node` are what each of them adds, forms in its number n."""

    name: str
    leaf: Form
    node: Form
    lines: str


def _measure(make: Maker, kind: _Kind, node: Form | None = None, leaf: Form | None = None) -> _Measure:
    f = make.name("definition")

    def own(holds: bool) -> Form:
        return {"n": make.randint(0, 2) if holds else 0, CONSTANT: make.randint(0, 2)}

    leaf, node = leaf or own(kind.leaf_holds), node or own(kind.node_holds)
    if not any((*leaf.values(), *node.values())):
        leaf = {**leaf, CONSTANT: 1}
    parts = [f"{f} {part}" for part in kind.parts]
    text = " + ".join(make.shuffled([*parts, *([factor(plain(node))] if any(node.values()) else [])]))
    uses = (bool(leaf["n"]), bool(node["n"]))
    return _Measure(f, leaf, node, kind.function(f, "Nat", plain(leaf), text, uses=uses))


@dataclass(frozen=True)
class _Change:
    """A change of every tree into one of the same shape: numbers n become `form`, subtrees are put in an `order`."""

    name: str
    form: tuple[int, int]
    order: list[int]
    lines: str


def _change(make: Maker, kind: _Kind, *, mirror: bool | None = None, moving: bool = True) -> _Change:
    g = make.name("definition")
    order = list(range(kind.arity))
    if make.chance() if mirror is None else mirror:
        order = order[::-1] if kind.arity == 2 else make.choice([[1, 2, 0], [2, 1, 0], [0, 2, 1], [1, 0, 2]])
    straight = order == sorted(order)
    a, b = (
        make.choice([(1, 1), (2, 0), (1, 3), (2, 1), (3, 0), (0, 4)])
        if moving and (straight or make.chance(0.3))
        else (1, 0)
    )
    number = plain({"n": a, CONSTANT: b} if a else {CONSTANT: b})
    node = kind.node_of(number, [f"{g} {kind.parts[k]}" for k in order])
    return _Change(g, (a, b), order, kind.function(g, kind.type, kind.leaf_of(number), node, uses=(a > 0, a > 0)))


def trees(make: Maker, level: int) -> TheoremDraft | None:
    """A theorem about an inductive type of its own; None if none came of this draw."""
    return [_values, _unfolded, _changed, _flattened, _carried][level - 1](make)


def _example(make: Maker, kind: _Kind, depth: int) -> tuple[str, Callable[[_Measure], int]]:
    """A tree that is written out, and what a measure of it is."""
    n = make.randint(0, 9)
    if depth == 0 or (depth == 1 and make.chance(0.3)):
        return kind.leaf_of(str(n)), lambda f: f.leaf["n"] * n + f.leaf[CONSTANT]
    parts = [_example(make, kind, depth - 1 if k == 0 else make.randrange(depth)) for k in range(kind.arity)]

    def value(f: _Measure) -> int:
        return f.node["n"] * n + f.node[CONSTANT] + sum(part(f) for _, part in parts)

    return kind.node_of(str(n), [text for text, _ in parts]), value


def _values(make: Maker) -> TheoremDraft:
    """A value at a tree that is written out."""
    kind = _kind(make)
    f = _measure(make, kind)
    text, value = _example(make, kind, 2)
    return TheoremDraft(f": {f.name} ({text}) = {value(f)}", f"{kind.lines}\n{f.lines}", "rfl")


def _unfolded(make: Maker) -> TheoremDraft:
    """One step of a function, or two."""
    kind = _kind(make)
    names = make.names("list", kind.arity)
    n = make.name("number")
    start = f"({n} : Nat) " if kind.node_holds else ""
    start += f"({' '.join(names)} : {kind.type}) "
    tree = kind.node_of(n, names)
    if make.chance():
        f = _measure(make, kind)
        values = plus(*({f"{f.name} {t}": 1} for t in names), {n: f.node["n"], CONSTANT: f.node[CONSTANT]})
        return TheoremDraft(
            f"{start}: {f.name} ({tree}) = {written(make, values)}", f"{kind.lines}\n{f.lines}", f"grind [{f.name}]"
        )
    g = _change(make, kind)
    number = plain({n: g.form[0], CONSTANT: g.form[1]} if g.form[0] else {CONSTANT: g.form[1]})
    image = kind.node_of(number, [f"{g.name} {names[k]}" for k in g.order])
    return TheoremDraft(f"{start}: {g.name} ({tree}) = {image}", f"{kind.lines}\n{g.lines}", "rfl")


def _changed(make: Maker) -> TheoremDraft | None:
    """A measure after a change, or one change after another."""
    kind, t = _kind(make), make.name("list")
    what = make.randrange(3)
    if what == 0:
        g = _change(make, kind, mirror=True, moving=False)
        f = _measure(make, kind)
        inner = f"{g.name} ({g.name} {t})" if make.chance(0.3) else f"{g.name} {t}"
        k = make.randint(1, 3)
        goal = f"{written(make, {f'{f.name} ({inner})': k})} = {written(make, {f'{f.name} {t}': k})}"
        return _by_induction(kind, t, goal, [f.name, g.name], f.lines, g.lines)
    if what == 1:
        g = _change(make, kind, moving=True)
        a, b = g.form
        f = _measure(make, kind)
        # the measure that results: n becomes a * n + b
        leaf, node = ({"n": a * form["n"], CONSTANT: b * form["n"] + form[CONSTANT]} for form in (f.leaf, f.node))
        both = _measure(make, kind, node, leaf)
        if not any((*leaf.values(), *node.values())):
            return None
        goal, used = f"{f.name} ({g.name} {t}) = {both.name} {t}", [f.name, g.name, both.name]
        return _by_induction(kind, t, goal, used, f.lines, g.lines, both.lines)
    g, h = _change(make, kind, mirror=True, moving=False), _change(make, kind, mirror=False)
    goal = f"{g.name} ({h.name} {t}) = {h.name} ({g.name} {t})"
    used, lines = [g.name, h.name], [g.lines, h.lines]
    twice = [g.order[k] for k in g.order]
    if make.chance(0.3) and twice == sorted(twice):
        goal, used, lines = f"{g.name} ({g.name} {t}) = {t}", [g.name], [g.lines]
    return _by_induction(kind, t, goal, used, *lines)


def _by_induction(kind: _Kind, t: str, goal: str, used: list[str], *lines: str) -> TheoremDraft:
    proof = f"induction {t} <;> grind [{', '.join(used)}]"
    return TheoremDraft(f"({t} : {kind.type}) : {goal}", "\n".join([kind.lines, *lines]), proof)


def _listing(make: Maker, kind: _Kind) -> tuple[str, str, tuple[int, int], int]:
    """A function that lists a tree's numbers: its name, its lines, what they become, the place of a node's own."""
    f = make.name("definition")
    a, b = make.choice([(1, 0), (1, 0), (2, 0), (1, 1), (3, 2)])
    element = f"[{plain({'n': a, CONSTANT: b})}]"
    parts = [f"{f} {part}" for part in kind.parts]
    at = make.randrange(kind.arity + 1)
    if kind.node_holds:
        parts.insert(at, element)
    lines = kind.function(f, "List Nat", element if kind.leaf_holds else "[]", " ++ ".join(parts))
    return f, lines, (a, b), at


def _flattened(make: Maker) -> TheoremDraft | None:
    """The list of a tree's numbers: its length, its sum, its order."""
    kind, t = _kind(make), make.name("list")
    f, lines, (a, b), at = _listing(make, kind)
    leaf, node = ({"n": a if holds else 0, CONSTANT: b if holds else 0} for holds in (kind.leaf_holds, kind.node_holds))
    what = make.randrange(3)
    if what == 0:
        g = _measure(make, kind, node, leaf)
        return _by_induction(kind, t, f"({f} {t}).sum = {g.name} {t}", [f, g.name], lines, g.lines)
    if what == 1:
        count = [{"n": 0, CONSTANT: int(holds)} for holds in (kind.node_holds, kind.leaf_holds)]
        size = _measure(make, kind, count[0], count[1])
        k = make.randint(1, 3)
        goal = f"{written(make, {f'({f} {t}).length': k})} = {written(make, {f'{size.name} {t}': k})}"
        return _by_induction(kind, t, goal, [f, size.name], lines, size.lines)
    change = _change(make, kind, mirror=kind.arity == 2 and 2 * at == kind.arity)
    c, d = change.form
    if (c, d) != (1, 0) and (a, b) != (1, 0):
        return None
    image = f"({f} {t})"
    if change.order != sorted(change.order):
        image = f"{image}.reverse"
    if (c, d) != (1, 0):
        image = f"{image}.map (fun n => {plain({'n': c, CONSTANT: d} if c else {CONSTANT: d})})"
    goal = f"{f} ({change.name} {t}) = {image}"
    return _by_induction(kind, t, goal, [f, change.name], lines, change.lines)


def _carried(make: Maker) -> TheoremDraft | None:
    """A walk through a tree with a result that it carries along, at all starts or (harder) at one."""
    kind, t = _kind(make), make.name("list")
    g = make.name("definition")
    if make.chance():
        f = _measure(make, kind)
        acc, result, zero = "s", "Nat", "0"
        node = plain(plus({acc: 1}, f.node))
        leaf = plain(plus({acc: 1}, f.leaf))
        lines = f.lines
        value, both = f"{f.name} {t}", f"{f.name} {t} + s"
        name, uses = f.name, (f.leaf["n"] > 0, f.node["n"] > 0)
    else:
        name, lines, (a, b), at = _listing(make, kind)
        if at:  # the walk puts a node's own number in front
            return None
        acc, result, zero = "s", "List Nat", "[]"
        element = factor(plain({"n": a, CONSTANT: b}))
        leaf, node = f"{element} :: s" if kind.leaf_holds else "s", "s"
        value, both = f"{name} {t}", f"{name} {t} ++ s"
        uses = (kind.leaf_holds, kind.node_holds)
    inner = node
    for part in reversed(kind.parts):
        inner = f"{g} {part} {factor(inner)}"
    if result != "Nat" and kind.node_holds:
        inner = f"{element} :: {inner}"
    numbers = ["n" if used else "_" for used in uses]
    at_leaf, at_node = kind.leaf_of(numbers[0]), kind.node_of(numbers[1], kind.parts)
    walk = f"def {g} : {kind.type} → {result} → {result}\n  | {at_leaf}, s => {leaf}\n  | {at_node}, s => {inner}\n"
    preamble = "\n".join([kind.lines, lines, walk])
    if make.chance(0.4):
        s = make.name("number" if result == "Nat" else "list")
        goal = both.replace(" s", f" {s}")
        proof = f"induction {t} generalizing {s} <;> grind [{g}, {name}]"
        return TheoremDraft(f"({t} : {kind.type}) ({s} : {result}) : {g} {t} {s} = {goal}", preamble, proof)
    proof = f"have e : ∀ s, {g} {t} s = {both} := by\n  induction {t} <;> grind [{g}, {name}]\ngrind"
    extra = make.choice(["", str(make.randint(1, 9))])
    if extra:
        zero = extra if result == "Nat" else f"[{extra}]"
        value = f"{value} {'+' if result == 'Nat' else '++'} {zero}"
    return TheoremDraft(f"({t} : {kind.type}) : {g} {t} {zero} = {value}", preamble, proof)
