"""Finds intervals for the variables of a goal, with Lean proofs of the bounds."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from prover.policy.tactics.state import Goal
from prover.policy.tactics.terms import Term, parts, value

Interval = tuple[int | None, int | None]
Relation = tuple[Term, Term, int]  # left + shift ≤ right
LIMIT = 4000  # no bound beyond this is of use to an enumeration
NEGATED = {"≤": ">", "<": "≥", "≥": "<", ">": "≤"}


@dataclass
class Box:
    """An interval for each numeric variable, and the Lean lines that prove them."""

    naturals: frozenset[str]
    intervals: dict[str, Interval]
    lines: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # hypotheses the lines add

    def bounded(self) -> dict[str, tuple[int, int]]:
        return {v: (lo, hi) for v, (lo, hi) in self.intervals.items() if lo is not None and hi is not None}

    def of(self, term: Term, natural: bool) -> Interval:
        """An interval that holds the term's value."""
        if (known := value(term, {}, natural, 4096)) is not None:
            return known, known
        if term.is_name:
            return self.intervals.get(term.head, (0 if natural else None, None))
        floor: Interval = (0 if natural else None, None)
        if term.head == "↑":
            return self.of(term.args[0], True)
        if len(term.args) != 2:
            return floor
        (a, b), (c, d) = (self.of(t, natural) for t in term.args)
        match term.head:
            case "+":
                return _add(a, c), _add(b, d)
            case "-" if natural:
                return max(0, a - d) if a is not None and d is not None else 0, b if c is None else _add(b, -c)
            case "-":
                return (a - d if a is not None and d is not None else None,
                        b - c if b is not None and c is not None else None)  # fmt: skip
            case "*" if a is not None and b is not None and c is not None and d is not None:
                corners = [a * c, a * d, b * c, b * d]
                return min(corners), max(corners)
            case "*" if a is not None and c is not None and a >= 0 and c >= 0:
                return a * c, 0 if 0 in (b, d) else None
            case "^" if a is not None and c is not None and a >= 0 and c >= 0:
                high = b**d if b is not None and d is not None and b.bit_length() * d < 4096 else None
                return (a**c if a.bit_length() * c < 4096 else 2**4096), high
            case "^" if c is not None and c == d and c % 2 == 0:
                return (abs(b) ** c if b is not None and b < 0 and abs(b) < LIMIT else 0), None
            case "%" if c is not None and c == d and c > 0:
                return 0, c - 1
            case _:
                return floor


