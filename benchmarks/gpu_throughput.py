"""Images a second on a graphics processor, 256x256, by batch size.

    python benchmarks/gpu_throughput.py --device cuda

"network" is the network alone, images already on the device; "with transfer" brings NumPy batches there and maps back;
"assess_batch" is everything from arrays to scores, in one Python thread.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from luxel.assessment.assessor import Assessor
from luxel.assessment.weights import locate
from luxel.model.inference import TorchNetwork

SIDE = 256


def rate(work: Callable[[], object], images: int, seconds: float, wait: Callable[[], None]) -> float:
    """Images a second of a call that does `images` of them, repeated for some time after three calls to warm up."""
    for _ in range(3):
        work()
    wait()
    begun, calls = time.perf_counter(), 0
    while calls < 3 or time.perf_counter() - begun < seconds:
        work()
        calls += 1
        if calls % 8 == 0:
            wait()
    wait()
    return calls * images / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--seconds", type=float, default=3.0, help="of each figure")
    asked = parser.parse_args()
    cuda = asked.device == "cuda"
    network = TorchNetwork(locate(), None, asked.device)
    assessor = Assessor(device=asked.device, backend="torch")
    wait: Callable[[], None] = torch.cuda.synchronize if cuda else (lambda: None)
    print(f"{torch.cuda.get_device_name() if cuda else 'processor'}, torch {torch.__version__}, {network.precision}")
    print("batch     network  with transfer  assess_batch   (images a second)")
    for size in asked.batches:
        arrays = np.random.default_rng(0).random((size, 3, SIDE, SIDE), dtype=np.float32)
        images = list((arrays.transpose(0, 2, 3, 1) * 255).astype(np.uint8))
        placed = torch.from_numpy(arrays).to(asked.device)
        figures = [
            rate(lambda placed=placed: network.maps(placed), size, asked.seconds, wait),
            rate(lambda arrays=arrays: network(arrays), size, asked.seconds, wait),
            rate(lambda images=images: assessor.assess_batch(images), size, asked.seconds, wait),
        ]
        print(f"{size:5d} {figures[0]:11.0f} {figures[1]:14.0f} {figures[2]:13.0f}", flush=True)


if __name__ == "__main__":
    main()
