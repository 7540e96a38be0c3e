"""The premises of a goal: definitions, lemmas and hypotheses that matter for it, as the REPL reports them.

driver/premises.cjs computes them from the elaborated goal and the environment; the policies of built-in tactics and the
prompts use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Constant:
    """A definition or an inductive type of the file.

    name: as it can be written at the goal, like all names here.
    kind: `definition`, `instance`, `alias` (another name for a type, or what Lean unfolds by itself), `type` or
    `predicate` (an inductive one, with its constructors).
    near: it occurs in the goal itself, otherwise in a definition that does.
    """

    name: str
    kind: str
    near: bool
    recursive: bool
    constructors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Principle:
    """An induction principle of a mutual or nested type: Lean's recursor, with motives for the other types.

    motives: each as the name of the recursor's parameter, the variables, and the claim about them.
    """

    name: str
    motives: tuple[tuple[str, str, str], ...]

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """The principle of an entry of the REPL's answer."""
        return cls(found["name"], tuple((m["name"], m["binders"], m["body"]) for m in found["motives"]))


@dataclass(frozen=True, slots=True)
class Local:
    """A variable or a hypothesis of the goal.

    accessible: its name can be written. type: the inductive type at the head of its type, or empty. own: that type is
    the file's, not the library's. predicate: that type is an inductive predicate. recursive: that type is recursive.
    function, sort: it is a function; it is a type. variable: other types depend on it.
    shape: of a hypothesis, with the file's definitions unfolded: ∀ ∃ ∧ ∨ ↔ ¬ = or empty. gives: it is ∀ x, ∃ y, ….
    variables, arguments: the arguments of a predicate that are variables, and those that are not.
    principles: induction principles for it, where its type is mutual or nested, likely ones first.
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
    """A call, in the goal, of a function of the file; `free`: the fraction of its arguments that are variables."""

    text: str
    function: str
    recursive: bool
    free: float


@dataclass(frozen=True, slots=True)
class Lemma:
    """A theorem before the goal in the file. simp, grind: the tactic can use a theorem of this form."""

    name: str
    simp: bool
    grind: bool


@dataclass(frozen=True, slots=True)
class Premises:
    """The parts of a file that a proof of a goal may need.

    shape: of the target, as of a hypothesis in Local. names: of the variables that the target binds, where it is ∀.
    methods: functions of the library's classes with an instance of the file (`Append.append`).
    lemmas: theorems before it that share symbols with it, likely ones first; none that rests on a `sorry`.
    selects: the file imports a premise selector, with which Lean can select lemmas of the library.
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
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """The premises of the REPL's answer to a PremisesRequest."""
        return cls(
            shape=found["shape"],
            names=tuple(found.get("names", ())),
            constants=tuple(
                Constant(**{**one, "constructors": tuple(one["constructors"])}) for one in found["constants"]
            ),
            methods=tuple(found["methods"]),
            locals=tuple(_read_local(local) for local in found["locals"]),
            calls=tuple(Call(**call) for call in found["calls"]),
            lemmas=tuple(Lemma(**lemma) for lemma in found["lemmas"]),
            selects=found["selects"],
        )


def _read_local(found: Mapping[str, Any]) -> Local:
    """The Local of an entry of the REPL's answer."""
    tuples = {field: tuple(found[field]) for field in ("variables", "arguments") if field in found}
    principles = tuple(Principle.from_json(one) for one in found["principles"])
    return Local(**{**found, **tuples, "principles": principles})
