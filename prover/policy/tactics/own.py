"""Proofs from a goal's premises: the file's definitions and lemmas, inductions and cases that fit them."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lean_env.check import SUGGEST
from lean_env.premises import Lemma, Local, Premises
from prover.policy.tactics.openings import OPENING
from prover.policy.tactics.proposal import Proposal

SUGGESTION = "suggestion"
_NEAREST = 6  # lemmas that are named at once
_CALLS = 4  # of functions that are followed by induction
_WITNESSES = 14
_GIVEN = 2  # hypotheses that give something, and variables that they are asked about


def _tidied(premises: Premises) -> str:
    """The tactics that name everything in a goal and take apart what has one shape; empty if there is nothing."""
    names = _fresh(premises)
    hidden = {n: next(names) for n, v in enumerate(premises.locals) if not v.accessible}
    lines = [f"rename_i {' '.join(hidden.values())}"] if hidden else []
    for n, v in enumerate(premises.locals):
        if v.shape in ("∃", "∧"):
            lines.append(f"obtain ⟨{next(names)}, {next(names)}⟩ := {hidden.get(n, v.name)}")
    if premises.shape == "∀":
        taken = {v.name for v in premises.locals}
        bound: list[str] = []
        for name in premises.names:
            usable = name.isidentifier() and name not in taken and name not in bound
            bound.append(name if usable else next(names))
        lines.append(f"intro {' '.join(bound)}")
    return "\n".join(lines)


def own(premises: Premises) -> Iterator[Proposal]:
    """Propose whole proofs from a goal's premises, likely and cheap ones first; none without premises."""
    if not premises.constants and not premises.lemmas:
        return
    if tidying := _tidied(premises):
        yield Proposal(tidying, OPENING)
    for kind, text in _lines(premises, _Closing.of(premises)):
        yield Proposal(text, kind)


@dataclass(frozen=True)
class _Closing:
    """The tactics that close a goal or a case of it. rules: names of lemmas that can be applied."""

    defined: tuple[str, ...]
    methods: tuple[str, ...]
    predicates: tuple[str, ...]
    rules: tuple[str, ...]
    lemmas: tuple[Lemma, ...]

    @classmethod
    def of(cls, premises: Premises) -> "list[_Closing]":
        """With what stands in the goal alone; and with what is one unfolding away, where there is any."""
        found = [w for w in premises.constants if w.kind == "definition"]
        predicates = [w for w in premises.constants if w.kind == "predicate" and w.near]
        near = tuple(w.name for w in found if w.near)
        far = tuple(w.name for w in found if not w.near)
        return [
            cls(
                defined=defined,
                methods=premises.methods,
                predicates=tuple(w.name for w in predicates),
                rules=tuple(c for w in predicates for c in w.constructors),
                lemmas=premises.lemmas[:_NEAREST],
            )
            for defined in ((near, (*near, *far)) if far else (near,))
        ]

    @property
    def simp(self) -> tuple[str, ...]:
        return (*self.methods, *self.defined)

    @property
    def grind(self) -> tuple[str, ...]:
        return (*self.defined, *self.predicates)

    @property
    def computed(self) -> str:
        """For an equation that no derivation has to do with."""
        return f"first | omega | grind{_listed(self.defined)}" if self.defined else "omega"

    @property
    def simp_all(self) -> str:
        return f"simp_all{_listed(self.simp)}"

    @property
    def simp_lemmas(self) -> str:
        return f"simp_all{_listed((*self.simp, *(lemma.name for lemma in self.lemmas if lemma.simp)))}"

    @property
    def grind_all(self) -> str:
        return f"grind{_listed(self.grind)}"

    @property
    def grind_lemmas(self) -> str:
        return f"grind{_listed((*self.grind, *(lemma.name for lemma in self.lemmas if lemma.grind)))}"

    @property
    def both(self) -> str:
        return f"(try {self.simp_lemmas}) <;> {self.grind_lemmas}"

    @property
    def applied(self) -> str:
        return f"solve_by_elim{_listed((*self.rules, *(lemma.name for lemma in self.lemmas)))}"

    @property
    def any(self) -> str:
        """All of these in one: one question to Lean for each way to split, with a closing of its own for each case.

        Lemmas come after what does without: some take `simp` round in a circle.
        """
        ways = ["rfl", f"({self.simp_all}; done)", self.grind_all]
        if self.rules:
            ways.append(self.applied)
        if self.lemmas:
            ways += [self.grind_lemmas, f"({self.simp_lemmas}; done)"]
        return f"first | {' | '.join([*ways, f'({self.simp_lemmas} <;> {self.grind_lemmas})'])}"


