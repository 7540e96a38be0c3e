"""Properties of functions that are defined in the theorem, and what is built from such functions."""

from __future__ import annotations

from data.synthesis.draft import Maker, TheoremDraft, assumed
from data.synthesis.terms import CONSTANT, factor, plain, written

_LAWS = {
    "injective": "∀ x y, f x = f y → x = y",
    "monotone": "∀ x y, x ≤ y → f x ≤ f y",
    "strict": "∀ x y, x < y → f x < f y",
    "onto": "∀ y, ∃ x, f x = y",
    "inflating": "∀ x, x ≤ f x",
    "idempotent": "∀ x, f (f x) = f x",
}


def functions(make: Maker, level: int) -> TheoremDraft:
    """A theorem about functions that are defined in it."""
    return [_values, _compositions, _used, _composed, _sums][level - 1](make)


def _values(make: Maker) -> TheoremDraft:
    """Functions written as terms, applied."""
    (x, y), (f, g) = make.names("number", 2), make.names("function", 2)
    n, k = make.randint(0, 9), make.randint(0, 9)
    inner = {x: make.randint(1, 4), CONSTANT: make.randint(0, 9)}
    value = inner[x] * k + inner[CONSTANT]
    extra = f" + {n}" if make.chance() else ""
    kind = make.randrange(3)
    if kind == 0:
        return TheoremDraft(
            f"({f} : Nat → Nat) : {f} ((fun {x} => {plain(inner)}) {k}){extra} = {f} {value}{extra}", proof="rfl"
        )
    if kind == 1:
        both = make.sample([f, g, f], 2)
        used = sorted(set(both))
        term = f"(fun {x} => {both[0]} ({both[1]} ({plain(inner)})){extra})"
        return TheoremDraft(
            f"({' '.join(used)} : Nat → Nat) : {term} {k} = {both[0]} ({both[1]} {value}){extra}", proof="rfl"
        )
    term = f"(fun {x} {y} => {f} {y} + {factor(plain(inner))})"
    return TheoremDraft(f"({f} : Nat → Nat) : {term} {k} {n} = {f} {n} + {value}", proof="rfl")


def _compositions(make: Maker) -> TheoremDraft:
    """Composition in other parentheses, as equal functions."""
    names = make.names("function", make.randint(2, 3))
    word = [make.choice(names) for _ in range(make.randint(3, 5))]

    def tree(parts: list[str]) -> str:
        if len(parts) == 1:
            return parts[0]
        at = make.randint(1, len(parts) - 1)
        left, right = tree(parts[:at]), tree(parts[at:])
        return f"{factor(left)} ∘ {factor(right)}"

    left, right = tree(word), tree(word)
    if left == right or make.chance(0.4):
        x, term = make.name("number"), ""
        term = x
        for name in reversed(word):
            term = f"{name} {factor(term)}"
        right = f"fun {x} => {term}"
    return TheoremDraft(f"({' '.join(names)} : Nat → Nat) : {left} = {right}", proof="rfl")


def _law(make: Maker, kind: str) -> tuple[str, str]:
    name = make.name("law")
    return name, f"def {name} (f : Nat → Nat) : Prop := {_LAWS[kind]}\n"


def _used(make: Maker) -> TheoremDraft:
    """A property at the values that matter."""
    kind = make.choice(["injective", "monotone", "strict", "inflating", "idempotent"])
    (name, lines), (a, b, c) = _law(make, kind), make.names("number", 3)
    names = make.names("function", 2)
    if make.chance(0.3):
        return _equal(make, kind, name, lines, names)
    word = [make.choice(names) for _ in range(make.choice([1, 1, 2, 2, 3]))]
    shifts = [make.randint(1, 9) if make.chance(0.2) else 0 for _ in word]
    used = [f for f in names if f in word]
    laws = [f"{name} {f}" for f in used]

    def image(term: str) -> str:
        for f, k in zip(word, shifts, strict=True):
            term = f"{f} {factor(f'{term} + {k}' if k else term)}"
        return term

    k, variables = make.randint(0, 4), [a, b]
    if kind == "injective":
        if make.chance(0.6):
            facts, goal = [f"{image(a)} = {image(b)}"], f"{a} = {b}"
        else:
            facts, goal = [f"{a} ≠ {b}"], f"{image(a)} ≠ {image(b)}"
    elif kind in ("monotone", "strict"):
        sign = "≤" if kind == "monotone" else "<"
        facts, last = [f"{a} {sign} {b}"], b
        if make.chance(0.4):
            facts, last, variables = [*facts, f"{b} {sign} {c}"], c, [a, b, c]
        goal = f"{image(a)} {sign} {image(last)}{f' + {k}' if k else ''}"
    elif kind == "inflating":
        facts, variables, goal = [], [a], f"{a} ≤ {image(a)}{f' + {k}' if k else ''}"
    else:
        facts, variables = [], [a]
        goal = f"{word[-1]} {factor(image(a))} = {image(a)}"
        if k:
            goal = f"{word[-1]} {factor(image(a))} + {k} = {image(a)} + {k}"
    start = f"({' '.join(used)} : Nat → Nat) ({' '.join(variables)} : Nat) "
    if make.chance(0.7):  # as premises, and not as hypotheses
        return TheoremDraft(f"{start}: {' → '.join([*make.shuffled([*laws, *facts]), goal])}", lines, f"grind [{name}]")
    given, _ = assumed(make, [*laws, *facts])
    return TheoremDraft(f"{start}{given}: {goal}", lines, f"grind [{name}]")


