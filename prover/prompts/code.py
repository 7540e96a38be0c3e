"""Reads the proof of a theorem in a piece of Lean code that a model wrote, from its tokens, without Lean.

What cannot be read with certainty is refused. What is read wrongly costs one check: Lean judges the proof, under the
statement that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from data import Theorem
from data.syntax.commands import Command, begins_command, declared_name, snippet_commands, value_start
from data.syntax.given import given_context
from data.syntax.keywords import COMMANDS, DEFINITIONS, TACTICS, THEOREMS
from data.syntax.layout import INDENT, as_exact, block_at, lines_left, lines_right
from data.syntax.lexer import Token, is_doc, is_word, tokens
from prover.prompts.base import AnswerParseError

_CLAUSES = frozenset(("termination_by", "decreasing_by", "where"))  # they may stand at the column of the theorem
_HOLES = frozenset(("sorry", "admit"))
_AROUND_HOLES = frozenset(("by", "exact", "·", ".", "(", ")", ";"))
_BINDERS = frozenset("∀∃∑∏∐∫⨍∮⨆⨅⋃⋂⨁⨂") | {"fun", "λ", "Π", "Π₀", "Σ", "Σ'"}
_BINDERS_END = frozenset((",", "=>", "↦"))
_KEPT_WITHOUT = frozenset(  # attributes that no tactic looks for
    ("deprecated", "expose", "inherit_doc", "inline", "irreducible", "noinline", "nolint", "reducible", "stacks")
)
LONGEST = 300_000  # characters; more than 32,768 tokens of any answer


@dataclass(frozen=True)
class _Theorem:
    """A theorem in a code: indices of its tokens, and the column of the line it begins in.

    start: the first token of its command (a doc comment, attributes and modifiers are among it).
    name: empty for an `example`.
    signature: the first token after the name.
    """

    start: int
    keyword: int
    name: str
    signature: int
    column: int


class LeanSnippet:
    """A piece of Lean code, from which the proof of a theorem is read.

    last: of several that could be meant, the last one counts. Raises AnswerParseError for what is too long.
    """

    def __init__(self, text: str, theorem: Theorem, last: bool = True) -> None:
        if len(text) > LONGEST:
            raise AnswerParseError("more code than a proof can have")
        self.text = text
        self._tokens = list(tokens(text))
        self._given = given_context(theorem)
        self._commands = snippet_commands(self._tokens)
        self._declared = [d for d in map(self._theorem_at, self._commands) if d]
        self._main = self._find(last)

    @property
    def has_theorem(self) -> bool:
        """Whether the theorem is in it."""
        return self._main is not None

    @property
    def looks_like_tactics(self) -> bool:
        """Whether it begins like a proof without a statement."""
        k = self._first_of_proof()
        first = self._text_at(k)
        return first in TACTICS or first in ("by", "·", "{") or (first == ":=" and k == 0)

    def proof(self) -> tuple[str, list[str]]:
        """The proof of the theorem, from column 0, and the lines to stand before it for what the code has before it."""
        if self._lean_3():
            raise AnswerParseError("Lean 3 syntax")
        if self._main is None:
            return self._bare(), list(self._before(self._first_of_proof()))
        return self._value(self._main, self._signature_end(self._main)), list(self._before(self._main.start))

    # ---- what is where ----

    def _text_at(self, k: int) -> str:
        return self._tokens[k].text if k < len(self._tokens) else ""

    def _theorem_at(self, command: Command) -> _Theorem | None:
        """The theorem that a command is; what was asked for may be declared as something else."""
        if self._text_at(command.keyword) not in THEOREMS | {self._given.keyword}:
            return None
        name, after = declared_name(self._tokens, command.keyword)
        return _Theorem(command.start, command.keyword, name, after, command.column)

    def _find(self, last: bool) -> _Theorem | None:
        """The theorem that was asked for: by its name and statement, or by its name, or by its statement."""
        best, most = None, 0
        for declared in self._declared:
            named = bool(declared.name) and declared.name.rpartition(".")[2] == self._given.last_name
            score = 2 * named + self._same_signature(declared)
            if score > most or (last and score == most > 0):
                best, most = declared, score
        return best

    def _same_signature(self, declared: _Theorem) -> bool:
        end = declared.signature + len(self._given.signature)
        texts = [t.text for t in self._tokens[declared.signature : end]]
        return texts == self._given.signature and self._text_at(end) in (":=", "|", "where", "")

    def _signature_end(self, declared: _Theorem) -> int:
        """The `:=` or `|` after the signature: where the one that was asked for ends, or the first that can be it."""
        if self._same_signature(declared):
            return declared.signature + len(self._given.signature)
        start, depth = declared.signature, self._tokens[declared.keyword].depth
        end = next((k for k in range(start, len(self._tokens)) if self._begins_outside(k, declared)), len(self._tokens))
        value = value_start(self._tokens, start, end, depth)
        equations = self._equations_start(start, end if value is None else value, depth)
        found = value if equations is None else equations
        if found is None:
            raise AnswerParseError("no proof after the statement")
        return found

    def _begins_outside(self, k: int, declared: _Theorem) -> bool:
        """Does a line begin here that is another command?"""
        token = self._tokens[k]
        return token.breaks and token.column <= declared.column and token.text in COMMANDS

    def _equations_start(self, start: int, end: int, depth: int) -> int | None:
        """The first `|` of a proof by equations."""
        typed = False
        for k in range(start, end):
            token = self._tokens[k]
            typed = typed or (token.text == ":" and token.depth == depth)
            if token.text == "|" and token.depth == depth and token.breaks and typed and "=>" in self._line(k):
                return k
        return None

    def _line(self, k: int) -> list[str]:
        """The tokens to the end of a line."""
        end = next((i for i in range(k + 1, len(self._tokens)) if self._tokens[i].breaks), len(self._tokens))
        return [t.text for t in self._tokens[k:end]]

    # ---- proofs ----

    def _value(self, declared: _Theorem, k: int) -> str:
        """The proof that begins with the `:=` or `|` at a token, as tactics."""
        sign = self._text_at(k)
        tactics = sign == ":=" and self._text_at(k + 1) == "by"
        first = k + (sign == ":=") + tactics
        if sign not in (":=", "|") or first >= len(self._tokens):
            raise AnswerParseError("no proof after the statement")
        if self._text_at(first) == "begin":
            raise AnswerParseError("Lean 3 syntax")
        stop = self._end(declared, first)
        if stop == first:
            raise AnswerParseError("no proof after the statement")
        if tactics:
            self._no_commas(first, stop)
        else:
            self._no_where(first, stop)
        end = self._end_of_text(declared, first, stop)
        block = block_at(self.text, self._tokens[first - 1].end, end, declared.column)
        if tactics:
            return block
        if sign == "|":
            if declared.name and declared.name.rpartition(".")[2] in {t.text for t in self._tokens[first:stop]}:
                raise AnswerParseError("a recursive proof by equations")
            return "exact fun\n" + lines_right(block, INDENT)
        return as_exact(block)

    def _bare(self) -> str:
        """The code as tactics that stand alone."""
        if self._declared:
            raise AnswerParseError("a proof of another theorem")
        k = self._first_of_proof()
        if k >= len(self._tokens) or self._text_at(k) in COMMANDS - TACTICS:
            raise AnswerParseError("no proof of the theorem")
        term = self._text_at(k) == ":="
        k += term
        by = self._text_at(k) == "by"
        k += by
        if k >= len(self._tokens):
            raise AnswerParseError("no proof of the theorem")
        if self._text_at(k) == "begin":
            raise AnswerParseError("Lean 3 syntax")
        whole = _Theorem(k, k, "", k, self._tokens[k].column if self._tokens[k].breaks else -1)
        stop = self._end(whole, k)
        if stop == k:
            raise AnswerParseError("no proof of the theorem")
        if term and not by:
            self._no_where(k, stop)
        else:
            self._no_commas(k, stop)
        start = self._tokens[k - 1].end if k else 0
        proof = block_at(self.text, start, self._end_of_text(whole, k, stop))
        return as_exact(proof) if term and not by else proof

    def _first_of_proof(self) -> int:
        """The first token after imports and the like."""
        k = 0
        for c in self._commands:
            if c.start != k or self._text_at(k) not in ("import", "open", "set_option") or self._in_tactic(k):
                break
            k = next((i for i in range(c.start + 1, c.end) if self._breaks_to_tactic(i)), c.end)
        return k

    def _breaks_to_tactic(self, k: int) -> bool:
        return self._tokens[k].breaks and self._text_at(k) in TACTICS | {"by", ":=", "·"}

    def _end(self, declared: _Theorem, first: int) -> int:
        """The first token after a declaration whose proof begins at a token."""
        opening = self._tokens[first]
        loose = opening.breaks and opening.column <= declared.column  # tactics at the column of the theorem
        for k in range(first, len(self._tokens)):
            token = self._tokens[k]
            if not token.breaks or token.column > declared.column:
                continue
            if loose and token.text in ("open", "set_option") and self._in_tactic(k):
                continue
            if begins_command(self._tokens, k):
                return k
            if not loose and token.depth <= opening.depth and is_word(token) and token.text not in _CLAUSES:
                return k
        return len(self._tokens)

    def _in_tactic(self, k: int) -> bool:
        """Is this `open … in` or `set_option … in` one that a tactic follows, or another one?"""
        line = self._line(k)
        return line[-1] == "in" and self._text_at(k + len(line)) not in COMMANDS - TACTICS

    def _end_of_text(self, declared: _Theorem, first: int, stop: int) -> int:
        """The end of a declaration with the comments that belong to it: those that stand within its indentation."""
        last = end = self._tokens[stop - 1].end
        limit = self._tokens[stop].start if stop < len(self._tokens) else len(self.text)
        loose = self._tokens[first].column <= declared.column
        for line in self.text[last:limit].splitlines(keepends=True):
            margin = len(line) - len(line.lstrip())
            if end > last and line.strip() and not loose and margin <= declared.column:
                break
            end += len(line)
        after = self.text[last:end]
        return end if after.count("/-") == after.count("-/") else last

    # ---- what stands before the theorem ----

    def _before(self, limit: int) -> Iterator[str]:
        """Lines that bring into the proof what the code has before a token and the prompt has not."""
        for command in (c for c in self._commands if c.start < limit):
            piece = self._tokens[command.start : min(command.end, limit)]
            keyword = self._text_at(command.keyword)
            if keyword in ("open", "set_option"):
                yield from self._given.missing_openers(piece[command.keyword - command.start :], self.text)
            elif keyword in DEFINITIONS:
                if not self._given.declares(piece, declared_name(self._tokens, command.keyword)[0]):
                    raise AnswerParseError(f"it adds to what is given: {keyword}")
            elif keyword in THEOREMS:
                helper = self._theorem_at(command)
                if helper and helper.name and not self._known(helper, piece):
                    yield self._as_have(helper)

    def _known(self, helper: _Theorem, piece: Sequence[Token]) -> bool:
        """Is it in the prompt, or an earlier attempt at the theorem itself?"""
        return self._given.declares(piece, helper.name) or helper.name.rpartition(".")[2] == self._given.last_name

    def _as_have(self, helper: _Theorem) -> str:
        end = self._signature_end(helper)
        stop = self._end(helper, end + 1) if end + 1 < len(self._tokens) else end
        value = self._tokens[end:stop]
        lost = next((name for name in self._attributes(helper) if name not in _KEPT_WITHOUT), None)
        if lost is not None:  # a later `simp` would not find the `have`
            raise AnswerParseError(f"a helper lemma with an attribute: {lost}")
        if "." in helper.name or self._text_at(helper.signature) == ".":
            raise AnswerParseError("a helper lemma in a namespace")
        if any(t.text == helper.name for t in value):
            raise AnswerParseError("a recursive helper lemma")
        self._no_where(end, stop)
        head = self.text[self._tokens[helper.keyword + 1].start : self._tokens[end - 1].end]
        first, _, rest = head.partition("\n")
        if rest:
            inner = list(tokens(rest))
            least = min((t.column for t in inner if t.breaks), default=0) - helper.column
            moved = lines_left(rest, helper.column)
            first += "\n" + (moved if least > 0 else lines_right(moved, 4))
        return f"have {first} := by\n{lines_right(self._value(helper, end), INDENT)}"

    def _attributes(self, declared: _Theorem) -> Iterator[str]:
        """The first words of its attributes."""
        depth = self._tokens[declared.keyword].depth
        for k in range(declared.start, declared.keyword):
            if (self._text_at(k), self._tokens[k].depth) in (("[", depth), (",", depth + 1)):
                yield self._text_at(k + 1)

    def _no_where(self, start: int, stop: int) -> None:
        """Definitions after the proof belong to a declaration: a term or a `have` cannot have them."""
        if any(t.text == "where" for t in self._tokens[start:stop]):
            raise AnswerParseError("definitions after the proof: where")

    # ---- Lean 3 ----

    def _lean_3(self) -> bool:
        """Does it import files of Lean 3, which have small letters?"""
        imports = [self._text_at(c.start + 1) for c in self._commands if self._text_at(c.start) == "import"]
        return any(name[:1].islower() for name in imports)

    def _no_commas(self, start: int, stop: int) -> None:
        """Lean 3 separates tactics by commas: one at the end of a line, and the next line begins with a tactic.

        In Lean 4 it is a binder's comma, or what follows stands right of the tactics: `use 1,` and below it `rfl`.
        """
        braced = self._text_at(start) == "{"
        depth = self._tokens[start].depth + braced
        opening = self._tokens[start + braced] if start + braced < stop else self._tokens[start]
        column = opening.column if braced or opening.breaks else -1  # of the tactics; -1: there is one only
        binders: list[int] = []  # depths of those whose comma or arrow has not come
        for k in range(start, stop):
            token = self._tokens[k]
            while binders and binders[-1] > token.depth:
                binders.pop()
            if token.text in _BINDERS:
                binders.append(token.depth)
            elif token.text in _BINDERS_END and binders and binders[-1] == token.depth:
                binders.pop()
            elif token.text == "," and token.depth <= depth:
                following = self._tokens[k + 1] if k + 1 < stop else None
                if following is None or (following.breaks and self._separates(following, column)):
                    raise AnswerParseError("Lean 3 syntax")

    @staticmethod
    def _separates(following: Token, column: int) -> bool:
        """Is a comma one of Lean 3 if this begins the line below it?"""
        return following.text in ("}", "end") or (following.text in TACTICS and following.column <= column)


def only_holes(proof: str) -> bool:
    """Is there no more than `sorry` in it?"""
    words = {t.text for t in tokens(proof) if t.text not in _AROUND_HOLES and not is_doc(t)}
    return bool(words) and words <= _HOLES


def has_holes(proof: str) -> bool:
    """Does it contain a `sorry`?"""
    return any(t.text in _HOLES for t in tokens(proof))
