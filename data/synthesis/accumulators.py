"""Loops that carry a result along: what they compute is shown for every start of the loop at once."""

from __future__ import annotations

from dataclasses import dataclass

from data.synthesis.draft import Maker, TheoremDraft
from data.synthesis.lists import change, weight
from data.synthesis.terms import CONSTANT, factor, plain, plus, written


@dataclass(frozen=True)
class _Loop:
    """A loop that adds `each * x + constant` for each element (of a number: for each step), with its definition."""

    name: str
    each: int
    constant: int
    lines: str


def _over_list(make: Maker, each: int, constant: int) -> _Loop:
    f, acc = make.name("definition"), make.choice(["acc", "s", "r"])
    x, xs = make.choice([("x", "xs"), ("a", "as"), ("y", "ys")])
    added = plain({acc: 1, x: each, CONSTANT: constant})
    head = x if each else "_"
    lines = f"def {f} : List Nat → Nat → Nat\n  | [], {acc} => {acc}\n  | {head} :: {xs}, {acc} => {f} {xs} ({added})\n"
    return _Loop(f, each, constant, lines)


def _any(make: Maker) -> _Loop:
    return _over_list(make, *make.choice([(1, 0), (1, 1), (2, 0), (0, 1), (0, 3), (2, 1), (3, 0), (1, 2), (3, 2)]))


def accumulators(make: Maker, level: int) -> TheoremDraft:
    """A theorem about a loop with an accumulator."""
    return [_values, _starts, _shifts, _against, _special][level - 1](make)


def _values(make: Maker) -> TheoremDraft:
    """The result of a run."""
    loop, items, start = _any(make), [make.randint(0, 9) for _ in range(make.randint(2, 4))], make.randint(0, 9)
    result = start + sum(loop.each * x + loop.constant for x in items)
    return TheoremDraft(f": {loop.name} {items} {start} = {result}", loop.lines, "rfl")


def _starts(make: Maker) -> TheoremDraft:
    """The first rounds of a run."""
    loop, xs, n = _any(make), make.name("list"), make.name("number")
    items = [make.randint(0, 9) for _ in range(make.randint(1, 3))]
    added = sum(loop.each * x + loop.constant for x in items)
    shown = " :: ".join([*map(str, items), xs])
    goal = f"{loop.name} ({shown}) {n} = {loop.name} {xs} ({n} + {added})"
    if make.chance(0.4):
        goal = f"{loop.name} {items} {n} = {written(make, {n: 1, CONSTANT: added})}"
        return TheoremDraft(f"({n} : Nat) : {goal}", loop.lines, f"simp [{loop.name}] <;> omega")
    return TheoremDraft(f"({xs} : List Nat) ({n} : Nat) : {goal}", loop.lines, f"simp [{loop.name}] <;> omega")


def _shifts(make: Maker) -> TheoremDraft:
    """What was there at the start comes out at the end."""
    loop, xs, ys, n, m = _any(make), *make.names("list", 2), *make.names("number", 2)
    f = loop.name
    proof = f"induction {xs} generalizing {n} <;> grind [{f}]"
    kind = make.randrange(4)
    if kind == 0:
        c = make.randint(1, 9)
        k = make.choice([m, str(c)])
        names = f"{n} {m}" if k == m else n
        return TheoremDraft(
            f"({xs} : List Nat) ({names} : Nat) : {f} {xs} ({n} + {k}) = {f} {xs} {n} + {k}", loop.lines, proof
        )
    if kind == 1:
        return TheoremDraft(
            f"({xs} {ys} : List Nat) ({n} : Nat) : {f} ({xs} ++ {ys}) {n} = {f} {ys} ({f} {xs} {n})", loop.lines, proof
        )
    if kind == 2:
        right = plus({n: 1}, {f"{xs}.sum": loop.each, f"{xs}.length": loop.constant})
        return TheoremDraft(f"({xs} : List Nat) ({n} : Nat) : {f} {xs} {n} = {written(make, right)}", loop.lines, proof)
    a = make.randint(0, 9)
    right = {f"{f} {xs} {n}": 1, CONSTANT: loop.each * a + loop.constant}
    return TheoremDraft(
        f"({xs} : List Nat) ({n} : Nat) : {f} ({xs} ++ [{a}]) {n} = {written(make, right)}", loop.lines, proof
    )


