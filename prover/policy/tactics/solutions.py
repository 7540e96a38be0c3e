"""Numbers for the variables of a statement, looked for outside of Lean: a guess that Lean has to confirm.

What can be calculated of the hypotheses and of the conclusion sorts out values before Lean sees them; an equation gives
one of its variables from the others, so that a counterexample such as x = 37, a = 1480 is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product

from prover.policy.tactics.state import INT, NAT, Goal
from prover.policy.tactics.terms import RELATIONS, Term, parts, value

MOST = 40  # solutions of one statement
_TRIED = 6000  # values, or tuples of them
_RANGE = {1: 3000, 2: 60, 3: 15, 4: 7, 5: 5}  # of each variable, by their number


def truth(term: Term, numbers: Mapping[str, int], natural: bool) -> bool | None:
    """Whether a proposition holds for numbers; None where it cannot be calculated."""
    args = term.args
    match term.head:
        case "True" | "False":
            return term.head == "True"
        case "¬":
            inner = truth(args[0], numbers, natural)
            return None if inner is None else not inner
        case "∧" | "∨" | "→" | "↔":
            a, b = (truth(arg, numbers, natural) for arg in args)
            if term.head == "↔":
                return None if a is None or b is None else a == b
            if term.head == "→":
                a = None if a is None else not a
            decided = term.head != "∧"  # by one side alone
            if a is decided or b is decided:
                return decided
            return None if a is None or b is None else not decided
    if term.head not in RELATIONS or len(args) != 2:
        return None
    x, y = (value(arg, dict(numbers), natural, 4096) for arg in args)
    if x is None or y is None:
        return None
    return RELATIONS[term.head](x, y)


class Numbers:
    """The number variables of a goal, with what can be calculated of its hypotheses and its target."""

    def __init__(self, goal: Goal) -> None:
        self.natural = not goal.integers
        self.variables = [h.name for h in goal.hypotheses if h.type in (*NAT, *INT) and not h.value]
        mixed = {"↑", "-", "/", "%"} if goal.naturals and goal.integers else {"↑"}  # they mean several things there
        self._unclear = mixed | {h.name for h in goal.hypotheses if h.name not in self.variables}
        self.hypotheses = [p for fact in goal.facts if fact.term for p in parts(fact.term, "∧") if self._plain(p)]
        self.target = goal.term if goal.term is not None and self._plain(goal.term) else None

    def _plain(self, term: Term) -> bool:
        return not any(t.head in self._unclear for t in term.walk())

    def excluded(self, numbers: Mapping[str, int]) -> bool:
        """Are these certainly no counterexample: a hypothesis is wrong for them, or the target right?"""
        if not self.variables:
            return False
        if any(truth(h, numbers, self.natural) is False for h in self.hypotheses):
            return True
        return self.target is not None and truth(self.target, numbers, self.natural) is True

    def solutions(self) -> Iterator[dict[str, int]]:
        """Numbers for which all that can be calculated of the hypotheses holds, and the target does not."""
        if not self.hypotheses or not 1 <= len(self.variables) <= 6:
            return
        found = (numbers for numbers in islice(self._tuples(), _TRIED) if not self.excluded(numbers))
        yield from islice(found, MOST)

    def _tuples(self) -> Iterator[dict[str, int]]:
        given = self._given()
        free = [v for v in self.variables if v not in given]
        if not free:
            return
        largest = _RANGE.get(len(free), 3)
        signs = [range(largest) if self.natural else sorted(range(-largest // 2, largest // 2), key=abs)] * len(free)
        smaller = 0
        for size in sorted({min(4, largest), min(16, largest), largest}):
            seen, smaller = set(signs[0][:smaller]), size
            for values in product(*(s[:size] for s in signs)):
                if seen.issuperset(values):
                    continue
                numbers: dict[str, int] = dict(zip(free, values, strict=True))
                for name, equation in given.items():
                    solved = self._solved(equation, name, numbers)
                    if solved is None:
                        break
                    numbers[name] = solved
                else:
                    yield numbers

    def _given(self) -> dict[str, Term]:
        """Variables that an equation gives, with the equation, in an order in which each can be calculated."""
        equations = [h for h in self.hypotheses if h.head == "="]
        found: dict[str, Term] = {}
        for equation in equations:
            mentioned = [v for v in self.variables if equation.mentions(v) and v not in found]
            alone = [v for v in mentioned if self._is_linear(equation, v, mentioned)]
            if alone and len(found) + 1 < max(2, len(self.variables)):
                found[alone[0]] = equation
        return found

    def _is_linear(self, equation: Term, name: str, mentioned: Sequence[str]) -> bool:
        others = {v: 3 + k for k, v in enumerate(self.variables) if v != name}
        numbers = [self._difference(equation, {**others, name: k}) for k in (1, 2, 3)]
        if any(n is None for n in numbers):
            return False
        a, b, c = (n or 0 for n in numbers)
        return a - b == b - c != 0

    def _difference(self, equation: Term, numbers: Mapping[str, int]) -> int | None:
        a, b = (value(arg, dict(numbers), self.natural, 4096) for arg in equation.args)
        return None if a is None or b is None else a - b

    def _solved(self, equation: Term, name: str, numbers: Mapping[str, int]) -> int | None:
        """The value of a variable for which a linear equation holds; None if it is no number of its type."""
        at_0, at_1 = (self._difference(equation, {**numbers, name: k}) for k in (0, 1))
        if at_0 is None or at_1 is None or at_0 == at_1 or at_0 % (at_1 - at_0):
            return None
        solved = -at_0 // (at_1 - at_0)
        return None if solved < 0 and self.natural else solved
