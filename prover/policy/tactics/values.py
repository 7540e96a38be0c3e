"""Closed terms of a printed type, small ones first: the values that a statement is tried with.

Booleans, numbers, characters, strings, lists, options, pairs, sums, propositions, types, functions between all of
these, and inductive types and structures whose constructors are known (`read_definition` reads them from Lean's
`#print`). Terms are written without their types: they stand where Lean knows what type it expects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise, product

from prover.policy.tactics.state import INT, NAT, is_proposition
from prover.policy.tactics.terms import Term, parse, value

MOST = 24  # values of one type
_DEPTH = 3  # constructors of own types inside each other
_PARTS = 4  # values of the type of an argument that are combined with others
_UNSIGNED = ("UInt8", "UInt16", "UInt32", "UInt64", "USize")
_SIGNED = (*INT, "Int8", "Int16", "Int32", "Int64")
_NUMBERS = (*NAT, *_SIGNED, *_UNSIGNED, "Rat")
_SIMPLE = {
    **dict.fromkeys(NAT, ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12")),
    **dict.fromkeys(_SIGNED, ("0", "1", "(-1)", "2", "(-2)", "3", "(-3)", "4", "(-4)", "5", "(-5)")),
    **dict.fromkeys(_UNSIGNED, ("0", "1", "2", "3", "255", "128")),
    "Rat": ("0", "1", "(-1)", "2", "(1 / 2)", "(-1 / 2)"),
    "Bool": ("true", "false"),
    "Unit": ("()",),
    "PUnit": ("⟨⟩",),
    "Empty": (),
    "PEmpty": (),
    "Char": ("'a'", "'b'", "'A'", "' '", "'0'"),
    "String": ('""', '"a"', '"ab"', '"b"', '"aa"', '"ba"'),
    "Ordering": (".lt", ".eq", ".gt"),
    "Prop": ("True", "False"),
}
_TYPES = ("Bool", "Nat", "Unit", "(Fin 3)", "Int", "Empty")  # what a variable of sort Type may be
INSTANCE = "inferInstance"  # of a class, where Lean finds one


@dataclass(frozen=True)
class Constructor:
    """A constructor: its name, its explicit arguments (name or nothing, and type), its result's type."""

    name: str
    arguments: tuple[tuple[str, str], ...]
    result: Term | None


@dataclass(frozen=True)
class Definition:
    """What Lean prints of a type: its constructors (none: not known), or what it abbreviates."""

    constructors: tuple[Constructor, ...] = ()
    abbreviates: str = ""
    is_class: bool = False


_MODIFIERS = r"(?:@\[[^\]]*\] )*(?:private |protected )*"


def read_definition(printed: str) -> Definition:
    """A type from what `#print` says of it; an empty one where it is neither inductive nor an abbreviation."""
    text = re.sub(r"\n {2,}(?=\S)", " ", printed) if not re.search(r"^fields:", printed, re.M) else printed
    head = text.split("\n", 1)[0]
    if found := re.match(rf"{_MODIFIERS}(?:def|abbrev) [^:{{(\[]+ : \S+ :=\s*(.+)", text, re.S):
        return Definition(abbreviates=" ".join(found[1].split()))
    if not re.match(rf"{_MODIFIERS}(inductive|structure|class)\b", head):
        return Definition()
    _, _, below = text.partition("constructors:\n" if "\nconstructors:\n" in text else "constructor:\n")
    lines = re.split(r"\n(?=\S)", below.strip()) if "\nconstructors:\n" in text else [" ".join(below.split())]
    constructors = tuple(_constructor(line) for line in lines if line.strip())
    return Definition(constructors, is_class=bool(re.match(rf"{_MODIFIERS}class\b", head)))


