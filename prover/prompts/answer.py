"""Reads the proof in a model's answer: finds the code, the end of the answer, and what follows the prompt's prefix."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto

from data.syntax.layout import INDENT, lines_left, lines_right
from data.syntax.lexer import tokens
from prover.prompts.base import AnswerParseError
from prover.prompts.blocks import blocks, reasoned_until, reasoning_end, spans, unfenced
from prover.prompts.code import LONGEST, LeanSnippet, has_holes, only_holes
from prover.prompts.prompt import Prompt

_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_CODE_BEGINS = re.compile(
    r"^[ \t]*(?:@\[|/--|(?:import|open|set_option|private|protected|theorem|lemma|example)\b)", re.MULTILINE
)
# "Complete Lean 4 proof with comments"; not "Plan to complete the proof", "Incomplete proof", "Complete proof sketch"
_PROMISE = re.compile(
    r"\bcomplete(?:\W+formal)?(?:\W+lean(?:\W*4)?(?:\W+(?:proof|code))?|\W+proof)(?:\W*$|\W+(?:with|in)\b)",
    re.IGNORECASE,
)
_OPENERS = frozenset(("by", "=>", "·", "."))  # what a block may follow on its line


class End(Enum):
    """What stands before the code block that ends an answer; the block is the first after it that has the theorem."""

    FIRST = auto()  # nothing
    REASONING = auto()  # the end of the reasoning
    HEADING = auto()  # a heading that promises the complete proof: there are sketches before it


def continued(prompt: Prompt, lines: str, finished: bool) -> str:
    """The proof in lines that go on from the statement, or from the prompt's prefix, at the papers' indentation."""
    lines = _plain(lines)
    if not lines.strip():
        raise AnswerParseError("an empty answer")
    lines = lines if finished else _whole_lines(lines)
    if not lines.strip():
        raise AnswerParseError("cut off in its first line")
    prefix = lines_right(prompt.prefix.strip("\n"), INDENT) + "\n" if prompt.prefix.strip() else ""
    # Read with the statement, so that what follows the proof is told from it.
    code = LeanSnippet(f"{prompt.theorem.statement} := by\n{prefix}{lines}", prompt.theorem, last=False)
    return _sample(prompt, *code.proof())


def proof_in(prompt: Prompt, answer: str, finished: bool) -> str:
    """The proof in an answer with code blocks: the last one that holds the theorem, otherwise the last one in Lean.

    Those in the reasoning count if there are no others. Of an answer that has `ended`, what follows is not to be given.
    """
    answer = _plain(answer)
    if not answer.strip():
        raise AnswerParseError("an empty answer")
    border = reasoned_until(answer)
    said: list[_Piece] = []
    thought: list[_Piece] = []
    for block in blocks(answer):
        code = block.code if finished or block.closed or block.end < len(answer) else _whole_lines(block.code)
        (thought if block.thought or block.start < border else said).append((code, block.lean, bool(block.language)))
    outside = "\n".join(unfenced(answer, s) for s in spans(answer) if not s.thought and s.start >= border)
    outside = outside if finished else _whole_lines(outside)
    prose: _Piece = (outside if len(outside) <= LONGEST else "", False, False)
    proof = (
        _of_theorem(prompt, said)
        or _of_theorem(prompt, [_from_code(prose)])
        or _of_tactics(prompt, said or [prose])
        or _of_theorem(prompt, thought)
        or _of_tactics(prompt, thought)
    )
    if proof is None:
        raise AnswerParseError("no Lean code" if finished else "cut off before any code")
    return proof


def ended(prompt: Prompt, answer: str, end: End, sketches: bool) -> int | None:
    """The offset after the block that ends an answer: the first one after what `end` names that holds the theorem.

    One with a `sorry` does not count, unless `sketches`. None: no such block is there yet. What a model writes after
    it is not read, even if that is another proof: otherwise the text could not be stopped there.
    """
    start = _begins_to_end(answer, end)
    if start is None:
        return None
    for block in blocks(answer):
        if block.thought or not block.settled or block.start < start:
            continue
        try:
            code = LeanSnippet(_plain(block.code), prompt.theorem)
            if code.has_theorem and (sketches or not has_holes(_sample(prompt, *code.proof()))):
                return block.end
        except AnswerParseError:
            continue
    return None


_Piece = tuple[str, bool, bool]  # a code, whether it is said to be Lean, and whether it is said to be anything


def _of_theorem(prompt: Prompt, pieces: Sequence[_Piece]) -> str | None:
    """The proof in the last piece that holds the theorem and can be read."""
    return _last(prompt, pieces, lambda code, lean, named: code.has_theorem)


def _of_tactics(prompt: Prompt, pieces: Sequence[_Piece]) -> str | None:
    """The last piece that looks like tactics without a statement."""
    return _last(prompt, pieces, lambda code, lean, named: lean or (not named and code.looks_like_tactics))


def _last(prompt: Prompt, pieces: Sequence[_Piece], fits: Callable[[LeanSnippet, bool, bool], bool]) -> str | None:
    """The proof in the last of the pieces that fit and can be read. Raises AnswerParseError if none can."""
    reason: AnswerParseError | None = None
    for text, lean, named in reversed(pieces):
        try:
            code = LeanSnippet(text, prompt.theorem)
            if fits(code, lean, named):
                return _sample(prompt, *code.proof())
        except AnswerParseError as unreadable:
            reason = reason or unreadable
    if reason:
        raise reason
    return None


def _from_code(prose: _Piece) -> _Piece:
    """From the first line that looks like Lean: words before it could be read as the start of a comment or string."""
    begins = _CODE_BEGINS.search(prose[0])
    return (prose[0][begins.start() :] if begins else "", False, False)


def _begins_to_end(answer: str, end: End) -> int | None:
    """Where the block can stand that ends an answer."""
    if end is End.FIRST:
        return 0
    if end is End.REASONING:
        return reasoning_end(answer)
    for part in spans(answer):
        for line in re.finditer(r"^#.*$", "" if part.thought else answer[part.start : part.end], re.MULTILINE):
            if _PROMISE.search(line[0]):
                return part.start + line.end()
    return None


# ---- samples ----


def _sample(prompt: Prompt, proof: str, before: Iterable[str]) -> str:
    """What follows the prompt's prefix, after lines that it needs before it."""
    if only_holes(proof):
        raise AnswerParseError("only sorry")
    if prompt.prefix.strip():
        proof = _following(prompt, proof)
        if only_holes(proof):
            raise AnswerParseError("only sorry")
    lines = "\n".join((*(lines_right(line, prompt.column) for line in before), proof))
    if _NO_TEXT.search(lines):
        raise AnswerParseError("characters that are no text")
    return lines


