"""Weights in eight bits with a scale for each block, as V3 is published (V3 §3.3). They are only read."""

from __future__ import annotations

import torch
from torch import Tensor

SCALES = "_scale_inv"  # the scales of `….weight` are in `….weight_scale_inv`, and are to be multiplied with


def dequantise(weight: Tensor, scales: Tensor, block: tuple[int, int]) -> Tensor:
    """weight float8_e4m3fn [rows, columns] → its numbers in fp32.

    scales [⌈rows / block[0]⌉, ⌈columns / block[1]⌉]: the last blocks may be cut off. Raises ValueError.
    """
    if weight.dtype != torch.float8_e4m3fn:
        raise ValueError(f"its scales are for float8_e4m3fn, but it is {weight.dtype}")
    blocks = tuple(-(-size // length) for size, length in zip(weight.shape, block, strict=True))
    if scales.shape != blocks:
        raise ValueError(f"its scales are {list(scales.shape)}, but its blocks {list(blocks)}")
    spread = scales.float().repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)
    return weight.float() * spread[: weight.shape[0], : weight.shape[1]]
