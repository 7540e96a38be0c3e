"""Prompts: what a published prover model is asked, word for word, and how the proof is read from its answer."""

from __future__ import annotations

import re

from prover.prompts import bare, chat, completion
from prover.prompts.request import Family, Message, Request, Unreadable

__all__ = ["FAMILIES", "Family", "Message", "Request", "Unreadable", "family_of"]

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        completion.COT,
        completion.NON_COT,
        completion.FEW_SHOT,
        bare.BARE,
        chat.DEEPSEEK_V2,
        chat.DEEPSEEK_V2_NON_COT,
        chat.GOEDEL_V2,
        chat.KIMINA,
        chat.INSTRUCT,
        chat.SKETCH,
    )
}

_MODELS = (
    (r"deepseek-prover-v1\.5-base", completion.FEW_SHOT.name),
    (r"deepseek-prover-v1\.5", completion.COT.name),
    (r"deepseek-prover-v2", chat.DEEPSEEK_V2.name),
    (r"goedel-prover-v2", chat.GOEDEL_V2.name),
    (r"goedel-prover-(sft|dpo)", completion.COT.name),
    (r"kimina-prover", chat.KIMINA.name),
)


def family_of(model: str) -> str:
    """The family of a model, by its name on Hugging Face or a path with that name in it (the last one counts)."""
    name = re.sub(r"[_ ]", "-", model.lower())
    found = [(m.start(), -place, family) for place, (p, family) in enumerate(_MODELS) for m in re.finditer(p, name)]
    return max(found)[2] if found else chat.INSTRUCT.name
