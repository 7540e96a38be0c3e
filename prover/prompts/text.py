"""A prompt's theorem as Lean text, with the line breaks of the papers' data (miniF2F)."""

from __future__ import annotations

from data import Theorem
from data.syntax.layout import INDENT, indented, lines_right
from prover.prompts.prompt import PreviousAttempt, Prompt


def statement(theorem: Theorem) -> str:
    """The doc comment and the statement up to `:= by`."""
    # No space before the `-/`: so it is in the data that the models have seen.
    said = theorem.informal.replace("/-", "/ -").replace("-/", "- /")
    return (f"/-- {said}-/\n" if said else "") + f"{theorem.statement.strip()} := by"


def opening(theorem: Theorem) -> str:
    """The file up to `:= by`."""
    pieces = [piece.strip("\n") for piece in theorem.context]
    return "".join(f"{piece}\n\n" for piece in pieces) + statement(theorem)


def proof_prefix(prompt: Prompt) -> str:
    """The lines of the proof that are there, with the state they lead to; nothing at the start of a proof."""
    if not prompt.prefix.strip():
        return ""
    lines = lines_right(prompt.prefix.strip("\n"), INDENT) + "\n"
    return lines + state(prompt.goal, prompt.column + INDENT) if prompt.goal else lines


def state(goal: str, column: int) -> str:
    """A tactic state as a comment (V1.5 §3.2; its layout is that of the repository's `prover/lean/proof.py`)."""
    return lines_right(f"/- tactic state:\n{lines_right(goal, INDENT)}\n-/", column) + "\n"


def with_sorry(prompt: Prompt) -> str:
    """The file up to what is to be written, which is a `sorry`."""
    return f"{opening(prompt.theorem)}\n{proof_prefix(prompt)}{' ' * (prompt.column + INDENT)}sorry"


def earlier_attempt(prompt: Prompt, earlier: PreviousAttempt) -> str:
    """The proof of an earlier answer, after the statement."""
    proof = f"{prompt.prefix}\n{earlier.proof}" if prompt.prefix.strip() else earlier.proof
    return f"{statement(prompt.theorem)}\n{indented(proof)}"
