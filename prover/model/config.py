"""The model's configuration: the fields of Hugging Face's `deepseek_v3`, and presets."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt, model_validator


class ModelError(Exception):
    """A checkpoint that cannot be read; str() says which and why."""


class ModelConfigError(ValueError):
    """A configuration that this architecture does not have; str() names the field."""


class Yarn(BaseModel):
    """The settings of YaRN, which stretches RoPE to longer contexts (arXiv:2309.00071).

    factor: context now / context of the first training (`original_max_position_embeddings`, in tokens).
    beta_fast, beta_slow: dimensions that rotate more than `beta_fast` times in the original context stay as they are,
        those that rotate less than `beta_slow` times are stretched in full, those between in part.
    mscale, mscale_all_dim: how much attention scores grow with the logarithm of the factor, in the rotated and in the
        other parts of queries and keys. Where one of them is 0, DeepSeek-V3's own code and transformers differ; this is
        transformers' way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    factor: PositiveFloat
    original_max_position_embeddings: PositiveInt
    beta_fast: PositiveFloat = 32
    beta_slow: PositiveFloat = 1
    mscale: float = 1
    mscale_all_dim: float = 0


class ModelConfig(BaseModel):
    """The configuration of a DeepSeek-V3-style model (arXiv:2412.19437), with the field names of `config.json`.

    hidden_size: width of the residual stream. num_hidden_layers: blocks, of which the first `first_k_dense_replace`
        have a dense feed-forward layer of width `intermediate_size`, the others a mixture of experts.
    kv_lora_rank: size of the latent from which keys and values come; q_lora_rank: the same for queries (None: they come
        from the residual stream directly). qk_nope_head_dim, qk_rope_head_dim: parts of a head's query and key without
        and with a position. v_head_dim: size of a head's value.
    n_routed_experts: experts of width `moe_intermediate_size` in each MoE layer, of which a token uses
        `num_experts_per_tok`, all from the best `topk_group` of `n_group` groups. n_shared_experts: those that every
        token uses. norm_topk_prob, routed_scaling_factor: the selected experts' weights are made to sum to 1, then
        scaled.
    num_nextn_predict_layers: MTP modules, each of which predicts a further token.
    max_position_embeddings: context in tokens. initializer_range: standard deviation of fresh weights.

    Raises ModelConfigError for a combination of values that the architecture does not have.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocab_size: PositiveInt
    hidden_size: PositiveInt
    num_hidden_layers: PositiveInt
    first_k_dense_replace: NonNegativeInt = 1
    intermediate_size: PositiveInt

    num_attention_heads: PositiveInt
    q_lora_rank: PositiveInt | None = None
    kv_lora_rank: PositiveInt
    qk_nope_head_dim: PositiveInt
    qk_rope_head_dim: PositiveInt
    v_head_dim: PositiveInt

    moe_intermediate_size: PositiveInt
    n_routed_experts: PositiveInt
    n_shared_experts: NonNegativeInt = 1
    num_experts_per_tok: PositiveInt
    n_group: PositiveInt = 1
    topk_group: PositiveInt = 1
    norm_topk_prob: bool = True
    routed_scaling_factor: float = 1.0

    num_nextn_predict_layers: NonNegativeInt = 0
    tie_word_embeddings: bool = False
    max_position_embeddings: PositiveInt = 4096
    rope_theta: PositiveFloat = 10_000.0
    yarn: Yarn | None = None
    rms_norm_eps: PositiveFloat = 1e-6
    initializer_range: PositiveFloat = 0.02
    bos_token_id: int | None = None
    eos_token_id: int | None = None

    @model_validator(mode="after")
    def _fits(self) -> ModelConfig:
        for name in ("qk_nope_head_dim", "qk_rope_head_dim", "kv_lora_rank"):
            if getattr(self, name) % 2:
                raise ModelConfigError(f"{name} is {getattr(self, name)}; RoPE rotates pairs, so it must be even")
        for name in ("hidden_size", "moe_intermediate_size"):
            if getattr(self, name) % 8:
                raise ModelConfigError(f"{name} is {getattr(self, name)}; the experts' kernels want a multiple of 8")
        if self.first_k_dense_replace > self.num_hidden_layers:
            raise ModelConfigError("first_k_dense_replace is the number of the first layers that are dense")
        if self.n_routed_experts % self.n_group:
            raise ModelConfigError(
                f"{self.n_routed_experts} experts do not fall into {self.n_group} groups of one size"
            )
        if self.n_group > 1 and self.experts_per_group < 2:
            raise ModelConfigError("a group is judged by its two best experts, so it needs two")
        if self.topk_group > self.n_group or self.num_experts_per_tok > self.topk_group * self.experts_per_group:
            raise ModelConfigError("a token uses more groups or experts than there are to choose from")
        return self

    @property
    def experts_per_group(self) -> int:
        """Experts in each of the `n_group` groups."""
        return self.n_routed_experts // self.n_group

    @property
    def qk_head_dim(self) -> int:
        """Size of a head's query and key."""
        return self.qk_nope_head_dim + self.qk_rope_head_dim

    @property
    def latent_dim(self) -> int:
        """Numbers that a cache needs per token and layer: the latent, and the rotated key part."""
        return self.kv_lora_rank + self.qk_rope_head_dim

    @property
    def num_moe_layers(self) -> int:
        """Layers with a mixture of experts, MTP modules not counted."""
        return self.num_hidden_layers - self.first_k_dense_replace

    def replace(self, **changes: Any) -> ModelConfig:
        """A copy with some fields changed, validated again. Raises ModelConfigError, pydantic.ValidationError."""
        return ModelConfig(**{**self.model_dump(), **changes})


