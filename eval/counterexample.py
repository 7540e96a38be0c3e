"""Statements that are false for small values of their variables."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice, product

from data import Theorem
from lean_env import Ended, LeanPool

SECONDS = 5.0  # for all values of one statement
_MOST = 32  # values, or tuples of them, that are tried
_VARIABLES = 5  # with more, nothing is tried
_VALUES = {"ℕ": range(10), "ℤ": (0, 1, -1, 2, -2, 3), "Bool": ("true", "false")}
_VALUES |= {"Nat": _VALUES["ℕ"], "Int": _VALUES["ℤ"]}


async def counterexample(pool: LeanPool, theorem: Theorem, hypotheses: Mapping[str, str]) -> tuple[str | None, bool]:
    """Values for which a statement is false (`n = 0`; empty: it has no variables), or None; and was all of this looked
    at within the limit?

    hypotheses: the names in the statement with their types, in order. Those that are no numbers and no truth values
    are taken for hypotheses, which `decide` has to prove, as it has to refute the conclusion: Lean's kernel has seen
    both. So a variable of another type ends the search without a word.
    """
    variables = [name for name, type_ in hypotheses.items() if type_ in _VALUES]
    if len(variables) > _VARIABLES:
        return None, True
    each = max(2, round(_MOST ** (1 / len(variables)))) if variables else 1
    choices = [list(_VALUES[hypotheses[name]])[:each] for name in variables]
    tuples = sorted(product(*choices), key=lambda values: sum(abs(v) for v in values if isinstance(v, int)))
    tried = [dict(zip(variables, values, strict=True)) for values in islice(tuples, _MOST)]
    refuted = (f"example : ¬ (type_of% @{theorem.name}) := fun h => absurd ({_use(hypotheses, one)}) (by decide)"
               for one in tried)  # fmt: skip
    before = theorem.challenge.rstrip() + "\n"
    check = await pool.check(before + "\n".join(refuted), context=theorem.context, timeout=SECONDS)
    first = before.count("\n") + 1
    if check.ended is not Ended.COMPLETED:
        return None, False
    wrong = {m.position.line for m in check.errors if m.position}
    for n, values in enumerate(tried):
        if first + n not in wrong and not any(line < first for line in wrong):
            return ", ".join(f"{name} = {value}" for name, value in values.items()), True
    return None, True


def _use(hypotheses: Mapping[str, str], values: Mapping[str, object]) -> str:
    """The statement `h` for some values."""
    return " ".join(["@h", *(f"({values[name]})" if name in values else "(by decide)" for name in hypotheses)])
