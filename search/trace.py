"""What a search did, to be looked at afterwards: the tactic states it reached, and everything it tried."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Node:
    """A tactic state. Nodes are numbered as they were found, parents first; 0 is the start of the proof.

    parent, text: the node it was first reached from, and the tactics that lead from there to here.
    visits, value: times it was on a selected path, and the mean reward it then earned (None: nothing is known yet).
    """

    parent: int | None
    text: str
    goals: str
    visits: int = 0
    value: float | None = None


@dataclass(frozen=True)
class Attempt:
    """Something the policy wrote at a node, and what became of it.

    outcome: a Reason's name, or a word of the search's own; detail: what Lean said, if it failed.
    reached: the nodes it went through after `node`, in order.
    """

    node: int
    text: str
    outcome: str
    detail: str = ""
    reached: tuple[int, ...] = ()
    family: str = ""


@dataclass
class Trace:
    """One search.

    found, completed: the nodes of the found proof from the start, and the number of the attempt that completed it.
    problem: why nothing could be tried at all. checks: questions to Lean; seconds: wall time.
    """

    search: str
    theorem: str
    statement: str
    nodes: list[Node] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    proof: str | None = None
    found: tuple[int, ...] = ()
    completed: int | None = None
    problem: str = ""
    checks: int = 0
    seconds: float = 0.0
