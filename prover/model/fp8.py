"""Block-scaled FP8 weights, as DeepSeek-V3 is published (arXiv:2412.19437, section 3.3). They are only read."""

from __future__ import annotations

import torch
from torch import Tensor

SCALE_SUFFIX = "_scale_inv"  # the scales of `….weight` are in `….weight_scale_inv`; weights are multiplied with them


def dequantize(weight: Tensor, scales: Tensor, block_size: tuple[int, int]) -> Tensor:
    """An FP8 weight in fp32, [rows, columns].

    weight float8_e4m3fn [rows, columns]; block_size: rows and columns of a block with one scale; scales
    [⌈rows / block_size[0]⌉, ⌈columns / block_size[1]⌉]: the last blocks may be cut off.
    Raises ValueError if the dtype is another or the shapes do not match.
    """
    if weight.dtype != torch.float8_e4m3fn:
        raise ValueError(f"its scales are for float8_e4m3fn, but it is {weight.dtype}")
    blocks = tuple(-(-size // length) for size, length in zip(weight.shape, block_size, strict=True))
    if scales.shape != blocks:
        raise ValueError(f"its scales are {list(scales.shape)}, but its blocks {list(blocks)}")
    per_element = scales.float().repeat_interleave(block_size[0], 0).repeat_interleave(block_size[1], 1)
    return weight.float() * per_element[: weight.shape[0], : weight.shape[1]]
