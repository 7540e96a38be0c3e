"""Goedel-Prover-V2 (its README, and `src/utils.py` for its corrections)."""

from __future__ import annotations

from prover.prompts import text
from prover.prompts.answer import End
from prover.prompts.chat import Chat
from prover.prompts.deepseek_v2 import COMPLETE, PLAN
from prover.prompts.prompt import PreviousAttempt


def _corrected(number: int, earlier: PreviousAttempt) -> str:
    return (
        f"The proof (Round {number}) is not correct. Following is the compilation error message, where we use "
        f"<error></error> to signal the position of the error.\n\n{earlier.feedback}\n\nBefore producing the Lean 4 "
        "code to formally prove the given theorem, provide a detailed analysis of the error message."
    )


GOEDEL_V2 = Chat(
    name="goedel-v2",
    asked=lambda prompt: f"{COMPLETE}{text.with_sorry(prompt)}```{PLAN}",
    max_tokens=32768,
    end=End.HEADING,
    corrected=_corrected,
    models=(r"goedel-prover-v2",),
)
FORMATS = (GOEDEL_V2,)
