"""The audit: defects that benchmark statements are known to have, found with Lean and in the text.

| flag | meaning | certain |
| --- | --- | --- |
| `auto-bound` | Lean binds an undeclared name as a variable (found by eval.screen) | yes |
| `unbound` | likely the same, in a statement that this Lean cannot express | no: the name may be a notation |
| `contradictory` | the hypotheses prove False, so that the theorem says nothing | yes: there is a proof |
| `false` | it does not hold for small values of its variables, which are named | yes: there is a proof |
| `truncated` | a quotient or difference of two numbers differs from that of rationals | yes; it may be meant |
| `cut-off` | a difference of natural numbers may be cut off at 0, or a quotient rounded | no: it is not excluded |
| `idle-hypotheses` | the conclusion follows by automation without the hypotheses | yes; it may be meant |
| `duplicate` | another problem has the same normal form (data.syntax.normal_form) | yes |
| `differs` | another copy of the benchmark states something else under this name | see `compare_copies` |
| `not-decided` | a limit ended the search for one of these, or it cannot be searched for | |

A defect without a flag is possible: each search for a proof is short. Its limit is one of processor time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from data import Theorem
from data.syntax.normal_form import normal_form
from data.syntax.unbound import unbound
from eval.attempts import Entry, Flag
from eval.cut_off import EXPLICIT, operations
from lean_env import Ended, LeanPool
from lean_env.cpu_time import measure_cpu_time
from search.budget import Budget, Meter
from search.counterexamples import counterexample, read_statement
from search.negation import counterexample_text, negation

_SECONDS = 1.0  # for one proof
_VALUES_SECONDS, _MAX_CANDIDATES = 5.0, 32  # for all small values of one statement; tuples of them
_INTROS = "set_option tactic.hygienic false in intros"  # so that every hypothesis has a name
_CLOSING_TACTICS = ("omega", "simp_all")
_CONCLUSION_TACTICS = ("omega", "simp", "rfl", "decide +kernel", "grind")
_VALUES = ("0", "1", "2", "100", "(-1)", "0 0", "0 1", "1 0")  # instances of a hypothesis about all numbers
# Types that are not split into cases.
_PLAIN_TYPES = frozenset(("Nat", "Int", "Rat", "Bool", "Prop", "Type", "Sort", "ℕ", "ℤ", "ℚ"))

# A printed goal then has its operations as prefixes in brackets, and its numbers with their types.
_PREFIX_OPTIONS = "".join(
    f"set_option pp.{option} in\n"
    for option in ("notation false", "fieldNotation false", "numericTypes true", "deepTerms true")
)
_NUMBER = r"\((-?\d{1,3000}) : (Nat|Int)\)"  # the longest text that Python converts
_OPERATION = re.compile(
    rf"\((-?\d{{1,3000}}) (/) (\d{{1,3000}}) : (Nat|Int)\)"
    rf"|(\()?\bH(Add|Sub|Mul|Div|Mod|Pow)\.h\w+ {_NUMBER} {_NUMBER}(?(5)\))"
)
_MAX_BITS = 10_000  # bits of a number


async def audit_entry(pool: LeanPool, entry: Entry) -> Entry:
    """Return the entry with a flag for each defect found in it alone."""
    if not entry.asked:
        names = unbound(entry.theorem)
        flags = [Flag("unbound", f"nobody seems to declare {', '.join(names)}")] if names else []
        return replace(entry, flags=(*entry.flags, *flags))
    goal = await _goal_after(pool, entry.theorem, _INTROS)
    undecided: dict[str, str] = {}  # by flag: why it is not decided
    flags_found = [
        await _contradictory_flag(pool, entry, goal, undecided),
        await _false_flag(pool, entry, undecided),
        await _truncated_flag(pool, entry),
        await _cut_off_flag(pool, entry, undecided),
        await _idle_hypotheses_flag(pool, entry, goal, undecided),
    ]
    if undecided:
        flags_found.append(Flag("not-decided", "; ".join(f"{kind}: {why}" for kind, why in undecided.items())))
    return replace(entry, flags=(*entry.flags, *(flag for flag in flags_found if flag)))


async def _false_flag(pool: LeanPool, entry: Entry, undecided: dict[str, str]) -> Flag | None:
    with measure_cpu_time():
        meter = Meter(Budget(cpu=_VALUES_SECONDS))
        negated = await negation(pool, entry.theorem)
        statement = None if negated is None else await read_statement(pool, negated)
        if statement is None:
            return None
        found = await counterexample(pool, statement, meter, levels=1, most=_MAX_CANDIDATES)
        if found is None and meter.exhausted:
            undecided["false"] = f"small values took more than {_VALUES_SECONDS:g} s"
    return None if found is None else Flag("false", counterexample_text(found[0].displayed))


async def _cut_off_flag(pool: LeanPool, entry: Entry, undecided: dict[str, str]) -> Flag | None:
    check = await pool.check(EXPLICIT + entry.theorem.challenge, context=entry.theorem.context)
    operations_found = {o.shown: o for o in operations(check.sorries[-1].goal if check.sorries else "")}
    problems, unclear = [], []
    for number, operation in enumerate(operations_found.values()):
        if number == _MAX_OPERATIONS:
            unclear.append(f"more than {_MAX_OPERATIONS} differences and quotients")
            break
        tactics = f"have exact : {operation.exact} := by first | omega | simp | grind"
        run = await pool.steps(
            entry.theorem.challenge, tactics, after=_INTROS, context=entry.theorem.context, timeout=_SECONDS
        )
        if run.steps:
            continue
        if run.ended is Ended.TIMEOUT or "nknown identifier" in run.problem:
            why = "it stands under a binder" if run.ended is Ended.COMPLETED else _TIMED_OUT
            unclear.append(f"{operation.shown} ({why})")
        else:
            problems.append(
                f"{operation.shown} is {'0 where it would be negative' if operation.is_difference else 'rounded'}"
            )
    if unclear:
        undecided["cut-off"] = ", ".join(unclear)
    return Flag("cut-off", ", ".join(problems)) if problems else None


_MAX_OPERATIONS = 8  # checked in one statement
_TIMED_OUT = f"more than {_SECONDS:g} s"


async def _contradictory_flag(pool: LeanPool, entry: Entry, goal: str, undecided: dict[str, str]) -> Flag | None:
    prefix = f"{_INTROS}\nexfalso"
    if goal.endswith("⊢ False"):  # the negated conclusion is no hypothesis; those of the signature are
        prefix, goal = "exfalso", entry.goal
    hypotheses = _hypotheses(goal)
    if goal.endswith("⊢ False") or not hypotheses:
        return None
    proof, timed_out = await _first_proof(pool, entry.theorem, prefix, _false_proofs(hypotheses))
    if timed_out:
        undecided["contradictory"] = timed_out
    return None if proof is None else Flag("contradictory", f"the hypotheses prove False: {_one_line(proof)}")


def _false_proofs(hypotheses: Mapping[str, str]) -> Iterator[str]:
    """Yield proofs of False to try, the slowest last."""
    yield from _CLOSING_TACTICS
    universal = [name for name, type_ in hypotheses.items() if type_.startswith("∀")]
    if universal:
        instances = "\n".join(f"try have := {name} {value}" for name in universal for value in _VALUES)
        yield from (f"{instances}\n{tactic}" for tactic in _CLOSING_TACTICS)
    data = [name for name, type_ in hypotheses.items() if _is_data(type_)][:3]
    if data:  # a type without elements, as `Fin 0` is one
        cases = " <;> ".join(f"(try cases {name})" for name in data)
        yield from (f"{cases} <;> {tactic}" for tactic in _CLOSING_TACTICS)
    yield "grind"


def _is_data(type_: str) -> bool:
    """Return whether it looks like a type with elements of its own (`Fin 0`, `{ n // n < 0 }`), not a proposition."""
    return (type_[:1].isupper() or type_.startswith("{")) and type_.split()[0] not in _PLAIN_TYPES


async def _truncated_flag(pool: LeanPool, entry: Entry) -> Flag | None:
    check = await pool.check(_PREFIX_OPTIONS + entry.theorem.challenge, context=entry.theorem.context)
    goal = " ".join(check.sorries[-1].goal.split()) if check.sorries else ""
    differences: list[str] = []

    def evaluate(match: re.Match[str]) -> str:
        """An operation on two numbers as one number; noted if it is not the one that rationals have."""
        if match[2]:
            sign, a, b, type_ = "Div", int(match[1]), int(match[3]), match[4]
        else:
            sign, a, b, type_ = match[6], int(match[7]), int(match[9]), match[8]
        value = _value(sign, a, b, type_)
        if value is None or value.bit_length() > _MAX_BITS:
            return match[0]
        if sign == "Div" and (b == 0 or a % b):
            differences.append(f"{a} / {b} is {value} here")
        elif sign == "Sub" and value != a - b:
            differences.append(f"{a} - {b} is {value} here")
        return f"({value} : {type_})"

    while (simplified := _OPERATION.sub(evaluate, goal)) != goal:
        goal = simplified
    return Flag("truncated", ", ".join(dict.fromkeys(differences))) if differences else None


def _value(sign: str, a: int, b: int, type_: str) -> int | None:
    """Return the value of Lean's `a sign b`; None if it is too large to compute."""
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
            return a**b if b >= 0 and b * a.bit_length() <= _MAX_BITS else None


