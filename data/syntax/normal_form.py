"""The normal form of statements, without Lean: for finding copies, and for splits that copies cannot cross."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from data.syntax.declarations import definitions
from data.syntax.keywords import THEOREMS
from data.syntax.lexer import Token, dotted_name, is_doc, is_word, tokens
from data.syntax.unbound import is_variable
from data.theorem import Theorem

_QUANTIFIERS = {"∀": ",", "∃": ",", "fun": "=>"}  # and what ends their binders
_BIG = frozenset(("∑", "∏", "Σ", "⋃", "⋂", "⨆", "⨅", "∫", "∮"))
# Where the body of a big operator ends that no bracket ends: what binds less than it.
_LOOSE = frozenset(("=", "≠", "<", ">", "≤", "≥", "∧", "∨", "→", "↔", "∈", "∉", "⊆", "∣", "≡", "+", "-"))
_OPEN = {"(": ")", "[": "]", "{": "}", "⟨": "⟩", "⦃": "⦄"}
_SAME = {"λ": "fun", "↦": "=>", "ℕ": "Nat", "ℤ": "Int", "ℚ": "Rat", "ℝ": "Real", "ℂ": "Complex", "Π": "∀"}
_GLUED = {"->": "→", "<=": "≤", ">=": "≥", "<-": "←"}
NAMED = frozenset(("def", "abbrev", "structure", "inductive", "class", "opaque", "axiom"))
_SCOPES = frozenset(("namespace", "section", "end", "open", "import", "universe", "set_option"))
_DEEPEST = 150  # brackets and binders in each other; a text with more is left as it is


def normal_form(theorem: Theorem) -> str:
    """The normal form of a statement: words with a space between them, equal for statements that differ in no more than
    their own name, modifiers, comments and white space, the names of variables and hypotheses, how binders are grouped
    (`(a b : Nat)`, `(a : Nat) (b : Nat)`, a `variable` before the theorem, and `∀` after its colon are one), and
    notations for the same (`ℕ`, `Nat`; `fun x ↦`, `λ x =>`).

    Of the text before the theorem, the definitions that it needs are part of it, and everything that may change how
    it is read (notations, instances, attributes); headers are not.

    It does not see what only Lean knows: other orders of hypotheses, `P → Q` for `(h : P) : Q`, brackets that are not
    needed, numerals with or without their type, terms that are equal by definition, other names of definitions.
    """
    return " ".join(word for part in _parts(theorem) for word in part)


def conclusion(theorem: Theorem) -> list[str]:
    """The words of `normal_form` after the binders; variables are `#` and a number."""
    return _parts(theorem)[2]


def normal_form_hash(theorem: Theorem, salt: str = "") -> bytes:
    """The SHA-256 of the salt and the normal form, 32 bytes."""
    return hashlib.sha256(f"{salt}\0{normal_form(theorem)}".encode("utf-8", "surrogatepass")).digest()


def _parts(theorem: Theorem) -> tuple[list[str], list[str], list[str]]:
    """What is defined before it, its binders, its conclusion."""
    code = plain_tokens(tokens(theorem.statement))
    kind = [] if any(token.text in THEOREMS for token in code) else [token.text for token in code[:1]]
    stated = signature_tokens(code)
    before, variables = _needed(theorem.preamble, stated)
    colon = _colon(stated)
    try:
        binders, words = _Writer().statement([*variables, *stated[:colon]], stated[colon + 1 :])
    except RecursionError:
        binders, words = [], [token.text for token in stated]
    return [*kind, *before], binders, words


def signature_tokens(code: Sequence[Token]) -> Sequence[Token]:
    """The tokens of a statement after the theorem's name."""
    start = next((k for k, token in enumerate(code) if token.text in THEOREMS), -1)
    return code[dotted_name(code, start + 1)[1] :]


def plain_tokens(given: Iterable[Token]) -> list[Token]:
    """Tokens without doc comments, and with one text for each notation of the same."""
    found: list[Token] = []
    for t in given:
        if is_doc(t):
            continue
        last = found[-1] if found else None
        if last and last.end == t.start and last.text + t.text in _GLUED:
            found[-1] = Token(_GLUED[last.text + t.text], last.start, t.end, last.column, last.breaks, last.depth)
        elif t.text[0] in "ΠΣ" and len(t.text) > 1 and is_variable(t.text[1:]):  # `Πa, f a`
            found.append(Token(_SAME.get(t.text[0], t.text[0]), t.start, t.start + 1, t.column, t.breaks, t.depth))
            found.append(Token(t.text[1:], t.start + 1, t.end, t.column + 1, False, t.depth))
        else:
            found.append(Token(_SAME.get(t.text, t.text), t.start, t.end, t.column, t.breaks, t.depth))
    return found