_V3_YARN = Yarn(factor=40, original_max_position_embeddings=4096, mscale=1, mscale_all_dim=1)
_V2_YARN = Yarn(factor=40, original_max_position_embeddings=4096, mscale=0.707, mscale_all_dim=0.707)

#: Configurations by name. 16b and 236b have the sizes of DeepSeek-V2-Lite and DeepSeek-V2, with DeepSeek-V3's router;
#: 671b is DeepSeek-V3.
PRESETS: dict[str, ModelConfig] = {
    "tiny": ModelConfig(
        vocab_size=1024,
        hidden_size=128,
        num_hidden_layers=4,
        intermediate_size=384,
        num_attention_heads=4,
        kv_lora_rank=64,
        qk_nope_head_dim=32,
        qk_rope_head_dim=16,
        v_head_dim=32,
        moe_intermediate_size=64,
        n_routed_experts=8,
        num_experts_per_tok=2,
        n_group=4,
        topk_group=2,
        num_nextn_predict_layers=1,
        tie_word_embeddings=True,
        max_position_embeddings=2048,
    ),
    "30m": ModelConfig(
        vocab_size=8192,
        hidden_size=384,
        num_hidden_layers=8,
        intermediate_size=1024,
        num_attention_heads=6,
        kv_lora_rank=128,
        qk_nope_head_dim=64,
        qk_rope_head_dim=32,
        v_head_dim=64,
        moe_intermediate_size=192,
        n_routed_experts=12,
        num_experts_per_tok=3,
        n_group=4,
        topk_group=2,
        num_nextn_predict_layers=1,
        tie_word_embeddings=True,
        max_position_embeddings=4096,
    ),
    "16b": ModelConfig(
        vocab_size=102_400,
        hidden_size=2048,
        num_hidden_layers=27,
        intermediate_size=10_944,
        num_attention_heads=16,
        kv_lora_rank=512,
        qk_nope_head_dim=128,
        qk_rope_head_dim=64,
        v_head_dim=128,
        moe_intermediate_size=1408,
        n_routed_experts=64,
        n_shared_experts=2,
        num_experts_per_tok=6,
        max_position_embeddings=163_840,
        yarn=_V2_YARN,
    ),
    "236b": ModelConfig(
        vocab_size=102_400,
        hidden_size=5120,
        num_hidden_layers=60,
        intermediate_size=12_288,
        num_attention_heads=128,
        q_lora_rank=1536,
        kv_lora_rank=512,
        qk_nope_head_dim=128,
        qk_rope_head_dim=64,
        v_head_dim=128,
        moe_intermediate_size=1536,
        n_routed_experts=160,
        n_shared_experts=2,
        num_experts_per_tok=6,
        n_group=8,
        topk_group=3,
        routed_scaling_factor=2.5,
        max_position_embeddings=163_840,
        yarn=_V2_YARN,
    ),
    "671b": ModelConfig(
        vocab_size=129_280,
        hidden_size=7168,
        num_hidden_layers=61,
        first_k_dense_replace=3,
        intermediate_size=18_432,
        num_attention_heads=128,
        q_lora_rank=1536,
        kv_lora_rank=512,
        qk_nope_head_dim=128,
        qk_rope_head_dim=64,
        v_head_dim=128,
        moe_intermediate_size=2048,
        n_routed_experts=256,
        num_experts_per_tok=8,
        n_group=8,
        topk_group=4,
        routed_scaling_factor=2.5,
        num_nextn_predict_layers=1,
        max_position_embeddings=163_840,
        yarn=_V3_YARN,
        initializer_range=0.006,
        bos_token_id=0,
        eos_token_id=1,
    ),
}