async def _idle_hypotheses_flag(pool: LeanPool, entry: Entry, goal: str, undecided: dict[str, str]) -> Flag | None:
    # Only a proposition may be cleared: a variable says nothing, and its type may be needed to find a value of it.
    clear_tactics = (f"try (have p : Prop := type_of% {name}; clear p {name})" for name in reversed(_hypotheses(goal)))
    prefix = "\n".join([_INTROS, *clear_tactics])
    remaining = _hypotheses(await _goal_after(pool, entry.theorem, prefix))
    cleared = [name for name in _hypotheses(goal) if name not in remaining]
    if not cleared:
        return None
    proof, timed_out = await _first_proof(pool, entry.theorem, prefix, _CONCLUSION_TACTICS)
    if timed_out:
        undecided["idle-hypotheses"] = timed_out
    if proof is None:
        return None
    return Flag("idle-hypotheses", f"it follows without {', '.join(cleared)}: {_one_line(proof)}")


def _hypotheses(goal: str) -> dict[str, str]:
    """Return the named hypotheses of a tactic state, with their types."""
    types: dict[str, str] = {}
    for line in re.split(r"\n(?!\s)", goal.rpartition("⊢")[0].strip()):
        names, _, type_ = " ".join(line.split()).partition(" : ")
        types.update((name, type_) for name in names.split() if type_ and "✝" not in name)
    return types


