"""Reads theorems and definitions in a Lean file without Lean, for files that the Lean at hand cannot elaborate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from data.syntax.commands import HEADER, Command, file_commands, value_start
from data.syntax.keywords import THEOREMS
from data.syntax.lexer import Token, dotted_name, is_doc, tokens
from data.theorem import Theorem, informal_text

_DATA = frozenset(("def", "abbrev", "instance"))  # ProofNet asks for some structures, too


class SourceError(Exception):
    """A text holds no theorem that could be read; str() says why."""


def read_theorem(text: str, name: str = "", source: str = "") -> Theorem:
    """Read the theorem of a file with this full name, or the file's last one, whatever its proof is.

    In a file without theorems it is a definition; no verdict can call such a thing proved.

    What stands before it is its header and preamble. Raises SourceError.
    """
    code = list(tokens(text))
    commands = file_commands(code)
    names = dict(_names(code, commands, THEOREMS) or _names(code, commands, _DATA))
    found = [place for place in names if not name or names[place] == name]
    if not found:
        have = ", ".join(names.values()) or "none"
        raise SourceError(
            f"{source}: no theorem is called {name}; there is: {have}" if name else f"{source}: no theorem"
        )
    place = found[-1]
    return _theorem(text, code, commands, place, names[place], source)


def open_theorems(text: str) -> list[str]:
    """The full names of a file's theorems whose proof has a `sorry`, in order."""
    code = list(tokens(text))
    commands = file_commands(code)
    ends = [(name, commands[place]) for place, name in _names(code, commands, THEOREMS)]
    return [name for name, c in ends if any(token.text == "sorry" for token in code[c.keyword : c.end])]


def proved_theorems(text: str, source: str = "") -> Iterator[tuple[Theorem, tuple[int, int]] | SourceError]:
    """The theorems of a file in order, each with the span of its value: from the `:=` to its last character of code.

    A theorem that is proved by equations (`| 0 => …`) or by `where` has no `:=`, and is an error of its own.
    """
    code = list(tokens(text))
    commands = file_commands(code)
    for place, name in _names(code, commands, THEOREMS):
        line = text.count("\n", 0, code[commands[place].keyword].start) + 1
        try:
            theorem = _theorem(text, code, commands, place, name, f"{source}:{line}")
            value = _value(code, commands[place])
            if _without_value(code[commands[place].keyword : value]):
                raise SourceError(f"{name}: its proof is given by equations or fields")
            yield theorem, (code[value].start, code[commands[place].end - 1].end)
        except SourceError as error:
            yield SourceError(f"{source}:{line}: {error}")


def without_proofs(text: str) -> str:
    """A text without the proofs of its theorems: all that a theorem after them depends on.

    Proofs that are not found (by equations, inside of definitions) stay.
    """
    code, kept, start = list(tokens(text)), list[str](), 0
    for command in file_commands(code):
        if code[command.keyword].text not in THEOREMS:
            continue
        with suppress(SourceError):
            value = _value(code, command)
            kept.append(text[start : code[value].start].rstrip())
            start = code[command.end - 1].end
    return "".join([*kept, text[start:]]).strip()


@dataclass(frozen=True)
class Definition:
    """A command that is no theorem: its keyword, the name that follows it, and its tokens, before and after both."""

    keyword: str
    name: str
    before: list[Token]
    after: list[Token]


def definitions(text: str) -> Iterator[Definition]:
    """The commands of a text which are no theorems."""
    code = list(tokens(text))
    for command in file_commands(code):
        word = code[command.keyword].text
        if word not in THEOREMS:
            name, after = dotted_name(code[: command.end], command.keyword + 1)
            yield Definition(word, name, code[command.start : after], code[after : command.end])


def _theorem(
    text: str, code: Sequence[Token], commands: Sequence[Command], place: int, name: str, source: str
) -> Theorem:
    """The theorem that one of the commands states."""
    command = commands[place]
    first = next(c for c in commands if code[c.keyword].text not in HEADER)
    header, start = code[first.start].start, code[command.start].start
    docs = [t for t in code[command.start : command.keyword] if is_doc(t)]
    begin = code[command.start + 1].start if docs and is_doc(code[command.start]) else start
    return Theorem(
        name=name,
        statement=text[begin : code[_value(code, command)].start].rstrip(),
        header=text[:header],
        preamble=(text[header:start],),
        informal=informal_text(docs[0].text) if docs else "",
        source=source,
    )


def _without_value(signature: Sequence[Token]) -> bool:
    """Has what seems to be a signature a proof in it? That one has no `:=` before it, but may have some inside."""
    top = [t for t in signature if t.depth == signature[0].depth]
    match = any(t.text == "match" for t in top)
    return any(t.text == "where" or (t.text == "|" and t.breaks and not match) for t in top)


def _names(code: Sequence[Token], commands: Sequence[Command], kinds: frozenset[str]) -> list[tuple[int, str]]:
    """The declarations of some kinds among the commands, with the names that their namespaces give them."""
    scopes: list[str] = []  # names of namespaces, and "" for sections
    found = []
    for place, command in enumerate(commands):
        word = code[command.keyword].text
        name = dotted_name(code[: command.end], command.keyword + 1)[0]
        if word == "namespace":
            scopes.append(name)
        elif word == "section":
            scopes.append("")
        elif word == "end" and scopes:
            scopes.pop()
        elif word in kinds and word != "example" and name:
            found.append((place, ".".join([*filter(None, scopes), name]).removeprefix("_root_.")))
    return found


def _value(code: Sequence[Token], command: Command) -> int:
    """The index of the `:=` before the proof. Raises SourceError if there is none."""
    found = value_start(code, command.keyword, command.end, code[command.keyword].depth)
    if found is None:
        name = dotted_name(code[: command.end], command.keyword + 1)[0]
        raise SourceError(f"{name}: the statement has no `:=`")
    return found
