"""What is kept of a run: the problems as they were asked, and the attempts at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from data import Theorem
from data.problems import Problem
from lean_env import Reason

UNPROVED = "unproved"  # how a search ends that found nothing


@dataclass(frozen=True)
class Flag:
    """A defect that the audit found in a problem (see eval.audit). detail: what it is, for people."""

    kind: str
    detail: str


@dataclass(frozen=True)
class Entry:
    """A problem of a run.

    asked: can it be stated in this Lean? why: if not, what Lean says. goal: the tactic state at its start. The
    problem's theorem has the header that it is asked with; replaced: that is not its own one.
    """

    problem: Problem
    asked: bool
    why: str = ""
    goal: str = ""
    flags: tuple[Flag, ...] = ()
    replaced: bool = False

    @property
    def name(self) -> str:
        return self.problem.name

    @property
    def theorem(self) -> Theorem:
        return self.problem.theorem

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Entry:
        problem = dict(row["problem"])
        theorem = problem["theorem"] | {"preamble": tuple(problem["theorem"]["preamble"])}
        fields = problem | {"theorem": Theorem(**theorem), "tags": tuple(problem["tags"])}
        flags = tuple(Flag(**flag) for flag in row["flags"])
        return cls(**{**row, "problem": Problem(**fields), "flags": flags})


@dataclass(frozen=True)
class Attempt:
    """One attempt at a problem: a proof that was judged (search `single`), or a whole search.

    reason: a Reason, or UNPROVED. detail: what Lean said of it. text: the proof; of an answer without a proof, the
    answer. tokens: written. seconds: of writing and judging, not of waiting for a turn. cpu: of these,
    what Lean's processes worked (of a search; `single` does not tell). reasons: how many proofs
    ended how. failures: of a search, some proofs that failed: (reason, detail, text). one_kernel: Lean's
    kernel alone accepts the proof.
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
        return self.reason == Reason.PROVED

    def as_json(self) -> dict[str, Any]:
        return vars(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Attempt:
        return cls(**{**row, "failures": tuple(map(tuple, row["failures"]))})


def proof_lines(proof: str) -> int:
    """The length of a proof, in lines."""
    return len(proof.strip().splitlines())
