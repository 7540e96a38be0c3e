"""The prompts of the bundled small model, which show of a file only the definitions that a statement uses.

What Lean judges is the theorem as it is; this is what the model reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from data import Theorem
from data.syntax.declarations import definitions
from data.syntax.lexer import Token, tokens
from data.syntax.normal_form import NAMED, plain_tokens, signature_tokens
from prover.engines.base import Request
from prover.prompts.completion import NON_COT, Completion
from prover.prompts.prompt import Prompt


@dataclass(frozen=True)
class Bare(Completion):
    """Completion of a theorem without its header, its comments, and the definitions that it does not need."""

    def request(self, prompt: Prompt) -> Request:
        return super().request(replace(prompt, theorem=minimal(prompt.theorem)))


def minimal(theorem: Theorem) -> Theorem:
    """The theorem reduced to its statement and the definitions it uses, by their text; for prompts only."""
    stated = signature_tokens(plain_tokens(tokens(theorem.statement)))
    used = {token.text for token in stated}
    kept: list[str] = []
    for given in reversed(list(definitions("".join(theorem.preamble)))):
        if given.keyword in NAMED and given.name.rpartition(".")[2] in used:
            whole = plain_tokens([*given.before, *given.after])
            kept.append(f"{_text(whole)}\n")
            used.update(token.text for token in whole)
    statement = " ".join(_text(stated).split())
    return Theorem("claim", f"theorem claim {statement}", preamble=tuple(reversed(kept)))


def _text(code: Sequence[Token]) -> str:
    """Tokens with their lines and columns as they were, and what stood in a line one space apart."""
    text, end = "", code[0].start if code else 0
    for token in code:
        text += "\n" + " " * token.column if token.breaks else " " * (token.start > end)
        text += token.text
        end = token.end
    return text.strip()


BARE = Bare("bare", NON_COT.task)
FORMATS = (BARE,)
