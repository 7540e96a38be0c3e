"""Compares commands of a model's answer with a theorem and the text before it, by their tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from data.syntax.commands import declared_name
from data.syntax.keywords import COMMANDS, DEFINITIONS, THEOREMS
from data.syntax.lexer import Token, dotted_name, is_doc, is_word, tokens
from data.theorem import Theorem

_DECLARING = THEOREMS | DEFINITIONS


class GivenContext:
    """The tokens of a theorem's statement, and what the text before it declares and opens.

    keyword: what it is declared with; `theorem` as a rule.
    last_name: the theorem's name without its namespace.
    signature: the tokens between its name and `:=`.
    """

    def __init__(self, theorem: Theorem) -> None:
        statement = [t for t in tokens(theorem.statement) if not is_doc(t)]
        keyword = next((k for k, t in enumerate(statement) if t.text in _DECLARING), 0)
        self.keyword = statement[keyword].text if statement else ""
        name, after = declared_name(statement, keyword)
        self.last_name = (name or theorem.name).rpartition(".")[2]
        self.signature = [t.text for t in statement[after:]]
        given = [t for piece in theorem.context for t in tokens(piece) if not is_doc(t)]
        self._given = _joined([*given, *statement[:keyword]])
        self._names = {
            dotted_name(given, k + 1)[0].rpartition(".")[2] for k, t in enumerate(given) if t.text in _DECLARING
        }
        self._opened = {
            name for k, t in enumerate(given) if t.text == "open" for name in _opened_names(given[k + 1 :])[0]
        }

    def declares(self, piece: Sequence[Token], name: str) -> bool:
        """Whether this command is in the prompt, or one that declares the same name."""
        code = [t for t in piece if not is_doc(t)]
        return (bool(name) and name.rpartition(".")[2] in self._names) or _joined(code) in self._given

    def missing_openers(self, command: Sequence[Token], text: str) -> Iterator[str]:
        """An `open` or `set_option` as the head of a tactic block, unless the prompt has it."""
        command = [t for t in command if t.text != "in"]
        if self.declares(command, "") or len(command) < 2:
            return
        names, simple = _opened_names(command[1:])
        if command[0].text == "open" and simple:
            new = [name for name in names if name not in self._opened]
            if new:
                yield f"open {'scoped ' if command[1].text == 'scoped' else ''}{' '.join(new)} in"
        else:
            yield " ".join(text[command[0].start : command[-1].end].split()) + " in"


def _opened_names(following: Sequence[Token]) -> tuple[list[str], bool]:
    """The namespaces after an `open`, and whether it opens no more and no less than these."""
    k = 1 if following and following[0].text == "scoped" else 0
    names = []
    while k < len(following) and is_word(following[k]) and following[k].text not in COMMANDS | {"in", "hiding"}:
        name, k = dotted_name(following, k)
        names.append(name)
    return names, k == len(following)


@lru_cache(maxsize=16)
def given_context(theorem: Theorem) -> GivenContext:
    """The GivenContext of a theorem, cached: it serves all pieces of an answer and all answers to a prompt."""
    return GivenContext(theorem)


def _joined(code: Sequence[Token]) -> str:
    return "\0".join(("", *(t.text for t in code), ""))
