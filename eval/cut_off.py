"""Differences of natural numbers and quotients of whole numbers in a goal, and what to prove for them to be exact."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# With these a printed goal says the type of every operation, so that it can be read, and read by Lean again.
EXPLICIT = "".join(
    f"set_option pp.{option} in\n" for option in ("explicit true", "notation false", "deepTerms true", "proofs true")
)
_NUMERAL = re.compile(r"\(@OfNat\.ofNat (\w+) \(nat_lit (\d+)\) (?:\([^()]*(?:\([^()]*\))?[^()]*\)|[^\s()]+)\)")
_FOUND = re.compile(r"@H(?:Sub\.hSub (Nat) Nat Nat|Div\.hDiv (Nat|Int) (?:Nat Nat|Int Int)) ")
_ANY = re.compile(r"@H(Add|Sub|Mul|Div|Mod|Pow)\.h\w+ \w+ \w+ \w+ ")
_SIGNS = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%", "Pow": "^"}
_CLOSING = {"(": ")", "[": "]", "{": "}", "⟨": "⟩"}


@dataclass(frozen=True)
class Operation:
    """`left - right` of natural numbers, or `left / right` of whole ones, as it stands in a statement.

    exact: the proposition (for Lean) that nothing is cut off. shown: the operation, for people.
    """

    shown: str
    exact: str
    difference: bool


def operations(goal: str) -> Iterator[Operation]:
    """Those of a goal that was printed with EXPLICIT, but for operations on two numerals."""
    text = _NUMERAL.sub(r"(\2 : \1)", " ".join(goal.split()))
    for found in _FOUND.finditer(text):
        _, left, right = _arguments(text, found.end(), 3)
        if _is_numeral(left) and _is_numeral(right):
            continue
        difference = found[1] is not None
        exact = f"{right} ≤ {left}" if difference else f"{left} % {right} = 0"
        yield Operation(f"{_shown(left)} {'-' if difference else '/'} {_shown(right)}", exact, difference)


def _arguments(text: str, at: int, count: int) -> list[str]:
    """The terms that follow each other from a place on."""
    found = []
    for _ in range(count):
        while text[at : at + 1] == " ":
            at += 1
        end = _end(text, at)
        found.append(text[at:end])
        at = end
    return found


def _end(text: str, at: int) -> int:
    """Where a term ends that begins at a place: behind its bracket, or before the next space or bracket."""
    depth = 0
    for k in range(at, len(text)):
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


def _shown(term: str) -> str:
    if _is_numeral(term):
        return term[1:].partition(" ")[0]
    inner = term[1:-1] if term.startswith("(") else term
    if found := _ANY.match(inner):
        _, left, right = _arguments(inner, found.end(), 3)
        return f"({_shown(left)} {_SIGNS[found[1]]} {_shown(right)})"
    return re.sub(r"\((\d+) : \w+\)", r"\1", inner.replace("@", ""))
