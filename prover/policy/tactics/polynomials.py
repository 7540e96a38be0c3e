"""Polynomials with rational coefficients, and linear systems over them."""

from fractions import Fraction

from prover.policy.tactics.terms import Term

Monomial = tuple[tuple[str, int], ...]  # sorted by variable
Polynomial = dict[Monomial, Fraction]
MAX_DEGREE = 12


def polynomial(term: Term) -> Polynomial | None:
    """A term as a polynomial in its variables; None if it is none."""
    if term.number is not None:
        return {(): Fraction(term.number)} if term.number else {}
    if term.is_name:
        return {((term.head, 1),): Fraction(1)}
    args = [polynomial(a) for a in term.args] if term.head in ("+", "-", "*") else []
    match term.head, args:
        case "-", [dict(a)]:
            return scale(a, Fraction(-1))
        case "+", [dict(a), dict(b)]:
            return add(a, b)
        case "-", [dict(a), dict(b)]:
            return add(a, scale(b, Fraction(-1)))
        case "*", [dict(a), dict(b)]:
            return multiply(a, b)
    if term.head == "^" and (exponent := term.args[1].number) is not None and exponent <= MAX_DEGREE:
        base = polynomial(term.args[0])
        if base is None:
            return None
        result: Polynomial = {(): Fraction(1)}
        for _ in range(exponent):
            result = multiply(result, base)
        return result
    return None


def add(a: Polynomial, b: Polynomial) -> Polynomial:
    """The sum of two polynomials."""
    result = dict(a)
    for m, c in b.items():
        result[m] = result.get(m, Fraction(0)) + c
    return {m: c for m, c in result.items() if c}


def scale(a: Polynomial, by: Fraction) -> Polynomial:
    """A polynomial times a number."""
    return {m: c * by for m, c in a.items()}


def multiply(a: Polynomial, b: Polynomial) -> Polynomial:
    """The product of two polynomials."""
    result: Polynomial = {}
    for m, c in a.items():
        for n, d in b.items():
            powers = dict(m)
            for v, e in n:
                powers[v] = powers.get(v, 0) + e
            key = tuple(sorted(powers.items()))
            result[key] = result.get(key, Fraction(0)) + c * d
    return {m: c for m, c in result.items() if c}


def degree(a: Polynomial) -> int:
    """The total degree; 0 for the zero polynomial."""
    return max((sum(e for _, e in m) for m in a), default=0)


def monomials(variables: list[str], highest: int) -> list[Monomial]:
    """All monomials up to a degree."""
    found: list[dict[str, int]] = [{}]
    for v in variables:
        found = [{**m, v: e} for m in found for e in range(highest + 1 - sum(m.values()))]
    return [tuple(sorted((v, e) for v, e in m.items() if e)) for m in found]


def combination(target: Polynomial, parts: list[Polynomial]) -> list[Fraction] | None:
    """Coefficients that make the parts add up to the target (free ones are 0), or none."""
    rows_of = {m: i for i, m in enumerate({m: None for p in [target, *parts] for m in p})}
    width = len(parts)
    matrix = [[Fraction(0)] * (width + 1) for _ in rows_of]
    for j, part in enumerate([*parts, target]):
        for m, c in part.items():
            matrix[rows_of[m]][j] = c
    pivots: list[int] = []
    for column in range(width):
        row = len(pivots)
        best = next((i for i in range(row, len(matrix)) if matrix[i][column]), None)
        if best is None:
            continue
        matrix[row], matrix[best] = matrix[best], matrix[row]
        lead = matrix[row][column]
        matrix[row] = [c / lead for c in matrix[row]]
        for i, other in enumerate(matrix):
            if i != row and other[column]:
                factor = other[column]
                matrix[i] = [c - factor * p if p else c for c, p in zip(other, matrix[row], strict=True)]
        pivots.append(column)
    if any(row[-1] for row in matrix[len(pivots) :]):
        return None
    solution = [Fraction(0)] * width
    for row_index, column in enumerate(pivots):
        solution[column] = matrix[row_index][-1]
    return solution


def text(a: Polynomial) -> str:
    """The polynomial in Lean; its coefficients must be whole."""
    if not a:
        return "0"
    parts = []
    for m, c in a.items():
        factors = [f"({c})"] if c < 0 else [str(c)]
        parts.append(" * ".join(factors + [v if e == 1 else f"{v} ^ {e}" for v, e in m]))
    return " + ".join(parts)
