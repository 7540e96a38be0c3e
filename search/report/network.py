"""The tree of a search as a networkx graph, and as GraphML for Gephi, yEd and other programs."""

from __future__ import annotations

import io
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from search.trace import Trace

if TYPE_CHECKING:
    import networkx as nx

_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def graph(trace: Trace) -> nx.DiGraph[int]:
    """Return a trace as a graph: tactic states are nodes, tactics are edges, along the tree of first visits.

    Nodes have label (the tactic's first line), goals, visits, value (unless unknown), found (on the found proof),
    attempts, and attempts_<outcome> for every outcome in the trace: numbers, which layouts and colours can use. Edges
    have text and found. Characters that XML forbids or alters are replaced by U+FFFD.
    """
    import networkx as nx  # here, because nothing but this needs it

    tree: nx.DiGraph[int] = nx.DiGraph(
        theorem=_text(trace.theorem),
        search=_text(trace.search),
        proved=trace.proof is not None,
        checks=trace.checks,
        seconds=float(trace.seconds),
    )
    outcomes = sorted({attempt.outcome for attempt in trace.attempts})
    counts = Counter((attempt.node, attempt.outcome) for attempt in trace.attempts)
    for number, node in enumerate(trace.nodes):
        numbers: dict[str, Any] = {f"attempts_{_text(outcome)}": counts[number, outcome] for outcome in outcomes}
        numbers["attempts"] = sum(counts[number, outcome] for outcome in outcomes)
        if node.value is not None:
            numbers["value"] = float(node.value)
        label = node.text.strip().partition("\n")[0] or ("start" if node.parent is None else "")
        on_proof = number in trace.found
        tree.add_node(
            number, label=_text(label), goals=_text(node.goals), visits=node.visits, found=on_proof, **numbers
        )
        if node.parent is not None:
            tree.add_edge(node.parent, number, text=_text(node.text), found=on_proof and node.parent in trace.found)
    return tree


def dumps(trace: Trace) -> bytes:
    """Return the graph as GraphML."""
    import networkx as nx

    file = io.BytesIO()
    nx.write_graphml(graph(trace), file)
    return file.getvalue()


def _text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
