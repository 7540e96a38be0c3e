"""Models that continue a text: DeepSeek-Prover-V1.5 (App. A and `prover/utils.py` of its repository)."""

from __future__ import annotations

from dataclasses import dataclass

from data.syntax.layout import INDENT, lines_right
from prover.engines.base import Request
from prover.prompts import answer as answers
from prover.prompts import text
from prover.prompts.base import AnswerParseError
from prover.prompts.few_shot import EXAMPLES
from prover.prompts.prompt import Prompt

_FENCE = "```"
_NON_COT = "Complete the following Lean 4 code:"
_COT = "Complete the following Lean 4 code with explanatory comments preceding each line of code:"


@dataclass(frozen=True)
class Completion:
    """The prompt format of a completion model: a code block, left open after the statement or the tactic state."""

    name: str
    task: str
    examples: tuple[str, ...] = ()
    corrects: bool = False
    max_tokens: int = 2048
    models: tuple[str, ...] = ()

    def request(self, prompt: Prompt) -> Request:
        header = prompt.theorem.header.strip("\n")
        header = f"{header}\n\n" if header else ""
        shown = [f"{self._opened(header + example)}\n{_FENCE}\n\n\n" for example in self.examples]
        asked = self._opened(f"{text.opening(prompt.theorem)}\n{text.proof_prefix(prompt)}")
        return Request(text="".join((*shown, asked)), stop=(_FENCE,))

    def proof(self, prompt: Prompt, answer: str, finished: bool) -> str:
        lines, fence, _ = answer.partition(_FENCE)
        return answers.continued(prompt, lines, finished or bool(fence))

    def complete(self, prompt: Prompt, answer: str) -> bool:
        try:
            return _FENCE in answer and bool(self.proof(prompt, answer, True))
        except AnswerParseError:
            return False

    def render(self, prompt: Prompt, proof: str) -> str:
        return f"{lines_right(proof, INDENT)}\n{_FENCE}"

    @property
    def commented(self) -> Completion:
        return COT

    def _opened(self, code: str) -> str:
        return f"{self.task}\n\n{_FENCE}lean4\n{code}"


COT = Completion("deepseek-v1.5", _COT, models=(r"deepseek-prover-v1\.5", r"goedel-prover-(sft|dpo)"))
NON_COT = Completion("deepseek-v1.5-noncot", _NON_COT)
FEW_SHOT = Completion("deepseek-v1.5-fewshot", _COT, EXAMPLES, models=(r"deepseek-prover-v1\.5-base",))
FORMATS = (COT, NON_COT, FEW_SHOT)
