"""Finds the user's own definitions among the names of a goal."""

from prover.policy.tactics.state import Goal

# functions of the core library that `simp` and `grind` know by themselves, written as `Type.function`
LIBRARY = frozenset({"Nat", "Int", "List", "Bool", "Option", "Fin", "Array", "String", "Prod", "Function", "Sum", "Eq"})
METHODS = frozenset({".1", ".2", ".fst", ".snd", ".succ", ".pred", ".length", ".reverse", ".map", ".gcd", ".lcm"})


def definitions(goal: Goal) -> list[str]:
    """Names that are applied in the goal and are neither local nor of the library: `simp [name]` unfolds them.

    A method call `t.size` is resolved through the declared type of `t`, where `t` is a variable.
    """
    local = {h.name: h.type for h in goal.hypotheses}
    bound = {name for t in goal.subterms() for name in t.names}
    found: list[str] = []
    for t in goal.subterms():
        name = t.head
        if name.startswith(".") and name not in METHODS and t.args:
            receiver = t.args[0]
            while receiver.head.startswith(".") and receiver.args:
                receiver = receiver.args[0]
            owner = local.get(receiver.head, "").split(" ")[0]
            if owner and owner not in LIBRARY and owner not in ("ℕ", "ℤ"):
                found.append(owner + name)
        elif t.args and not t.names and name[:1].isalpha() and name.split(".")[0] not in LIBRARY | bound | set(local):
            found.append(name)
    return list(dict.fromkeys(found))
