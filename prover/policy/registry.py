"""Opens policies by their names (`--policy`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import Field

from data.choices import choose
from data.records.config import ConfigError, StrictModel
from prover.policy.base import Policy
from prover.policy.tactics.policy import TacticsPolicy

POLICIES = ("tactics", "openai", "vllm", "native")
PRETRAINED = Path(__file__).parents[1] / "pretrained"
"""The small model that comes along: trained by examples/learn.py, in core Lean, on theorems that were made."""


class PolicyConfig(StrictModel):
    """The choice of a policy: of the command line, of an evaluation, or of a call from Python.

    name: one of POLICIES. base_url: of an OpenAI-compatible server (openai). model: its name there (openai), a folder
        or a name on Hugging Face (vllm), or a folder with a model of our own, by default the bundled one (native).
    family: the prompt format (see prover.prompts); by default it follows from the model's name, and a native model
        without a chat template continues a text.
    max_tokens: length of an answer at most; by default the family's.
    """

    name: str = "tactics"
    model: str = ""
    base_url: str = ""
    family: str = ""
    max_tokens: int | None = Field(default=None, ge=1)

    def check(self) -> None:
        """Raise ConfigError, in the words of the command line, if the fields do not fit together."""
        if self.name not in POLICIES:
            raise ConfigError(f"no policy is called {self.name!r}; there are: {', '.join(POLICIES)}")
        if self.name == "openai" and not self.base_url:
            raise ConfigError("--policy openai needs --base-url, the address of a server")
        if self.name == "vllm" and not self.model:
            raise ConfigError("--policy vllm needs --model")
        if self.name != "openai" and self.base_url:
            raise ConfigError("--base-url is for --policy openai")
        if self.name == "tactics" and (self.model or self.family or self.max_tokens):
            raise ConfigError("--model, --family and --max-tokens are for policies with a model")
        if self.family:
            from prover.prompts import prompt_format

            try:
                prompt_format(self.family)
            except ValueError as error:
                raise ConfigError(str(error)) from None


@asynccontextmanager
async def open_policy(config: PolicyConfig) -> AsyncGenerator[Policy]:
    """Open a policy, and close it at the end of the block.

    Raises PolicyUnavailable, and ValueError for a name or family that does not exist.
    """
    if config.name == "tactics":
        yield TacticsPolicy()
        return
    choose("policy", config.name, POLICIES)

    from prover.engines.base import Engine
    from prover.policy.model import ModelPolicy
    from prover.prompts import family_of, prompt_format
    from prover.prompts.bare import BARE
    from prover.prompts.completion import NON_COT

    family = config.family
    if family:
        prompt_format(family)  # raises, before a model is loaded
    engine: Engine
    if config.name == "openai":
        from prover.engines.server import OpenAIEngine

        engine = await OpenAIEngine.connect(config.base_url, config.model)
    elif config.name == "native":
        from prover.engines.native import NativeEngine

        engine = await NativeEngine.load(config.model or str(PRETRAINED))
        own = NON_COT if config.model else BARE  # the bundled model sees only what a statement speaks of
        family = family or ("" if engine.chats else own.name)
    else:
        from prover.engines.vllm import VLLMEngine

        engine = await VLLMEngine.load(config.model)
    try:
        yield ModelPolicy(engine, prompt_format(family or family_of(engine.model)), config.max_tokens)
    finally:
        await engine.close()


def fallback_policy(config: PolicyConfig) -> Policy | None:
    """The second policy of a search, which does most of the work where the first one is the bundled model (that knows
    some kinds of theorems only); None for other policies."""
    return TacticsPolicy() if config.name == "native" and not config.model else None
