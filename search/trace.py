"""Trace: the record of a search for people and programs, with the tactic states it reached and everything it tried."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TraceNode:
    """A tactic state that the search reached.

    Nodes are numbered in the order in which they were found, parents first; 0 is the start of the proof.
    parent, text: the node it was first reached from, and the tactics that lead from there to here.
    visits, value: the number of finished expansions on routes through it, and their mean reward (None: unknown).
    """

    parent: int | None
    text: str
    goals: str
    visits: int = 0
    value: float | None = None


@dataclass(frozen=True)
class TraceAttempt:
    """A sample of the policy at a node, and its result.

    outcome: a Reason's name, or a word of the search's own. detail: Lean's message, if it failed.
    reached: the nodes that it reached after `node`, in order.
    """

    node: int
    text: str
    outcome: str
    detail: str = ""
    reached: tuple[int, ...] = ()
    family: str = ""


@dataclass
class Trace:
    """The record of one search.

    found, completed: the nodes of the found proof from the start, and the number of the attempt that completed it.
    problem: why no proof could be tried at all. checks: requests to Lean. seconds: wall time.
    """

    search: str
    theorem: str
    statement: str
    nodes: list[TraceNode] = field(default_factory=list)
    attempts: list[TraceAttempt] = field(default_factory=list)
    proof: str | None = None
    found: tuple[int, ...] = ()
    completed: int | None = None
    problem: str = ""
    checks: int = 0
    seconds: float = 0.0