def _constructor(line: str) -> Constructor:
    name, rest = re.match(r"\s*(\S+)\s*(.*)", line, re.S).groups()  # type: ignore[union-attr]
    arguments: list[tuple[str, str]] = []
    while rest[:1] in ("(", "{", "[", "⦃"):
        group, rest = _group(rest)
        arguments += _bound(group)
        rest = rest.lstrip()
    *parts, result = split_arrows(rest.removeprefix(":").strip())
    for part in parts:
        group, after = _group(part) if part[:1] in ("(", "{", "[", "⦃") else ("", "")
        is_binder = group and not after.strip() and (group[0] != "(" or _colon(group))
        arguments += _bound(group) if is_binder else [("", part)]
    return Constructor(name, tuple(arguments), parse(result))


def _bound(group: str) -> list[tuple[str, str]]:
    """The explicit arguments of a binder in its brackets."""
    if group[0] != "(":
        return []
    names, _, type_ = group[1:-1].partition(" : ")
    return [(name, type_.strip()) for name in names.split()]


def _colon(group: str) -> bool:
    """Does a text in brackets bind names?"""
    return bool(re.match(r"\([\w✝'₀-₉ ]+ : ", group))


def _group(text: str) -> tuple[str, str]:
    """A bracket with all that is in it, and what stands behind it."""
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign in "([{⦃⟨") - (sign in ")]}⦄⟩")
        if not depth:
            return text[: at + 1], text[at + 1 :]
    return text, ""


def split_arrows(type_: str) -> list[str]:
    """The parts of `A → B → C`, where no bracket is around the arrow."""
    parts, depth, start = [], 0, 0
    for at, sign in enumerate(type_):
        depth += (sign in "([{⦃⟨") - (sign in ")]}⦄⟩")
        if sign == "→" and not depth:
            parts.append(type_[start:at].strip())
            start = at + 1
    return [*parts, type_[start:].strip()]


_NAME = r"(?<![\w.'✝])({})(?![\w'!?✝₀-₉])"


def substitute(text: str, values: Mapping[str, str]) -> str:
    """A text with values in the place of variables, in brackets where they are more than a word."""
    used = [re.escape(name) for name in values if name in text]
    if not used:
        return text

    def written(found: re.Match[str]) -> str:
        term = values[found[1]]
        return term if re.fullmatch(r"[\w.]+|[(\[].*[)\]]", term) else f"({term})"

    return re.sub(_NAME.format("|".join(sorted(used, key=len, reverse=True))), written, text)


