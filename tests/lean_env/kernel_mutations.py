"""Random changes of exports: each changes one thing of one declaration, as little as a term, a level or a number.

    export = Export.read(ndjson, given)
    changed = mutate(export, random.Random(seed))     # changed.ndjson(), changed.what

Nothing says here whether a change makes it wrong: kernels are asked (judges.py).
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.lean_env.kernel_exports import ITEMS, Export, Line, children, kind_of


def mutate(export: Export, rng: random.Random) -> Export:
    """A change at random: another export than this one, in one thing."""
    for _ in range(1000):
        change = _Change(export, rng)
        name = rng.choice(_WEIGHED)
        what = CHANGES[name][1](change)
        if what is not None and change.own != list(export.own):
            items = (*export.items, *change.added)
            return replace(export, items=items, own=tuple(change.own), what=f"{name}: {what}")
    raise AssertionError("nothing can be changed in this export")


class _Change:
    """A change while it is made: the lines that are added, and the declarations as they become."""

    def __init__(self, export: Export, rng: random.Random) -> None:
        self.export, self.rng = export, rng
        self.added: list[Line] = []
        self.own = [copy.deepcopy(line) for line in export.own]
        self.next = {kind: 1 + max(export.tables[kind], default=0 if kind != "ie" else -1) for kind in ITEMS}
        self.line = rng.choice(self.own)  # the declaration that is changed
        self.kind, self.declared = next(iter(self.line.items()))

    # ---- what is there ----

    def pick(self, items: list[Any]) -> Any:
        return self.rng.choice(items) if items else None

    def holders(self) -> list[tuple[Line, str]]:
        """(object, field) for each expression of the declaration."""
        parts: list[Line] = [self.declared]
        if self.kind == "inductive":
            parts = [*self.declared["types"], *self.declared["ctors"], *self.declared["recs"]]
            parts += [rule for rec in self.declared["recs"] for rule in rec["rules"]]
        return [(part, key) for part in parts for key in ("type", "value", "rhs") if key in part]

    def places(self, kinds: tuple[str, ...] = ()) -> tuple[Line, str, list[tuple[int, str]], int, int] | None:
        """A place in an expression of the declaration: its holder, the path of (expression, field) to it, the
        expression there, and the number of binders above it; of these kinds only, if there are any."""
        holder, key = self.rng.choice(self.holders())
        root = holder[key]
        found: dict[int, tuple[list[tuple[int, str]], int]] = {root: ([], 0)}
        todo = [root]
        while todo:
            index = todo.pop(self.rng.randrange(len(todo)))
            path, above = found[index]
            for part, child, binders in children(self.at(index)):
                if child not in found:
                    found[child] = ([*path, (index, part)], above + binders)
                    todo.append(child)
        fitting = [index for index in found if not kinds or kind_of(self.at(index)) in kinds]
        chosen = self.pick(fitting)
        return None if chosen is None else (holder, key, found[chosen][0], chosen, found[chosen][1])

    def at(self, index: int) -> Line:
        return self.export.tables["ie"][index]

    # ---- what is new ----

    def add(self, kind: str, content: Line) -> int:
        index = self.next[kind]
        self.next[kind] += 1
        self.added.append({kind: index, **content})
        return index

    def replace(self, place: tuple[Line, str, list[tuple[int, str]], int, int], new: int) -> str:
        """Put another expression at a place: new ones along the path."""
        holder, key, path, old, _ = place
        for index, part in reversed(path):
            line = self.at(index)
            kind = kind_of(line)
            new = self.add("ie", {kind: {**line[kind], part: new}})
        holder[key] = new
        return f"{key} of {self.subject(holder)}, {kind_of(self.at(old))} at depth {len(path)}"

    def subject(self, holder: Line) -> str:
        return self.export.name(holder.get("name", holder.get("ctor", 0)))

    def expression(self, above: int, but: int) -> int | None:
        """Some expression of the export that fits under so many binders; often one of this declaration's own."""
        own: set[int] = set()
        todo = [holder[key] for holder, key in self.holders()]
        while todo:
            index = todo.pop()
            if index not in own:
                own.add(index)
                todo += [child for _, child, _ in children(self.at(index))]
        source = sorted(own) if self.rng.random() < 0.8 else list(self.export.reach)
        fitting = [i for i in source if self.export.reach[i] <= above and i != but]
        chosen: int | None = self.pick(fitting)
        return chosen

    def level(self, old: int) -> int:
        """Another level than this one."""
        line = self.export.tables["il"].get(old, {})
        options: list[Callable[[], int]] = [lambda: self.add("il", {"succ": old})]
        if "succ" in line:
            options.append(lambda: line["succ"])
        for kind, other in (("max", "imax"), ("imax", "max")):
            if kind in line:
                options += [lambda k=other, of=kind: self.add("il", {k: line[of]}), lambda of=kind: line[of][0]]  # type: ignore[misc]
                options.append(lambda k=kind: self.add("il", {k: line[k][::-1]}))  # type: ignore[misc]
        others = [i for i in (0, *self.export.tables["il"]) if i != old]
        options.append(lambda: self.rng.choice(others) if others else self.add("il", {"succ": old}))
        return self.rng.choice(options)()


