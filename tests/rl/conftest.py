"""What tests of training share: little threads, a small model with its tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from prover.model import checkpoint, tokenizer
from prover.model.config import PRESETS, ModelConfig
from prover.model.transformer import Transformer

settings.register_profile("rl", deadline=None, max_examples=60)
settings.load_profile("rl")

LEAN = ["theorem t (a b : Nat) (h : a < b) : a + 1 ≤ b := by\n  omega\n```", "⟨h₁, h₂⟩ ∀ x ∈ ℕ, x = x"] * 20
SHAPE: ModelConfig = PRESETS["tiny"].replace(
    hidden_size=32,
    num_hidden_layers=2,
    intermediate_size=48,
    num_attention_heads=2,
    kv_lora_rank=16,
    qk_nope_head_dim=8,
    qk_rope_head_dim=8,
    v_head_dim=8,
    moe_intermediate_size=16,
    max_position_embeddings=512,
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Small tensors gain nothing from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a small model of ours with fresh weights, and its tokenizer."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("small")
    words = tokenizer.train(LEAN, 300)
    checkpoint.save(Transformer(SHAPE.replace(vocab_size=len(words), eos_token_id=words.eos_token_id)), place)
    words.save_pretrained(place)
    return place
