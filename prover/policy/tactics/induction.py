"""Proposes induction on the variables of the goal."""

import itertools
from collections.abc import Iterator

from prover.policy.tactics.proposal import Proposal
from prover.policy.tactics.state import NAT, Goal, Hypothesis, is_proposition
from prover.policy.tactics.terms import Term, value
from prover.policy.tactics.vocabulary import definitions

EXPAND = "Nat.pow_succ, Nat.pow_zero, Nat.one_mul, Nat.mul_succ, Nat.succ_mul, Nat.mul_add, Nat.add_mul"
ARITHMETIC = "Nat.pow_succ, Nat.mul_add, Nat.add_mul, Nat.mul_comm, Nat.mul_left_comm, Nat.add_assoc"


def inductions(goal: Goal) -> Iterator[Proposal]:
    """Propose induction on each variable of the target, likeliest first, with automation for the cases."""
    goal = _without_subtraction(goal)
    for variable in sorted(_candidates(goal), key=lambda h: _weight(goal, h)):
        if variable.type in NAT:
            yield from _natural(goal, variable.name)
        else:
            yield from _structural(goal, variable.name)


def _is_data(h: Hypothesis) -> bool:
    if h.type in ("Type", "Prop", "Int", "ℤ", "Bool") or h.type.startswith(("Type", "Sort")):
        return False
    return h.term is not None and not is_proposition(h.term) and h.term.head not in ("→", "∀") and "→" not in h.type


def _candidates(goal: Goal) -> list[Hypothesis]:
    return [h for h in goal.hypotheses if _is_data(h) and goal.term is not None and goal.term.mentions(h.name)]


def _weight(goal: Goal, h: Hypothesis) -> int:
    """Negative for exponents and for arguments of functions, which are what induction is for."""
    inside = [t for t in (goal.term.walk() if goal.term else ()) if t.mentions(h.name)]
    exponent = any(t.head == "^" and len(t.args) == 2 and t.args[1].mentions(h.name) for t in inside)
    argument = any(t.args and not t.names and (t.head[0].isalpha() or t.head[0] == ".") for t in inside)
    return -2 * exponent - argument


def likely_inductions(goal: Goal) -> Iterator[Proposal]:
    """The first few inductions, where a variable stands in an exponent or is an argument of a function."""
    if any(_weight(goal, h) < 0 for h in _candidates(goal)):
        yield from itertools.islice(inductions(goal), 5)


def _without_subtraction(goal: Goal) -> Goal:
    """Over Nat, `a = b - c` follows from `a + c = b`, which is easier to carry through an induction."""
    t = goal.term
    if t is None or t.head != "=" or t.args[1].head != "-" or len(t.args[1].args) != 2 or goal.integers:
        return goal
    b, c = t.args[1].args
    target = Term("=", (Term("+", (t.args[0], c)), b))
    return Goal(goal.hypotheses, str(target), target, (*goal.prefix, f"suffices sum : {target} by omega"))


def _natural(goal: Goal, n: str) -> Iterator[Proposal]:
    prefix = "\n".join([*goal.prefix, ""]) if goal.prefix else ""
    defs = definitions(goal)
    extra = "".join(f", {d}" for d in defs)
    known = f" [{', '.join(defs)}]" if defs else ""
    zero = f"first | omega | decide | (simp_all{known}; done) | (simp_all{known}; omega) | grind{known}"
    laws = [h.name for h in goal.facts if h.term and h.term.head == "∀" and h.term.type in NAT]
    instances = "".join(f"\n    have := {h} n'" for h in laws)
    steps = [
        f"first | grind{known} | (simp_all{known}; omega)",
        f"simp only [Nat.pow_succ{extra}] at *; omega",
        f"simp_all [{ARITHMETIC}{extra}] <;> omega",
        f"simp_all [{ARITHMETIC}{extra}] <;> grind",
        f"simp only [{EXPAND}{extra}] at *; omega",
    ]
    starts = [f"induction {n} with"]
    others = [h.name for h in goal.hypotheses if _is_data(h) and h.name != n]
    if others:
        starts.append(f"induction {n} generalizing {' '.join(others)} with")
    for start in starts:
        for step in steps:
            text = f"{start}\n| zero => {zero}\n| succ n' ih =>{instances}\n    {step}"
            yield Proposal(prefix + text, "induction")
    for least, proof in _lower_bounds(goal, n):
        hints = f"have := Nat.mul_le_mul {proof} {proof}\n    have := Nat.mul_le_mul_right n' {proof}"
        for step in steps[:4]:
            yield Proposal(
                f"{prefix}induction {n} with\n| zero => {zero}\n| succ n' ih =>{instances}\n"
                f"    rcases Nat.lt_or_ge n' {least} with small | {proof}\n"
                f"    · obtain rfl : n' = {max(least - 1, 0)} := by omega\n      {zero}\n"
                f"    have ih := ih {proof}\n    {hints}\n    {step}",
                "induction",
            )
    body = f"| _ n' ih =>{instances}\n    "
    for step in (f"grind{known}", f"simp_all{known}; omega", f"rcases n' with _ | _ | n' <;> grind{known}"):
        yield Proposal(f"{prefix}induction {n} using Nat.strongRecOn with\n{body}{step}", "strong induction")


def _lower_bounds(goal: Goal, n: str) -> list[tuple[int, str]]:
    found = []
    for h in goal.facts:
        if h.term is None or len(h.term.args) != 2:
            continue
        left, right = h.term.args
        if h.term.head in (">", "≥"):
            left, right = right, left
        least = value(left, {})
        if right.head == n and right.is_name and least is not None and h.term.head in ("<", "≤", ">", "≥"):
            found.append((least + (h.term.head in ("<", ">")), h.name))
    return found


def _structural(goal: Goal, variable: str) -> Iterator[Proposal]:
    prefix = "\n".join([*goal.prefix, ""]) if goal.prefix else ""
    defs = definitions(goal)
    known = f" [{', '.join(defs)}]" if defs else ""
    others = [h.name for h in goal.hypotheses if _is_data(h) and h.name != variable]
    starts = [f"induction {variable}"]
    if others:
        starts.append(f"induction {variable} generalizing {' '.join(others)}")
    for start in starts:
        for step in (f"simp_all{known}", f"grind{known}", f"simp_all{known} <;> omega", f"simp_all{known} <;> grind"):
            yield Proposal(f"{prefix}{start} <;> {step}", "structural induction")
