"""Headers that replace a file's own header (`--header`)."""

from __future__ import annotations

from collections.abc import Sequence

from data.syntax.commands import begins_command
from data.syntax.lexer import Token, dotted_name, tokens

_NO_NAMES = frozenset(("hiding", "renaming", "in"))  # what follows in an `open`

CORE = """\
set_option autoImplicit false

notation "ℕ" => Nat
notation "ℤ" => Int
notation "ℚ" => Rat

syntax (name := lemma) (priority := default + 1)
  declModifiers group("lemma " declId ppIndent(declSig) declVal) : command
macro_rules
  | `($mods:declModifiers lemma $name $sig $val) => `($mods:declModifiers theorem $name $sig $val)

namespace BigOperators end BigOperators
namespace Real end Real
namespace Topology end Topology
namespace Rat end Rat
"""
"""What Mathlib's usual header gives to statements about numbers that core Lean can express: three notations, `lemma`,
and the namespaces that such files open. What it does not know must not pass for a variable (`ℝ` would)."""

HEADERS = {"core": CORE}


def core(header: str) -> str:
    """A header translated to core Lean: `CORE`, the namespaces that it opens, and the header without its imports.

    A namespace of which it opens some names is opened as a whole, since core Lean may not have those names; a statement
    that needs one is then the only one that fails. Options of linters, which core Lean has not all, are left out.
    """
    code = list(tokens(header))
    opened: set[str] = set()
    kept, end = [], 0
    for k, token in enumerate(code):
        replaced, after = "", k + 1
        if token.text == "import":
            after = dotted_name(code, k + 1)[1]
        elif token.text == "open":
            names, after = _opened(code, k + 1)
            opened.update(name for name in names if name != "scoped")
            replaced = " ".join(["open", *names])
        elif token.text == "set_option" and dotted_name(code, k + 1)[0].startswith("linter."):
            after = _end(code, k + 1)
        elif token.text not in ("public", "in"):  # no command follows in the header that an `in` could be for
            continue
        kept += [header[end : token.start], replaced]
        end = code[after - 1].end
    namespaces = [f"namespace {name} end {name}\n" for name in sorted(opened)]
    return "".join([CORE, *namespaces, *kept, header[end:]])


def _opened(code: Sequence[Token], k: int) -> tuple[list[str], int]:
    """The namespaces of an `open` whose word stands before a token, and the token after the command."""
    scoped = k < len(code) and code[k].text == "scoped"
    names, k = (["scoped"], k + 1) if scoped else ([], k)
    end = _end(code, k)
    while k < end and code[k].text not in _NO_NAMES:
        name, k = dotted_name(code, k)
        if not name:
            break
        names.append(name.removeprefix("_root_."))
    return names, end


def _end(code: Sequence[Token], k: int) -> int:
    """The token after the command that a token is in."""
    return next((j for j in range(k, len(code)) if begins_command(code, j)), len(code))
