"""What a network costs to run: parameters, time per picture, memory. Measured in the process that is asked."""

import contextlib
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

SIDE = 256
"""Side of the picture that time and memory are measured with, the paper's input size."""

RUNS = 5
LONGEST = 20.0
"""Seconds after which no further run is timed: the largest networks take several on a CPU."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """params: trainable and frozen parameters. latency_ms: median of up to five runs on one picture of 256 x 256.
    memory_mb: weights and the most that running added to the process (or the CUDA device)."""

    params: int
    latency_ms: float
    memory_mb: float


def parameters(model: nn.Module) -> int:
    """Number of parameters, trained or frozen."""
    return sum(p.numel() for p in model.parameters())


def multiply_adds(model: nn.Module, side: int = SIDE) -> int:
    """Multiply-adds of a model for one image: of convolutions, matrix products and attention, nothing else.

    model: [B, 3, H, W] in [0, 1] to a map or a score; on the meta device too, where nothing is computed.
    side: of the square image, in pixels.

    >>> multiply_adds(nn.Conv2d(3, 8, 3, padding=1), side=10)
    21600
    """
    device = next(model.parameters()).device
    image = torch.zeros(1, 3, side, side, device=device)
    # Without gradients torch takes fused paths through attention layers, which the counter does not see.
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        model.eval()(image)
    flops: int = counter.get_total_flops()
    return flops // 2


def footprint(model: nn.Module, device: torch.device) -> Footprint:
    """Parameters, latency and memory of a model on one picture.

    model: [B, 3, H, W] in [0, 1] to a map or a score; left in eval mode. On a CPU the memory is what the process
    grew by, so ask in a fresh process.
    """
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    model = model.to(device).eval()
    image = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).to(device)
    before = _held(device)
    _forget_peak(device)
    times: list[float] = []
    started = time.perf_counter()
    with torch.inference_mode():
        model(image)
        while len(times) < RUNS and (not times or time.perf_counter() - started < LONGEST):
            _wait(device)
            begin = time.perf_counter()
            model(image)
            _wait(device)
            times.append(time.perf_counter() - begin)
    grown = max(0, _peak(device) - before)  # activations: the weights were held before
    return Footprint(parameters(model), float(np.median(times)) * 1e3, (weights + grown) / 2**20)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _held(device: torch.device) -> int:
    """Bytes held now."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return _of_process("VmRSS") or _peak(device)


def _forget_peak(device: torch.device) -> None:
    """From now on `_peak` is that of what follows, where the system lets us."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak(device: torch.device) -> int:
    """Most bytes held since `_forget_peak`, or ever."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Linux hands getrusage's peak down from parent to child, so a small network would be charged with its parent's.
    return _of_process("VmHWM") or _peak_of_usage()


def _of_process(key: str) -> int:
    """Bytes that Linux states for this process under a key of /proc/self/status; 0 where it does not."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii", errors="replace").splitlines() if status.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), 0)


def _peak_of_usage() -> int:
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS, in KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
