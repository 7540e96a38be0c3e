"""Defects that benchmark statements are known to have, looked for with Lean and in the text.

| flag | says | certain |
| --- | --- | --- |
| `auto-bound` | Lean takes a name that nobody declared for a variable (found by eval.screen) | yes |
| `unbound` | the same, by its looks, in a statement that this Lean cannot express | no: it may be a notation |
| `contradictory` | the hypotheses prove False, so that the theorem says nothing | yes: there is a proof |
| `false` | for small values of its variables it does not hold; they are told | yes: there is a proof |
| `truncated` | a quotient or difference of two numbers is not what rationals would have | yes; it may be meant |
| `cut-off` | a difference of natural numbers may be cut off at 0, or a quotient rounded | no: it is not excluded |
| `idle-hypotheses` | the conclusion follows by automation without the hypotheses | yes; it may be meant |
| `duplicate` | another problem has the same normal form (data.syntax.normal_form) | yes |
| `differs` | another copy of the benchmark states something else under this name | see `compared` |
| `not-decided` | a limit has cut off the search for one of these, or it cannot be looked for there | |

What is not found may be there all the same: each search for a proof is short. Its limit is one of processor time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from data import Theorem
from data.syntax.normal_form import normal_form
from data.syntax.unbound import unbound
from eval.attempts import Entry, Flag
from eval.counterexample import SECONDS, counterexample
from eval.cut_off import EXPLICIT, operations
from lean_env import Ended, LeanPool

_SECONDS = 1.0  # for one proof
_INTROS = "set_option tactic.hygienic false in intros"  # so that every hypothesis has a name to be cleared by
_CLOSING = ("omega", "simp_all")
_CONCLUSION = ("omega", "simp", "rfl", "decide +kernel", "grind")
_VALUES = ("0", "1", "2", "100", "(-1)", "0 0", "0 1", "1 0")  # that a hypothesis about all numbers is tried with
_NO_DATA = frozenset(("Nat", "Int", "Rat", "Bool", "Prop", "Type", "Sort", "ℕ", "ℤ", "ℚ"))  # to look into

# With these a printed goal has its operations as prefixes in brackets, and its numbers with their types.
_UNFOLDED = "".join(
    f"set_option pp.{option} in\n"
    for option in ("notation false", "fieldNotation false", "numericTypes true", "deepTerms true")
)
_NUMBER = r"\((-?\d{1,3000}) : (Nat|Int)\)"  # Python turns no longer text into a number
_OPERATION = re.compile(
    rf"\((-?\d{{1,3000}}) (/) (\d{{1,3000}}) : (Nat|Int)\)"
    rf"|(\()?\bH(Add|Sub|Mul|Div|Mod|Pow)\.h\w+ {_NUMBER} {_NUMBER}(?(5)\))"
)
_LARGEST = 10_000  # bits of a number


async def audited(pool: LeanPool, entry: Entry) -> Entry:
    """The entry with a flag for each defect that is found in it alone."""
    if not entry.asked:
        names = unbound(entry.theorem)
        flags = [Flag("unbound", f"nobody seems to declare {', '.join(names)}")] if names else []
        return replace(entry, flags=(*entry.flags, *flags))
    goal = await _goal(pool, entry.theorem, _INTROS)
    open_ones: dict[str, str] = {}  # flags that were not decided, and why
    found = [
        await _contradictory(pool, entry, goal, open_ones),
        await _false(pool, entry, goal, open_ones),
        await _truncated(pool, entry),
        await _cut_off(pool, entry, open_ones),
        await _idle(pool, entry, goal, open_ones),
    ]
    if open_ones:
        found.append(Flag("not-decided", "; ".join(f"{kind}: {why}" for kind, why in open_ones.items())))
    return replace(entry, flags=(*entry.flags, *(flag for flag in found if flag)))


async def _false(pool: LeanPool, entry: Entry, goal: str, open_ones: dict[str, str]) -> Flag | None:
    if not goal or "✝" in goal:
        return None
    values, looked = await counterexample(pool, entry.theorem, _hypotheses(goal))
    if not looked:
        open_ones["false"] = f"small values took more than {SECONDS:g} s"
    if values is None:
        return None
    return Flag("false", f"it does not hold for {values}" if values else "it does not hold")


async def _cut_off(pool: LeanPool, entry: Entry, open_ones: dict[str, str]) -> Flag | None:
    check = await pool.check(EXPLICIT + entry.theorem.challenge, context=entry.theorem.context)
    found = {o.shown: o for o in operations(check.sorries[-1].goal if check.sorries else "")}
    said, unclear = [], []
    for number, operation in enumerate(found.values()):
        if number == _OPERATIONS:
            unclear.append(f"more than {_OPERATIONS} differences and quotients")
            break
        tactics = f"have exact : {operation.exact} := by first | omega | simp | grind"
        tried = await pool.steps(
            entry.theorem.challenge, tactics, after=_INTROS, context=entry.theorem.context, timeout=_SECONDS
        )
        if tried.steps:
            continue
        if tried.ended is Ended.TIMEOUT or "nknown identifier" in tried.problem:
            why = "it stands under a binder" if tried.ended is Ended.COMPLETED else _LATE
            unclear.append(f"{operation.shown} ({why})")
        else:
            said.append(f"{operation.shown} is {'0 where it would be negative' if operation.difference else 'rounded'}")
    if unclear:
        open_ones["cut-off"] = ", ".join(unclear)
    return Flag("cut-off", ", ".join(said)) if said else None


_OPERATIONS = 8  # of one statement that are looked at
_LATE = f"more than {_SECONDS:g} s"


async def _contradictory(pool: LeanPool, entry: Entry, goal: str, open_ones: dict[str, str]) -> Flag | None:
    before = f"{_INTROS}\nexfalso"
    if goal.endswith("⊢ False"):  # what is to be refuted is no hypothesis; those of the signature are
        before, goal = "exfalso", entry.goal
    hypotheses = _hypotheses(goal)
    if goal.endswith("⊢ False") or not hypotheses:
        return None
    proof, late = await _proof(pool, entry.theorem, before, _refutations(hypotheses))
    if late:
        open_ones["contradictory"] = late
    return None if proof is None else Flag("contradictory", f"the hypotheses prove False: {_line(proof)}")


def _refutations(hypotheses: Mapping[str, str]) -> Iterator[str]:
    """Proofs of False that are worth a try; the one that takes longest is the last."""
    yield from _CLOSING
    universal = [name for name, type_ in hypotheses.items() if type_.startswith("∀")]
    if universal:
        instances = "\n".join(f"try have := {name} {value}" for name in universal for value in _VALUES)
        yield from (f"{instances}\n{tactic}" for tactic in _CLOSING)
    data = [name for name, type_ in hypotheses.items() if _is_data(type_)][:3]
    if data:  # a type without elements, as `Fin 0` is one
        cases = " <;> ".join(f"(try cases {name})" for name in data)
        yield from (f"{cases} <;> {tactic}" for tactic in _CLOSING)
    yield "grind"


def _is_data(type_: str) -> bool:
    """Does it look like a type with contents of its own (`Fin 0`, `{ n // n < 0 }`) rather than a proposition?"""
    return (type_[:1].isupper() or type_.startswith("{")) and type_.split()[0] not in _NO_DATA


async def _truncated(pool: LeanPool, entry: Entry) -> Flag | None:
    check = await pool.check(_UNFOLDED + entry.theorem.challenge, context=entry.theorem.context)
    goal = " ".join(check.sorries[-1].goal.split()) if check.sorries else ""
    odd: list[str] = []

    def calculated(found: re.Match[str]) -> str:
        """An operation on two numbers as one number; noted if it is not the one that rationals have."""
        if found[2]:
            sign, a, b, type_ = "Div", int(found[1]), int(found[3]), found[4]
        else:
            sign, a, b, type_ = found[6], int(found[7]), int(found[9]), found[8]
        value = _value(sign, a, b, type_)
        if value is None or value.bit_length() > _LARGEST:
            return found[0]
        if sign == "Div" and (b == 0 or a % b):
            odd.append(f"{a} / {b} is {value} here")
        elif sign == "Sub" and value != a - b:
            odd.append(f"{a} - {b} is {value} here")
        return f"({value} : {type_})"

    while (inner := _OPERATION.sub(calculated, goal)) != goal:
        goal = inner
    return Flag("truncated", ", ".join(dict.fromkeys(odd))) if odd else None


def _value(sign: str, a: int, b: int, type_: str) -> int | None:
    """What Lean's `a sign b` is; none if it is too large to be told."""
    match sign:
        case "Add":
            return a + b
        case "Sub":
            return max(a - b, 0) if type_ == "Nat" else a - b
        case "Mul":
            return a * b
        case "Div":
            return a // b if b > 0 else -(a // -b) if b else 0
        case "Mod":
            return a % abs(b) if b else a
        case _:
            return a**b if b >= 0 and b * a.bit_length() <= _LARGEST else None


