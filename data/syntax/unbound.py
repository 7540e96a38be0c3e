"""Names in a statement that look like variables and that nobody binds, found without Lean.

Outside of Mathlib's own build Lean binds such a name by itself, as a variable of whatever type fits, so that a misprint
can make a theorem about something else, or about nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from data.syntax.keywords import COMMANDS, THEOREMS
from data.syntax.lexer import Token, dotted_name, is_doc, is_word, tokens
from data.theorem import Theorem

# One Latin or Greek letter, with digits. Left out: `λ`, and what Mathlib has a constant or notation for (`X`, `π`, …).
_VARIABLE = re.compile(r"(?![CITUXΓΘΛΠΣΩελζμπσφψω])[a-zA-ZΑ-Ωα-ω][₀-₉0-9']*")
_BINDERS = frozenset(("∀", "∃", "λ", "fun", "∑", "∏", "⋃", "⋂", "∫", "⨆", "⨅", "Σ", "Π", "let", "have"))
_GLUED = ("Π", "Σ")  # letters to Lean's eyes where a name follows at once: `Πa, f a`
_BRACKETS = frozenset("(){}⟨⟩[]⦃⦄")
_BETWEEN = _BRACKETS | {"!", "'", ",", "_"}  # what stands between the names of a binder
_IN_CASES = _BETWEEN | {"+", "."}  # of a `match`, between `|` and `=>`
_NAMED = THEOREMS | {"def", "abbrev", "instance"}  # of these the text after them knows no more than the name


def unbound(theorem: Theorem) -> list[str]:
    """The names in a statement that look like variables and are neither bound nor declared before it, in order."""
    code = [token for token in tokens(theorem.statement) if not is_doc(token)]
    known = {*bound_names(code), *(name for piece in theorem.context for name in _declared(list(tokens(piece))))}
    keyword = next((k for k, token in enumerate(code) if token.text in THEOREMS), 0)
    signature = dotted_name(code, keyword + 1)[1]
    free = [
        token.text
        for before, token in zip(code[signature - 1 :], code[signature:], strict=False)
        if is_variable(token.text) and token.text not in known and not _belongs(before, token)
    ]
    return list(dict.fromkeys(free))


def is_variable(name: str) -> bool:
    """Whether a name is what authors call a variable: one letter, with digits (no `ℝ`, no word, no `π`)."""
    return _VARIABLE.fullmatch(name) is not None


def _belongs(before: Token, token: Token) -> bool:
    """Is it a field (`h.a`), or a letter of an arrow (`→L[ℂ]`)?"""
    return before.text == "." or (before.text in ("→", "≃", "↪") and before.end == token.start)


def bound_names(code: Sequence[Token]) -> Iterator[str]:
    """The names that a statement binds, wherever it does."""
    colon = next((k for k, token in enumerate(code) if token.text == ":" and token.depth == 0), len(code))
    for k, token in enumerate(code):
        if token.text.startswith(_GLUED):
            yield token.text[1:]
        if token.text in _BINDERS or token.text.startswith(_GLUED):
            yield from _pattern(code, k)
        elif token.text in ("{", "⦃"):
            yield from _set(code, k)
        elif token.text in ("|", "if"):
            yield from _until(code, k, ("=>",) if token.text == "|" else (":",))
        elif token.text in _BRACKETS:
            # `(x : ℝ)` in the middle of a term tells the type of an `x` that somebody else has to bind.
            declares = (token.depth == 0 and k < colon) or _closed(code, k) in ("→", "×")
            yield from _until(code, k, (":", ")", "}") if declares else (":=",))


def _pattern(code: Sequence[Token], k: int) -> Iterator[str]:
    """The names after a binder: `x y`, `(x y : ℝ) {z : ℝ}`, `⟨x, y⟩`; types are left out."""
    depth, typed = code[k].depth, False
    for token in code[k + 1 :]:
        if token.depth <= depth:
            typed = False
            if token.text in ("in", ",") or not (is_word(token) or token.text in _BETWEEN):
                return
        if is_word(token) and not typed:
            yield token.text
        typed = typed or token.text == ":"


def _set(code: Sequence[Token], k: int) -> Iterator[str]:
    """The names that `{x ∈ s | …}`, `{⟨x, y⟩ : T | …}`, `{x : T // …}` or `{f x | (x : T)}` binds."""
    inside = [token for token in code[k + 1 : _partner(code, k)] if token.depth > code[k].depth]
    if not any(token.text in ("|", "/", ":") and token.depth == code[k].depth + 1 for token in inside):
        return
    typed = False
    for token in inside:
        if token.text == "(":
            typed = False
        elif token.text == ":" or (token.depth == code[k].depth + 1 and not (is_word(token) or token.text in _BETWEEN)):
            typed = True
        elif is_word(token) and not typed:
            yield token.text


def _until(code: Sequence[Token], k: int, signs: Sequence[str]) -> Iterator[str]:
    """The words after a token, if nothing else stands between it and one of some signs."""
    names: list[str] = []
    for token in code[k + 1 :]:
        if token.text in signs:
            yield from names
        if not is_word(token) and not ("=>" in signs and token.text in _IN_CASES):
            return
        names.append(token.text)


def _partner(code: Sequence[Token], k: int) -> int:
    """The bracket that closes another."""
    return next((j for j in range(k + 1, len(code)) if code[j].depth <= code[k].depth), len(code))


def _closed(code: Sequence[Token], k: int) -> str:
    """What follows a bracket's partner."""
    after = _partner(code, k) + 1
    return code[after].text if after < len(code) else ""


def _declared(code: Sequence[Token]) -> Iterator[str]:
    """The names that a text before the statement may give a meaning to; of a notation, all that is in it."""
    word = ""
    for k, token in enumerate(code):
        if token.text in COMMANDS:
            word = token.text
        elif word not in _NAMED or code[k - 1].text == word:
            yield token.text.strip('" ')