def _add(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


def relations(terms: list[Term]) -> list[Relation]:
    """All comparisons among the terms; conjunctions are split."""
    found: list[Relation] = []
    for term in (p for t in terms for p in parts(t, "∧")):
        if term.head == "¬" and term.args[0].head in NEGATED:
            term = Term(NEGATED[term.args[0].head], term.args[0].args)
        if len(term.args) != 2:
            continue
        left, right = term.args
        match term.head:
            case "=":
                found += [(left, right, 0), (right, left, 0)]
            case "≤":
                found.append((left, right, 0))
            case "<":
                found.append((left, right, 1))
            case "≥":
                found.append((right, left, 0))
            case ">":
                found.append((right, left, 1))
    return found


def natural_copies(goal: Goal, box: Box) -> Goal:
    """Integer variables known to be nonnegative become casts of naturals of the same name with a prime."""
    for name in goal.integers:
        low = box.intervals[name][0]
        if low is None or low < 0:
            continue
        goal = as_natural(goal, name, 0)
    return goal


def as_natural(goal: Goal, name: str, least: int) -> Goal:
    """The integer `name`, known to `omega` to be at least `least`, becomes `↑name' + least`."""
    copy = name + "'"
    shift = f" - {-least}" if least else ""
    back = f" + {-least}" if least else ""
    line = f"obtain ⟨{copy}, rfl⟩ : ∃ k : Nat, {name} = (k : Int){shift} := ⟨({name}{back}).toNat, by omega⟩"
    new = Term("↑", (Term(copy),))
    if least:
        new = Term("-", (new, Term(str(-least))))
    hypotheses = [
        replace(h, name=copy, type="Nat", term=Term("Nat"))
        if h.name == name
        else replace(h, term=h.term.replace(name, new))
        if h.term
        else h
        for h in goal.hypotheses
    ]
    target = goal.term.replace(name, new) if goal.term else None
    return Goal(tuple(hypotheses), str(target), target, (*goal.prefix, line))


def _is_natural(relation: Relation, goal: Goal) -> bool:
    integers = set(goal.integers)
    return not any(t.head in integers or t.head == "↑" for side in relation[:2] for t in side.walk())


def linear_box(goal: Goal) -> Box:
    """Intervals before any proof: naturals from 0, and what follows for integers by comparisons `omega` sees."""
    box = Box(frozenset(goal.naturals), {v: (0, None) for v in goal.naturals})
    box.intervals |= {v: (None, None) for v in goal.integers}
    found = relations([h.term for h in goal.facts if h.term])
    _tighten(box, found, goal, lambda *_: None)
    return box


def proved_box(goal: Goal) -> Box:
    """Intervals of all variables with Lean proofs: monotone lower bounds of products and powers, then `omega`."""
    box = Box(frozenset(goal.naturals), {v: (0, None) for v in goal.naturals})
    box.intervals |= {v: (None, None) for v in goal.integers}
    found = relations([h.term for h in goal.facts if h.term])
    found += _divisor_relations(goal, box)
    monomials = _monomials(goal)

    def record(name: str, high: bool, bound: int) -> None:
        label = f"{'hi' if high else 'lo'}_{name}_{len(box.lines)}"
        box.names.append(label)
        if not high:
            box.lines.append(
                f"have {label} : {bound} ≤ {name} := by\n"
                f"  first\n  | omega\n  | exact Nat.pos_of_ne_zero fun hz => by subst hz; first | omega | simp_all"
            )
            return
        lows = {v: lo or 0 for v, (lo, _) in box.intervals.items() if v in box.naturals} | {name: bound + 1}
        known = {v: f"lo_{v}" for v in lows} | {name: "hc"}
        steps = [f"have lo_{v} : {low} ≤ {v} := by omega" for v, low in lows.items() if v != name]
        for monomial in monomials:
            proof = lower_proof(monomial, lows, known)
            if proof:  # also when it says no more than "not negative": integers need that
                steps.append(f"have : {proof[1]} ≤ {_uncast(monomial)} := {proof[2]}")
        lemma = "Nat.le_of_not_lt" if name in box.naturals else "Int.not_lt.mp"
        body = "".join(f"\n    {step}" for step in [*steps, "omega"])
        box.lines.append(
            f"have {label} : {name} ≤ {bound} := by\n  first\n  | omega\n  | refine {lemma} fun hc => ?_{body}"
        )

    _bound_by_squares(box, found, goal)
    _tighten(box, found, goal, record)
    return box


def _bound_by_squares(box: Box, found: list[Relation], goal: Goal) -> None:
    """An integer is bounded by an even power of it in a sum that is bounded."""
    squares = [f"have := Int.sq_nonnneg {v}" for v in goal.integers]
    for name in goal.integers:
        if box.intervals[name] != (None, None):
            continue
        for relation in found:
            if not any(t.head == "^" and t.args[0].head == name for t in relation[0].walk()):
                continue

            def impossible(outside: Interval, relation: Relation = relation, name: str = name) -> bool:
                box.intervals[name] = outside
                least, most = box.of(relation[0], False)[0], box.of(relation[1], False)[1]
                box.intervals[name] = (None, None)
                return least is not None and most is not None and least + relation[2] > most

            bound = next((k for k in range(200) if impossible((k + 1, None)) and impossible((None, -k - 1))), None)
            if bound is None:
                continue
            label = f"sq_{name}"
            steps = [*squares, "have := Int.mul_le_mul hc hc (by decide) (by omega)", "grind"]
            cases = "".join(
                f"\n  · have hc : {bound + 1} ≤ {side} := by omega" + "".join(f"\n    {step}" for step in steps)
                for side in (f"-{name}", name)
            )
            box.lines.append(
                f"have {label} : -{bound} ≤ {name} ∧ {name} ≤ {bound} := by\n"
                f"  refine ⟨Int.not_lt.mp fun hc => ?_, Int.not_lt.mp fun hc => ?_⟩{cases}"
            )
            box.names.append(label)
            box.intervals[name] = (-bound, bound)
            break


def _tighten(box: Box, found: list[Relation], goal: Goal, record: Callable[[str, bool, int], None]) -> None:
    for _ in range(4):
        before = dict(box.intervals)
        for name in list(box.intervals):
            for relation in found:
                natural = _is_natural(relation, goal)
                if not any(side.mentions(name) for side in relation[:2]):
                    continue
                lo, hi = box.intervals[name]
                new_lo = _push(box, relation, name, natural, up=False)
                if new_lo is not None and (lo is None or new_lo > lo):
                    record(name, False, new_lo)
                    lo = new_lo
                    box.intervals[name] = (lo, hi)
                new_hi = _push(box, relation, name, natural, up=True)
                if new_hi is not None and (hi is None or new_hi * 2 < hi):
                    record(name, True, new_hi)
                    box.intervals[name] = (lo, new_hi)
        if box.intervals == before:
            return


def _push(box: Box, relation: Relation, name: str, natural: bool, up: bool) -> int | None:
    """The best new upper (`up`) or lower bound of `name` from one comparison, or none."""
    left, right, shift = relation
    lo, hi = box.intervals[name]

    def impossible(bound: int) -> bool:
        box.intervals[name] = (bound + 1, None) if up else (lo, bound - 1)
        least, most = box.of(left, natural)[0], box.of(right, natural)[1]
        box.intervals[name] = (lo, hi)
        return least is not None and most is not None and least + shift > most

    if up:
        provable = name in box.naturals and lower_proof(left, {}, {}) is not None
        if not provable and not (_is_linear(left) and _is_linear(right)):
            return None
        start = -LIMIT if lo is None else lo
        width = next((w for w in (2**k for k in range(14)) if impossible(start + w - 1)), None)
        if width is None:
            return None
        low, high = start + width // 2 - 1, start + width - 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if impossible(middle) else (middle, high)
        return high if high <= LIMIT else None
    if not (_is_linear(left) and _is_linear(right)):
        # what is not linear is only used to show that a natural is not 0
        if lo != 0 or name not in box.naturals:
            return None
        plain = Box(box.naturals, {v: (low, None) for v, (low, _) in box.intervals.items()} | {name: (0, 0)})
        least, most = plain.of(left, natural)[0], plain.of(right, natural)[1]
        return 1 if least is not None and most is not None and least + shift > most else None
    low, high = -LIMIT if lo is None else lo, LIMIT if hi is None else hi + 1
    if not impossible(low):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if impossible(middle) else (low, middle)
    return low


def _is_linear(term: Term) -> bool:
    if term.head == "*" and len(term.args) == 2:
        return any(value(a, {}) is not None for a in term.args) and all(_is_linear(a) for a in term.args)
    if term.head in ("^", "/", "%"):
        return value(term, {}) is not None
    return all(_is_linear(a) for a in term.args)


def _monomials(goal: Goal) -> list[Term]:
    """Largest products and powers in which lower bounds of the variables give lower bounds."""
    found: list[Term] = []

    def visit(term: Term) -> None:
        nonlinear = term.head in ("*", "^") and len(term.args) == 2 and value(term, {}) is None
        if nonlinear and lower_proof(term, {}, {}) is not None:
            found.append(term)
            return
        if term.head in ("∀", "∃", "fun"):
            return
        for arg in term.args:
            visit(arg)

    for h in goal.facts:
        if h.term:
            visit(h.term)
    return list(dict.fromkeys(found))


def _uncast(term: Term) -> Term:
    if term.head == "↑":
        return _uncast(term.args[0])
    return Term(term.head, tuple(_uncast(a) for a in term.args), term.names, term.type)


def lower_proof(term: Term, lows: dict[str, int], names: dict[str, str]) -> tuple[int, str, str] | None:
    """Over Nat: a lower bound of the term, the bound as text, and a proof term of `bound ≤ term`."""
    if term.head == "↑":
        return lower_proof(term.args[0], lows, names)
    if term.number is not None:
        return term.number, term.head, "Nat.le_refl _"
    if term.is_name:
        low = lows.get(term.head, 0)
        return low, str(low), names.get(term.head, "_")
    if len(term.args) != 2 or term.head not in ("+", "*", "^"):
        return None  # a difference is not monotone
    a = lower_proof(term.args[0], lows, names)
    b = lower_proof(term.args[1], lows, names)
    if a is None or b is None:
        return None
    if term.head == "+":
        return a[0] + b[0], f"({a[1]} + {b[1]})", f"Nat.add_le_add ({a[2]}) ({b[2]})"
    if term.head == "*":
        return a[0] * b[0], f"({a[1]} * {b[1]})", f"Nat.mul_le_mul ({a[2]}) ({b[2]})"
    if (exponent := term.args[1].number) is not None:
        if a[0].bit_length() * exponent > 4096:
            return None
        return a[0] ** exponent, f"({a[1]} ^ {exponent})", f"Nat.pow_le_pow_left ({a[2]}) {exponent}"
    base = term.args[0].number
    if base is not None and base > 0 and base.bit_length() * b[0] < 4096:
        return base ** b[0], f"({base} ^ {b[1]})", f"Nat.pow_le_pow_right (by decide) ({b[2]})"
    return None


def _divisor_relations(goal: Goal, box: Box) -> list[Relation]:
    """A factor of a nonzero integer lies between minus and plus its size."""
    found: list[Relation] = []
    integers = set(goal.integers)
    for h in goal.facts:
        if not h.term or h.term.head != "=" or not any(t.head in integers for t in h.term.walk()):
            continue
        product, total = h.term.args
        size = value(total, {}, False)
        factors = parts(product, "*")
        if size is None or not 0 < abs(size) <= LIMIT or len(factors) < 2:
            continue
        for k, factor in enumerate(factors):
            if not (factor.is_name and factor.head in integers):
                continue
            others = " * ".join(str(f) for i, f in enumerate(factors) if i != k)
            label = f"dv_{len(box.lines)}"
            box.lines.append(
                f"have {label} : {factor} ∣ {abs(size)} := "
                f"⟨{'-' if size < 0 else ''}({others}), by have := {h.name}; grind⟩\n"
                f"have {label}_hi := Int.le_of_dvd (by decide) {label}\n"
                f"have {label}_lo := Int.le_of_dvd (by decide) (Int.neg_dvd.mpr {label})"
            )
            box.names += [label, f"{label}_hi", f"{label}_lo"]
            bound = Term(str(abs(size)))
            found += [(factor, bound, 0), (Term("-", (Term("0"), bound)), factor, 0)]
    return found