def _lines(premises: Premises, closings: "list[_Closing]") -> Iterator[tuple[str, str]]:
    """The kind and the text of each proof."""
    splits = [*_sides(premises), *_alternating(_inductions(premises), _cases(premises, closings[-1]))]
    for closing in closings:
        yield "unfold", closing.simp_all
        yield "unfold", closing.grind_all
        if closing.lemmas:
            yield "lemmas", closing.grind_lemmas
            yield "lemmas", closing.simp_lemmas
    near = closings[0]
    if near.rules:
        yield "rules", near.applied
    yield from _witnesses(premises, near)
    for closing in closings:
        for kind, split in splits[:2]:
            yield kind, _closed(split, closing)
        yield "unfold", closing.both
    if premises.methods:
        yield from _without_methods(premises, near)
    for kind, split in splits[2:]:
        for closing in closings:
            yield kind, _closed(split, closing)
    if premises.selects:
        yield "library", f"grind +suggestions{_listed(near.grind)}"
    yield SUGGESTION, SUGGEST
    if premises.shape in ("↔", "∧"):
        yield OPENING, "constructor"
    for h in premises.locals:
        if h.accessible and h.predicate and h.own and h.arguments:  # few rules can have led to it
            yield OPENING, f"cases {h.name}"
    for _, induction in itertools.islice(_inductions(premises), 2):
        yield OPENING, induction  # its cases are goals with premises of their own
    for lemma in near.lemmas[:3]:
        yield "lemmas", f"apply {lemma.name} <;> {near.any}"


def _sides(premises: Premises) -> Iterator[tuple[str, str]]:
    """The parts of a proposition: of its conjunctions, disjunctions and implications."""
    if premises.shape in ("↔", "∧"):
        yield "split", "constructor"
    if premises.shape == "↔" and any(w.kind == "predicate" and w.near for w in premises.constants):
        yield "split", "constructor <;> intro h <;> cases h"
        yield "split", "constructor <;> intro h <;> induction h"


def _inductions(premises: Premises) -> Iterator[tuple[str, str]]:
    """Ways to begin an induction, likely ones first: along a derivation, a type, a function."""
    named = [v for v in premises.locals if v.accessible]
    derivations = [v for v in named if v.predicate and v.own]
    data = [v for v in named if _is_data(v)]
    free = [v for v in data if v.recursive] if not derivations else []
    called = " ".join(call.text for call in premises.calls).split()
    free.sort(key=lambda v: (not v.own, v.name not in called))
    along = [call.text for call in premises.calls if call.recursive][:_CALLS]
    for h in derivations:
        start = "".join(
            f"generalize e{n} : {argument} = x{n} at {h.name}\n" for n, argument in enumerate(h.arguments, start=1)
        )
        # What it does not speak of may change along it, as what the others speak of does.
        rest = [v.name for v in named if v.variable and not (v.sort or v.function or v.name in h.variables)]
        for way in _along(h):
            yield "derivation", f"{start}{way}"
        general = [f"{start}{way}" for way in _along(h, rest)]
        if rest:
            yield from (("derivation", way) for way in general)
        for other in derivations:
            if other is not h:
                yield "derivation", f"{general[0]} <;> cases {other.name}"
    first = [("structural induction", way) for v in free for way in _along(v)]
    generalized = []
    for v in free:
        rest = [o.name for o in named if o.variable and not (o.sort or o.function or o is v)]
        if rest:
            generalized += [("structural induction", way) for way in _along(v, rest)]
    functional = [("functional induction", f"fun_induction {call}") for call in along]
    yield from _in_turn(first, functional, generalized)
    if derivations:
        for v in data:
            if v.recursive:
                yield from (("structural induction", way) for way in _along(v))


def _along(v: Local, rest: Sequence[str] = ()) -> list[str]:
    """Inductions along a variable or a derivation; `rest`: what may change on the way."""
    generalizing = f" generalizing {' '.join(rest)}" if rest else ""
    every = f"∀ {' '.join(rest)}, " if rest else ""
    ways = [
        f" using {way.name} " + " ".join(f"({name} := fun {xs} => {every}{body})" for name, xs, body in way.motives)
        for way in v.principles
    ]
    return [f"induction {v.name}{way}{generalizing}" for way in ways or [""]]


def _closed(split: str, closing: _Closing) -> str:
    """A way to split, and what closes the cases. Where all elements of a list have been claimed something, an induction
    along that list can use it."""
    if "∈" not in split:
        return f"{split} <;> {closing.any}"
    inner = " | ".join(f"(rename_i xs {after}; induction xs <;> {closing.any})" for after in ("_", "_ _"))
    return f"{split} <;> first | ({closing.any}) | {inner}"


def _cases(premises: Premises, closing: _Closing) -> Iterator[tuple[str, str]]:
    """Tactics that split the goal into cases."""
    named = [v for v in premises.locals if v.accessible]
    derivations = [v for v in named if v.predicate and v.own]
    data = [v for v in named if _is_data(v) and v.own]
    aliased = any(w.kind == "alias" and w.near for w in premises.constants)
    equal_functions = premises.shape == "=" and (aliased or any(v.function for v in premises.locals))
    if equal_functions and aliased:  # a type of functions under a name of its own, such as sets
        yield "extensionality", "funext x"
    for h in derivations:
        yield "cases", f"cases {h.name}"
    if len(derivations) > 1:
        yield "cases", " <;> ".join(f"cases {h.name}" for h in derivations[:3])
    for v in data:
        yield "cases", f"cases {v.name}"
    if len(data) > 1:
        yield "cases", " <;> ".join(f"cases {v.name}" for v in data[:3])
    for call in premises.calls[:_CALLS]:
        yield "cases", f"fun_cases {call.text}"
    defined = [w.name for w in premises.constants if w.kind == "definition" and w.near]
    for name in defined[:3]:
        yield "split", f"unfold {name}\nsplit"
    if closing.simp:
        yield "split", f"simp only{_listed(closing.simp)} at *\nrepeat' split"
    if equal_functions and not aliased:
        yield "extensionality", "funext x"


