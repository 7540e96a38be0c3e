"""Differences of natural numbers and quotients of integers in a goal, and when they are exact."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A printed goal then has the type of every operation, so that it can be parsed, also by Lean.
EXPLICIT = "".join(
    f"set_option pp.{option} in\n" for option in ("explicit true", "notation false", "deepTerms true", "proofs true")
)
_NUMERAL = re.compile(r"\(@OfNat\.ofNat (\w+) \(nat_lit (\d+)\) (?:\([^()]*(?:\([^()]*\))?[^()]*\)|[^\s()]+)\)")
_OPERATION = re.compile(r"@H(?:Sub\.hSub (Nat) Nat Nat|Div\.hDiv (Nat|Int) (?:Nat Nat|Int Int)) ")
_ARITHMETIC = re.compile(r"@H(Add|Sub|Mul|Div|Mod|Pow)\.h\w+ \w+ \w+ \w+ ")
_SYMBOLS = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%", "Pow": "^"}
_CLOSING = {"(": ")", "[": "]", "{": "}", "⟨": "⟩"}


@dataclass(frozen=True)
class Operation:
    """`left - right` of natural numbers, or `left / right` of natural numbers or integers, in a statement.

    exact: the proposition (for Lean) that nothing is cut off. shown: the operation, for people.
    """

    shown: str
    exact: str
    is_difference: bool


def operations(goal: str) -> Iterator[Operation]:
    """Yield the operations of a goal printed with EXPLICIT, except those on two numerals."""
    text = _NUMERAL.sub(r"(\2 : \1)", " ".join(goal.split()))
    for match in _OPERATION.finditer(text):
        _, left, right = _arguments(text, match.end(), 3)
        if _is_numeral(left) and _is_numeral(right):
            continue
        is_difference = match[1] is not None
        exact = f"{right} ≤ {left}" if is_difference else f"{left} % {right} = 0"
        yield Operation(f"{_readable(left)} {'-' if is_difference else '/'} {_readable(right)}", exact, is_difference)


def _arguments(text: str, offset: int, count: int) -> list[str]:
    """Return the `count` terms that follow an offset."""
    terms = []
    for _ in range(count):
        while text[offset : offset + 1] == " ":
            offset += 1
        end = _term_end(text, offset)
        terms.append(text[offset:end])
        offset = end
    return terms


def _term_end(text: str, offset: int) -> int:
    """Return the end of the term at an offset: behind its bracket, or before the next space or bracket."""
    depth = 0
    for k in range(offset, len(text)):
        if text[k] in _CLOSING:
            depth += 1
        elif text[k] in _CLOSING.values():
            depth -= 1
            if depth <= 0:
                return k + (depth == 0)
        elif text[k] == " " and depth == 0:
            return k
    return len(text)


def _is_numeral(term: str) -> bool:
    return re.fullmatch(r"\(\d+ : \w+\)", term) is not None


def _readable(term: str) -> str:
    """Return a term as people write it."""
    if _is_numeral(term):
        return term[1:].partition(" ")[0]
    inner = term[1:-1] if term.startswith("(") else term
    if match := _ARITHMETIC.match(inner):
        _, left, right = _arguments(inner, match.end(), 3)
        return f"({_readable(left)} {_SYMBOLS[match[1]]} {_readable(right)})"
    return re.sub(r"\((\d+) : \w+\)", r"\1", inner.replace("@", ""))
