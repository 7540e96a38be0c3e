"""Uses universally quantified hypotheses: at small arguments, at arguments in the goal, and as recurrences."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from prover.policy.tactics.proposal import Proposal
from prover.policy.tactics.state import INT, NAT, Goal, Hypothesis
from prover.policy.tactics.terms import Term, value

CLOSE = ("grind", "simp_all", "omega", "simp_all <;> omega", "simp_all <;> grind")
STEPS = 40  # of a recurrence, one by one
PERIOD = 60
HORIZON = 400


def instances(goal: Goal) -> Iterator[Proposal]:
    """Propose proofs by instances of universally quantified hypotheses."""
    yield from _recurrences(goal)
    yield from _applied(goal)


def _applied(goal: Goal) -> Iterator[Proposal]:
    """Instances of each law at 0, 1, 2, at the variables, and at the arguments of functions."""
    laws = [h for h in goal.facts if h.term and h.term.head == "∀" and h.term.type in (*NAT, *INT)]
    if not laws:
        return
    functions = {h.name for h in goal.hypotheses if "→" in h.type}
    appearing = {str(a) for t in goal.subterms() if t.head in functions for a in t.args if _closed(a, goal)}
    variables = [*goal.naturals, *goal.integers]
    small = ["0", "1", "2"]
    for arguments in (sorted(appearing | set(variables)), small, [*small, *sorted(appearing | set(variables))]):
        lines = []
        for h in laws:
            arity = _arity(h)
            lines += [f"have := {h.name} {' '.join(c)}" for c in itertools.product(arguments, repeat=min(arity, 2))]
        if lines and len(lines) <= 40:
            for close in CLOSE:
                yield Proposal("\n".join([*goal.prefix, *lines, close]), "instances")


def _arity(h: Hypothesis) -> int:
    count, term = 0, h.term
    while term is not None and term.head == "∀":
        count += len(term.names)
        term = term.args[0]
    return count


def _closed(term: Term, goal: Goal) -> bool:
    bound = {name for t in goal.subterms() for name in t.names}
    return not any(t.head in bound for t in term.walk())


@dataclass(frozen=True)
class _Recurrence:
    """`f (n + lead) = body` for all n from `first` on, proved by `law`, with initial values."""

    f: str
    law: str
    variable: str
    lead: int
    first: int
    body: Term
    initial: dict[int, int]
    guarded: bool

    def values(self, last: int) -> dict[int, int]:
        """The values up to `last`, as far as they follow."""
        known = dict(self.initial)
        for n in range(self.first, last + 1 - self.lead):
            result = self._number(self.body, n, known)
            if result is None:
                break
            known.setdefault(n + self.lead, result)
        return known

    def _number(self, term: Term, n: int, known: dict[int, int]) -> int | None:
        if term.head == self.f and len(term.args) == 1:
            index = value(term.args[0], {self.variable: n})
            return None if index is None else known.get(index)
        if not term.args:
            return value(term, {self.variable: n})
        args = [self._number(a, n, known) for a in term.args]
        numerals = [Term("-", (Term(str(-a)),)) if a < 0 else Term(str(a)) for a in args if a is not None]
        return value(Term(term.head, tuple(numerals)), {}, False) if len(numerals) == len(args) else None


def _read_recurrences(goal: Goal) -> Iterator[_Recurrence]:
    functions = {h.name for h in goal.hypotheses if "→" in h.type}
    for h in goal.facts:
        if not h.term or h.term.head != "∀" or len(h.term.names) != 1 or h.term.type not in NAT:
            continue
        n, body, first, guarded = h.term.names[0], h.term.args[0], 0, False
        if body.head == "→":
            guard, body = body.args
            guarded = True
            starts = [k for k in range(50) if _holds(guard, n, k)]
            if not starts or starts != list(range(starts[0], 50)):
                continue
            first = starts[0]
        if body.head != "=" or body.args[0].head not in functions or len(body.args[0].args) != 1:
            continue
        f = body.args[0].head
        lead = value(body.args[0].args[0], {n: 0})
        if lead is None or value(body.args[0].args[0], {n: 7}) != lead + 7:
            continue
        initial = {}
        for fact in goal.facts:
            if fact.term and fact.term.head == "=" and fact.term.args[0].head == f:
                index, number = value(fact.term.args[0].args[0], {}), value(fact.term.args[1], {}, False)
                if index is not None and number is not None:
                    initial[index] = number
        if initial:
            yield _Recurrence(f, h.name, n, lead, first, body.args[1], initial, guarded)


def _holds(guard: Term, n: str, k: int) -> bool:
    a, b = (value(t, {n: k}) for t in guard.args) if len(guard.args) == 2 else (None, None)
    if a is None or b is None:
        return False
    return {"<": a < b, "≤": a <= b, ">": a > b, "≥": a >= b, "≠": a != b}.get(guard.head, False)


def _recurrences(goal: Goal) -> Iterator[Proposal]:
    """A sequence given by a recurrence: its values one by one, or, where it is periodic, its period by induction."""
    for r in _read_recurrences(goal):
        wanted = sorted(
            {
                index
                for t in (goal.term.walk() if goal.term else ())
                if t.head == r.f and len(t.args) == 1 and (index := value(t.args[0], {})) is not None
            }
        )
        premise = " (by omega)" if r.guarded else ""
        values = r.values(HORIZON)
        if wanted and wanted[-1] <= max(r.initial) + STEPS and wanted[-1] in values:
            lines = []
            for index in range(max(r.initial) + 1, wanted[-1] + 1):
                if index in values and index not in r.initial:
                    lines.append(f"have v{index} : {r.f} {index} = {values[index]} := by")
                    lines.append(f"  have := {r.law} {index - r.lead}{premise}\n  simp_all")
            yield Proposal("\n".join([*goal.prefix, *lines, "simp_all"]), "recurrence")
            yield Proposal("\n".join([*goal.prefix, *lines, "omega"]), "recurrence")
        yield from _periodic(goal, r, values, wanted)


def _periodic(goal: Goal, r: _Recurrence, values: dict[int, int], wanted: list[int]) -> Iterator[Proposal]:
    start, order = min(r.initial), len(r.initial)
    run = [values.get(start + k) for k in range(HORIZON // 2)]
    if None in run or not wanted:
        return
    period = next((p for p in range(1, PERIOD) if all(run[k] == run[k + p] for k in range(len(run) - p))), None)
    if period is None:
        return
    window = range(start, start + max(order, 1))
    claim = " ∧ ".join(f"{r.f} ({period} * k + {i}) = {values[i]}" for i in window)
    lines = [
        *goal.prefix,
        f"have key : ∀ k : Nat, {claim} := by",
        "  intro k\n  induction k with\n  | zero => first | grind | simp_all\n  | succ k ih => grind",
    ]
    for index in wanted:
        k, offset = divmod(index - start, period)
        lines.append(f"have p{index} := key {k}")
        premise = " (by omega)" if r.guarded else ""
        for step in range(order, offset + 1):
            at = period * k + start + step
            lines.append(f"have := {r.law} {at - r.lead}{premise}")
    yield Proposal("\n".join([*lines, "clear key", "simp at *", "omega"]), "recurrence")
    yield Proposal("\n".join([*lines, "clear key", "grind"]), "recurrence")
