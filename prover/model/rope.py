"""Rotary position embedding, stretched by YaRN (Su et al. 2021; Peng et al. 2023).

Pairs of neighbouring numbers are turned, which DeepSeek calls interleaved. Checkpoints that pair a number with the one
half a head further on have their rows put in this order when they are read (checkpoint.py), so this is the only place.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from prover.model.config import ModelConfig, Yarn


class Rope(nn.Module):
    """Turns for positions. No parameters: the angles are constants of the configuration."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self._config = config

    def forward(self, positions: Tensor) -> Tensor:
        """positions […] → what `rotate` multiplies with, complex64 […, qk_rope_head_dim / 2]."""
        config = self._config
        angles = positions[..., None].float() * frequencies(config, positions.device)
        return torch.polar(torch.full_like(angles, magnitude(config.yarn)), angles)


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """x [..., dim] with its pairs (0, 1), (2, 3), … turned by `turns` [..., dim / 2], which may be broadcast."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2).type_as(x)


def frequencies(config: ModelConfig, device: torch.device | None = None) -> Tensor:
    """Radians per position of each pair, fp32 [qk_rope_head_dim / 2]."""
    dim, base, yarn = config.qk_rope_head_dim, config.rope_theta, config.yarn
    plain = base ** (-torch.arange(0, dim, 2, dtype=torch.float, device=device) / dim)
    if yarn is None:
        return plain

    def pair(turns: float) -> float:
        """The pair (not a whole number) that turns so often in the original context."""
        return dim * math.log(yarn.original_max_position_embeddings / (turns * 2 * math.pi)) / (2 * math.log(base))

    low, high = max(math.floor(pair(yarn.beta_fast)), 0), min(math.ceil(pair(yarn.beta_slow)), dim - 1)
    stretched = ((torch.arange(dim // 2, device=device).float() - low) / max(high - low, 0.001)).clamp(0, 1)
    return plain * (1 - stretched) + plain / yarn.factor * stretched


def magnitude(yarn: Yarn | None) -> float:
    """What the turned parts of queries and keys are multiplied with."""
    if yarn is None:
        return 1.0
    if yarn.mscale and yarn.mscale_all_dim:
        return _sharpness(yarn.factor, yarn.mscale) / _sharpness(yarn.factor, yarn.mscale_all_dim)
    return _sharpness(yarn.factor, 1)


def softmax_scale(config: ModelConfig) -> float:
    """What query · key is multiplied with before the softmax."""
    scale = config.qk_head_dim**-0.5
    if config.yarn is not None and config.yarn.mscale_all_dim:
        scale *= _sharpness(config.yarn.factor, config.yarn.mscale_all_dim) ** 2
    return scale


def _sharpness(factor: float, mscale: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * mscale * math.log(factor) + 1