def _following(prompt: Prompt, proof: str) -> str:
    """What follows the prompt's prefix in a proof that begins with it."""
    given, code = list(tokens(prompt.prefix)), list(tokens(proof))
    if [t.text for t in given] != [t.text for t in code[: len(given)]]:
        raise AnswerParseError("does not continue the given beginning")
    if len(code) == len(given):
        raise AnswerParseError("nothing after the given beginning")
    last, following = code[len(given) - 1], code[len(given)]
    between = proof[last.end : following.start]
    shown = between.find("/- tactic state")
    if shown >= 0:
        between = between[:shown].rstrip() + between[shown:].partition("-/")[2]
    if following.breaks:
        lines = (between + proof[following.start :]).partition("\n")[2] if "\n" in between else proof[following.start :]
        same = [t.column for t in given if t.breaks] == [c.column for c in code[: len(given)] if c.breaks]
        return _shifted(lines, 0 if same else prompt.column - following.column, 0).rstrip()
    if following.text == ";" and len(code) > len(given) + 1:
        following = code[len(given) + 1]
    elif last.text not in _OPENERS:
        raise AnswerParseError("does not continue the given beginning")
    line, _, rest = proof[following.start :].partition("\n")
    moved = _shifted(rest, prompt.column - following.column, following.column)
    return f"{' ' * prompt.column}{line}\n{moved}".rstrip()


def _shifted(text: str, columns: int, least: int) -> str:
    """The lines that stand at a column or right of it, moved."""
    return "\n".join(_line_shifted(line, columns, least) for line in text.split("\n"))


def _line_shifted(line: str, columns: int, least: int) -> str:
    margin = len(line) - len(line.lstrip(" "))
    if margin < least:
        return line
    return lines_right(line, columns) if columns > 0 else lines_left(line, -columns)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _whole_lines(text: str) -> str:
    return text[: text.rfind("\n") + 1]
