"""Models that answer in a chat, with a code block somewhere in their answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from data.syntax.layout import INDENT, lines_right
from prover.engines.base import ChatMessage, Request
from prover.prompts import text
from prover.prompts.answer import End, ended, proof_in
from prover.prompts.base import AnswerParseError
from prover.prompts.prompt import PreviousAttempt, Prompt


@dataclass(frozen=True)
class Chat:
    """The prompt format of a chat model: one message asks for a proof; earlier answers with Lean's errors follow.

    asked: the first message of the user.
    answered: the code of an earlier answer.
    corrected: what the user says of the earlier answer with this number, from 0; none: the family does not correct.
    end: what is known to stand before the block that ends an answer.
    sketches: the proof may have holes.
    """

    name: str
    asked: Callable[[Prompt], str]
    max_tokens: int
    end: End
    corrected: Callable[[int, PreviousAttempt], str] | None = None
    answered: Callable[[Prompt, PreviousAttempt], str] = text.earlier_attempt
    system: str = ""
    sketches: bool = False
    models: tuple[str, ...] = ()

    @property
    def corrects(self) -> bool:
        return self.corrected is not None

    def request(self, prompt: Prompt) -> Request:
        messages = [ChatMessage("system", self.system)] if self.system else []
        messages.append(ChatMessage("user", self.asked(prompt)))
        if self.corrected:
            for number, earlier in enumerate(prompt.rounds):
                messages.append(ChatMessage("assistant", f"```lean4\n{self.answered(prompt, earlier)}\n```"))
                messages.append(ChatMessage("user", self.corrected(number, earlier)))
        return Request(messages=tuple(messages))

    def proof(self, prompt: Prompt, answer: str, finished: bool) -> str:
        end = ended(prompt, answer, self.end, self.sketches)
        return proof_in(prompt, answer if end is None else answer[:end], finished or end is not None)

    def complete(self, prompt: Prompt, answer: str) -> bool:
        try:
            return ended(prompt, answer, self.end, self.sketches) is not None
        except AnswerParseError:
            return False

    def render(self, prompt: Prompt, proof: str) -> str:
        before = lines_right(f"{prompt.prefix}\n", INDENT) if prompt.prefix else ""
        code = f"{text.opening(prompt.theorem)}\n{before}{lines_right(proof, INDENT)}"
        return f"### Complete Lean 4 Proof\n\n```lean4\n{code}\n```"

    @property
    def commented(self) -> Chat:
        return self
