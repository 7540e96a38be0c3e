"""Rotary position embedding (RoPE, arXiv:2104.09864), with YaRN for longer contexts (arXiv:2309.00071).

RoPE rotates pairs of neighbouring numbers (the interleaved layout). Checkpoints that pair a number with the one half a
head further on have their rows reordered when they are read (checkpoint.py), so no other module deals with layouts.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from prover.model.config import ModelConfig, Yarn


class RotaryEmbedding(nn.Module):
    """Rotary factors of token positions. It has no parameters: the angles follow from the configuration."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self._config = config

    def forward(self, positions: Tensor) -> Tensor:
        """freqs_cis, complex64 [..., qk_rope_head_dim / 2], of positions [...]: what `apply_rotary_emb` takes."""
        config = self._config
        angles = positions[..., None].float() * inv_freq(config, positions.device)
        return torch.polar(torch.full_like(angles, attention_factor(config.yarn)), angles)


def apply_rotary_emb(x: Tensor, freqs_cis: Tensor) -> Tensor:
    """Rotate the pairs (0, 1), (2, 3), … of x [..., dim] by freqs_cis [..., dim / 2], which may be broadcast.

    Computed in fp32, returned in x's dtype.
    """
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * freqs_cis).flatten(-2).type_as(x)


def inv_freq(config: ModelConfig, device: torch.device | None = None) -> Tensor:
    """Angular frequency of each pair in radians per position, fp32 [qk_rope_head_dim / 2], after YaRN's stretching."""
    dim, base, yarn = config.qk_rope_head_dim, config.rope_theta, config.yarn
    unscaled = base ** (-torch.arange(0, dim, 2, dtype=torch.float, device=device) / dim)
    if yarn is None:
        return unscaled

    def pair_index(rotations: float) -> float:
        """The (fractional) index of the pair that makes so many rotations in the original context."""
        return dim * math.log(yarn.original_max_position_embeddings / (rotations * 2 * math.pi)) / (2 * math.log(base))

    low = max(math.floor(pair_index(yarn.beta_fast)), 0)
    high = min(math.ceil(pair_index(yarn.beta_slow)), dim - 1)
    interpolated = ((torch.arange(dim // 2, device=device).float() - low) / max(high - low, 0.001)).clamp(0, 1)
    return unscaled * (1 - interpolated) + unscaled / yarn.factor * interpolated


def attention_factor(yarn: Yarn | None) -> float:
    """YaRN's factor on the rotated parts of queries and keys; 1 without YaRN."""
    if yarn is None:
        return 1.0
    if yarn.mscale and yarn.mscale_all_dim:
        return _yarn_mscale(yarn.factor, yarn.mscale) / _yarn_mscale(yarn.factor, yarn.mscale_all_dim)
    return _yarn_mscale(yarn.factor, 1)


def softmax_scale(config: ModelConfig) -> float:
    """The factor on query · key before the softmax: 1 / sqrt(qk_head_dim), times YaRN's mscale_all_dim squared."""
    scale = config.qk_head_dim**-0.5
    if config.yarn is not None and config.yarn.mscale_all_dim:
        scale *= _yarn_mscale(config.yarn.factor, config.yarn.mscale_all_dim) ** 2
    return scale


def _yarn_mscale(factor: float, mscale: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * mscale * math.log(factor) + 1
