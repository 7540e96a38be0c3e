"""The rules for solutions: what a solution may contain beyond what its challenge contains.

The driver examines the syntax tree of every command before Lean runs it (embedded/driver/guard.cjs), and Lean's
interpreter refuses to run code of a solution (embedded/driver/evaluation.cjs). A solution may add lemmas and
definitions. What could change the meaning of a statement, run code, hide a message or loosen the kernel is refused,
even where comparing the elaborated statements and the axioms would find it out: two locks are better than one.
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
MODIFIERS = ["private", "protected", "noncomputable", "nonrec", "public"]
# They steer tactics, unfolding and compilation; none of them changes what a statement says. (`expose`: in a `module`.)
ATTRIBUTES = ["simp", "grind", "reducible", "irreducible", "inline", "always_inline", "elab_as_elim", "ext", "expose"]
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
    _COMMAND + "versoCommentBody",  # a doc comment under `doc.verso`: it may hold code
]
SETTINGS = ["native"]  # of tactic configurations: `decide +native`
# Last parts of names that make Lean evaluate code of the text, or that let one type pass for another in compiled code.
NAMES = [
    "autoParam", "reduceBool", "reduceNat", "ofReduceBool", "ofReduceNat", "trustCompiler",
    "unsafeCast", "unsafeIO", "unsafeEIO", "unsafeBaseIO", "ptrAddrUnsafe", "lcProof", "lcUnreachable",
]  # fmt: skip
# Words without which nothing can be run: where one of them occurs, the whole text is examined before any of it is run.
DANGEROUS = [
    "unsafe", "extern", "export", "implemented_by", "opaque", "csimp", "init", "macro", "elab", "syntax", "simproc",
    "#eval", "run_", "native",
]  # fmt: skip

AXIOMS = frozenset({"propext", "Classical.choice", "Quot.sound"})


def to_json() -> dict[str, Any]:
    """The rules in the form that the driver reads (embedded/driver/guard.cjs)."""
    return {
        "commands": COMMANDS,
        "declarations": DECLARATIONS,
        "modifiers": MODIFIERS,
        "attributes": ATTRIBUTES,
        "options": OPTIONS,
        "refused": REFUSED,
        "settings": SETTINGS,
        "names": NAMES,
        "dangerous": DANGEROUS,
    }
