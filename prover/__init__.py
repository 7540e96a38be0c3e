"""A neural theorem prover for Lean 4.

    import prover

    found = prover.prove("theorem t (a b : Nat) : a + b = b + a := by sorry")
    print(found.code)

`prove`, `disprove`, `check` and `evaluate` are what the commands of these names do; `prove_async` and so on are for
programs with an event loop. All is loaded when it is first used: `import prover` costs nothing. See docs/python.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "prove": "search.library",
    "prove_async": "search.library",
    "disprove": "search.library",
    "disprove_async": "search.library",
    "ProveResult": "search.library",
    "TheoremResult": "search.library",
    "Refutation": "search.negation",
    "Status": "search.prove",
    "check": "search.library",
    "check_async": "search.library",
    "evaluate": "eval.library",
    "evaluate_async": "eval.library",
    "Evaluation": "eval.library",
    "Verdict": "lean_env",
    "Reason": "lean_env",
    "Unavailable": "lean_env.errors",
    "FileError": "data.lean_file",
    "InputError": "lean_env.check",
}
"""Where each name is; `__init__.pyi` says the same to type checkers."""

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'prover' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
