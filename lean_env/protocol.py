"""The form of the REPL's answers: what does not have it is no answer, whoever wrote it.

A process that has run code of a text may say anything. Workers throw such a process away; that what they read is at
least of the right form is checked here, once, so that nothing else has to doubt it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

_Natural = Annotated[int, Field(ge=0)]
_STRICT = ConfigDict(strict=True, extra="allow")  # other REPLs may say more


@with_config(_STRICT)
class Place(TypedDict):
    """A position: line from 1 on, column from 0 on."""

    line: _Natural
    column: _Natural


@with_config(_STRICT)
class MessageAnswer(TypedDict):
    """One of Lean's messages."""

    severity: str
    data: str
    pos: NotRequired[Place | None]
    endPos: NotRequired[Place | None]
    kind: NotRequired[str]


@with_config(_STRICT)
class SorryAnswer(TypedDict):
    """A `sorry` with the goal that stands there."""

    goal: str
    pos: NotRequired[Place | None]
    endPos: NotRequired[Place | None]
    proofState: NotRequired[_Natural]
    proposition: NotRequired[bool]


@with_config(_STRICT)
class TacticAnswer(TypedDict):
    """A tactic of a proof, with the goals before and after it."""

    tactic: str
    goals: str
    goalsAfter: NotRequired[str]
    pos: Place
    endPos: Place


@with_config(_STRICT)
class StepAnswer(TypedDict):
    """A tactic that was tried on a kept proof state."""

    tactic: str
    goals: list[str]
    proofStatus: str
    proofState: _Natural


@with_config(_STRICT)
class Refusal(TypedDict):
    """What the guard refuses in a text, and where."""

    what: str
    text: str
    pos: NotRequired[Place]


@with_config(_STRICT)
class Difference(TypedDict):
    """A constant that differs between challenge and solution, and how."""

    name: str
    how: str


@with_config(_STRICT)
class Axiom(TypedDict):
    """An axiom that a theorem rests on; whether the challenge has it too."""

    name: str
    challenge: bool


@with_config(_STRICT)
class Export(TypedDict):
    """Declarations in lean4export's format; `given`: how many, the first ones, are the library's."""

    ndjson: str
    given: _Natural
    declarations: _Natural


@with_config(_STRICT)
class Comparison(TypedDict):
    """What a theorem of the solution is, against that of the challenge."""

    challenge: str | None
    solution: str | None
    differs: list[Difference]
    axioms: list[Axiom]
    sorries: list[str]
    computedSort: str | None
    additions: str | None  # to be confirmed


@with_config(_STRICT)
class Confirmation(TypedDict):
    """The second process's findings on an export."""

    refused: str | None
    facts: NotRequired[Comparison]
    types: NotRequired[list[str]]
    export: NotRequired[Export]


_Span = Annotated[list[_Natural], Field(min_length=2, max_length=2)]


@with_config(_STRICT)
class HoleAnswer(TypedDict):
    """A `sorry` inside of a proof: its place, and how a proof is laid out there."""

    span: _Span
    layout: Literal["", "value", "lines", "tactic", "end", "term"]
    replaced: _Span


@with_config(_STRICT)
class Declaration(TypedDict):
    """A declaration of a command, with the places of its parts in the text."""

    kind: str
    name: str
    namespace: str
    private: bool
    span: _Span
    keyword: _Span | None
    doc: _Span | None
    id: _Span | None
    signature: _Span | None
    value: _Span | None
    holes: list[HoleAnswer]
    constant: str | None
    theorem: bool | None
    open: list[str]


@with_config(_STRICT)
class Command(TypedDict):
    """A command of a file."""

    kind: str
    span: _Span | None
    declarations: list[Declaration]


@with_config(_STRICT)
class Answer(TypedDict):
    """An answer to any request; which fields it has depends on the request."""

    env: NotRequired[_Natural]
    messages: NotRequired[list[MessageAnswer]]
    sorries: NotRequired[list[SorryAnswer]]
    tactics: NotRequired[list[TacticAnswer]]
    axioms: NotRequired[dict[str, list[str] | None]]
    holes: NotRequired[list[_Span]]
    refused: NotRequired[Refusal]
    timeout: NotRequired[bool]
    steps: NotRequired[list[StepAnswer]]
    problem: NotRequired[str]
    failed: NotRequired[str]
    comparison: NotRequired[Comparison]
    confirmation: NotRequired[Confirmation]
    memory: NotRequired[_Natural]
    message: NotRequired[str]
    fatal: NotRequired[str]
    last: NotRequired[bool]  # the process ends after this answer
    export: NotRequired[Export]
    snapshot: NotRequired[str]  # no answer: the snapshot that the process was to begin with is "damaged"
    runsCode: NotRequired[bool]  # no answer: the text of the request is about to run code, and the answer comes later
    commands: NotRequired[list[Command]]
    imports: NotRequired[list[str]]
    headerEnd: NotRequired[_Natural]
    proofState: NotRequired[_Natural]
    goals: NotRequired[list[str]]
    proofStatus: NotRequired[str]
    traces: NotRequired[list[str]]
    droppedMessages: NotRequired[_Natural]


_ANSWER = TypeAdapter(Answer)


def read_answer(text: bytes) -> dict[str, Any]:
    """An answer of the REPL. Raises ValueError, in one line, where it has not the form of one."""
    try:
        return cast(dict[str, Any], _ANSWER.validate_json(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(": ".join([*map(str, first["loc"]), first["msg"]])) from None