@dataclass
class Values:
    """The values of types; `definitions`: what is known of types by their names."""

    definitions: dict[str, Definition] = field(default_factory=dict)
    _known: dict[tuple[str, int], list[str]] = field(default_factory=dict)

    def unknown(self, types: Iterable[str]) -> set[str]:
        """Names in types, and in those of the constructors that they lead to, whose definition would help."""
        names: set[str] = set()
        done: set[str] = set()
        todo = [*types]
        while todo:
            type_ = todo.pop()
            if type_ in done:
                continue
            done.add(type_)
            for name in re.findall(r"(?<![\w.✝])[A-Z]\w*[\w.'!?₀-₉]*", type_):
                if name in _SIMPLE or name in _BUILT or name in ("Type", "Sort"):
                    continue
                if (known := self.definitions.get(name)) is None:
                    names.add(name)
                else:
                    todo += [t for c in known.constructors for _, t in c.arguments]
                    todo += [known.abbreviates] if known.abbreviates else []
        return names

    def of(self, type_: str, depth: int = _DEPTH) -> list[str]:
        """Values of a type, small ones first."""
        key = type_, depth
        if key not in self._known:
            self._known[key] = []  # of a type that needs itself
            self._known[key] = list(islice(dict.fromkeys(self._of(type_, depth)), MOST))
        return self._known[key]

    def _of(self, type_: str, depth: int) -> Iterator[str]:
        type_ = unwrapped(type_)
        if type_ in _SIMPLE:
            yield from _SIMPLE[type_]
            return
        if re.fullmatch(r"(Type|Sort)( .*)?", type_):
            yield from _TYPES
            return
        if re.fullmatch(r"\{ \w+ // .* \}", type_):
            yield from (f"⟨{v}, by decide⟩" for v in ("0", "1", "2", "3", "true", "[]", "[0]"))
            return
        if len(parts := split_arrows(type_)) > 1:
            yield from self._functions(parts, depth)
            return
        term = parse(type_)
        if term is None:
            yield INSTANCE
            return
        match term.head, term.args:
            case "Fin", (size,):
                number = value(size)
                numbers = range(4 if number is None else min(number, 6))
                yield from (str(k) if number is not None else f"⟨{k}, by decide⟩" for k in numbers)
            case "BitVec", (_,):
                yield from ("0", "1", "2", "3", "(-1)")
            case ("List" | "Array") as head, (item,):
                before = "#" if head == "Array" else ""
                yield from (f"{before}[{', '.join(items)}]" for items in _sequences(self.of(_text(item), depth)))
            case "Vector", (item, size):
                length = value(size)
                if length is not None and length <= 4:
                    items = self.of(_text(item), depth)[:2]
                    yield from (f"⟨#[{', '.join(v)}], by decide⟩" for v in product(items, repeat=length))
            case "Option", (item,):
                yield "none"
                yield from (f"(some {v})" for v in self.of(_text(item), depth))
            case (("Prod" | "×"), (a, b)):
                yield from (f"({v}, {w})" for v, w in self._tuples([_text(a), _text(b)], depth))
            case "Sum", (a, b):
                for v, w in zip(self.of(_text(a), depth), self.of(_text(b), depth), strict=False):
                    yield from (f"(.inl {v})", f"(.inr {w})")
            case name, args:
                yield from self._constructed(name, args, term, depth)

    def _constructed(self, name: str, args: Sequence[Term], type_: Term, depth: int) -> Iterator[str]:
        known = self.definitions.get(name)
        if known is not None and known.abbreviates and not args:
            yield from self.of(known.abbreviates, depth)
            return
        if known is None or known.is_class or not known.constructors:
            yield INSTANCE
            if known is not None and not known.is_class:
                yield "default"
        if known is None or depth == 0:
            return
        plain_first = sorted(known.constructors, key=lambda c: len(c.arguments))
        made = [self._applied(c, type_, depth) for c in plain_first]
        while made:  # one of each in turn
            for each in [*made]:
                if (term := next(each, None)) is None:
                    made.remove(each)
                else:
                    yield term

    def _applied(self, constructor: Constructor, type_: Term, depth: int) -> Iterator[str]:
        """A constructor applied to values of its arguments; proofs among them are for `decide`."""
        bound = _matched(constructor.result, type_)
        if not constructor.arguments:
            yield constructor.name
            return
        types = [(name, substitute(t, bound)) for name, t in constructor.arguments]
        if any(name and any(re.search(_NAME.format(re.escape(name)), t) for _, t in types) for name, _ in types):
            tuples: Iterable[tuple[str, ...]] = self._dependent(types, depth - 1)
        else:
            tuples = self._tuples([t for _, t in types], depth - 1)
        for values in tuples:
            yield f"({constructor.name} {' '.join(values)})"

    def _dependent(self, types: Sequence[tuple[str, str]], depth: int) -> Iterator[tuple[str, ...]]:
        """Values of arguments whose types speak of earlier ones."""
        if not types:
            yield ()
            return
        (name, type_), *rest = types
        for first in self._argument(type_, depth):
            here = [(n, substitute(t, {name: first}) if name else t) for n, t in rest]
            yield from ((first, *others) for others in self._dependent(here, depth))

    def _argument(self, type_: str, depth: int) -> list[str]:
        term = parse(type_)
        if term is not None and is_proposition(term):
            return ["(by decide)"]
        return self.of(type_, depth)[:_PARTS]

    def _tuples(self, types: Sequence[str], depth: int) -> Iterator[tuple[str, ...]]:
        """Values of several types, those first that are small together."""
        columns = [self._argument(t, depth) for t in types]
        places = product(*(range(len(column)) for column in columns))
        for place in sorted(places, key=sum)[:MOST]:
            yield tuple(column[k] for column, k in zip(columns, place, strict=True))

    def _functions(self, parts: Sequence[str], depth: int) -> Iterator[str]:
        names = [f"x{k or ''}" for k in range(len(parts) - 1)]
        variables = list(zip(names, map(unwrapped, parts[:-1]), strict=True))
        for body in self.expressions(unwrapped(parts[-1]), variables, depth - 1):
            used = (name if re.search(_NAME.format(name), body) else "_" for name in names)
            yield f"(fun {' '.join(used)} => {body})"

    def expressions(self, type_: str, variables: Sequence[tuple[str, str]], depth: int = 1) -> Iterator[str]:
        """Terms of a type in which variables (name, type) may stand, simple ones first."""
        own = [name for name, t in variables if t == type_]
        constants = self.of(type_, depth)[:3] if depth >= 0 else []
        yield from constants[:2]
        yield from own
        equal = [(name, t) for name, t in variables if t in _SIMPLE and t not in ("Prop", "Unit")]
        if type_ in _NUMBERS:
            yield from (f"({v} + 1)" for v in own)
            yield from (f"({v} {op} {w})" for v, w in pairwise(own) for op in "+-*")
            yield from (form.format(v=v) for v in own for form in ("(2 * {v})", "({v} - 1)", "({v} % 2)", "({v} + 2)"))
        if type_ == "Bool":
            yield from (f"(!{v})" for v in own)
            yield from (f"({v} {op} {w})" for v, w in pairwise(own) for op in ("&&", "||", "!="))
        if type_ in ("Bool", "Prop"):
            same = "==" if type_ == "Bool" else "="
            for (v, t), (w, u) in pairwise(equal):
                if t == u:
                    yield f"({v} {same} {w})"
                    yield from (f"({v} {op} {w})" for op in ("≤", "<") if t in _NUMBERS and type_ == "Prop")
                    yield f"({v} {'!=' if type_ == 'Bool' else '≠'} {w})"
            yield from (f"({v} {same} {c})" for v, t in equal for c in self.of(t)[:2])
            yield from (f"({v} {'!=' if type_ == 'Bool' else '≠'} {c})" for v, t in equal for c in self.of(t)[:2])
            yield from (f"({v} % 2 {same} 0)" for v, t in equal if t in NAT)
        if type_.startswith("List "):
            yield from (f"({v} ++ {v})" for v in own)
            yield from (f"[{v}]" for v, t in variables if t == unwrapped(type_.removeprefix("List ")))
        if type_.startswith("Option "):
            yield from (f"(some {v})" for v, t in variables if t == unwrapped(type_.removeprefix("Option ")))
        finite = [(v, c) for v, t in variables if t in _SIMPLE and t != "Prop" for c in self.of(t)[:2]]
        for (v, c), (a, b) in product(finite, ((0, 1), (1, 0))):
            if type_ != "Prop" and len(constants) > 1:
                yield f"(if {v} = {c} then {constants[a]} else {constants[b]})"
        yield from constants[2:]


_BUILT = frozenset({"Fin", "BitVec", "List", "Array", "Vector", "Option", "Prod", "Sum"})


def _sequences(items: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The empty one, then all of two or three items, short ones first."""
    yield ()
    yield from ((v,) for v in items[:3])
    yield from product(items[:2], repeat=2)
    yield from ((a, b) for a, b in product(items[:3], repeat=2) if items[2:3] and items[2] in (a, b))
    yield from product(items[:2], repeat=3)


def _matched(result: Term | None, type_: Term) -> dict[str, str]:
    """What a constructor's parameters stand for where its result is a type."""
    if result is None or len(result.args) != len(type_.args):
        return {}
    pairs = zip(result.args, type_.args, strict=True)
    return {p.head: _text(a) for p, a in pairs if p.is_name}


def _text(term: Term) -> str:
    return unwrapped(str(term))


def unwrapped(type_: str) -> str:
    """A text without brackets around all of it."""
    type_ = type_.strip()
    while type_.startswith("(") and not _group(type_)[1].strip() and "," not in type_:
        type_ = type_[1:-1].strip()
    return type_
