"""The command line's options for a policy, shared by all commands that need one."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated

import typer

from lean_env.console import CommandError, Exit
from prover.policy import POLICIES, Policy, open_policy

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


@dataclass(frozen=True)
class PolicyOptions:
    """The policy that a command was asked for (see `open_policy`)."""

    policy: str
    base_url: str
    model: str
    family: str
    max_tokens: int | None

    def validate(self) -> None:
        """Raises CommandError for what does not fit together."""
        if self.policy not in POLICIES:
            raise CommandError(f"no policy is called {self.policy!r}; there are: {', '.join(POLICIES)}", Exit.INPUT)
        if self.policy == "openai" and not self.base_url:
            raise CommandError("--policy openai needs --base-url, the address of a server", Exit.INPUT)
        if self.policy == "vllm" and not self.model:
            raise CommandError("--policy vllm needs --model", Exit.INPUT)
        if self.policy != "openai" and self.base_url:
            raise CommandError("--base-url is for --policy openai", Exit.INPUT)
        if self.policy == "tactics" and (self.model or self.family or self.max_tokens):
            raise CommandError("--model, --family and --max-tokens are for policies with a model", Exit.INPUT)
        if self.family:
            from prover.prompts import prompt_format

            try:
                prompt_format(self.family)
            except ValueError as error:
                raise CommandError(str(error), Exit.INPUT) from None

    def open(self) -> AbstractAsyncContextManager[Policy]:
        return open_policy(
            self.policy,
            base_url=self.base_url,
            model=self.model,
            family=self.family,
            max_tokens=self.max_tokens,
        )