def _needed(preamble: Sequence[str], signature: Sequence[Token]) -> tuple[list[str], list[Token]]:
    """Of the text before a statement: the words of what it needs, and the binders of the variables it needs."""
    own = {name for group in _groups(signature[: _colon(signature)]) for name in _names(group)}
    used = {token.text for token in signature} - own
    words: list[list[str]] = []
    variables: list[Token] = []
    for given in reversed(list(definitions("".join(preamble)))):
        keyword, name, code = given.keyword, given.name, plain_tokens(given.after)
        if keyword in ("variable", "variables"):
            kept = [token for group in _groups(code) for token in _kept(group, used)]
            variables = [*kept, *variables]
            used |= {token.text for token in kept}
        elif keyword not in _SCOPES and (keyword not in NAMED or name.rpartition(".")[2] in used):
            words.append([keyword, name, *(token.text for token in code)])
            used |= {token.text for token in code}
    return [word for command in reversed(words) for word in command], variables


def _kept(group: Sequence[Token], used: set[str]) -> Sequence[Token]:
    """A group of variables with those names alone that are used; instances are all kept."""
    names = _names(group)
    if group[0].text == "[" or used.issuperset(names):
        return group if names or group[0].text == "[" else []
    if not used & set(names):
        return []
    colon = _find(group, 1, (":",), group[0].depth + 1, len(group))
    return [t for k, t in enumerate(group) if k >= colon or not is_word(t) or t.text in used]


def _colon(signature: Sequence[Token]) -> int:
    """The colon before the conclusion."""
    return next((k for k, t in enumerate(signature) if t.text == ":" and t.depth == 0), len(signature))


