"""Attention among channels instead of pixels: its cost is linear in pixels. Retinexformer and SKF share it."""

import torch
from torch import Tensor

MIN_POWER = 1e-6
"""Keeps a row of zeros (a black picture) from being divided by its length."""


def channel_attention(query: Tensor, key: Tensor, value: Tensor, temperature: Tensor) -> Tensor:
    """Every channel becomes a mixture of the values of all channels of its head, weighed by likeness over the picture.

    query, key, value: [B, C, H, W]. temperature: [heads, 1, 1], factor of the cosines before the softmax; C must divide
    by its first size. Returns [B, C, H, W]. Source: Restormer (CVPR 2022), Eq. 1.
    """
    split = (query.shape[0], temperature.shape[0], -1, query.shape[-2] * query.shape[-1])
    q, k, v = (x.reshape(split) for x in (query, key, value))
    likeness = unit_length(q) @ unit_length(k).mT
    return ((likeness * temperature).softmax(-1) @ v).reshape(query.shape)


def unit_length(x: Tensor) -> Tensor:
    """Rows of [..., N] brought to length 1; rows of zeros stay zeros."""
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + MIN_POWER)
