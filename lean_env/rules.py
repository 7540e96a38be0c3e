"""What a solution may contain beyond what its challenge contains: the one list that everybody judges by.

The driver examines the syntax tree of every command before Lean runs it (embedded/driver/guard.cjs). A solution may add
lemmas and definitions. What could change the meaning of a statement, run code, hide a message or loosen the kernel is
refused, even where comparing the elaborated statements and the axioms would find it out: two locks are better than one.
"""

from __future__ import annotations

from typing import Any

_COMMAND = "Lean.Parser.Command."
_TERM = "Lean.Parser.Term."
_TACTIC = "Lean.Parser.Tactic."

COMMANDS = [
    _COMMAND + name
    for name in (
        "eoi", "moduleDoc", "namespace", "section", "end", "open", "variable", "universe", "omit", "include",
        "set_option", "attribute", "check", "print", "printAxioms", "printSig", "mutual", "in",
    )
]  # fmt: skip
DECLARATIONS = [
    *(_COMMAND + name for name in ("theorem", "definition", "abbrev", "example", "structure", "inductive")),
    "lemma",
]
MODIFIERS = ["private", "protected", "noncomputable", "nonrec"]
# They steer tactics, unfolding and compilation; none of them changes what a statement says.
ATTRIBUTES = ["simp", "grind", "reducible", "irreducible", "inline", "always_inline", "elab_as_elim", "ext"]
# A name that ends with a dot stands for all options below it. `debug.skipKernelTC`, `warn.sorry`, … are not here.
OPTIONS = [
    "maxHeartbeats", "maxRecDepth", "synthInstance.maxHeartbeats", "synthInstance.maxSize", "exponentiation.threshold",
    "autoImplicit", "relaxedAutoImplicit", "tactic.hygienic", "pp.", "linter.", "trace.Meta.", "trace.Elab.",
]  # fmt: skip
# Terms and tactics that trust compiled code, run code while elaborating, or read files.
REFUSED = [
    *(
        _TACTIC + name
        for name in ("nativeDecide", "bvDecide", "bvDecideMacro", "bvTrace", "bvTraceMacro", "bvCheck", "runTac")
    ),
    *("Lean." + name for name in ("byElab", "runElab", "runMeta", "includeStr")),
    _TERM + "unsafe",
]
SETTINGS = ["native"]  # of tactic configurations: `decide +native`

AXIOMS = frozenset({"propext", "Classical.choice", "Quot.sound"})


def request() -> dict[str, Any]:
    """The rules as the driver reads them."""
    return {
        "commands": COMMANDS,
        "declarations": DECLARATIONS,
        "modifiers": MODIFIERS,
        "attributes": ATTRIBUTES,
        "options": OPTIONS,
        "refused": REFUSED,
        "settings": SETTINGS,
    }
