"""A proof that holds, step by step: (state, tactic, state), at the places where RMaxTS would go on (V1.5, §2.2, §3.1).

The places are those of `truncate`, so that a model is trained on the prompts that the tree search will send it.
"""

from __future__ import annotations

from dataclasses import dataclass

from data import Theorem
from data.syntax.layout import INDENT, indented, lines_left
from data.syntax.lexer import tokens
from lean_env import LeanPool, Position
from search.truncate import SHOW_ALL, segments


@dataclass(frozen=True)
class Step:
    """The lines of a proof from one place to the next.

    state: the tactic state before them as Lean prints it, in the innermost block that is open there.
    tactic: the lines, moved to column 0. after: the state after them; `no goals` after the last ones.
    start, end: offsets in the proof, where a line starts or the proof ends; what is before `start` leads to `state`.
    column: where the block stands in the proof that the lines go on in.
    """

    state: str
    tactic: str
    after: str
    start: int
    end: int
    column: int


async def steps(pool: LeanPool, theorem: Theorem, proof: str, timeout: float = 60.0) -> list[Step]:
    """The steps of a proof, in order, from its first line to its last; none if it does not hold.

    proof: the text after `:= by`, from column 0. Blocks that cannot be read with certainty (see `truncate`) are in one
    step with what they belong to. One check by Lean, of at most `timeout` seconds.
    """
    if indented(proof, 0) != proof.strip("\n"):
        return []
    skipped = len(proof) - len(proof.lstrip("\n"))
    check = await pool.check(
        theorem.solution(proof),
        context=(*theorem.context, SHOW_ALL),
        timeout=timeout,
        tactics=True,
        reuse=True,
        challenge=theorem.challenge,
    )
    if not check.ok or check.sorries or not check.tactics:
        return []
    body = indented(proof)
    line = theorem.solution("").count("\n") + 1
    first = min(check.tactics, key=lambda t: (t.position.line, t.position.column))
    found: list[Step] = []
    state, start, column, end = first.goals, skipped, 0, 0
    for segment in segments(body, check, Position(line, 0)):
        end += len(segment.text)
        stop = _line_end(body, end)
        if stop is None:  # more stands in this line
            continue
        after = skipped + len(lines_left(body[:stop], INDENT))
        found.append(Step(state, indented(proof[start:after], 0), segment.goals, start, after, column))
        state, start, column = segment.goals, after, segment.column - INDENT
    return found


def _line_end(text: str, offset: int) -> int | None:
    """Where the next line starts, if only white space and comments stand before it."""
    stop = text.find("\n", offset)
    rest = text[offset:] if stop < 0 else text[offset : stop + 1]
    if next(tokens(rest), None) is not None:
        return None
    return offset + len(rest)
