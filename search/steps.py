"""Splits an accepted proof into (state, tactic, state) steps, where RMaxTS would continue it.

DeepSeek-Prover-V1.5 (arXiv 2408.08152), §2.2 and §3.1. The cuts are those of `truncate`, so that a model is trained on
the prompts that the tree search will send it.
"""

from __future__ import annotations

from dataclasses import dataclass

from data import Theorem
from data.syntax.layout import INDENT, indented, lines_left
from data.syntax.lexer import tokens
from lean_env import LeanPool, Position
from search.truncate import SHOW_ALL, segments


@dataclass(frozen=True)
class ProofStep:
    """The lines of a proof from one cut to the next.

    state: the tactic state before them as Lean prints it, in the innermost open block.
    tactic: the lines, moved to column 0. state_after: the state after them; `no goals` after the last ones.
    start, end: offsets in the proof of the lines; the text before `start` leads to `state`.
    column: the column in the proof of the block that the lines continue.
    """

    state: str
    tactic: str
    state_after: str
    start: int
    end: int
    column: int


async def steps(pool: LeanPool, theorem: Theorem, proof: str, timeout: float = 60.0) -> list[ProofStep]:
    """Return the steps of a proof, in order, from its first line to its last; none if Lean does not accept it.

    proof: the text after `:= by`, from column 0. A block that cannot be read with certainty (see `truncate`) is part of
    the step that contains it. Takes one check of at most `timeout` seconds.
    """
    if indented(proof, 0) != proof.strip("\n"):
        return []
    leading_newlines = len(proof) - len(proof.lstrip("\n"))
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
    first_tactic = min(check.tactics, key=lambda t: (t.position.line, t.position.column))
    proof_steps: list[ProofStep] = []
    state, start, column, end = first_tactic.goals, leading_newlines, 0, 0
    for segment in segments(body, check, Position(line, 0)):
        end += len(segment.text)
        line_end = _line_end(body, end)
        if line_end is None:  # a tactic follows in the same line
            continue
        step_end = leading_newlines + len(lines_left(body[:line_end], INDENT))
        proof_steps.append(ProofStep(state, indented(proof[start:step_end], 0), segment.goals, start, step_end, column))
        state, start, column = segment.goals, step_end, segment.column - INDENT
    return proof_steps


def _line_end(text: str, offset: int) -> int | None:
    """Return the offset after the line, if only white space and comments remain in it; None otherwise."""
    next_newline = text.find("\n", offset)
    rest_of_line = text[offset:] if next_newline < 0 else text[offset : next_newline + 1]
    if next(tokens(rest_of_line), None) is not None:
        return None
    return offset + len(rest_of_line)
