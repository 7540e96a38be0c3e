"""Entry and Attempt: the rows of a run, its problems and the attempts at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from data import Theorem
from data.problems import Problem
from lean_env import Reason

UNPROVED = "unproved"  # reason of a search that found no proof
REFUTED = "refuted"  # reason of a search that found a proof of the negation


@dataclass(frozen=True)
class Flag:
    """A defect that the audit found in a problem (see eval.audit). detail: an explanation for people."""

    kind: str
    detail: str


@dataclass(frozen=True)
class Entry:
    """A problem of a run.

    asked: whether this Lean can express it. why: if not, Lean's message. goal: the tactic state at the start of its
    proof. The problem's theorem has the header that it is asked with; replaced: that is not the problem's own header.
    """

    problem: Problem
    asked: bool
    why: str = ""
    goal: str = ""
    flags: tuple[Flag, ...] = ()
    replaced: bool = False

    @property
    def name(self) -> str:
        """The problem's name."""
        return self.problem.name

    @property
    def theorem(self) -> Theorem:
        """The problem's theorem."""
        return self.problem.theorem

    def as_json(self) -> dict[str, Any]:
        """Return the row of problems.jsonl."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Entry:
        """Return the entry of a row. Raises TypeError, KeyError, ValueError for another row."""
        problem = dict(row["problem"])
        theorem = problem["theorem"] | {"preamble": tuple(problem["theorem"]["preamble"])}
        fields = problem | {"theorem": Theorem(**theorem), "tags": tuple(problem["tags"])}
        flags = tuple(Flag(**flag) for flag in row["flags"])
        return cls(**{**row, "problem": Problem(**fields), "flags": flags})


@dataclass(frozen=True)
class Attempt:
    """One attempt at a problem: a judged proof (search `single`), or a whole search.

    reason: a Reason, UNPROVED or REFUTED. detail: Lean's message, or the counterexample. text: the proof, or that of
    the negation; of an answer without a proof, the answer. tokens: generated. seconds: of generating and judging,
    without waiting for a turn. cpu: seconds of processor time of Lean's processes (of a search; 0 with `single`).
    reasons: the number of proofs by reason. failures: of a search, some failed proofs: (reason, detail, text).
    one_kernel: only Lean's kernel accepts the proof.
    """

    problem: str
    number: int
    reason: str
    detail: str = ""
    text: str = ""
    family: str = ""
    samples: int = 1
    checks: int = 1
    tokens: int = 0
    seconds: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)
    failures: tuple[tuple[str, str, str], ...] = ()
    one_kernel: bool = False
    cpu: float = 0.0

    @property
    def proved(self) -> bool:
        """Whether it found a proof."""
        return self.reason == Reason.PROVED

    def as_json(self) -> dict[str, Any]:
        """Return the row of attempts.jsonl."""
        return vars(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Attempt:
        """Return the attempt of a row. Raises TypeError, KeyError for another row."""
        return cls(**{**row, "failures": tuple(map(tuple, row["failures"]))})


def proof_lines(proof: str) -> int:
    """Return the length of a proof in lines."""
    return len(proof.strip().splitlines())
