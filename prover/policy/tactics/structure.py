"""Proposes steps by logical structure: witnesses, case splits, extensionality, unfolding."""

import itertools
from collections.abc import Iterator

from prover.policy.tactics.proposal import Proposal
from prover.policy.tactics.state import NAT, Goal
from prover.policy.tactics.terms import RELATIONS, Term, parts, value
from prover.policy.tactics.vocabulary import definitions

CLOSE = "first | omega | (simp_all; done) | (simp_all; omega) | grind"
WITNESS = 30  # numbers tried for each bound variable


def unfoldings(goal: Goal) -> Iterator[Proposal]:
    """Propose unfolding the user's definitions."""
    names = definitions(goal)
    if not names:
        return
    known = ", ".join(names)
    for text in (
        f"simp [{known}]",
        f"simp_all [{known}]",
        f"grind [{known}]",
        f"simp [{known}]; omega",
        f"unfold {' '.join(names)}; simp_all",
        f"unfold {' '.join(names)}; omega",
        f"simp only [{known}]; decide",
        f"simp_all [{known}] <;> grind",
    ):
        yield Proposal("\n".join([*goal.prefix, text]), "unfold")


def structures(goal: Goal) -> Iterator[Proposal]:
    """Propose splits that follow the shape of the goal and its hypotheses."""
    prefix = list(goal.prefix)

    def proof(family: str, *lines: str) -> Proposal:
        return Proposal("\n".join([*prefix, *lines]), family)

    if prefix:
        for close in (
            "omega",
            "simp_all",
            "grind",
            "assumption",
            "contradiction",
            "rfl",
            "decide",
            "simp_all <;> omega",
        ):
            yield proof("introduce", close)
    head = goal.term.head if goal.term else ""
    functional = any("→" in h.type or h.type.startswith(("Type", "Sort")) for h in goal.hypotheses)
    if head in ("∧", "↔"):
        yield proof("split", f"constructor <;> {CLOSE}")
        yield proof("split", f"constructor <;> intros <;> {CLOSE}")
        yield proof("split", f"refine ⟨?_, ?_⟩ <;> intro h' <;> {CLOSE}")
    if head == "∨":
        for side in ("left", "right"):
            yield proof("split", f"{side}; {CLOSE}")
    if head == "∃":
        yield from _witnesses(goal)
    if head == "=" and (functional or "fun " in goal.target):
        for tactic in ("ext", "funext x", "split", "ext <;> simp_all", "funext x; simp_all", "congr 1"):
            yield proof("extensionality", f"{tactic} <;> {CLOSE}")
    yield from _cases(goal)


def _cases(goal: Goal) -> Iterator[Proposal]:
    prefix = list(goal.prefix)
    defs = definitions(goal)
    known = f" [{', '.join(defs)}]" if defs else ""
    closers = (f"simp_all{known}", f"grind{known}", CLOSE)
    data = [h for h in goal.hypotheses if h.term and h.type.split(" ")[0] in ("Bool", "Option", "List", "Prod", "Sum")]
    data += [h for h in goal.hypotheses if h.term and h.term.is_name and h.type[:1].isupper() and h not in data
             and h.type not in (*NAT, "Int", "Type", "Prop", "True", "False")]  # fmt: skip
    if data:
        chain = " <;> ".join(f"cases {h.name}" for h in data[:4])
        for close in closers:
            yield Proposal("\n".join([*prefix, f"{chain} <;> {close}"]), "cases")
    for h in goal.facts:
        if h.term and h.term.head == "∨":
            for close in closers:
                yield Proposal("\n".join([*prefix, f"rcases {h.name} with c | c <;> {close}"]), "cases")
    propositions = goal.of_type("Prop")
    if propositions:
        chain = " <;> ".join(f"by_cases e{i} : {p}" for i, p in enumerate(propositions[:5]))
        for close in closers[:2]:
            yield Proposal("\n".join([*prefix, f"{chain} <;> {close}"]), "cases")
    if any(t.head in ("if", "match") for t in goal.subterms()) or "if " in goal.target or "match " in goal.target:
        for close in closers:
            yield Proposal("\n".join([*prefix, f"split <;> {close}"]), "cases")
            yield Proposal("\n".join([*prefix, f"(repeat' split) <;> {close}"]), "cases")
    yield Proposal("\n".join([*prefix, "apply Classical.byContradiction; intro contra; grind"]), "cases")
    yield Proposal("\n".join([*prefix, "apply Classical.byContradiction; intro contra; simp_all"]), "cases")
    for h in goal.facts:
        if h.term and h.term.head in ("∀", "→", "¬", "↔"):
            yield Proposal("\n".join([*prefix, f"apply {h.name} <;> {CLOSE}"]), "apply")
    for v in goal.naturals:
        for close in closers:
            yield Proposal("\n".join([*prefix, f"rcases {v} with _ | {v} <;> {close}"]), "cases")


def _witnesses(goal: Goal) -> Iterator[Proposal]:
    names: list[str] = []
    body = goal.term
    while body is not None and body.head == "∃":
        names += body.names
        body = body.args[0]
    if body is None:
        return
    conditions = parts(body, "∧")
    found = 0
    reach = WITNESS if len(names) <= 2 else 14 if len(names) == 3 else 0
    if reach:
        for values in sorted(itertools.product(range(reach), repeat=len(names)), key=sum):
            if all(_true(c, dict(zip(names, values, strict=True))) for c in conditions):
                chosen = ", ".join(map(str, values))
                yield Proposal("\n".join([*goal.prefix, f"exact ⟨{chosen}, by decide⟩"]), "witness")
                yield Proposal("\n".join([*goal.prefix, f"refine ⟨{chosen}, ?_⟩\n{CLOSE}"]), "witness")
                found += 1
                if found == 2:
                    break
    local = [h.name for h in goal.hypotheses if h.term and h.term.head not in ("Type", "Prop") and "→" not in h.type]
    guesses = [*local, "0", "1"]
    for h in goal.facts:  # both sides of equations are likely values
        if h.term and h.term.head == "=":
            guesses += [str(a) for a in h.term.args]
    guesses += [f"({v} {op} 1)" for v in [*goal.naturals, *goal.integers] for op in "+-"]
    guesses += [str(t) for c in conditions if c.head in ("=", "<", "≤", ">", "≥") for t in c.args
                if not any(t.mentions(n) for n in names)]  # fmt: skip
    guesses = list(dict.fromkeys(guesses))
    for guess in itertools.islice(itertools.product(guesses, repeat=min(len(names), 2)), 24):
        rest = ["_"] * (len(names) - len(guess))
        yield Proposal("\n".join([*goal.prefix, f"refine ⟨{', '.join([*guess, *rest])}, ?_⟩\n{CLOSE}"]), "witness")
    if (len(names) == 1 and any("→" in t.type for t in [goal.term] if t)) or (goal.term and "→" in goal.term.type):
        for guess_ in ("fun x => x", "id", "fun _ => 0"):
            yield Proposal("\n".join([*goal.prefix, f"exact ⟨{guess_}, by simp⟩"]), "witness")


def _true(term: Term, values: dict[str, int]) -> bool:
    """Whether a term is a comparison of numbers that holds for these values."""
    if term.head not in RELATIONS or len(term.args) != 2:
        return False
    a, b = (value(t, values) for t in term.args)
    return a is not None and b is not None and RELATIONS[term.head](a, b)