async def _idle(pool: LeanPool, entry: Entry, goal: str, open_ones: dict[str, str]) -> Flag | None:
    # Only a proposition may be cleared: a variable says nothing, and its type may be needed to find a value of it.
    clearing = (f"try (have p : Prop := type_of% {name}; clear p {name})" for name in reversed(_hypotheses(goal)))
    before = "\n".join([_INTROS, *clearing])
    left = _hypotheses(await _goal(pool, entry.theorem, before))
    cleared = [name for name in _hypotheses(goal) if name not in left]
    if not cleared:
        return None
    proof, late = await _proof(pool, entry.theorem, before, _CONCLUSION)
    if late:
        open_ones["idle-hypotheses"] = late
    if proof is None:
        return None
    return Flag("idle-hypotheses", f"it follows without {', '.join(cleared)}: {_line(proof)}")


def _hypotheses(goal: str) -> dict[str, str]:
    """The hypotheses that have a name in a tactic state, with their types."""
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?!\s)", goal.rpartition("⊢")[0].strip()):
        names, _, type_ = " ".join(entry.split()).partition(" : ")
        found.update((name, type_) for name in names.split() if type_ and "✝" not in name)
    return found


async def _goal(pool: LeanPool, theorem: Theorem, tactics: str) -> str:
    """The tactic state after some tactics; empty if they do not work."""
    steps = await pool.steps(theorem.challenge, tactics, context=theorem.context)
    return steps.steps[-1].goals[0] if steps.steps and steps.steps[-1].goals and not steps.problem else ""


