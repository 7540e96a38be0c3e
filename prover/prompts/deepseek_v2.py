"""DeepSeek-Prover-V2 (its README)."""

from __future__ import annotations

from prover.prompts import text
from prover.prompts.answer import End
from prover.prompts.chat import Chat

COMPLETE = "Complete the following Lean 4 code:\n\n```lean4\n"
PLAN = """

Before producing the Lean 4 code to formally prove the given theorem, provide a detailed proof plan outlining the main proof steps and strategies.
The plan should highlight key ideas, intermediate lemmas, and proof structures that will guide the construction of the final formal proof."""  # noqa: E501

DEEPSEEK_V2 = Chat(
    name="deepseek-v2",
    asked=lambda prompt: f"{COMPLETE}{text.with_sorry(prompt)}\n```{PLAN}",
    max_tokens=32768,
    end=End.HEADING,
    models=(r"deepseek-prover-v2",),
)
DEEPSEEK_V2_NON_COT = Chat(
    name="deepseek-v2-noncot",
    asked=lambda prompt: f"{COMPLETE}{text.with_sorry(prompt)}\n```",
    max_tokens=8192,
    end=End.FIRST,
)
FORMATS = (DEEPSEEK_V2, DEEPSEEK_V2_NON_COT)
