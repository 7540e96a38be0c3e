"""What RMaxTS plans and remembers about its nodes: expansion plans, results of samples, their rows in the journal."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from lean_env.premises import Premises
from prover.policy import Sample
from search.expansion import ExpansionResult
from search.tree import Node


@dataclass(frozen=True)
class ExpansionPlan:
    """A planned expansion of a node.

    It tries samples `first_sample` to `first_sample + num_samples` of the policy, or again one that reached its timeout
    (`retry`). column: the column at which `prefix` is continued. timeout_index: index in the search's timeouts.
    """

    node: Node
    prefix: str  # the proof that leads to the node
    column: int
    first_sample: int = 0
    num_samples: int = 0
    retry: Sample | None = None
    timeout_index: int = 0
    recorded: list[SampleResult] | None = None  # the results, if the journal has them


@dataclass(frozen=True)
class SampleResult:
    """A sample tried at a node, and its result.

    is_known: the result followed from earlier ones, without a request to Lean.
    """

    sample: Sample
    result: ExpansionResult
    is_known: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the row of this sample in the journal."""
        row = {"text": self.sample.text, "family": self.sample.family, "failure": self.sample.failure}
        return row | {"known": self.is_known} | self.result.as_json()

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> SampleResult:
        """Return the sample in a row of the journal. Raises KeyError, TypeError, ValueError for another row."""
        failure, text = row["failure"], row["text"]
        sample = Sample("" if failure else text, row["family"], failure, text if failure else "")
        return cls(sample, ExpansionResult.from_json(row), row["known"])


@dataclass(frozen=True)
class ExpansionRecord:
    """An expansion as a row of the journal.

    start: the number of its first sample; None for a retry. asked: the number of samples requested.
    """

    node: int
    start: int | None
    asked: int
    attempts: list[SampleResult]

    def as_json(self) -> dict[str, Any]:
        """Return the row."""
        return {**vars(self), "attempts": [attempt.as_json() for attempt in self.attempts]}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> ExpansionRecord | None:
        """Return the expansion in a row; None if the row is not one."""
        try:
            attempts = [SampleResult.from_json(attempt) for attempt in row["attempts"]]
            return cls(row["node"], row["start"], row["asked"], attempts)
        except (AttributeError, KeyError, TypeError, ValueError):
            return None


@dataclass
class NodeState:
    """What the search knows about a node besides its statistics."""

    transitions: dict[str, Node] = field(default_factory=dict)  # tactics that were run here, and the node each leads to
    failed_tactics: set[str] = field(default_factory=set)  # tactics that fail here
    tried_texts: set[str] = field(default_factory=set)  # whole texts that were tried here
    timed_out: deque[tuple[Sample, int, int]] = field(
        default_factory=deque
    )  # with the index of the next timeout, and when a retry is due
    has_more_samples: bool = True  # the policy may have further samples here
    premises: asyncio.Future[Premises | None] | None = None  # of its goal, once requested
    is_intermediate: bool = False  # only passed on the way to other states, so not expanded yet

    def is_retry_due(self, samples_requested: int) -> bool:
        """Return whether a sample that reached its timeout is due, after `samples_requested` samples here."""
        return bool(self.timed_out) and (not self.has_more_samples or samples_requested >= self.timed_out[0][2])

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing is left to try at the node."""
        return not self.has_more_samples and not self.timed_out