# ---- changes of terms ----


def _term(change: _Change) -> str | None:
    place = change.places()
    if place is None or (new := change.expression(place[4], place[3])) is None:
        return None
    return change.replace(place, new)


def _node(*kinds: str) -> Callable[[Callable[[_Change, Any, int], Line | int | None]], Callable[[_Change], str | None]]:
    """A change of an expression of these kinds, given as the new expression's content (or its number)."""

    def wrap(make: Callable[[_Change, Any, int], Line | int | None]) -> Callable[[_Change], str | None]:
        def apply(change: _Change) -> str | None:
            place = change.places(kinds)
            if place is None:
                return None
            line = change.at(place[3])
            new = make(change, line[kind_of(line)], place[4])
            if new is None:
                return None
            return change.replace(place, new if isinstance(new, int) else change.add("ie", new))

        return apply

    return wrap


@_node("app")
def _application(change: _Change, app: Line, _: int) -> Line | int | None:
    function, argument = app["fn"], app["arg"]
    options: list[Line | int] = [function, argument, {"app": {"fn": argument, "arg": function}}]
    inner = change.at(function)
    if "app" in inner:  # f x y: two arguments change places, or the first is left out, or comes twice
        first = inner["app"]
        flipped = change.add("ie", {"app": {"fn": first["fn"], "arg": argument}})
        options += [{"app": {"fn": flipped, "arg": first["arg"]}}] * 2
        options += [{"app": {"fn": first["fn"], "arg": argument}}, {"app": {"fn": function, "arg": first["arg"]}}]
    return change.rng.choice(options)


@_node("bvar")
def _variable(change: _Change, index: int, above: int) -> Line | None:
    other = change.pick([i for i in range(above) if i != index])
    return None if other is None else {"bvar": other}


@_node("sort")
def _sort(change: _Change, level: int, _: int) -> Line:
    return {"sort": change.level(level)}


@_node("const")
def _levels(change: _Change, const: Line, _: int) -> Line | None:
    us = list(const["us"])
    if not us:
        return None
    i = change.rng.randrange(len(us))
    how = change.rng.random()
    if how < 0.1:
        us.pop(i)
    elif how < 0.2:
        us.append(us[i])
    else:
        us[i] = change.level(us[i])
    return {"const": {**const, "us": us}}


@_node("const")
def _constant(change: _Change, const: Line, _: int) -> Line | None:
    used = [line["const"] for line in change.export.tables["ie"].values() if "const" in line]
    alike = [c for c in used if len(c["us"]) == len(const["us"]) and c["name"] != const["name"]]
    other = change.pick(alike)
    return None if other is None else {"const": {**const, "name": other["name"]}}


@_node("lam", "forallE")
def _binder_type(change: _Change, binder: Line, above: int) -> Line | None:
    kind = change.rng.choice(["lam", "forallE"])
    other = change.expression(above, binder["type"])
    return None if other is None else {kind: {**binder, "type": other}}


@_node("lam", "forallE")
def _binder_kind(change: _Change, binder: Line, _: int) -> Line:
    is_lam = any(line.get("lam") is binder for line in change.export.tables["ie"].values())
    return {"forallE" if is_lam else "lam": binder}


@_node("lam", "forallE")
def _binder_gone(change: _Change, binder: Line, above: int) -> int | None:
    """A hypothesis removed: what stood under it stands in its place, its variables counted as before."""
    body: int = binder["body"]
    return body if change.export.reach[body] <= above else None


@_node("letE")
def _let(change: _Change, let: Line, above: int) -> Line | None:
    key = change.rng.choice(["type", "value", "body"])
    other = change.expression(above + (key == "body"), let[key])
    return None if other is None else {"letE": {**let, key: other}}


@_node("proj")
def _projection(change: _Change, proj: Line, _: int) -> Line:
    if change.rng.random() < 0.3:
        names = [line["proj"]["typeName"] for line in change.export.tables["ie"].values() if "proj" in line]
        return {"proj": {**proj, "typeName": change.rng.choice(names)}}
    return {"proj": {**proj, "idx": change.rng.choice([i for i in range(4) if i != proj["idx"]])}}


@_node("natVal", "strVal")
def _literal(change: _Change, value: str, _: int) -> Line:
    kind = "natVal" if any(line.get("natVal") is value for line in change.export.tables["ie"].values()) else "strVal"
    if kind == "natVal":
        return {"natVal": str(max(0, int(value) + change.rng.choice([-1, 1, 1, 2**64])))}
    return {"strVal": change.rng.choice([value[:-1], value + "a", value[::-1] + "é"])}


# ---- changes of declarations ----