async def _proof(pool: LeanPool, theorem: Theorem, before: str, proofs: Iterable[str]) -> tuple[str | None, str | None]:
    """The first of some proofs that proves what the tactics before it leave; Lean's kernel says so. And, if there is
    none, what was cut off by the limit.

    They are all of our own making: no Verdict is needed to find out whether they cheat.
    """
    late = []
    for proof in proofs:
        tried = await pool.steps(theorem.challenge, proof, after=before, context=theorem.context, timeout=_SECONDS)
        if tried.complete:
            return proof, None
        if tried.ended is not Ended.COMPLETED:
            late.append(_line(proof))
    return None, f"`{late[-1]}` took {_LATE}" if late else None


def _line(proof: str) -> str:
    return "; ".join(line.strip() for line in proof.strip().splitlines())


class Duplicates:
    """Remembers what problems state, to see what comes again."""

    def __init__(self) -> None:
        self._first: dict[int, str] = {}

    def flag(self, entry: Entry) -> Entry:
        """The entry, with a flag if one before it states the same."""
        first = self._first.setdefault(hash(normal_statement(entry.theorem)), entry.name)
        if first == entry.name:
            return entry
        return replace(entry, flags=(*entry.flags, Flag("duplicate", f"{first} states the same")))


def normal_statement(theorem: Theorem) -> str:
    """The normal form of a theorem, with what Mathlib has renamed: `Real.pi` is `π`."""
    return normal_form(theorem).replace("Real . pi", "π")


async def compared(pool: LeanPool, entry: Entry, copy: Entry | None) -> Entry:
    """The entry, flagged if another copy of the problem states something else.

    Where this Lean can ask both, they are compared as elaborated, else by their normal forms.
    """
    if copy is None or normal_statement(entry.theorem) == normal_statement(copy.theorem):
        return entry
    same = await _same(pool, entry.theorem, copy.theorem) if entry.asked and copy.asked else None
    if same:
        return entry
    told = f"the copy states: {_line(copy.theorem.statement)}"
    detail = "in words; Lean could not compare the meaning" if same is None else told
    return replace(entry, flags=(*entry.flags, Flag("differs", detail)))


async def _same(pool: LeanPool, a: Theorem, b: Theorem) -> bool | None:
    """Do two theorems state the same when all that is in them is unfolded? None if Lean cannot tell."""
    before, rest = (a.preamble, ((), ())) if a.preamble == b.preamble else ((), (a.preamble, b.preamble))
    both = _copy(a, rest[0], "A") + _copy(b, rest[1], "B")
    equal = f"example : type_of% @A.{a.name} = type_of% @B.{b.name} := rfl"
    for header in dict.fromkeys((a.header, b.header)):
        context = Theorem("", "", header, before).context
        if (await pool.check(both, context=context)).ok:
            check = await pool.check(both + equal, context=context)
            return check.ok if check.ended is Ended.COMPLETED else None
    return None


def _copy(theorem: Theorem, preamble: tuple[str, ...], name: str) -> str:
    """A theorem, and what stands before it, in a namespace."""
    return "\n".join([f"namespace {name}", *preamble, theorem.challenge, f"end {name}", ""])
