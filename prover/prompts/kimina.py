"""Kimina-Prover (as `src/utils.py` of Goedel-Prover-V2 asks it; `kimina_prover_demo` for its corrections)."""

from __future__ import annotations

from prover.prompts import text
from prover.prompts.answer import End
from prover.prompts.chat import Chat
from prover.prompts.prompt import PreviousAttempt, Prompt


def _asked(prompt: Prompt) -> str:
    theorem = prompt.theorem
    problem = theorem.informal or text.statement(theorem)
    code = text.with_sorry(prompt) if prompt.prefix.strip() else text.opening(theorem)
    return (
        "Think about and solve the following problem step by step in Lean 4."
        f"\n# Problem:{problem}\n# Formal statement:\n```lean4\n{code}\n```\n"
    )


def _answered(prompt: Prompt, earlier: PreviousAttempt) -> str:
    before = text.opening(prompt.theorem).removesuffix(text.statement(prompt.theorem))
    return before + text.earlier_attempt(prompt, earlier)


KIMINA = Chat(
    name="kimina",
    asked=_asked,
    max_tokens=32768,
    end=End.REASONING,
    corrected=lambda _, earlier: f"# Error 1:\nError message: \n{earlier.feedback}\n\n",
    answered=_answered,
    models=(r"kimina-prover",),
    system="You are an expert in mathematics and Lean 4.",
)
FORMATS = (KIMINA,)
