"""Models that answer in a chat, with a code block somewhere in their answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prover.policy import Prompt, Round
from prover.prompts import text
from prover.prompts.answer import End, ended, proof_in
from prover.prompts.request import Message, Request, Unreadable


@dataclass(frozen=True)
class Chat:
    """One message asks for a proof; for a correction, each earlier answer and what Lean said of it follow.

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
    corrected: Callable[[int, Round], str] | None = None
    answered: Callable[[Prompt, Round], str] = text.tried
    system: str = ""
    sketches: bool = False

    @property
    def corrects(self) -> bool:
        return self.corrected is not None

    def request(self, prompt: Prompt) -> Request:
        messages = [Message("system", self.system)] if self.system else []
        messages.append(Message("user", self.asked(prompt)))
        if self.corrected:
            for number, earlier in enumerate(prompt.rounds):
                messages.append(Message("assistant", f"```lean4\n{self.answered(prompt, earlier)}\n```"))
                messages.append(Message("user", self.corrected(number, earlier)))
        return Request(messages=tuple(messages))

    def proof(self, prompt: Prompt, answer: str, finished: bool) -> str:
        end = ended(prompt, answer, self.end, self.sketches)
        return proof_in(prompt, answer if end is None else answer[:end], finished or end is not None)

    def complete(self, prompt: Prompt, answer: str) -> bool:
        try:
            return ended(prompt, answer, self.end, self.sketches) is not None
        except Unreadable:
            return False


# ---- DeepSeek-Prover-V2 and Goedel-Prover-V2 (their READMEs; `src/utils.py` of the latter for its corrections) ----

_COMPLETE = "Complete the following Lean 4 code:\n\n```lean4\n"
_PLAN = """

Before producing the Lean 4 code to formally prove the given theorem, provide a detailed proof plan outlining the main proof steps and strategies.
The plan should highlight key ideas, intermediate lemmas, and proof structures that will guide the construction of the final formal proof."""  # noqa: E501


def _goedel_corrected(number: int, earlier: Round) -> str:
    return (
        f"The proof (Round {number}) is not correct. Following is the compilation error message, where we use "
        f"<error></error> to signal the position of the error.\n\n{earlier.said}\n\nBefore producing the Lean 4 code "
        "to formally prove the given theorem, provide a detailed analysis of the error message."
    )


DEEPSEEK_V2 = Chat(
    name="deepseek-v2",
    asked=lambda prompt: f"{_COMPLETE}{text.with_hole(prompt)}\n```{_PLAN}",
    max_tokens=32768,
    end=End.HEADING,
)
DEEPSEEK_V2_NON_COT = Chat(
    name="deepseek-v2-noncot",
    asked=lambda prompt: f"{_COMPLETE}{text.with_hole(prompt)}\n```",
    max_tokens=8192,
    end=End.FIRST,
)
GOEDEL_V2 = Chat(
    name="goedel-v2",
    asked=lambda prompt: f"{_COMPLETE}{text.with_hole(prompt)}```{_PLAN}",
    max_tokens=32768,
    end=End.HEADING,
    corrected=_goedel_corrected,
)


# ---- Kimina-Prover (as `src/utils.py` of Goedel-Prover-V2 asks it; `kimina_prover_demo` for its corrections) ----


def _kimina_asked(prompt: Prompt) -> str:
    theorem = prompt.theorem
    problem = theorem.informal or text.statement(theorem)
    code = text.with_hole(prompt) if prompt.prefix.strip() else text.opening(theorem)
    return (
        "Think about and solve the following problem step by step in Lean 4."
        f"\n# Problem:{problem}\n# Formal statement:\n```lean4\n{code}\n```\n"
    )


def _kimina_answered(prompt: Prompt, earlier: Round) -> str:
    before = text.opening(prompt.theorem).removesuffix(text.statement(prompt.theorem))
    return before + text.tried(prompt, earlier)


KIMINA = Chat(
    name="kimina",
    asked=_kimina_asked,
    max_tokens=32768,
    end=End.REASONING,
    corrected=lambda _, earlier: f"# Error 1:\nError message: \n{earlier.said}\n\n",
    answered=_kimina_answered,
    system="You are an expert in mathematics and Lean 4.",
)


# ---- any other model: our own prompts ----

_RULES = (
    "The answer is checked by Lean 4. Use only what the code imports or defines, and Lean 4 syntax throughout; do not "
    "change the statement; add no axioms or definitions. End your answer with one ```lean4 code block that contains "
    "the theorem, "
)
_TRY_AGAIN = "Find out what is wrong and answer with a corrected version of the whole, in the same form."


def _instruct_asked(prompt: Prompt) -> str:
    task = "Prove it."
    if prompt.prefix.strip():
        task = "Its proof has begun: write the rest in place of the last `sorry` and keep the lines above it."
    return (
        f"Here is a theorem in Lean 4. {task}\n\n```lean4\n{text.with_hole(prompt)}\n```\n\n"
        f"Think the proof through before you write it. {_RULES}with its complete proof and without `sorry`."
    )


def _sketch_asked(prompt: Prompt) -> str:
    return (
        f"Here is a theorem in Lean 4. Split its proof into steps.\n\n```lean4\n{text.with_hole(prompt)}\n```\n\n"
        "First describe a proof plan in words: the main steps and why each follows from those before it. Then turn the "
        "plan into Lean: one `have name : statement := by sorry` for each step, in order, and after them the few "
        f"tactics that prove the goal from these steps. Prove no step; leave each to its `sorry`. {_RULES}"
        "with that sketch as its proof."
    )


def _own_corrected(_: int, earlier: Round) -> str:
    return f"Lean does not accept this:\n\n{earlier.said}\n\n{_TRY_AGAIN}"


INSTRUCT = Chat(name="instruct", asked=_instruct_asked, max_tokens=8192, end=End.REASONING, corrected=_own_corrected)
SKETCH = Chat(
    name="sketch", asked=_sketch_asked, max_tokens=8192, end=End.REASONING, corrected=_own_corrected, sketches=True
)