async def _goal_after(pool: LeanPool, theorem: Theorem, tactics: str) -> str:
    """Return the tactic state after some tactics; empty if one of them fails."""
    steps = await pool.steps(theorem.challenge, tactics, context=theorem.context)
    return steps.steps[-1].goals[0] if steps.steps and steps.steps[-1].goals and not steps.problem else ""


async def _first_proof(
    pool: LeanPool, theorem: Theorem, prefix: str, proofs: Iterable[str]
) -> tuple[str | None, str | None]:
    """Return the first proof that closes the goal after `prefix`, and, if there is none, what reached the limit.

    Lean's kernel accepts the proof. The proofs are our own, so no Verdict is needed against cheats.
    """
    timed_out = []
    for proof in proofs:
        run = await pool.steps(theorem.challenge, proof, after=prefix, context=theorem.context, timeout=_SECONDS)
        if run.complete:
            return proof, None
        if run.ended is not Ended.COMPLETED:
            timed_out.append(_one_line(proof))
    return None, f"`{timed_out[-1]}` took {_TIMED_OUT}" if timed_out else None


def _one_line(proof: str) -> str:
    return "; ".join(line.strip() for line in proof.strip().splitlines())


class Duplicates:
    """Remembers the statements of problems, to flag repetitions."""

    def __init__(self) -> None:
        self._first: dict[int, str] = {}

    def flag(self, entry: Entry) -> Entry:
        """Return the entry, with a flag if an earlier one states the same."""
        first = self._first.setdefault(hash(normal_statement(entry.theorem)), entry.name)
        if first == entry.name:
            return entry
        return replace(entry, flags=(*entry.flags, Flag("duplicate", f"{first} states the same")))


def normal_statement(theorem: Theorem) -> str:
    """Return the normal form of a theorem, with what Mathlib has renamed: `Real.pi` is `π`."""
    return normal_form(theorem).replace("Real . pi", "π")


async def compare_copies(pool: LeanPool, entry: Entry, copy: Entry | None) -> Entry:
    """Return the entry, flagged if another copy of the problem states something else.

    Where this Lean can express both, they are compared as elaborated, else by their normal forms.
    """
    if copy is None or normal_statement(entry.theorem) == normal_statement(copy.theorem):
        return entry
    states_same = await _states_same(pool, entry.theorem, copy.theorem) if entry.asked and copy.asked else None
    if states_same:
        return entry
    difference = f"the copy states: {_one_line(copy.theorem.statement)}"
    detail = "in words; Lean could not compare the meaning" if states_same is None else difference
    return replace(entry, flags=(*entry.flags, Flag("differs", detail)))


async def _states_same(pool: LeanPool, a: Theorem, b: Theorem) -> bool | None:
    """Return whether two theorems state the same with everything unfolded; None if Lean cannot decide."""
    shared_preamble, own_preambles = (
        (a.preamble, ((), ())) if a.preamble == b.preamble else ((), (a.preamble, b.preamble))
    )
    copies = _in_namespace(a, own_preambles[0], "A") + _in_namespace(b, own_preambles[1], "B")
    equal = f"example : type_of% @A.{a.name} = type_of% @B.{b.name} := rfl"
    for header in dict.fromkeys((a.header, b.header)):
        context = Theorem("", "", header, shared_preamble).context
        if (await pool.check(copies, context=context)).ok:
            check = await pool.check(copies + equal, context=context)
            return check.ok if check.ended is Ended.COMPLETED else None
    return None


def _in_namespace(theorem: Theorem, preamble: tuple[str, ...], name: str) -> str:
    """Return a theorem, with what stands before it, in a namespace."""
    return "\n".join([f"namespace {name}", *preamble, theorem.challenge, f"end {name}", ""])