def _groups(code: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The groups of binders, with their brackets, and what stands between them, each token alone."""
    k = 0
    while k < len(code):
        end = _partner(code, k) + 1 if code[k].text in _OPEN else k + 1
        yield code[k:end]
        k = end


def _names(group: Sequence[Token]) -> list[str]:
    """The names that a group of binders gives."""
    if group[0].text not in _OPEN:
        return [group[0].text] if is_word(group[0]) else []
    colon = _find(group, 1, (":",), group[0].depth + 1, len(group) - 1)
    return [t.text for t in group[1:colon] if is_word(t)]


def _partner(code: Sequence[Token], k: int, limit: int | None = None) -> int:
    """The bracket that closes another, or the last token."""
    limit = len(code) if limit is None else limit
    return next((j for j in range(k + 1, limit) if code[j].depth <= code[k].depth), limit - 1)


def _find(code: Sequence[Token], k: int, signs: Sequence[str], depth: int, limit: int) -> int:
    """The first of some signs at a depth, or the limit; what is less deep ends the search."""
    for j in range(k, limit):
        if code[j].depth < depth:
            break
        if code[j].depth == depth and code[j].text in signs:
            return j
    return limit


_Names = dict[str, str]


class _Writer:
    """Writes tokens as words. Bound names become `#` and their number, in the order in which they are bound."""

    def __init__(self) -> None:
        self._number = count()
        self._out: list[str] = []
        self._depth = 0

    def statement(self, binders: Sequence[Token], rest: Sequence[Token]) -> tuple[list[str], list[str]]:
        """The words of a signature: of its binders, with those of a `∀` after its colon, and of its conclusion."""
        names: _Names = {}
        code = list(binders)
        for group in _groups(code):
            if group[0].text != ".":
                self._group("∀", ",", group, names)
        code, k = list(rest), 0
        while k < len(code) and code[k].text == "∀":
            end = _find(code, k + 1, (",",), code[k].depth, len(code))
            if end == len(code):
                break
            self._binders("∀", ",", code[k + 1 : end], names)
            k = end + 1
        binder_words, self._out = self._out, []
        self._write(code, k, len(code), names, frozenset())
        return binder_words, self._out

    def _new(self, name: str, names: _Names) -> str:
        names[name] = f"#{next(self._number)}"
        return names[name]

    def _write(self, code: Sequence[Token], k: int, limit: int, names: _Names, stops: frozenset[str]) -> int:
        """Write the tokens from `k` on, to one of `stops` at this level or to the limit; where that is."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise RecursionError
        try:
            return self._level(code, k, limit, names, stops)
        finally:
            self._depth -= 1

    def _level(self, code: Sequence[Token], k: int, limit: int, names: _Names, stops: frozenset[str]) -> int:
        start, names = k, dict(names)
        while k < limit:
            token = code[k]
            if token.text in stops and k > start:
                return k
            if token.text in _QUANTIFIERS or token.text in _BIG:
                k = self._binder(code, k, limit, names, stops)
            elif token.text in _OPEN:
                k = self._bracket(code, k, limit, names)
            else:
                if token.text in ("let", "have", "if") and k + 2 < limit and is_word(code[k + 1]):
                    self._local(code, k, names)
                elif token.text == "|":
                    self._pattern(code, k, limit, names)
                self._out.append(self._word(code, k, names))
                k += 1
        return k

    def _word(self, code: Sequence[Token], k: int, names: _Names) -> str:
        """A token; a field, or the name of an argument, is not a variable's."""
        text = code[k].text
        if text not in names:
            return text
        if k and code[k - 1].text == "." and code[k - 1].end == code[k].start:
            return text
        argument = k + 1 < len(code) and code[k + 1].text == ":=" and k and code[k - 1].text in ("(", "{", ",")
        return text if argument else names[text]

    def _local(self, code: Sequence[Token], k: int, names: _Names) -> None:
        """`let x`, `have h`, `if h : …`."""
        if code[k].text != "if" or code[k + 2].text == ":":
            self._new(code[k + 1].text, names)

    def _pattern(self, code: Sequence[Token], k: int, limit: int, names: _Names) -> None:
        """`| x, n + 1 =>`. Words in it can be constructors, so that only letters are variables."""
        end = _find(code, k + 1, ("|", "=>"), code[k].depth, limit)
        if end < limit and code[end].text == "=>":
            for token in code[k + 1 : end]:
                if is_variable(token.text):
                    self._new(token.text, names)

    def _binder(self, code: Sequence[Token], k: int, limit: int, names: _Names, stops: frozenset[str]) -> int:
        """A quantifier, a function or a sum, with its body; the token after it."""
        word = code[k].text
        sign = _QUANTIFIERS.get(word, ",")
        end = _find(code, k + 1, (sign,), code[k].depth, limit)
        if end == limit or end == k + 1 or code[end - 1].text == "'" or code[k + 1].text == "|":
            self._out.append(word)
            return k + 1
        inner = dict(names)
        if word in _BIG:
            self._out.append(word)
            infinite = code[k + 1].text == "'"  # `∑' n, …`
            self._out += ["'"] * infinite
            self._big(code[k + 1 + infinite : end], inner)
            self._out.append(sign)
            return self._write(code, end + 1, limit, inner, stops | _LOOSE)
        self._binders(word, sign, code[k + 1 : end], inner)
        return self._write(code, end + 1, limit, inner, stops)

    def _big(self, code: Sequence[Token], names: _Names) -> None:
        """The index of a sum: `i ∈ s`, `i in s`, `(i : ι) (j : κ)`."""
        words = [t for t in code if t.depth == code[0].depth]
        end = next((k for k, t in enumerate(code) if t in words and not is_word(t) and t.text not in _OPEN), len(code))
        end = next((k for k, t in enumerate(code[:end]) if t.text == "in"), end)
        before = dict(names)
        for group in _groups(code[:end]):
            if group[0].text in _OPEN:
                self._group("of", ",", group, names)
            else:
                self._out.append(self._new(group[0].text, names) if is_word(group[0]) else group[0].text)
        rest = list(code[end:])
        if rest:
            self._out.append("∈" if rest[0].text == "in" else rest[0].text)
            self._write(rest, 1, len(rest), before, frozenset())

    def _binders(self, word: str, sign: str, code: Sequence[Token], names: _Names) -> None:
        """What stands between a quantifier and its comma, one binder at a time, each with the quantifier."""
        depth = code[0].depth
        first = next(
            (k for k, t in enumerate(code) if t.depth == depth and not is_word(t) and t.text not in ("!", *_CLOSING)),
            len(code),
        )
        first = next((k for k, t in enumerate(code[:first]) if t.text == "in"), first)
        tail = code[first:]
        unique = code[0].text == "!"
        for group in _groups(code[unique:first]):
            if group[0].text in _OPEN:
                self._group(word, sign, group, names)
                continue
            self._out += [word, "!"] if unique else [word]
            before = dict(names)
            self._out.append(self._new(group[0].text, names))
            if tail:
                self._write(tail, 0, len(tail), before, frozenset())
            self._out.append(sign)

    def _group(self, word: str, sign: str, group: Sequence[Token], names: _Names) -> None:
        """`(a b : T)` as one binder for each name; `[T]` has a name that is not told; a pattern is one binder."""
        if group[0].text not in _OPEN:
            self._out += [word, self._new(group[0].text, names), sign]
            return
        inside = list(group[1:-1])
        depth = group[0].depth + 1
        colon = _find(inside, 0, (":",), depth, len(inside))
        given = inside[:colon]
        plain = all(is_word(t) for t in given)
        if group[0].text == "[" and colon == len(inside):
            given, colon = [], -1
        elif group[0].text == "⟨" or not plain:
            self._out += [word, group[0].text]
            for token in inside[:colon]:
                self._out.append(self._new(token.text, names) if is_word(token) else token.text)
            self._write(inside, colon, len(inside), names, frozenset())
            self._out += [group[-1].text, sign]
            return
        types = dict(names)
        for name in [t.text for t in given] or [""]:
            self._out += [word] if group[0].text == "(" else [word, group[0].text]
            self._out.append(self._new(name, names))
            if colon < len(inside):
                self._out.append(":")
                self._write(inside, colon + 1, len(inside), types, frozenset())
            self._out += [sign] if group[0].text == "(" else [group[-1].text, sign]

    def _bracket(self, code: Sequence[Token], k: int, limit: int, names: _Names) -> int:
        """A bracket and what is in it; the token after it."""
        end = _partner(code, k, limit)
        inner = dict(names)
        if code[k].text in ("{", "⦃"):
            for name in _set_names(code, k, end):
                self._new(name, inner)
        after = code[end + 1].text if end + 1 < limit else ""
        if after in ("→", "×") and _binds(code, k, end):
            if after == "→":
                self._group("∀", ",", code[k : end + 1], names)
                return end + 2
            for token in code[k + 1 : end]:
                if token.text == ":":
                    break
                self._new(token.text, names)
            inner = dict(names)
        self._out.append(code[k].text)
        j = k + 1
        while j < end:
            j = self._write(code, j, end, inner, frozenset((",",)))
            if j < end:
                self._out.append(code[j].text)
                j += 1
        self._out.append(code[end].text)
        return end + 1


_CLOSING = tuple(sign for pair in _OPEN.items() for sign in pair)


def _binds(code: Sequence[Token], k: int, end: int) -> bool:
    """Is a bracket before an arrow `(x y : T)`?"""
    colon = _find(code, k + 1, (":",), code[k].depth + 1, end)
    return k + 1 < colon < end and all(is_word(t) and not t.text[0].isdigit() for t in code[k + 1 : colon])


def _set_names(code: Sequence[Token], k: int, end: int) -> list[str]:
    """The names that `{x ∈ s | …}`, `{x : T // …}`, `{⟨x, y⟩ : T | …}` or `{f x | (x : T)}` binds."""
    depth = code[k].depth + 1
    bar = _find(code, k + 1, ("|", "/"), depth, end)
    if bar == end or bar == k + 1:
        return []
    left = code[k + 1 : bar]
    sign = next((j for j, t in enumerate(left) if t.depth == depth and t.text in (":", "∈", "⊆", *_LOOSE)), len(left))
    pattern = left[:sign]
    words = [t.text for t in pattern if is_word(t)]
    commas = sum(t.text == "," for t in pattern)
    if len(words) == commas + 1 and all(is_word(t) or t.text in (",", "(", ")", "⟨", "⟩") for t in pattern):
        return words
    right = code[bar + 1 : end]
    if right and right[0].text == "(":
        return [name for group in _groups(right) for name in _names(group)]
    return [right[0].text] if right and is_word(right[0]) else []