def _against(make: Maker) -> TheoremDraft:
    """A loop and a plain recursion that compute the same."""
    xs, n = make.name("list"), make.name("number")
    kind = make.randrange(3)
    if kind == 0:
        g = weight(make)
        loop = _over_list(make, g.each, g.constant)
        right = written(make, {n: 1, f"{g.name} {xs}": 1})
        proof = f"induction {xs} generalizing {n} <;> grind [{loop.name}, {g.name}]"
        return TheoremDraft(
            f"({xs} : List Nat) ({n} : Nat) : {loop.name} {xs} {n} = {right}", f"{loop.lines}\n{g.lines}", proof
        )
    if kind == 1:
        loop, h = _any(make), change(make)
        each = sum(loop.each * a for a, _ in h.parts)
        constant = sum(loop.each * b + loop.constant for _, b in h.parts)
        right = written(make, {n: 1, f"{xs}.sum": each, f"{xs}.length": constant})
        proof = f"induction {xs} generalizing {n} <;> grind [{loop.name}, {h.name}]"
        goal = f"{loop.name} ({h.name} {xs}) {n} = {right}"
        return TheoremDraft(f"({xs} : List Nat) ({n} : Nat) : {goal}", f"{loop.lines}\n{h.lines}", proof)
    f, k, m, step = make.name("definition"), make.choice("kn"), make.name("number"), make.randint(1, 5)
    lines = f"def {f} : Nat → Nat → Nat\n  | 0, acc => acc\n  | {k} + 1, acc => {f} {k} (acc + {step})\n"
    goal = f"{f} {n} {m} = {written(make, {m: 1, n: step})}"
    return TheoremDraft(f"({n} {m} : Nat) : {goal}", lines, f"induction {n} generalizing {m} <;> grind [{f}]")


def _special(make: Maker) -> TheoremDraft:
    """The same for one start of the loop only: it has to be shown for all first."""
    xs = make.name("list")
    start = make.choice([0, 0, 0, 1, 2, 5])
    kind = make.randrange(4)
    if kind < 2:
        if kind == 0:
            g = weight(make)
            loop = _over_list(make, g.each, g.constant)
            lines, value = f"{loop.lines}\n{g.lines}", {f"{g.name} {xs}": 1}
            used = f"{loop.name}, {g.name}"
        else:
            loop = _any(make)
            lines, value, used = loop.lines, {f"{xs}.sum": loop.each, f"{xs}.length": loop.constant}, loop.name
        left, right = f"{loop.name} {xs} {start}", written(make, plus(value, {CONSTANT: start}))
        law = f"∀ n, {loop.name} {xs} n = {plain(plus({'n': 1}, value))}"
        return TheoremDraft(f"({xs} : List Nat) : {left} = {right}", lines, _generalised(xs, law, used))
    f = make.name("definition")
    a, b = make.choice([(1, 0), (1, 0), (1, 1), (2, 0), (1, 2), (3, 1)])
    element = factor(plain({"x": a, CONSTANT: b}))
    if kind == 2:
        lines = f"def {f} : List Nat → List Nat → List Nat\n  | [], r => r\n  | x :: xs, r => {f} xs ({element} :: r)\n"
        mapped = xs if (a, b) == (1, 0) else f"({xs}.map fun x => {plain({'x': a, CONSTANT: b})})"
        law = f"∀ r, {f} {xs} r = {mapped}.reverse ++ r"
        goal = make.choice([f"{f} {xs} [] = {mapped}.reverse", f"{f} {xs} [{start}] = {mapped}.reverse ++ [{start}]"])
        return TheoremDraft(f"({xs} : List Nat) : {goal}", lines, _generalised(xs, law, f))
    lines = f"def {f} : List Nat → List Nat → List Nat\n  | [], r => r\n  | x :: xs, r => {f} xs ({element} :: r)\n"
    k = make.randint(0, 2)
    law = f"∀ r, ({f} {xs} r).length = {xs}.length + r.length"
    shown = str([make.randint(0, 9) for _ in range(k)])
    goal = f"({f} {xs} {shown}).length = {written(make, {f'{xs}.length': 1, CONSTANT: k})}"
    return TheoremDraft(f"({xs} : List Nat) : {goal}", lines, _generalised(xs, law, f))


def _generalised(xs: str, law: str, used: str) -> str:
    return "\n".join([f"have e : {law} := by", f"  induction {xs} <;> grind [{used}]", "grind"])
