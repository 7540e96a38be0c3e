"""A model of ours, and transformers' `DeepseekV3ForCausalLM` with the same weights."""

from __future__ import annotations

import re

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM
from transformers.modeling_layers import MtpModel

from prover.model.config import ModelConfig, Yarn
from prover.model.norm import RMSNorm
from prover.model.router import Router
from prover.model.transformer import Transformer

SMALL = ModelConfig(
    vocab_size=101,
    hidden_size=32,
    num_hidden_layers=3,
    intermediate_size=40,
    num_attention_heads=3,
    q_lora_rank=20,
    kv_lora_rank=16,
    qk_nope_head_dim=8,
    qk_rope_head_dim=4,
    v_head_dim=10,
    moe_intermediate_size=16,
    n_routed_experts=8,
    num_experts_per_tok=2,
    n_group=4,
    topk_group=2,
    routed_scaling_factor=1.5,
    num_nextn_predict_layers=2,
    yarn=Yarn(factor=8, original_max_position_embeddings=64, mscale=0.7, mscale_all_dim=1),
    initializer_range=0.15,
)

_MSCALES = st.sampled_from([0, 0.707, 1, 1.3])
_YARNS = st.builds(
    Yarn,
    factor=st.floats(1, 50),
    original_max_position_embeddings=st.sampled_from([16, 300, 4096]),
    beta_fast=st.sampled_from([8, 32]),
    mscale=_MSCALES,
    mscale_all_dim=_MSCALES,
)


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    """Small models of any shape that this architecture has."""

    def number(least: int, most: int, step: int = 1) -> int:
        return step * draw(st.integers(least, most))

    groups, size, layers = number(1, 4), number(2, 4), number(1, 3)
    kept = number(1, groups)
    return ModelConfig(
        vocab_size=number(20, 150),
        hidden_size=number(1, 6, 8),
        num_hidden_layers=layers,
        first_k_dense_replace=number(0, layers),
        intermediate_size=number(1, 50),
        num_attention_heads=number(1, 4),
        q_lora_rank=draw(st.none() | st.integers(4, 20)),
        kv_lora_rank=number(2, 12, 2),
        qk_nope_head_dim=number(1, 8, 2),
        qk_rope_head_dim=number(1, 8, 2),
        v_head_dim=number(1, 40),
        moe_intermediate_size=number(1, 3, 8),
        n_routed_experts=groups * size,
        n_shared_experts=number(0, 2),
        num_experts_per_tok=number(1, kept * size),
        n_group=groups,
        topk_group=kept,
        norm_topk_prob=draw(st.booleans()),
        routed_scaling_factor=draw(st.sampled_from([0.5, 1.0, 2.5])),
        tie_word_embeddings=draw(st.booleans()),
        rope_theta=draw(st.sampled_from([100.0, 10_000.0])),
        yarn=draw(st.none() | _YARNS),
        rms_norm_eps=draw(st.sampled_from([1e-6, 1e-3])),
        initializer_range=0.15,
    )


def fresh(config: ModelConfig, seed: int = 0) -> Transformer:
    """A model with random weights, those that begin as 1 or 0 included."""
    torch.manual_seed(seed)
    model = Transformer(config)
    for module in model.modules():
        match module:
            case RMSNorm():
                nn.init.uniform_(module.weight, 0.5, 1.5)
            case Router():
                nn.init.normal_(module.e_score_correction_bias, std=0.2)
    return model


def tokens(config: ModelConfig, *shape: int) -> Tensor:
    return torch.randint(config.vocab_size, shape)


def twin(model: Transformer) -> DeepseekV3ForCausalLM:
    """transformers' model with the same weights, without MTP."""
    theirs = DeepseekV3ForCausalLM(hf_config(model.config)).eval()
    theirs.load_state_dict({**_empty(theirs), **renamed(model.state_dict())[0]})
    return theirs


def mtp_twin(model: Transformer, theirs: DeepseekV3ForCausalLM) -> MtpModel:
    """transformers' MTP modules with the same weights, over transformers' model."""
    modules = MtpModel(theirs, len(model.mtp)).eval()
    shared = {name: weight for name, weight in modules.state_dict().items() if not name.startswith("layers.")}
    modules.load_state_dict({**_empty(modules), **shared, **renamed(model.state_dict())[1]})
    return modules


def _empty(model: nn.Module) -> dict[str, Tensor]:
    """Where there are no shared experts, transformers has some of width 0."""
    return {name: weight for name, weight in model.state_dict().items() if not weight.numel()}


def hf_config(config: ModelConfig) -> DeepseekV3Config:
    fields = config.model_dump(exclude={"yarn", "rope_theta"})
    rope = {"rope_type": "default"} if config.yarn is None else {"rope_type": "yarn", **config.yarn.model_dump()}
    return DeepseekV3Config(
        **fields,
        rope_parameters={**rope, "rope_theta": config.rope_theta},
        num_key_value_heads=config.num_attention_heads,
    )


def gradients(model: nn.Module) -> dict[str, Tensor]:
    """By parameter that has numbers; 0 where nothing came."""
    return {
        name: torch.zeros_like(weight) if weight.grad is None else weight.grad
        for name, weight in model.named_parameters()
        if weight.numel()
    }


def renamed(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights or gradients of ours under transformers' names: of the model, and of the MTP modules."""
    main, mtp = {}, {}
    for name, tensor in state.items():
        if name.startswith("mtp."):
            name = name.replace("mtp.", "layers.", 1).replace(".block.", ".mtp_block.")
            there, name = mtp, re.sub(r"^(layers\.\d+)\.norm", r"\1.post_norm", name)
        else:
            there, name = main, name if name.startswith("lm_head") else f"model.{name}"
        if name.endswith("gate_up_proj.weight"):  # of a dense layer; those of the experts are one matrix there, too
            for part, half in zip(("gate_proj", "up_proj"), tensor.chunk(2), strict=True):
                there[name.replace("gate_up_proj", part)] = half
        else:
            there[name] = tensor
    return main, mtp


def assert_close(found: dict[str, Tensor], wanted: dict[str, Tensor], share: float = 1e-4) -> None:
    """Each tensor is within a share of its largest value, and of a hundredth of all tensors' where it is smaller.

    (What would be 0 in exact numbers, like the gradient of a router whose one chosen expert weighs 1, is only noise.)
    """
    assert found.keys() == wanted.keys()
    least = max(float(tensor.abs().max()) for tensor in wanted.values()) / 100
    for name, tensor in wanted.items():
        atol = share * max(float(tensor.abs().max()), least)
        torch.testing.assert_close(
            found[name], tensor, rtol=0, atol=atol, msg=lambda text, name=name: f"{name}: {text}"
        )
