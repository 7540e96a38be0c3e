"""Finds the code blocks of an answer, inside and outside of its reasoning (in Markdown as models write it)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TAG = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*([^\s`~]*)[ \t]*(.*)")
_MARK = re.compile("```|~~~")
_LEAN = frozenset(("lean", "lean4", "tactics", "tactic"))


@dataclass(frozen=True)
class Block:
    """A fenced code block of an answer.

    language: in small letters, empty where none is named.
    start, end: offsets of its opening fence and of what follows its closing one.
    closed: does it end with a fence?
    settled: is its closing fence a whole line, which more text could not make another one?
    thought: is it in a reasoning that was seen to begin and not yet seen to end?
    """

    code: str
    language: str
    start: int
    end: int
    closed: bool
    settled: bool
    thought: bool

    @property
    def lean(self) -> bool:
        return self.language in _LEAN


@dataclass(frozen=True)
class Span:
    """A part of an answer between two tags. thought: as in Block."""

    start: int
    end: int
    thought: bool


def spans(answer: str) -> list[Span]:
    """The parts of an answer, in order, cut at the tags of its reasoning."""
    found, start, thought = [], 0, False
    for tag in _TAG.finditer(answer):
        if tag.start() > start:
            found.append(Span(start, tag.start(), thought))
        start, thought = tag.end(), not tag[1]
    return [*found, Span(start, len(answer), thought)]


def reasoned_until(answer: str) -> int:
    """Where the reasoning ends that begins before the answer; 0: there is none."""
    first = _TAG.search(answer)
    return first.end() if first and first[1] else 0


def reasoning_end(answer: str) -> int | None:
    """The end of the first reasoning that is closed."""
    return next((tag.end() for tag in _TAG.finditer(answer) if tag[1]), None)


def blocks(answer: str) -> list[Block]:
    """All code blocks, in order."""
    return [block for span in spans(answer) for block in _blocks(answer, span)]


def unfenced(answer: str, span: Span) -> str:
    """What stands outside of the code blocks of a part of an answer, and what stands in those that never end."""
    pieces, at = [], span.start
    for block in _blocks(answer, span):
        pieces.append(answer[at : block.start])
        if not block.closed:
            pieces.append(block.code)
        at = block.end
    lines = "\n".join((*pieces, answer[at : span.end])).split("\n")
    return "\n".join(line.rstrip().removesuffix("```") for line in lines if not _FENCE.match(line))


@dataclass
class _Opened:
    fence: str
    language: str
    start: int
    code: int  # offset of its first character


def _blocks(answer: str, span: Span, outermost: bool = True) -> Iterator[Block]:
    opened: _Opened | None = None

    def block(code_end: int, end: int, closed: bool) -> Iterator[Block]:
        assert opened is not None
        code = answer[opened.code : code_end]
        settled = closed and answer[end - 1] == "\n"
        found = Block(code, opened.language, opened.start, end, closed, settled, span.thought)
        if outermost and len(opened.fence) > 3 and "```" in code:  # an answer within a longer fence
            inner = list(_blocks(answer, Span(opened.code, code_end, span.thought), False))
            yield from inner or [found]
        elif code.strip():
            yield found

    at = span.start
    while mark := _MARK.search(answer, at, span.end):
        at = max(answer.rfind("\n", at, mark.start()) + 1, at)
        after = answer.find("\n", at, span.end) + 1 or span.end
        line = answer[at:after]
        fence = _FENCE.match(line)
        begins = _begins(line, fence)
        if opened is None:
            opened = _opening(line, fence, at, after) if begins or fence else None
            if opened and opened.code < after and line.rstrip().endswith(opened.fence):  # all of it on one line
                yield from block(at + len(line.rstrip()) - len(opened.fence), after, True)
                opened = None
        elif begins and fence and fence[1].startswith(opened.fence):  # the fence was doubled, or never closed
            yield from block(at, at, False)
            opened = _opening(line, fence, at, after)
        elif line.rstrip().endswith(opened.fence):
            yield from block(at + len(line.rstrip().rstrip(opened.fence[0])), after, True)
            opened = None
        at = after
    if opened is not None:
        yield from block(span.end, span.end, False)


def _begins(line: str, fence: re.Match[str] | None) -> bool:
    """Does a fence with a language stand in this line, in front or at the end?"""
    if fence:
        return bool(fence[2])
    return any(line.rstrip().lower().endswith("```" + language) for language in _LEAN)


def _opening(line: str, fence: re.Match[str] | None, at: int, after: int) -> _Opened:
    if fence is None:
        _, _, language = line.rstrip().rpartition("```")
        return _Opened("```", language.lower(), at, after)
    mark, language, rest = fence.groups()
    if rest.strip() and language.lower() in _LEAN:
        return _Opened(mark, language.lower(), at, at + fence.start(3))
    if rest.strip():  # no language, but the first words of the code
        return _Opened(mark, "", at, at + fence.start(2))
    return _Opened(mark, language.lower(), at, after)
