"""Counterexamples: small values of its variables for which a statement is false."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice, product

from data import Theorem
from lean_env import Ended, LeanPool

SECONDS = 5.0  # for all values of one statement, in one check
_MAX_VALUES = 32  # values, or tuples of them, to try
_MAX_VARIABLES = 5  # a statement with more is not tried
_VALUES = {"ℕ": range(10), "ℤ": (0, 1, -1, 2, -2, 3), "Bool": ("true", "false")}
_VALUES |= {"Nat": _VALUES["ℕ"], "Int": _VALUES["ℤ"]}


async def find_counterexample(
    pool: LeanPool, theorem: Theorem, hypotheses: Mapping[str, str]
) -> tuple[str | None, bool]:
    """Return values for which a statement is false, or None; and whether all values were tried in time.

    The values are text such as `n = 0`, empty for a statement without variables. hypotheses: the names in the statement
    with their types, in order. Names that are neither numbers nor truth values count as hypotheses, which `decide` has
    to prove, as it has to refute the conclusion; Lean's kernel checks both. A variable of another type ends the search.
    """
    variables = [name for name, type_ in hypotheses.items() if type_ in _VALUES]
    if len(variables) > _MAX_VARIABLES:
        return None, True
    values_each = max(2, round(_MAX_VALUES ** (1 / len(variables)))) if variables else 1
    choices = [list(_VALUES[hypotheses[name]])[:values_each] for name in variables]
    tuples = sorted(product(*choices), key=lambda values: sum(abs(v) for v in values if isinstance(v, int)))
    assignments = [dict(zip(variables, values, strict=True)) for values in islice(tuples, _MAX_VALUES)]
    examples = (f"example : ¬ (type_of% @{theorem.name}) := fun h => absurd ({_applied(hypotheses, one)}) (by decide)"
               for one in assignments)  # fmt: skip
    prefix = theorem.challenge.rstrip() + "\n"
    check = await pool.check(prefix + "\n".join(examples), context=theorem.context, timeout=SECONDS)
    first_line = prefix.count("\n") + 1
    if check.ended is not Ended.COMPLETED:
        return None, False
    failed_lines = {m.position.line for m in check.errors if m.position}
    for n, values in enumerate(assignments):
        if first_line + n not in failed_lines and not any(line < first_line for line in failed_lines):
            return ", ".join(f"{name} = {value}" for name, value in values.items()), True
    return None, True


def _applied(hypotheses: Mapping[str, str], values: Mapping[str, object]) -> str:
    """Return the statement `h` applied to some values."""
    return " ".join(["@h", *(f"({values[name]})" if name in values else "(by decide)" for name in hypotheses)])
