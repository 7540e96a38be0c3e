"""Our own model, written as a checkpoint, in a real vLLM."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from prover.model.checkpoint import load, save
from prover.model.config import PRESETS, ModelConfig, Yarn
from prover.model.transformer import Transformer

TINY = PRESETS["tiny"].replace(initializer_range=0.1)  # so that not all tokens are equally likely
KINDS = {
    "tiny": TINY,
    "YaRN, query LoRA, untied": TINY.replace(
        tie_word_embeddings=False,
        q_lora_rank=48,
        routed_scaling_factor=2.5,
        yarn=Yarn(factor=8, original_max_position_embeddings=256, mscale=0.7, mscale_all_dim=1),
    ),
}
TOKENS = torch.randint(0, 1024, (3, 100), generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_vllm_gives_tokens_the_log_probabilities_that_our_model_gives(
    config: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of prompts, and (the module that predicts ahead is loaded too) the likeliest tokens after them."""
    for name in ("VLLM_CPU_KVCACHE_SPACE", "VLLM_MLA_DISABLE", "HF_HUB_OFFLINE", "VLLM_NO_USAGE_STATS"):
        monkeypatch.setenv(name, "1")
    from vllm import LLM, SamplingParams, TokensPrompt

    torch.manual_seed(0)
    model = Transformer(config)
    for name, bias in model.named_buffers():
        assert "e_score" in name
        bias.normal_(std=0.1)
    save(model, tmp_path, shard_bytes=1_000_000)
    engine = LLM(
        str(tmp_path),
        skip_tokenizer_init=True,
        dtype="float32",
        enforce_eager=True,
        block_size=32,
        max_model_len=512,
        kv_cache_memory_bytes=64 << 20,
        compilation_config={"custom_ops": ["none"]},  # vLLM's own rotary op is wrong on the CPU
        speculative_config={"method": "mtp", "num_speculative_tokens": 1},
    )
    prompts = [TokensPrompt(prompt_token_ids=row) for row in TOKENS.tolist()]
    greedy = SamplingParams(max_tokens=8, temperature=0, ignore_eos=True, prompt_logprobs=0, detokenize=False)
    outputs = engine.generate(prompts, greedy)
    found = torch.tensor(
        [
            [at[token].logprob for token, at in zip(row[1:], output.prompt_logprobs[1:], strict=True)]
            for row, output in zip(TOKENS.tolist(), outputs, strict=True)
        ]
    )
    written = torch.tensor([output.outputs[0].token_ids for output in outputs])
    with torch.no_grad():
        logits = load(tmp_path)(torch.cat((TOKENS, written), 1)).logits
    assert logits is not None
    ours = logits.log_softmax(-1)[:, : TOKENS.shape[1] - 1].gather(2, TOKENS[:, 1:, None])[..., 0]
    assert (found - ours).abs().max() < 1e-3
    assert ours.std() > 0.5
    assert torch.equal(logits[:, TOKENS.shape[1] - 1 : -1].argmax(-1), written)
