"""The policies by name (`--policy`), opened for use."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from prover.policy.base import Policy
from prover.policy.tactics.policy import TacticsPolicy

POLICIES = ("tactics", "openai", "vllm", "native")
PRETRAINED = Path(__file__).parents[1] / "pretrained"
"""The small model that comes along: trained by examples/learn.py, in core Lean, on theorems that were made."""


@asynccontextmanager
async def open_policy(
    name: str, *, model: str = "", base_url: str = "", family: str = "", max_tokens: int | None = None
) -> AsyncGenerator[Policy]:
    """A policy that is ready for use, until the end of the block.

    openai: `model` at an OpenAI-compatible server `base_url`. vllm: `model` loaded into this process. native: our own
    model, from the folder `model`, by default the one that comes along. `family`: whose prompts it knows (see
    prover.prompts); by default it follows from the model's name; a native model without a chat template goes on with a
    text (V1.5's non-CoT prompt; the model that comes along sees only what a statement speaks of).
    Raises PolicyUnavailable, and ValueError for a name or family that does not exist.
    """
    if name == "tactics":
        yield TacticsPolicy()
        return
    if name not in POLICIES:
        raise ValueError(f"no policy is called {name!r}; there are: {', '.join(POLICIES)}")

    from prover.engines.base import Engine
    from prover.policy.model import ModelPolicy
    from prover.prompts import family_of, prompt_format
    from prover.prompts.bare import BARE
    from prover.prompts.completion import NON_COT

    if family:
        prompt_format(family)  # raises, before a model is loaded
    engine: Engine
    if name == "openai":
        from prover.engines.server import Server

        engine = await Server.connect(base_url, model)
    elif name == "native":
        from prover.engines.native import Native

        engine = await Native.load(model or str(PRETRAINED))
        own = NON_COT if model else BARE
        family = family or ("" if engine.chats else own.name)
    else:
        from prover.engines.vllm import InProcess

        engine = await InProcess.load(model)
    try:
        yield ModelPolicy(engine, prompt_format(family or family_of(engine.model)), max_tokens)
    finally:
        await engine.close()


def fallback_policy(name: str, model: str) -> Policy | None:
    """The second policy of a search, which does most of the work where the first one is the small model that comes
    along: that one knows some kinds of theorems only. None for other policies."""
    return TacticsPolicy() if name == "native" and not model else None
