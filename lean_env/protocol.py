"""The JSON of the REPL's answers as typed dictionaries, and `read_answer`, which checks that an answer has that form.

A process that has run code of a text may write anything. Workers throw such a process away; here its answers are
checked for their form, once, so that no other code has to. The requests are in requests.py.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

_Natural = Annotated[int, Field(ge=0)]
_STRICT = ConfigDict(strict=True, extra="allow")  # other REPLs may say more


@with_config(_STRICT)
class PositionJson(TypedDict):
    """A position in a text: line from 1, column from 0 in code points."""

    line: _Natural
    column: _Natural


@with_config(_STRICT)
class MessageJson(TypedDict):
    """A message of Lean."""

    severity: str
    data: str
    pos: NotRequired[PositionJson | None]
    endPos: NotRequired[PositionJson | None]
    kind: NotRequired[str]


@with_config(_STRICT)
class BinderJson(TypedDict):
    """A variable or hypothesis of a goal."""

    name: str
    type: str
    brackets: Literal["()", "{}", "⦃⦄", "[]"]
    value: str | None
    hidden: bool
    step: bool
    uses: list[_Natural]


@with_config(_STRICT)
class SubgoalJson(TypedDict):
    """A goal as a lemma of its own, or the `problem` that it has none."""

    problem: NotRequired[str]
    universes: NotRequired[list[str]]
    binders: NotRequired[list[BinderJson]]
    target: NotRequired[str]
    needs: NotRequired[list[_Natural]]


@with_config(_STRICT)
class SorryJson(TypedDict):
    """A `sorry` with the goal that it leaves open."""

    goal: str
    pos: NotRequired[PositionJson | None]
    endPos: NotRequired[PositionJson | None]
    proofState: NotRequired[_Natural]
    proposition: NotRequired[bool]
    subgoal: NotRequired[SubgoalJson]


@with_config(_STRICT)
class TacticJson(TypedDict):
    """A tactic of a proof, with the goals before and after it."""

    tactic: str
    goals: str
    goalsAfter: NotRequired[str]
    pos: PositionJson
    endPos: PositionJson


@with_config(_STRICT)
class StepJson(TypedDict):
    """A tactic that was run on a kept proof state, and the state that it led to."""

    tactic: str
    goals: list[str]
    proofStatus: str
    proofState: _Natural


@with_config(_STRICT)
class RefusalJson(TypedDict):
    """A part of a solution that the rules do not allow: what kind of part it is, its text, its position."""

    what: str
    text: str
    pos: NotRequired[PositionJson]


@with_config(_STRICT)
class DifferenceJson(TypedDict):
    """A constant that differs between challenge and solution, and how it differs."""

    name: str
    how: str


@with_config(_STRICT)
class AxiomJson(TypedDict):
    """An axiom that a theorem rests on; `challenge`: the challenge declares it, too."""

    name: str
    challenge: bool


@with_config(_STRICT)
class ExportJson(TypedDict):
    """Declarations in lean4export's format (NDJSON 3.1); `given` of them, the first ones, are the library's."""

    ndjson: str
    given: _Natural
    declarations: _Natural


@with_config(_STRICT)
class ComparisonJson(TypedDict):
    """A theorem of the solution, compared with that of the challenge.

    challenge, solution: the kind of constant (`theorem`, `def`, …) there, or None. sorries: the constants beneath the
    theorem that use `sorry` themselves. computedSort: an inductive type beneath it whose sort is computed (driver/
    sorts.cjs). additions: an export for `confirm`, if nothing differs.
    """

    challenge: str | None
    solution: str | None
    differs: list[DifferenceJson]
    axioms: list[AxiomJson]
    sorries: list[str]
    computedSort: str | None
    additions: str | None


@with_config(_STRICT)
class ConfirmationJson(TypedDict):
    """The result of giving an export to Lean's kernel, in a process that has not seen the solution.

    refused: what the kernel does not accept; then nothing else is there. facts: the statement, compared again.
    types: inductive types that the challenge does not have. export: for our own kernel.
    """

    refused: str | None
    facts: NotRequired[ComparisonJson]
    types: NotRequired[list[str]]
    export: NotRequired[ExportJson]


_Span = Annotated[list[_Natural], Field(min_length=2, max_length=2)]  # [start, end) in code points


@with_config(_STRICT)
class HoleJson(TypedDict):
    """A `sorry` inside of a proof: its span, the layout of a proof there, and the span that a proof replaces."""

    span: _Span
    layout: Literal["", "value", "lines", "tactic", "end", "term"]
    replaced: _Span


@with_config(_STRICT)
class DeclarationJson(TypedDict):
    """A declaration of a command, with the spans of its parts in the text."""

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
    holes: list[HoleJson]
    constant: str | None
    theorem: bool | None
    open: list[str]


@with_config(_STRICT)
class CommandJson(TypedDict):
    """A command of a file, with its declarations."""

    kind: str
    span: _Span | None
    declarations: list[DeclarationJson]


@with_config(_STRICT)
class ReplAnswer(TypedDict):
    """An answer to any request; which fields it has depends on the request (see driver/repl.cjs)."""

    env: NotRequired[_Natural]
    messages: NotRequired[list[MessageJson]]
    sorries: NotRequired[list[SorryJson]]
    tactics: NotRequired[list[TacticJson]]
    axioms: NotRequired[dict[str, list[str] | None]]
    holes: NotRequired[list[_Span]]
    refused: NotRequired[RefusalJson]
    timeout: NotRequired[bool]
    steps: NotRequired[list[StepJson]]
    problem: NotRequired[str]
    failed: NotRequired[str]
    comparison: NotRequired[ComparisonJson]
    confirmation: NotRequired[ConfirmationJson]
    memory: NotRequired[_Natural]
    message: NotRequired[str]
    fatal: NotRequired[str]
    last: NotRequired[bool]  # the process ends after this answer
    export: NotRequired[ExportJson]
    snapshot: NotRequired[
        str
    ]  # a notice before the answer: the snapshot that the process was to start from is "damaged"
    runsCode: NotRequired[bool]  # a notice before the answer: the text of the request is about to run code
    commands: NotRequired[list[CommandJson]]
    imports: NotRequired[list[str]]
    headerEnd: NotRequired[_Natural]
    proofState: NotRequired[_Natural]
    goals: NotRequired[list[str]]
    proofStatus: NotRequired[str]
    traces: NotRequired[list[str]]
    droppedMessages: NotRequired[_Natural]


_ANSWER = TypeAdapter(ReplAnswer)


def read_answer(text: bytes) -> dict[str, Any]:
    """Read an answer of the REPL. Raises ValueError, in one line, if it does not have the form of one."""
    try:
        return cast(dict[str, Any], _ANSWER.validate_json(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(": ".join([*map(str, first["loc"]), first["msg"]])) from None
