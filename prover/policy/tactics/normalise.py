"""Simplifies goals by steps that lose nothing: naming hypotheses, `intro`, splitting conjunctions and existentials."""

from dataclasses import replace

from prover.policy.tactics.state import Goal, Hypothesis, is_proposition
from prover.policy.tactics.terms import Term, value

HUGE = 10**9
MAX_STEPS = 40  # a bound for states with absurdly many conjunctions


def accessible(goal: Goal) -> Goal:
    """The goal with names for its inaccessible hypotheses (`h✝`), by `rename_i`."""
    hidden = [h.name for h in goal.hypotheses if "✝" in h.name]
    if not hidden:
        return goal
    taken = {h.name for h in goal.hypotheses}
    fresh: list[str] = []
    hypotheses: list[Hypothesis] = []
    for h in goal.hypotheses:
        if "✝" in h.name:
            fresh.append(_fresh("hid", taken))
            hypotheses.append(replace(h, name=fresh[-1]))
        else:
            hypotheses.append(h)
    return replace(goal, hypotheses=tuple(hypotheses), prefix=(*goal.prefix, "rename_i " + " ".join(fresh)))


def introduced(goal: Goal) -> Goal:
    """The goal with ∀, → and ¬ of its target as hypotheses."""
    taken = {h.name for h in goal.hypotheses}
    hypotheses = list(goal.hypotheses)
    target = goal.term
    names: list[str] = []
    while target is not None and target.head in ("∀", "→", "¬") and len(names) < MAX_STEPS:
        if target.head == "∀":
            body = target.args[0]
            for bound in target.names:
                name = _fresh(bound, taken) if bound in taken else bound
                taken.add(name)
                body = body.replace(bound, Term(name)) if name != bound else body
                names.append(name)
                hypotheses.append(Hypothesis(name, target.type, Term(target.type)))
            target = body
        else:
            premise = target.args[0]
            names.append(_fresh("hyp", taken))
            hypotheses.append(Hypothesis(names[-1], str(premise), premise))
            target = target.args[1] if target.head == "→" else Term("False")
    if not names:
        return goal
    return Goal(tuple(hypotheses), str(target), target, (*goal.prefix, "intro " + " ".join(names)))


def flattened(goal: Goal) -> Goal:
    """The goal with hypotheses `p ∧ q` and `∃ x, p x` split."""
    taken = {h.name for h in goal.hypotheses}
    hypotheses: list[Hypothesis] = []
    prefix = list(goal.prefix)
    queue = list(goal.hypotheses)
    for _ in range(MAX_STEPS + len(queue)):
        if not queue:
            break
        h = queue.pop(0)
        if h.term is not None and h.term.head == "∧":
            left, right = _fresh(h.name, taken), _fresh(h.name, taken)
            prefix.append(f"obtain ⟨{left}, {right}⟩ := {h.name}")
            queue[:0] = [Hypothesis(n, str(t), t) for n, t in zip((left, right), h.term.args, strict=True)]
        elif h.term is not None and h.term.head == "∃" and len(h.term.names) == 1:
            witness, proof = _fresh(h.term.names[0], taken), _fresh(h.name, taken)
            prefix.append(f"obtain ⟨{witness}, {proof}⟩ := {h.name}")
            body = h.term.args[0].replace(h.term.names[0], Term(witness))
            queue[:0] = [Hypothesis(witness, h.term.type, Term(h.term.type or "_")), Hypothesis(proof, str(body), body)]
        else:
            hypotheses.append(h)
    return replace(goal, hypotheses=tuple(hypotheses + queue), prefix=tuple(prefix))


def substituted(goal: Goal) -> Goal:
    """The goal with variables replaced by their definitions, hypotheses `x = t`."""
    for h in goal.facts:
        assert h.term is not None
        if h.term.head != "=":
            continue
        for variable, definition in (h.term.args, h.term.args[::-1]):
            declared = variable.is_name and any(
                v.name == variable.head and not (v.term and is_proposition(v.term)) for v in goal.hypotheses
            )
            if declared and not definition.mentions(variable.head) and not _is_huge(definition):
                rest = [
                    replace(g, type=str(t), term=t)
                    if g.term is not None and (t := g.term.replace(variable.head, definition)) != g.term
                    else g
                    for g in goal.hypotheses
                    if g.name not in (h.name, variable.head)
                ]
                target = goal.term.replace(variable.head, definition) if goal.term else None
                new = Goal(tuple(rest), str(target), target, (*goal.prefix, f"subst {h.name}"))
                return substituted(new)
    return goal


def _is_huge(term: Term) -> bool:
    """Whether a numeral is so large that tactics fail on larger terms with it."""
    known = value(term, {}, limit=4096)
    # a power of numerals without a value is too large to be worth one
    too_large = any(t.head == "^" and all(s.number is not None for s in t.args) and value(t, {}, limit=4096) is None
                    for t in term.walk())  # fmt: skip
    return too_large or (known is not None and abs(known) > HUGE)


def normalised(goal: Goal) -> Goal:
    """The goal after all steps but substitution, which can hide the shape of a statement."""
    return flattened(introduced(accessible(goal)))


def _fresh(stem: str, taken: set[str]) -> str:
    stem = stem.rstrip("✝")
    k = 1
    while f"{stem}_{k}" in taken:
        k += 1
    taken.add(f"{stem}_{k}")
    return f"{stem}_{k}"
