"""Shapes: what is refused, and how large the named ones are."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from prover.model.config import PRESETS, ModelConfig
from prover.model.experts import Experts
from prover.model.transformer import Transformer
from tests.prover.model.twin import SMALL


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"qk_rope_head_dim": 3}, "qk_rope_head_dim is 3"),
        ({"qk_nope_head_dim": 7}, "qk_nope_head_dim is 7"),
        ({"kv_lora_rank": 9}, "kv_lora_rank is 9"),
        ({"hidden_size": 30}, "hidden_size is 30"),
        ({"moe_intermediate_size": 4}, "moe_intermediate_size is 4"),
        ({"first_k_dense_replace": 4}, "first_k_dense_replace"),
        ({"n_group": 3}, "8 experts do not fall into 3 groups"),
        ({"n_group": 8}, "two best experts"),
        ({"topk_group": 5}, "more groups or experts"),
        ({"num_experts_per_tok": 5}, "more groups or experts"),
        ({"n_shared_experts": -1}, "n_shared_experts"),
        ({"num_heads": 4}, "num_heads"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused_with_its_field(wrong: dict[str, int], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SMALL.replace(**wrong)


def sizes(config: ModelConfig) -> tuple[int, int]:
    """Parameters without the MTP modules: all, and those that are multiplied with one token (an embedding is not)."""
    with torch.device("meta"):
        model = Transformer(config.replace(num_nextn_predict_layers=0))
    everything = sum(weight.numel() for weight in model.parameters())
    routed = sum(w.numel() for module in model.modules() if isinstance(module, Experts) for w in module.parameters())
    looked_up = 0 if config.tie_word_embeddings else model.embed_tokens.weight.numel()
    used = routed * config.num_experts_per_tok // config.n_routed_experts
    return everything, everything - looked_up - routed + used


@pytest.mark.parametrize(
    ("name", "everything", "active"),
    [
        ("671b", 671e9, 37e9),  # DeepSeek-V3, section 4.2
        ("236b", 236e9, 21e9),  # DeepSeek-V2, section 3.1.2
        ("16b", 15.7e9, 2.4e9),  # V2 appendix B
        ("30m", 28.7e6, 14.8e6),
        ("tiny", 1.22e6, 0.77e6),
    ],
)
def test_the_named_shapes_have_their_papers_sizes(name: str, everything: float, active: float) -> None:
    found = sizes(PRESETS[name])
    assert found == (pytest.approx(everything, rel=0.005), pytest.approx(active, rel=0.025))


def test_the_cache_is_a_small_part_of_multi_head_attentions() -> None:
    """Numbers per token and layer, against the same model with keys and values of each head written out.

    (V2's 93.3 % is another comparison: with DeepSeek 67B, whose 95 layers keep keys and values of 8 heads of 128 in 16
    bits, while V2's 60 layers are kept in about 6 bits.)
    """

    def heads(config: ModelConfig) -> int:
        return config.num_attention_heads * (config.qk_head_dim + config.v_head_dim)

    v3, v2 = PRESETS["671b"], PRESETS["236b"]
    assert (v3.latent_dim, heads(v3)) == (576, 40_960)
    assert (v2.latent_dim, heads(v2)) == (576, 40_960)
    before, after = 95 * 2 * 8 * 128, 60 * v2.latent_dim
    assert 1 - after / before == pytest.approx(0.822, abs=1e-3)  # in the same number of bits
    assert 1 - after * 6 / (before * 16) == pytest.approx(0.933, abs=1e-3)
