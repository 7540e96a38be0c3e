"""Positions: what is turned how far, and transformers' numbers for YaRN."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3Attention, DeepseekV3RotaryEmbedding

from prover.model.config import PRESETS, ModelConfig, Yarn
from prover.model.rope import RotaryEmbedding, apply_rotary_emb, attention_factor, inv_freq, softmax_scale
from tests.prover.model.twin import SMALL, configs, hf_config


@settings(max_examples=50, deadline=None, derandomize=True)
@given(configs())
def test_frequencies_and_scales_are_those_of_transformers(config: ModelConfig) -> None:
    theirs = DeepseekV3RotaryEmbedding(hf_config(config))
    torch.testing.assert_close(inv_freq(config), theirs.inv_freq)
    assert attention_factor(config.yarn) == pytest.approx(theirs.attention_scaling)
    assert softmax_scale(config) == pytest.approx(DeepseekV3Attention(hf_config(config), 0).scaling)


def test_of_v3_the_fast_pairs_stay_and_the_slow_ones_are_stretched_40_times() -> None:
    config = PRESETS["671b"]
    ratio = inv_freq(config.replace(yarn=None)) / inv_freq(config)
    # In 4,096 tokens pair i turns 4096 / (2π · 10000^(i / 32)) times: 32 times at i = 10.5, once at i = 22.5.
    torch.testing.assert_close(ratio[:11], torch.ones(11))
    torch.testing.assert_close(ratio[23:], torch.full((9,), 40.0))
    assert (ratio[11:23].diff() > 0).all()
    assert attention_factor(config.yarn) == 1
    assert softmax_scale(config) == pytest.approx(192**-0.5 * (0.1 * math.log(40) + 1) ** 2)


def test_neighbours_are_turned_together() -> None:
    config = SMALL.replace(qk_rope_head_dim=4, rope_theta=100.0, yarn=None)  # 1 and 0.1 radians per position
    found = apply_rotary_emb(torch.tensor([1.0, 0.0, 0.0, 2.0]), RotaryEmbedding(config)(torch.tensor(3)))
    wanted = [math.cos(3), math.sin(3), -2 * math.sin(0.3), 2 * math.cos(0.3)]
    torch.testing.assert_close(found, torch.tensor(wanted))


def test_only_the_distance_counts() -> None:
    rope = RotaryEmbedding(SMALL.replace(yarn=Yarn(factor=4, original_max_position_embeddings=64)))
    query, key = torch.randn(2, SMALL.qk_rope_head_dim)

    def score(at: int, to: int) -> torch.Tensor:
        freqs_cis = rope(torch.tensor([at, to]))
        return apply_rotary_emb(query, freqs_cis[0]) @ apply_rotary_emb(key, freqs_cis[1])

    torch.testing.assert_close(score(9, 2), score(107, 100), rtol=1e-4, atol=1e-5)
    assert not torch.isclose(score(9, 2), score(9, 3), rtol=1e-3)


def test_bfloat16_is_turned_in_fp32() -> None:
    x, freqs_cis = torch.randn(50, 4), RotaryEmbedding(SMALL)(torch.arange(1000, 1050))
    found = apply_rotary_emb(x.bfloat16(), freqs_cis)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, apply_rotary_emb(x.bfloat16().float(), freqs_cis).bfloat16())