def _equal(make: Maker, kind: str, name: str, lines: str, names: list[str]) -> TheoremDraft:
    """What is everywhere equal to such a function, or larger by the same number, is one."""
    f, g = make.shuffled(names)
    x, inner, more = make.name("number"), "", 0
    if kind != "idempotent":
        inner, more = make.choice(["", f" + {make.randint(1, 9)}"]), make.randint(0, 9)
    value = {f"{f} ({x}{inner})" if inner else f"{f} {x}": 1, CONSTANT: more}
    given, _ = assumed(make, [f"{name} {f}", f"∀ {x}, {' = '.join(make.shuffled([f'{g} {x}', written(make, value)]))}"])
    return TheoremDraft(f"({' '.join(names)} : Nat → Nat) {given}: {name} {g}", lines, f"grind [{name}]")


def _composed(make: Maker) -> TheoremDraft:
    """A property of what is composed of functions that have it."""
    kind = make.choice(["injective", "monotone", "strict", "onto", "inflating"])
    (name, lines), x, y = _law(make, kind), "x", "y"
    names = make.names("function", make.randint(1, 3))
    word = [make.choice(names) for _ in range(make.randint(2, 4))]
    used = [f for f in names if f in word]
    given, called = assumed(make, [f"{name} {f}" for f in used])
    of = dict(zip(used, called, strict=True))
    term = x
    for f in reversed(word):
        term = f"{f} {factor(term)}"
    goal = f"{name} (fun {x} => {term})"
    if kind == "injective":
        proof = "e"
        for f in word:
            proof = f"{of[f]} _ _ {factor(proof)}"
        lines_ = [f"intro {x} {y} e", f"exact {proof}"]
    elif kind in ("monotone", "strict"):
        proof = "e"
        for f in reversed(word):
            proof = f"{of[f]} _ _ {factor(proof)}"
        lines_ = [f"intro {x} {y} e", f"exact {proof}"]
    elif kind == "inflating":
        steps, inner = [], x
        for f in reversed(word):
            steps.append(f"{of[f]} {factor(inner)}")
            inner = f"{f} {factor(inner)}"
        proof = steps[-1]
        for step in reversed(steps[:-1]):
            proof = f"Nat.le_trans {factor(step)} {factor(proof)}"
        lines_ = [f"intro {x}", f"exact {proof}"]
    else:
        lines_, at = [f"intro {y}"], y
        for k, f in enumerate(word):
            lines_.append(f"obtain ⟨u{k}, e{k}⟩ := {of[f]} {at}")
            at = f"u{k}"
        lines_.append(f"exact ⟨{at}, by simp [{', '.join(f'e{k}' for k in range(len(word)))}]⟩")
    return TheoremDraft(f"({' '.join(used)} : Nat → Nat) {given}: {goal}", lines, "\n".join(lines_))


def _sums(make: Maker) -> TheoremDraft:
    """A property of sums, multiples and shifts of functions that have it."""
    kind = make.choice(["monotone", "strict", "injective", "inflating"])
    name, lines = _law(make, kind)
    f, g = make.names("function", 2)
    a, b, c = make.randint(1, 3), make.randint(0, 2), make.randint(0, 4)
    shift = make.randint(0, 3)
    inner = f"{f} (x + {shift})" if shift else f"{f} x"
    if kind == "injective":
        b = 0
    form = {inner: a, CONSTANT: c}
    twice = ""
    if b:
        twice = make.choice([f"{g} x", f"{g} ({f} x)"])
        form = {inner: a, twice: b, CONSTANT: c}
    term = plain(form)
    given, called = assumed(make, [f"{name} {f}", f"{name} {g}"] if b else [f"{name} {f}"])
    names = [f, g] if b else [f]
    goal = f"{name} (fun x => {term})"
    hf, hg = called[0], called[-1]

    def at(v: str) -> str:
        return f"({v} + {shift})" if shift else v

    if kind == "injective":
        body = ["intro x y e", f"have := {hf} {at('x')} {at('y')} (by grind)", "omega"]
    elif kind == "inflating":
        body = ["intro x", f"have := {hf} {at('x')}"]
        if b:
            body.append(f"have := {hg} x" if twice == f"{g} x" else f"have := {hg} ({f} x)")
        body += ["simp only", "omega"]
    else:
        body = ["intro x y e", f"have := {hf} {at('x')} {at('y')} (by omega)"]
        if b and twice == f"{g} x":
            body.append(f"have := {hg} x y e")
        elif b:
            body.append(f"have := {hg} _ _ ({hf} x y e)")
        body += ["simp only", "omega"]
    return TheoremDraft(f"({' '.join(names)} : Nat → Nat) {given}: {goal}", lines, "\n".join(body))
