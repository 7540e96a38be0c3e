"""The command line's options for a policy, shared by all commands that need one."""

from __future__ import annotations

from typing import Annotated

import typer

from data.records.config import ConfigError
from lean_env.console import CommandError, Exit
from prover.policy import POLICIES, PolicyConfig

PolicyName = Annotated[str, typer.Option("--policy", help=f"What writes the proofs: {', '.join(POLICIES)}.")]
BaseURL = Annotated[
    str, typer.Option(metavar="URL", help="Policy openai: the server, such as http://localhost:8000/v1.")
]
Model = Annotated[
    str,
    typer.Option(help="Policies openai, vllm and native: the model; a folder or a name. native has one of its own."),
]
Family = Annotated[
    str, typer.Option(help="The prompt format: a name, or your own file (.yaml); by default by its name.")
]
MaxTokens = Annotated[
    int | None, typer.Option(help="Length of an answer; by default as published for the family.", min=1)
]


def policy_config(policy: str, base_url: str, model: str, family: str, max_tokens: int | None) -> PolicyConfig:
    """The policy that a command's options name. Raises CommandError if they do not fit together."""
    config = PolicyConfig(name=policy, model=model, base_url=base_url, family=family, max_tokens=max_tokens)
    try:
        config.check()
    except ConfigError as error:
        raise CommandError(str(error), Exit.INPUT) from None
    return config
