"""Finds counterexamples among small values, confirmed by Lean; no model and no instances are needed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from data import Theorem
from lean_env import Ended, LeanPool
from prover.policy.tactics.negation import DECIDE, Game, application
from prover.policy.tactics.solutions import Numbers
from prover.policy.tactics.state import Goal, Hypothesis, read_goals
from prover.policy.tactics.values import INSTANCE, Values, read_definition, substitute, unwrapped
from search.budget import Meter
from search.negation import negated_challenge

_INTROS = "set_option tactic.hygienic false in intros"  # so that every variable has a name
_TYPED = "set_option pp.funBinderTypes true in\n"  # so that ∃ tells the type of its variable
_MAX_CANDIDATES = 500  # tuples of values of one statement
_MAX_VARIABLES = 12  # with more, only their first values are tried
# Candidates in a batch, by what they are tried with: `decide`, the cheap tactics, all tactics.
_BATCHES = ((16, 48, 96, 128), (10, 20, 40, 60), (0, 4, 6, 8, 12))
_MAX_SOLVED = 3  # calculated ones that are tried before
_BATCH_SECONDS = 4.0  # for a batch
_TYPE_ROUNDS = 3  # of looking for types that others are made of


@dataclass(frozen=True)
class Candidate:
    """Values to be tried, by the variables' names, and the arguments that they make (empty: a hypothesis).

    solved: they were calculated from the hypotheses.
    """

    values: Mapping[str, str]
    arguments: tuple[str, ...]
    solved: bool = False

    @property
    def displayed(self) -> dict[str, str]:
        """The values as people write them; without instances."""
        return {name: _plain(v) for name, v in self.values.items() if v != INSTANCE and not name.startswith("inst")}


def _plain(value: str) -> str:
    return unwrapped(re.sub(r"⟨([^⟨⟩,]+), by decide⟩", r"\1", value))


@dataclass
class Statement:
    """A theorem to be refuted, as Lean shows it: its variables and hypotheses in order, and its conclusion."""

    negated: Theorem
    goal: Goal
    proofs: frozenset[str]  # names of the hypotheses among the goal's
    values: Values = field(default_factory=Values)

    def candidates(self) -> Iterator[Candidate]:
        """Values for all variables, small ones first, without those that are certainly no counterexample."""
        numbers, seen = Numbers(self.goal), set[tuple[str, ...]]()
        for found in numbers.solutions():
            fixed = {name: str(n) if n >= 0 else f"({n})" for name, n in found.items()}
            for candidate in islice(self._assigned(0, 0, fixed), 1):
                seen.add(candidate.arguments)
                yield replace(candidate, solved=True)
        variables = [h for h in self.goal.hypotheses if not h.value and h.name not in self.proofs]
        for cost in range(40 if len(variables) <= _MAX_VARIABLES else 2):
            for candidate in self._assigned(0, cost, {}):
                known = {n: int(v.strip("()")) for n, v in candidate.values.items() if n in numbers.variables}
                if candidate.arguments not in seen and not numbers.excluded(known):
                    seen.add(candidate.arguments)
                    yield candidate
            if not variables:
                return

    def _assigned(self, at: int, cost: int, values: Mapping[str, str]) -> Iterator[Candidate]:
        """Values for the variables from the `at`-th on whose places in the lists of their types sum up to a cost."""
        hypotheses = [h for h in self.goal.hypotheses if not h.value]
        if at == len(hypotheses):
            if not cost:
                named = {h.name: values[h.name] for h in hypotheses if h.name not in self.proofs}
                yield Candidate(named, tuple(named.get(h.name, "") for h in hypotheses))
            return
        name, type_ = hypotheses[at].name, hypotheses[at].type
        if name in values or name in self.proofs:
            yield from self._assigned(at + 1, cost, values)
            return
        options = self.values.of(substitute(type_, values))
        last = all(h.name in self.proofs or h.name in values for h in hypotheses[at + 1 :])
        for place, value in enumerate(options[: cost + 1]):
            if not last or place == cost:
                yield from self._assigned(at + 1, cost - place, {**values, name: value})

    def term(self, candidate: Candidate, level: int) -> str:
        """A proof term of the negation by these values. level: 0: with `decide` alone; 1, 2: see Game."""
        hypotheses = [h for h in self.goal.hypotheses if h.name in self.proofs]
        if not level:
            ways = ["infer_instance" if h.name.startswith("inst") else DECIDE for h in hypotheses]
            return application(candidate.arguments, ways, DECIDE)
        game = Game(self.values, grind=level > 1)
        known = {**candidate.values, **{h.name: substitute(h.value, candidate.values) for h in self._lets}}
        ways = [game.proving(substitute(h.type, known)) for h in hypotheses]
        return application(candidate.arguments, ways, game.refuting(substitute(self.goal.target, known)))

    @property
    def _lets(self) -> list[Hypothesis]:
        return [h for h in self.goal.hypotheses if h.value]


async def read_statement(pool: LeanPool, negated: Theorem) -> Statement | None:
    """Read the statement behind a negation, with the definitions of its types; None if Lean shows no goal."""
    challenge = _TYPED + negated_challenge(negated)
    steps = await pool.steps(challenge, _INTROS, context=negated.context)
    if steps.steps and steps.steps[-1].goals:
        goals, after = read_goals(steps.steps[-1].goals[0]), _INTROS
    else:  # there is nothing to introduce
        check = await pool.check(challenge, context=negated.context)
        goals, after = read_goals(check.sorries[-1].goal if check.sorries else ""), ""
    if not goals:
        return None
    goal, values = goals[0], Values()
    marks = {h.name: f"proof_{k}" for k, h in enumerate(goal.hypotheses)}
    tests = "\n".join(f"first | have {mark} : Prop := type_of% {name} | skip" for name, mark in marks.items())
    found = await pool.steps(challenge, tests, after=after, context=negated.context) if tests else None
    shown = found.steps[-1].goals[0] if found and found.steps and found.steps[-1].goals else ""
    proofs = {name for name, mark in marks.items() if re.search(rf"\b{mark}\b", shown)}
    types = [h.type for h in goal.hypotheses if h.name not in proofs]
    for _ in range(_TYPE_ROUNDS):
        names = sorted(values.unknown([*types, goal.target]))
        if not names:
            break
        check = await pool.check("\n".join(f"#print {name}" for name in names), context=negated.context)
        told = {m.position.line: m.text for m in check.messages if m.position and m.severity == "info"}
        values.definitions.update({name: read_definition(told.get(k, "")) for k, name in enumerate(names, start=1)})
    return Statement(negated, goal, frozenset(proofs), values)


async def counterexample(
    pool: LeanPool, statement: Statement, meter: Meter, *, levels: int = len(_BATCHES), most: int = _MAX_CANDIDATES
) -> tuple[Candidate, str] | None:
    """Return the first values for which a statement does not hold, and the proof term that Lean's elaborator accepts.

    levels: see `_BATCHES`; 1: with `decide` alone. most: tuples of values that are tried.
    """
    every = list(islice(statement.candidates(), most))
    first = min(
        sum(candidate.solved for candidate in every), _MAX_SOLVED
    )  # they alone, with all tactics, before any others
    for level in range(levels if first else 0):
        if found := await _first_accepted(pool, statement, every[:first], level, meter):
            return found
    tried = [first] * levels
    for number in range(most):
        for level, sizes in enumerate(_BATCHES[:levels]):
            size = sizes[min(number, len(sizes) - 1)]
            batch = every[tried[level] : tried[level] + size]
            tried[level] += size
            if found := await _first_accepted(pool, statement, batch, level, meter):
                return found
        if meter.exhausted or min(tried) >= len(every):
            return None
    return None


async def _first_accepted(
    pool: LeanPool, statement: Statement, candidates: Sequence[Candidate], level: int, meter: Meter
) -> tuple[Candidate, str] | None:
    """Return the first candidate that Lean accepts. A batch that reaches the time limit is tried again in halves."""
    if not candidates or meter.exhausted:
        return None
    terms = [statement.term(candidate, level) for candidate in candidates]
    tried = "\n".join(f'  | (exact {term}; trace "{k}")' for k, term in enumerate(terms))
    _, _, stated = statement.negated.statement.partition(".negation : ")
    meter.checks += 1
    check = await pool.check(
        f"example : {stated} := by\n  first\n{tried}",
        context=statement.negated.context,
        timeout=meter.check_timeout(_BATCH_SECONDS),
    )
    if check.ok:
        found = next(int(m.text) for m in check.messages if m.severity == "info" and m.text.strip().isdecimal())
        return candidates[found], terms[found]
    if check.ended is not Ended.COMPLETED and len(candidates) > 1:
        half = len(candidates) // 2
        for part in (candidates[:half], candidates[half:]):
            if found_one := await _first_accepted(pool, statement, part, level, meter):
                return found_one
    return None
