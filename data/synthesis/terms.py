"""Linear forms, and the ways to write them as Lean terms."""

from __future__ import annotations

from collections.abc import Mapping

from data.synthesis.draft import Maker

CONSTANT = ""  # the key of a form's constant part

Form = Mapping[str, int]  # variable: coefficient, all ≥ 0


def form(make: Maker, variables: list[str], most: int = 4, constant: int = 6) -> dict[str, int]:
    """A random form in which each of the variables occurs."""
    found = {v: make.randint(1, most) if make.chance() else 1 for v in variables}
    return found | {CONSTANT: make.randint(0, constant)}


def plus(*forms: Form) -> dict[str, int]:
    """The sum of linear forms."""
    total: dict[str, int] = {}
    for f in forms:
        for key, value in f.items():
            total[key] = total.get(key, 0) + value
    return total


def times(factor: int, f: Form) -> dict[str, int]:
    """A linear form times a number."""
    return {key: factor * value for key, value in f.items()}


def plain(f: Form) -> str:
    """A linear form as a term, written plainly: variables in their order, the constant last."""
    return " + ".join(_parts(f)) or "0"


def written(make: Maker, f: Form) -> str:
    """A linear form as a term, written at random: any order, any parentheses, multiples as sums."""
    parts: list[str] = []
    for key, value in f.items():
        if value > 1 and make.chance(0.4):
            first = make.randint(1, value - 1)
            parts += [*_parts({key: first}), *_parts({key: value - first})]
        else:
            parts += _parts({key: value})
    parts = make.shuffled(parts) or ["0"]
    while len(parts) > 1:
        at = make.randrange(len(parts) - 1)
        right = f"({parts[at + 1]})" if " + " in parts[at + 1] else parts[at + 1]
        parts[at : at + 2] = [f"{parts[at]} + {right}"]
    return parts[0]


def _parts(f: Form) -> list[str]:
    variables = [(k, v) for k, v in f.items() if k != CONSTANT and v]
    shown = [k if v == 1 else f"{v} * {k}" for k, v in variables]
    return [*shown, str(f[CONSTANT])] if f.get(CONSTANT) else shown


def factor(text: str) -> str:
    """A term as an argument or a factor: in parentheses, unless it is a name or a numeral."""
    return f"({text})" if " " in text else text
