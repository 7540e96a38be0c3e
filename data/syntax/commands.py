"""Finds the commands of a Lean text from its tokens, and where the proof of a theorem begins in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from data.syntax.keywords import COMMANDS, MODIFIERS, THEOREMS
from data.syntax.lexer import Token, dotted_name, is_doc

HEADER = frozenset(("import", "open", "set_option", "universe"))
"""Keywords of the commands that a file's header consists of."""

_BEFORE_KEYWORD = MODIFIERS | {"in"}
_BINDING = frozenset(("let", "letI", "have", "haveI"))  # each has a `:=` of its own


@dataclass(frozen=True)
class Command:
    """A command, by indices of tokens: its first one (of its doc comment, attributes and modifiers), its keyword, and
    the first one after it. column: of the line that it begins in.

    Where the text ends before a keyword, the last token stands for it.
    """

    start: int
    keyword: int
    end: int
    column: int


def file_commands(code: Sequence[Token]) -> list[Command]:
    """The commands of a file: those at its left margin. `open … in theorem …` is one command."""
    found: list[Command] = []
    for command in _commands(code, at_margin=True):
        before = found[-1] if found else None
        if before and code[command.start - 1].text == "in" and code[before.keyword].text in HEADER:
            found[-1] = Command(before.start, command.keyword, command.end, before.column)
        else:
            found.append(command)
    return found


def snippet_commands(code: Sequence[Token]) -> list[Command]:
    """The commands of a piece of code, at any column. In `open … in theorem …`, the theorem is one of its own."""
    return list(_commands(code, at_margin=False))


def value_start(code: Sequence[Token], start: int, end: int, depth: int) -> int | None:
    """The first `:=` in [start, end) at a depth of brackets that belongs to no `let` or `have` of the statement."""
    bound = 0
    for k in range(start, end):
        if code[k].depth != depth:
            continue
        if code[k].text in _BINDING:
            bound += 1
        elif code[k].text == ":=":
            if bound == 0:
                return k
            bound -= 1
    return None


def declared_name(code: Sequence[Token], keyword: int) -> tuple[str, int]:
    """The name after the keyword of a declaration (empty for an `example`), and the index of the token after it."""
    if keyword < len(code) and code[keyword].text == "example":
        return "", keyword + 1
    return dotted_name(code, keyword + 1)


def begins_command(code: Sequence[Token], k: int) -> bool:
    """Whether a token looks like the first of a command: its keyword, a doc comment, `#check` or `@[simp]`."""
    return code[k].text in COMMANDS or is_doc(code[k]) or _begins_with_sign(code, k)


def _commands(code: Sequence[Token], at_margin: bool) -> Iterator[Command]:
    """Whatever looks like a command and begins a line."""
    starts: list[tuple[int, int, int]] = []
    k = column = 0
    while k < len(code):
        token = code[k]
        column = token.column if token.breaks else column
        if at_margin:
            begins = token.breaks and token.column == 0 and token.depth == 0 and begins_command(code, k)
        else:
            after_in = token.text in THEOREMS and k > 0 and code[k - 1].text == "in"
            begins = (token.breaks and begins_command(code, k)) or after_in
        if begins:
            keyword = min(_keyword(code, k), len(code) - 1)
            starts.append((k, keyword, column))
            k = keyword
        k += 1
    for n, (start, keyword, column) in enumerate(starts):
        yield Command(start, keyword, starts[n + 1][0] if n + 1 < len(starts) else len(code), column)


def _keyword(code: Sequence[Token], k: int) -> int:
    """The keyword of the command that begins at a token; doc comments, attributes and modifiers stand before it."""
    while k < len(code):
        if code[k].text == "@" and _begins_with_sign(code, k):
            depth, k = code[k + 1].depth, k + 2
            while k < len(code) and not (code[k].text == "]" and code[k].depth == depth):
                k += 1
        elif not is_doc(code[k]) and code[k].text not in _BEFORE_KEYWORD:
            break
        k += 1
    return k


def _begins_with_sign(code: Sequence[Token], k: int) -> bool:
    """`#` or `@[`, with nothing in between."""
    following = code[k + 1] if k + 1 < len(code) else None
    if following is None or following.start != code[k].end:
        return False
    return code[k].text == "#" or (code[k].text == "@" and following.text == "[")
