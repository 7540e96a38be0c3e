"""Small random models in Hugging Face's format, of the kinds that provers are: a dense Llama, and DeepSeek-V3."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

CONTEXT = 2048
_TEMPLATE = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]"


def save(kind: str, folder: Path, lesson: Iterable[tuple[str, str]] = ()) -> None:
    """Write a model of a kind (`llama`, `deepseek`) with a tokenizer of bytes.

    lesson: prompts and the answers that it learns to give to them; without, its weights are random.
    """
    torch.manual_seed(0)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(["<s>", "</s>", *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.chat_template = _TEMPLATE
    fast.save_pretrained(folder)
    model = _model(kind, len(vocabulary))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for prompt, answer in lesson:
        read, write = fast.encode(prompt), [*fast.encode(answer), vocabulary["</s>"]]
        ignored = -100  # by the loss
        loss = model(torch.tensor([read + write]), labels=torch.tensor([[ignored] * len(read) + write])).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder)


def _model(kind: str, words: int) -> PreTrainedModel:
    size = {
        "vocab_size": words,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "max_position_embeddings": CONTEXT,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "num_attention_heads": 2,
        "initializer_range": 0.3,  # so that not all tokens are equally likely
    }
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(**size, num_key_value_heads=1))
    model = DeepseekV3ForCausalLM(
        DeepseekV3Config(
            **size,
            num_key_value_heads=2,
            moe_intermediate_size=32,
            n_routed_experts=8,
            n_shared_experts=1,
            num_experts_per_tok=2,
            n_group=2,
            topk_group=1,
            first_k_dense_replace=1,
            q_lora_rank=32,
            kv_lora_rank=32,
            qk_nope_head_dim=32,
            qk_rope_head_dim=32,
            v_head_dim=32,
        )
    )
    # As in DeepSeek's own config.json: vLLM takes a softmax router where transformers knows no other than this.
    model.config.topk_method, model.config.scoring_func = "noaux_tc", "sigmoid"
    return model
