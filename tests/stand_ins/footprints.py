"""The memory of a small network, measured here or in another process, which imports nothing else for it."""

from collections.abc import Callable

import torch

from luxel.benchmark.protocol.footprint import footprint


def memory_of_small_network() -> float:
    return footprint(torch.nn.Conv2d(3, 1, 1), torch.device("cpu")).memory_mb


def footprint_maker() -> Callable[[None], float]:
    return lambda task: memory_of_small_network()
