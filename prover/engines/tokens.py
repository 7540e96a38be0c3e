"""Requests as token ids, for the engines in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prover.engines.base import PolicyUnavailable, Request

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def prompt_tokens(tokenizer: PreTrainedTokenizerFast, request: Request) -> list[int]:
    """The token ids of a request, as a server would make them: chats by the model's own template.

    Raises PolicyUnavailable if it has none.
    """
    if not request.messages:
        tokens: list[int] = tokenizer.encode(request.text)
        return tokens
    if not tokenizer.chat_template:
        raise PolicyUnavailable("the model has no chat template, so it needs a --family of prompts that are no chats")
    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    tokens = tokenizer.encode(text, add_special_tokens=False)
    return tokens