def _swap_terms(change: _Change) -> str | None:
    """A declaration has the type or the value of another place."""
    holder, key = change.rng.choice(change.holders())
    others = [h[k] for h, k in change.holders() if h[k] != holder[key]]
    others += [
        d[k] for line in change.own for d in line.values() for k in ("type", "value") if k in d and d[k] != holder[key]
    ]
    other = change.pick(others)
    if other is None:
        return None
    holder[key] = other
    return f"{key} of {change.subject(holder)}"


def _parameters(change: _Change) -> str | None:
    """Level parameters: one more, one fewer, one twice, or in another order."""
    parts = (
        [change.declared]
        if change.kind != "inductive"
        else [p for k in ("types", "ctors", "recs") for p in change.declared[k]]
    )
    part = change.rng.choice(parts)
    names = list(part["levelParams"])
    options = [[*names, change.rng.choice(list(change.export.tables["in"]))]]
    if names:
        options += [names[:-1], names[1:], [*names, names[0]], names[::-1]]
    new = change.rng.choice([option for option in options if option != names])
    for p in parts if change.rng.random() < 0.5 else [part]:
        p["levelParams"] = new
    return change.subject(part)


def _missing(change: _Change) -> str:
    """A declaration is not there."""
    change.own.remove(change.line)
    return change.kind


def _twice(change: _Change) -> str:
    """A declaration comes twice, or has the name of another one."""
    if change.kind == "inductive" or change.rng.random() < 0.5:
        change.own.append(copy.deepcopy(change.line))
    else:
        declared = [line for line in (*change.export.given, *change.own) if "inductive" not in line]
        change.declared["name"] = next(iter(change.rng.choice(declared).values()))["name"]
    return change.kind


def _kind(change: _Change) -> str | None:
    """A definition is called a theorem."""
    if change.kind != "def":
        return None
    d = change.declared
    theorem = {key: d[key] for key in ("name", "levelParams", "type", "value", "all")}
    change.own[change.own.index(change.line)] = {"thm": theorem}
    return change.subject(d)


def _inductive(change: _Change) -> str | None:
    """Something that an inductive declaration says of itself: a number, a flag, a list, a constructor, a rule."""
    if change.kind != "inductive":
        return None
    part = change.rng.choice([p for k in ("types", "ctors", "recs") for p in change.declared[k]])
    keys = [k for k, v in part.items() if isinstance(v, int) and k not in ("type", "name")]
    keys += [k for k in ("all", "ctors", "rules") if part.get(k)]
    key = change.rng.choice(keys)
    value = part[key]
    if isinstance(value, bool):
        part[key] = not value
    elif key == "induct":
        part[key] = change.rng.choice(list(change.export.tables["in"]))
    elif isinstance(value, int):
        part[key] = max(0, value + change.rng.choice([-1, 1]))
    elif key == "rules" and change.rng.random() < 0.5:
        rule = change.rng.choice(value)
        rule["nfields"] = max(0, rule["nfields"] + change.rng.choice([-1, 1]))
    else:
        part[key] = change.rng.choice([value[:-1], value[1:], value[::-1], [*value, value[0]]])
    return f"{key} of {change.subject(part)}"


def _constructor(change: _Change) -> str | None:
    """A constructor is dropped wherever it stands, but for the types of recursors."""
    if change.kind != "inductive" or not change.declared["ctors"]:
        return None
    d = change.declared
    gone = change.rng.choice(d["ctors"])
    d["ctors"].remove(gone)
    for t in d["types"]:
        t["ctors"] = [name for name in t["ctors"] if name != gone["name"]]
    for rec in d["recs"]:
        rec["rules"] = [rule for rule in rec["rules"] if rule["ctor"] != gone["name"]]
    return change.subject(gone)


def _all_parameters(change: _Change) -> str | None:
    """The number of parameters of a whole family."""
    if change.kind != "inductive":
        return None
    by = change.rng.choice([-1, 1])
    for kind in ("types", "ctors", "recs"):
        for part in change.declared[kind]:
            part["numParams"] = max(0, part["numParams"] + by)
            if kind != "ctors":
                part["numIndices"] = max(0, part["numIndices"] - by)
            else:
                part["numFields"] = max(0, part["numFields"] - by)
    return str(by)


CHANGES: dict[str, tuple[int, Callable[[_Change], str | None]]] = {
    "a term": (8, _term),
    "an application": (5, _application),
    "a variable": (4, _variable),
    "a sort": (4, _sort),
    "levels of a constant": (4, _levels),
    "a constant": (3, _constant),
    "a binder's type": (4, _binder_type),
    "a binder's kind": (1, _binder_kind),
    "a hypothesis": (3, _binder_gone),
    "a let": (2, _let),
    "a projection": (3, _projection),
    "a literal": (3, _literal),
    "a whole term": (2, _swap_terms),
    "level parameters": (2, _parameters),
    "a declaration is missing": (1, _missing),
    "a declaration too many": (1, _twice),
    "a theorem": (1, _kind),
    "an inductive type": (4, _inductive),
    "a constructor": (2, _constructor),
    "parameters of a family": (1, _all_parameters),
}
_WEIGHED = [name for name, (weight, _) in CHANGES.items() for _ in range(weight)]
