"""Any other chat model: our own prompts."""

from __future__ import annotations

from prover.prompts import text
from prover.prompts.answer import End
from prover.prompts.chat import Chat
from prover.prompts.prompt import PreviousAttempt, Prompt

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
        f"Here is a theorem in Lean 4. {task}\n\n```lean4\n{text.with_sorry(prompt)}\n```\n\n"
        f"Think the proof through before you write it. {_RULES}with its complete proof and without `sorry`."
    )


def _sketch_asked(prompt: Prompt) -> str:
    return (
        f"Here is a theorem in Lean 4. Split its proof into steps.\n\n```lean4\n{text.with_sorry(prompt)}\n```\n\n"
        "First describe a proof plan in words: the main steps and why each follows from those before it. Then turn the "
        "plan into Lean: one `have name : statement := by sorry` for each step, in order, and after them the few "
        f"tactics that prove the goal from these steps. Prove no step; leave each to its `sorry`. {_RULES}"
        "with that sketch as its proof."
    )


def _corrected(_: int, earlier: PreviousAttempt) -> str:
    return f"Lean does not accept this:\n\n{earlier.feedback}\n\n{_TRY_AGAIN}"


INSTRUCT = Chat(name="instruct", asked=_instruct_asked, max_tokens=8192, end=End.REASONING, corrected=_corrected)
SKETCH = Chat(
    name="sketch", asked=_sketch_asked, max_tokens=8192, end=End.REASONING, corrected=_corrected, sketches=True
)
FORMATS = (INSTRUCT, SKETCH)
