"""ProofReader: reads proofs from answers while they are generated, for search and training."""

from __future__ import annotations

from prover.prompts.base import PromptFormat
from prover.prompts.prompt import Prompt

_FENCE = "```"
_CHECKS = 64  # answers with more fences than this are written to the end


class ProofReader:
    """Reads an answer: whether it is complete, while it is written (an engines.AnswerReader), and then its proof.

    An answer is looked at after each fence, because proofs end with one, and after what follows it, because a line may
    have to end; each look reads all of it, so that there is a limit to their number.
    """

    def __init__(self, format_: PromptFormat, prompt: Prompt) -> None:
        self._format, self._prompt = format_, prompt
        self._parts: list[str] = []
        self._tail, self._checks = "", 0

    def push(self, text: str) -> bool:
        """Add new text of the answer; returns True if the answer is complete, so that generation can stop."""
        self._parts.append(text)
        recent = self._tail + text
        self._tail = recent[-len(_FENCE) :]
        if self._checks >= _CHECKS or _FENCE not in recent:
            return False
        self._checks += 1
        return self._format.complete(self._prompt, "".join(self._parts))

    def proof(self, answer: str, finished: bool = True) -> str:
        """The proof in a whole answer: what follows the prompt's prefix. Raises AnswerParseError.

        finished: the answer came to its end, and was not cut off at the length limit.
        """
        return self._format.proof(self._prompt, answer, finished)