def _without_methods(premises: Premises, closing: _Closing) -> Iterator[tuple[str, str]]:
    """Where `++` stands for a function of the file: all of the goal and the lemmas in terms of that function."""
    facts = "".join(f"have l{n} := @{lemma.name}\n" for n, lemma in enumerate(closing.lemmas, start=1))
    start = f"{facts}simp only{_listed(premises.methods)} at *\n"
    close = replace(closing, lemmas=()).any
    yield "unfold", f"{start}{close}"
    for kind, split in itertools.islice(_inductions(premises), 6):
        yield kind, f"{start}{split} <;> {close}"


def _witnesses(premises: Premises, closing: _Closing) -> Iterator[tuple[str, str]]:
    """Values for an existential: variables, those that came last first, small terms of them, calls; and parity."""
    data = [v for v in premises.locals[::-1] if v.accessible and _is_data(v)]
    numbers = [v.name for v in data if v.type in ("Nat", "Int")]
    halves = [f"({n} / 2)" for n in numbers if n in {v.name for v in data if v.type == "Nat"}]
    if premises.shape == "∨":
        for n, half in zip(numbers, halves, strict=False):
            close = " | ".join(f"exact {side} ⟨{half}, by omega⟩" for side in ("Or.inl", "Or.inr"))
            yield (
                "witness",
                f"rcases Nat.mod_two_eq_zero_or_one {n} with h | h <;> first | {close} | {closing.grind_all}",
            )
    yield from _given(premises, closing)
    if premises.shape != "∃":
        return
    sums = [f"({a} {op} {b})" for a, b in itertools.combinations(numbers, 2) for op in "+*"]
    calls = [call.text if call.text.isidentifier() else f"({call.text})" for call in premises.calls]
    newest, following = [v.name for v in data[:4]], [f"({n} + 1)" for n in numbers[:2]]
    for term in [*newest, *sums[:4], *following, *calls[:_CALLS], *halves[:2]][:_WITNESSES]:
        yield "witness", f"refine ⟨{term}, ?_⟩ <;> {closing.any}"  # a wrong one is no place to go on from
    # Along an induction the witness is the hypothesis's, or the one after it.
    for kind, split in itertools.islice(_inductions(premises), 3):
        base, same, after = (f"exact ⟨{term}, by {closing.computed}⟩" for term in ("0", "w", "w + 1"))
        step = f"(obtain ⟨w, _⟩ := ‹Exists _›; first | {same} | {after})"
        yield kind, f"{split} <;> first | {base} | {step} | {closing.grind_all}"


def _given(premises: Premises, closing: _Closing) -> Iterator[tuple[str, str]]:
    """What hypotheses of the form ∀ x, ∃ y, … give for a variable, one after the other."""
    values = [v.name for v in premises.locals[::-1] if _is_value(v)][:_GIVEN]
    giving = [h.name for h in premises.locals if h.accessible and h.gives][:_GIVEN]
    for value, chain in itertools.product(values, itertools.permutations(giving)):
        names, lines = _fresh(premises), []
        for h in chain:
            given = next(names)
            lines.append(f"obtain ⟨{given}, {next(names)}⟩ := {h} {value}")
            value = given
        yield (
            "witness",
            "\n".join([*lines, f"first | exact ⟨{value}, by simp_all⟩ | {closing.any.removeprefix('first | ')}"]),
        )


def _is_value(v: Local) -> bool:
    """Whether a variable is data, or of a type that may be anything."""
    return _is_data(v) or (v.accessible and v.variable and not (v.type or v.shape or v.sort or v.function))


def _is_data(v: Local) -> bool:
    return bool(v.type) and not v.predicate and not v.sort and not v.function


def _fresh(premises: Premises) -> Iterator[str]:
    """Fresh names: those that nothing in the goal has."""
    taken = {v.name for v in premises.locals} | set(premises.names)
    return (name for n in itertools.count(1) if (name := f"a{n}") not in taken)


def _listed(names: Sequence[str]) -> str:
    return f" [{', '.join(dict.fromkeys(names))}]" if names else ""


def _in_turn(*found: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for group in itertools.zip_longest(*found):
        yield from (item for item in group if item is not None)


def _alternating(most: Iterator[tuple[str, str]], some: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Interleave two iterators: two of the first for each of the second, and then the rest of either."""
    while group := list(itertools.islice(most, 2)):
        yield from group
        yield from itertools.islice(some, 1)
    yield from some
