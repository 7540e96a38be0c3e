"""The results of a check: Lean's messages, open goals and tactics, read from the JSON of the REPL's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MAX_SOURCE = 4 * 1024 * 1024  # bytes of one piece of code


Context = tuple[str, ...]
"""Trusted Lean text before the code, in pieces: each is elaborated once, after the ones before it, and kept loaded."""


class InputError(ValueError):
    """The code is not text that Lean can read."""


def require_readable(source: str) -> str:
    """Return the source. Raises InputError if it is too large or holds lone surrogates (bytes that were no UTF-8)."""
    try:
        size = len(source.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise InputError(f"not valid Unicode at character {error.start}") from None
    if size > MAX_SOURCE:
        raise InputError(f"too large: {size} bytes, at most {MAX_SOURCE}")
    return source


@dataclass(frozen=True, slots=True)
class Position:
    """A position in the code that was sent: line from 1, column in code points from 0."""

    line: int
    column: int

    @classmethod
    def from_json(cls, answer: dict[str, int] | None) -> Position | None:
        """The position of a REPL answer, which may have none."""
        return cls(answer["line"], answer["column"]) if answer else None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of Lean. `kind` is Lean's own tag for it (such as `hasSorry`), where it has one."""

    severity: str  # error, warning, info or trace
    text: str
    position: Position | None = None
    end: Position | None = None
    kind: str = ""

    def __str__(self) -> str:
        place = f"{self.position.line}:{self.position.column}: " if self.position else ""
        return f"{place}{self.severity}: {self.text}"


@dataclass(frozen=True, slots=True)
class Sorry:
    """A `sorry` in the code, with the goal that it leaves open."""

    goal: str
    position: Position | None = None
    end: Position | None = None


@dataclass(frozen=True, slots=True)
class Tactic:
    """A tactic that was run: its text and position, the goals before and after it ("no goals", or one by one)."""

    text: str
    goals: str
    goals_after: str
    position: Position
    end: Position


class ContextError(Exception):
    """A context does not elaborate; `messages` are Lean's errors in it."""

    def __init__(self, messages: Sequence[Message]) -> None:
        super().__init__("; ".join(str(m) for m in messages[:3]))
        self.messages = tuple(messages)


class Ended(StrEnum):
    """How a check ended."""

    COMPLETED = "completed"
    TIMEOUT = "timeout"  # the limit of processor time
    MEMORY = "memory"  # the memory limit
    CRASH = "crash"  # the process died, also on a second try; or its stack overflowed
    INPUT = "input"  # not text that Lean could read: lone surrogates, or too large
    CONTEXT = "context"  # the text before the code has errors
    FORBIDDEN = "forbidden"  # guarded code contains what it must not contain


@dataclass(frozen=True, slots=True)
class Check:
    """Everything that Lean reports of a piece of code. `seconds` is the wall time of the request."""

    ended: Ended = Ended.COMPLETED
    messages: tuple[Message, ...] = ()
    sorries: tuple[Sorry, ...] = ()
    tactics: tuple[Tactic, ...] = ()  # if asked for
    axioms: dict[str, tuple[str, ...] | None] = field(default_factory=dict)  # if asked for; None: no such constant
    seconds: float = 0.0
    detail: str = ""  # why it did not complete

    @property
    def errors(self) -> tuple[Message, ...]:
        """The messages of severity `error`."""
        return tuple(m for m in self.messages if m.severity == "error")

    @property
    def ok(self) -> bool:
        """Did it complete without an error? (A `sorry` is no error: see Verdict for what counts as proved.)"""
        return self.ended is Ended.COMPLETED and not self.errors

    @classmethod
    def from_json(cls, answer: dict[str, Any], seconds: float) -> Check:
        """The check of the REPL's answer to a `cmd`."""
        ended, detail = _ended(answer)
        return cls(
            ended=ended,
            messages=tuple(
                Message(
                    m["severity"],
                    m["data"],
                    Position.from_json(m.get("pos")),
                    Position.from_json(m.get("endPos")),
                    m.get("kind", ""),
                )
                for m in answer.get("messages", ())
            ),
            sorries=tuple(
                Sorry(s["goal"], Position.from_json(s.get("pos")), Position.from_json(s.get("endPos")))
                for s in answer.get("sorries", ())
            ),
            tactics=tuple(
                Tactic(
                    t["tactic"],
                    t["goals"],
                    t.get("goalsAfter", ""),
                    Position(t["pos"]["line"], t["pos"]["column"]),
                    Position(t["endPos"]["line"], t["endPos"]["column"]),
                )
                for t in answer.get("tactics", ())
            ),
            axioms={n: None if a is None else tuple(a) for n, a in answer.get("axioms", {}).items()},
            seconds=seconds,
            detail=detail,
        )


def _ended(answer: dict[str, Any]) -> tuple[Ended, str]:
    """How the request of an answer ended, and why it did not complete."""
    if refused := answer.get("refused"):
        return Ended.FORBIDDEN, refusal_text(refused)
    return (Ended.TIMEOUT, "time limit reached") if answer.get("timeout") else (Ended.COMPLETED, "")


def refusal_text(refused: dict[str, Any]) -> str:
    """An English sentence for the REPL's refusal of a solution (protocol.RefusalJson)."""
    place = f" at {refused['pos']['line']}:{refused['pos']['column']}" if "pos" in refused else ""
    return f"{refused['what']} `{refused['text']}`{place} is not allowed in a solution"


SUGGEST = "try?"  # Lean's own search tactic: it closes the goal, and suggests what to write in its place


@dataclass(frozen=True, slots=True)
class Step:
    """A tactic that was run on a proof state, with the comments before it, and the goals that it left.

    infos: texts of Lean's messages other than warnings and errors, `try?`'s suggestions among them.
    """

    text: str
    goals: tuple[str, ...]
    infos: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Steps:
    """The tactics of a text that worked one after the other from a proof state, until one failed.

    complete: no goal is left, and the kernel accepted the proof term. Only a Verdict of the whole text says "proved".
    problem: Lean's error for the tactic that failed; empty if none did.
    failed: that tactic, unless Lean could not even parse it.
    """

    steps: tuple[Step, ...] = ()
    complete: bool = False
    problem: str = ""
    failed: str = ""
    ended: Ended = Ended.COMPLETED

    @classmethod
    def from_json(cls, answer: dict[str, Any]) -> Steps:
        """The steps of the REPL's answer to a `tactic` with `steps`."""
        steps = answer.get("steps", ())
        ended, detail = _ended(answer)
        return cls(
            steps=tuple(Step(s["tactic"], tuple(s["goals"]), tuple(s.get("said", ()))) for s in steps),
            complete=bool(steps) and steps[-1]["proofStatus"] == "Completed",
            problem=detail or answer.get("problem", ""),
            failed="" if detail else answer.get("failed", ""),
            ended=ended,
        )
