"""A goal's premises: what of the text before a theorem has to do with a goal of its proof, as Lean tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Constant:
    """A definition or a type of the text.

    name: as it can be written where the goal stands, like all names here.
    kind: `definition`, `instance`, `alias` (another name for a type, or what Lean unfolds by itself), `type` or
    `predicate` (an inductive one, with its constructors).
    near: it stands in the goal; otherwise in a definition that does.
    """

    name: str
    kind: str
    near: bool
    recursive: bool
    constructors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Principle:
    """What an induction along a mutual or nested type needs: Lean's recursor, and the motives of the other types, each
    as the parameter's name, the variables, and what is claimed of them."""

    name: str
    motives: tuple[tuple[str, str, str], ...]

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Self:
        return cls(found["name"], tuple((m["name"], m["binders"], m["body"]) for m in found["motives"]))


@dataclass(frozen=True, slots=True)
class Local:
    """A variable or a hypothesis.

    type: the inductive type that its type is an instance of (empty: none is at its head). own: the text's, not the
    library's; predicate: it is a derivation; variables, arguments: those of its type, which are variables or not;
    principles: ways to make an induction along it, where its type is mutual or nested, likely ones first.
    variable: others speak of it.
    shape: of a hypothesis, under definitions of the text: ∀ ∃ ∧ ∨ ↔ ¬ = or empty; gives: it is ∀ x, ∃ y, ….
    """

    name: str
    accessible: bool
    type: str
    own: bool
    predicate: bool
    recursive: bool
    function: bool
    sort: bool
    shape: str
    variable: bool
    gives: bool = False
    variables: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    principles: tuple[Principle, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function of the text in the goal; `free`: the share of variables in its arguments."""

    text: str
    function: str
    recursive: bool
    free: float


@dataclass(frozen=True, slots=True)
class Lemma:
    """A theorem above. simp, grind: it is of a form that the tactic can use."""

    name: str
    simp: bool
    grind: bool


@dataclass(frozen=True, slots=True)
class Premises:
    """What of a file has to do with a goal, for proofs of it.

    shape: of its target, as of a hypothesis; names: of the variables that it binds, where it is ∀.
    methods: functions of the library's classes that stand for functions of the text (`Append.append`).
    lemmas: theorems above it that share symbols with it, likely ones first; none that rests on a `sorry`.
    selects: Lean can select lemmas of the library for it (the text imports what does that).
    """

    shape: str = ""
    names: tuple[str, ...] = ()
    constants: tuple[Constant, ...] = ()
    methods: tuple[str, ...] = ()
    locals: tuple[Local, ...] = ()
    calls: tuple[Call, ...] = ()
    lemmas: tuple[Lemma, ...] = ()
    selects: bool = False

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Self:
        """From the REPL's answer."""
        return cls(
            shape=found["shape"],
            names=tuple(found.get("names", ())),
            constants=tuple(
                Constant(**{**one, "constructors": tuple(one["constructors"])}) for one in found["constants"]
            ),
            methods=tuple(found["methods"]),
            locals=tuple(_local(local) for local in found["locals"]),
            calls=tuple(Call(**call) for call in found["calls"]),
            lemmas=tuple(Lemma(**lemma) for lemma in found["lemmas"]),
            selects=found["selects"],
        )


def _local(found: Mapping[str, Any]) -> Local:
    tuples = {field: tuple(found[field]) for field in ("variables", "arguments") if field in found}
    principles = tuple(Principle.read(one) for one in found["principles"])
    return Local(**{**found, **tuples, "principles": principles})
