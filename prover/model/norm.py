"""Root mean square normalisation (Zhang and Sennrich 2019)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812, the field's name for it
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """x / sqrt(mean(x²) + eps) · weight over the last dimension, worked out in fp32 and returned in x's type."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        dim = x.shape[-1]
        if torch.is_grad_enabled() or x.device.type != "cpu" or x.dtype != torch.float32:
            return F.rms_norm(x, (dim,), self.weight, self.eps)
        # The same with fewer passes over x, which is what small steps of decoding on a CPU spend their time on.
        square = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(dim)
        return x.mul(square.add_(self.eps).rsqrt_()).mul_(self.weight)
