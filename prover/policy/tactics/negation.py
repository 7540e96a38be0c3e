"""Tactics that refute a statement for given values: its hypotheses hold for them, and its conclusion does not.

Quantifiers are taken apart as in a game: who proves chooses the values of an ∃, who refutes those of a ∀, among terms
in which the variables of the other side may stand. So ∃ m, ∀ n, n ≤ m is refuted by n := m + 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from prover.policy.tactics.terms import Term, parse, value
from prover.policy.tactics.values import Values

DECIDE = "decide"
_CHEAP = ("decide", "(simp; done)", "omega")
_ALL = (*_CHEAP, "(simp_all; done)", "grind")
_NEVER = ("omega", "contradiction", "(simp at h; done)", "(injections; done)")  # with a wrong `h`
_ALL_NEVER = (*_NEVER, "(simp_all; done)", "grind")
_CHOICES = 4  # values of one quantifier
_QUANTIFIERS = 2  # inside each other
_LARGEST = 400  # bound below which every number is looked at

Variables = tuple[tuple[str, str], ...]  # names and types


@dataclass(frozen=True)
class Game:
    """What proves and refutes propositions. grind: also with the tactics that take long where they fail."""

    values: Values
    grind: bool = False

    def proving(self, proposition: str) -> str:
        """A tactic that proves a hypothesis in which values stand for all variables."""
        term = parse(proposition)
        ways = [*self._closing, "(intros; omega)", "infer_instance"]
        if term is not None:
            ways += Game(self.values)._proofs(term, (), _QUANTIFIERS)
            ways += _of_divisors(term)
            if (bound := _least(term)) is not None:  # above it nothing is to be shown
                below = "(revert below; revert x; decide +kernel)"
                ways.append(f"(intro x; by_cases below : x < {bound}; {below}; (intros; omega))")
        return _first(ways)

    def refuting(self, proposition: str) -> str:
        """A tactic that proves `¬ proposition`, in which values stand for all variables."""
        term = parse(proposition)
        ways = [*self._closing, f"(intro h; {self._contradicting})"]
        if term is not None and _is_quantified(term):
            ways.append(f"(intro h; {self._refutation(term, (), _QUANTIFIERS)})")
        return _first(ways)

    @property
    def _closing(self) -> tuple[str, ...]:
        return _ALL if self.grind else _CHEAP

    @property
    def _contradicting(self) -> str:
        return _first(_ALL_NEVER if self.grind else _NEVER)

    def _proofs(self, term: Term, variables: Variables, depth: int) -> Iterator[str]:
        """Ways to prove a proposition, with the variables that stand in it."""
        match term.head, term.args:
            case _ if not depth:
                return
            case "∀", _:
                names = tuple(_fresh(variables, k) for k in range(len(term.names)))
                inner = self._proof(_renamed(term, names), (*variables, *((n, term.type) for n in names)), depth - 1)
                yield f"(intro {' '.join(names)}; {inner})"
            case "∃", _ if len(term.names) == 1:
                for choice in islice(self.values.expressions(term.type, variables), _CHOICES):
                    inner = self._proof(_chosen(term, choice), variables, depth - 1)
                    yield f"exact ⟨{choice}, by {inner}⟩"
            case "→", (_, body):
                yield f"(intro h; {self._proof(body, variables, depth)})"
                yield f"(intro h; exfalso; {self._refutation(term.args[0], variables, depth - 1)})"
            case "∧", (a, b):
                yield f"exact ⟨by {self._proof(a, variables, depth)}, by {self._proof(b, variables, depth)}⟩"
            case "∨", (a, b):
                yield f"exact .inl (by {self._proof(a, variables, depth)})"
                yield f"exact .inr (by {self._proof(b, variables, depth)})"
            case "¬", (a,):
                yield f"(intro h; {self._refutation(a, variables, depth)})"

    def _proof(self, term: Term, variables: Variables, depth: int) -> str:
        return _first([*self._closing, *self._proofs(term, variables, depth)])

    def _refutation(self, term: Term, variables: Variables, depth: int) -> str:
        """A tactic that proves False from `h : term`."""
        ways = [] if _is_quantified(term) and depth else [self._contradicting]
        match term.head, term.args:
            case _ if not depth or not _is_quantified(term):
                pass
            case "∀", _:
                rest = Term("∀", term.args, term.names[1:], term.type) if len(term.names) > 1 else None
                for choice in islice(self.values.expressions(term.type, variables), _CHOICES):
                    body = _chosen(Term("∀", (rest,), term.names[:1]) if rest else term, choice)
                    ways.append(f"(have h := h {choice}; {self._refutation(body, variables, depth - 1)})")
            case "∃", _ if len(term.names) == 1:
                name = _fresh(variables, 0)
                here = (*variables, (name, term.type))
                body = _renamed(term, (name,))
                ways.append(f"(obtain ⟨{name}, h⟩ := h; {self._refutation(body, here, depth - 1)})")
            case "→", (a, b):
                proof = self._proof(a, variables, depth - 1)
                ways.append(f"(have h := h (by {proof}); {self._refutation(b, variables, depth)})")
            case "∧", (a, b):
                ways += (f"(have h := h.{k}; {self._refutation(t, variables, depth)})" for k, t in ((1, a), (2, b)))
            case "∨", (a, b):
                sides = (f"({self._refutation(t, variables, depth)})" for t in (a, b))
                ways.append(f"(rcases h with h | h; {'; '.join(sides)})")
            case "¬", (a,):
                ways.append(f"exact h (by {self._proof(a, variables, depth)})")
        if term.head == "∃" and len(term.names) == 1 and not _is_quantified(term.args[0]):
            name = _fresh(variables, 0)
            small = f"rcases {name} with _ | _ | _ | _ | {name}"
            ways.append(f"(obtain ⟨{name}, h⟩ := h; {small} <;> ({self._contradicting}))")
        return _first(ways or [self._contradicting])


def application(arguments: Sequence[str], hypotheses: Sequence[str], conclusion: str) -> str:
    """A proof term of `¬ ∀ …`: the statement used with some values, its hypotheses proved by tactics and its conclusion
    refuted by one. An empty text among the values stands for the next hypothesis.

    `clear h`: what is proved of the values must not come from the statement itself.
    """
    proofs = iter(hypotheses)
    written = [a or f"(by {_without_statement(next(proofs))})" for a in arguments]
    return f"fun h => absurd ({' '.join(['@h', *written])}) (by {_without_statement(conclusion)})"


def _without_statement(tactic: str) -> str:
    if tactic in (DECIDE, "infer_instance"):
        return tactic
    # Lean recovers from an error of the last way, as if it had worked; from that of `fail` it does not.
    return f"clear h; first | {tactic.removeprefix('first | ')} | fail"


def _first(ways: Sequence[str]) -> str:
    """One tactic that tries several; those that are `first | …` themselves become a part of it."""
    parts = [way.removeprefix("first | ") for way in ways]
    return ways[0] if len(ways) == 1 else f"first | {' | '.join(parts)}"


def _fresh(variables: Variables, more: int) -> str:
    return f"w{len(variables) + more}"


def _renamed(term: Term, names: Sequence[str]) -> Term:
    """What a quantifier says, of variables of other names."""
    body = term.args[0]
    for old, new in zip(term.names, names, strict=True):
        body = body.replace(old, Term(new))
    return body


def _chosen(term: Term, choice: str) -> Term:
    """What a quantifier says of a value."""
    chosen = parse(choice)
    return term.args[0] if chosen is None else term.args[0].replace(term.names[0], chosen)


def _is_quantified(term: Term) -> bool:
    return any(t.head in ("∀", "∃") for t in term.walk())


def _of_divisors(term: Term) -> Iterator[str]:
    """Proofs of a law ∀ x, … of the greatest common divisor and the least common multiple of two numbers."""
    if term.head != "∀" or len(term.names) != 1:
        return
    body = term.args[0].replace(term.names[0], Term("x"))
    common = {t.args for t in body.walk() if t.head in (".gcd", "Nat.gcd") and len(t.args) == 2}
    for a, b in sorted({t.args for t in body.walk() if t.head in (".lcm", "Nat.lcm") and t.args in common}, key=str):
        yield f"(intro x; have both := Nat.gcd_mul_lcm {a} {b}; intros; simp_all; omega)"


def _least(term: Term) -> int | None:
    """The bound in `∀ x, … → number ≤ x`."""
    if term.head != "∀" or len(term.names) != 1:
        return None
    (name,), body = term.names, term.args[0]
    while body.head == "→":
        body = body.args[1]
    if body.head not in ("≤", "<", "≥", ">") or len(body.args) != 2:
        return None
    small, large = body.args if body.head in ("≤", "<") else body.args[::-1]
    number = value(small)
    return number + 1 if number is not None and number < _LARGEST and large == Term(name) else None
