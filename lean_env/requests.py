"""The requests to the REPL: one typed dictionary per kind, with the JSON field names that go over the wire.

`cmd` and `tactic` are those of leanprover-community/repl, with fields of ours; the other kinds are ours alone.
embedded/driver/repl.cjs documents what each is answered with, and protocol.py has the form of the answers.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class Guard(TypedDict):
    """The rules for solutions, which the REPL applies to the text of a request before it runs any of it."""

    rules: dict[str, Any]  # rules.to_json()
    env: NotRequired[int | None]  # environment of the challenge, which the solution may repeat; for `cmd` only
    single: NotRequired[bool]  # the text must be one command


class CommandRequest(TypedDict):
    """Elaborate the commands `cmd`, in the environment `env` or in one with nothing but the prelude."""

    cmd: str
    env: NotRequired[int]
    timeout: NotRequired[int]  # milliseconds of processor time; at least 1, since 0 would mean no limit
    allTactics: NotRequired[bool]  # report every tactic with the goals before and after it
    axioms: NotRequired[list[str]]  # constants to report the axioms of
    declarations: NotRequired[bool]  # report the commands with the positions of their parts
    subgoals: NotRequired[bool]  # report the goal of each `sorry` as a lemma of its own, too
    discard: NotRequired[bool]  # keep neither an environment nor proof states
    reuse: NotRequired[bool]  # take over the tactics that an earlier text with `reuse` begins with
    challenge: NotRequired[bool]  # the resulting environment may be the `env` of a Guard
    guard: NotRequired[Guard]


class TacticRequest(TypedDict):
    """Run the tactics `tactic` one by one on a proof state, until one fails or no goal is left."""

    tactic: str
    proofState: int
    steps: bool  # True; the community's REPL, without it, takes the text for one tactic
    timeout: int  # milliseconds of processor time
    guard: Guard


class CompareArguments(TypedDict):
    """The two environments of a CompareRequest, and the name of the theorem."""

    challenge: int | None
    solution: int
    theorem: str
    definition: bool  # it is a definition, of which the type counts


class CompareRequest(TypedDict):
    """Compare a theorem, and all that its statement rests on, between two environments."""

    compare: CompareArguments


class ConfirmArguments(TypedDict):
    """The export of a ConfirmRequest, and the challenge that it is compared with."""

    challenge: int | None
    additions: str  # NDJSON, as a CompareRequest was answered
    theorem: str
    definition: bool
    timeout: int  # milliseconds


class ConfirmRequest(TypedDict):
    """Give exported declarations to Lean's kernel, on top of the challenge, and compare the statement again."""

    confirm: ConfirmArguments


class ExportArguments(TypedDict):
    """The environment and the constants of an ExportRequest."""

    env: int | None
    names: list[str]


class ExportRequest(TypedDict):
    """Export constants with all that they rest on, in lean4export's format."""

    export: ExportArguments


class PremisesArguments(TypedDict):
    """The proof state of a PremisesRequest, and the environment of the text before its theorem."""

    proofState: int
    env: NotRequired[int]


class PremisesRequest(TypedDict):
    """List what of the text before a theorem has to do with the first goal of a proof state."""

    premises: PremisesArguments


class DropRequest(TypedDict):
    """Let the REPL forget environments and proof states."""

    drop: list[int]
    dropProofStates: list[int]


class StatsRequest(TypedDict):
    """Ask for the size of Lean's heap, in bytes."""

    stats: bool


Request = (
    CommandRequest
    | TacticRequest
    | CompareRequest
    | ConfirmRequest
    | ExportRequest
    | PremisesRequest
    | DropRequest
    | StatsRequest
)


def milliseconds(seconds: float) -> int:
    """A time limit as requests have it: whole milliseconds, at least 1 (0 would mean no limit)."""
    return max(1, round(seconds * 1000))
