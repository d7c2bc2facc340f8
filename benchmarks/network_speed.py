"""How long one picture of 256 x 256 takes, from array to residual map, in every runtime at hand.

    python benchmarks/network_speed.py [--weights FILE.onnx] [--images FOLDER] [--int8]
        [--released CHECKPOINT.pth] [--threads 2] [--seconds 2] [--rounds 3] [--as-is]

Batch 1; wall time (median and fastest run) and processor time over all threads (median), each beside work done in the
same run, because milliseconds alone say little on a shared machine: "x product" is the median in 2048 x 2048 x 2048
float32 NumPy products; "released / this" is how many times as long the authors' released network takes, by the three
times, on the picture paired with itself as their script runs it. The differences are from the map of torch float32.
Prints a Markdown table for docs/performance.md. Needs `luxel[train]`; OpenVINO is measured if installed.

torch asks the system for its buffers again in every run and lets waiting threads spin. On virtual machines, where page
faults are dear, and on busy ones that alone can double or triple its time, which would flatter the other runtimes. So
the script starts itself again with memory kept and waiting threads asleep; `--as-is` measures without.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SIDE = 256
CALIBRATION = 64
"""Pictures that set the INT8 ranges; the ones the difference is measured on come after them."""
COMPARED = 16
STEADY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "-1",
    "MALLOC_TOP_PAD_": str(2**28),
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Environment that keeps freed memory (glibc) and lets waiting OpenMP threads sleep; both are read at process start."""

FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


@dataclass
class Row:
    """One line of the table: what is timed, and how long each run took.

    run: for luxel's network in some runtime, [1, 3, 256, 256] float32 -> [1, 1, 256, 256] float32, both NumPy; what it
    is measured against takes the same argument and ignores it.
    """

    name: str
    run: Callable[[Any], Any]
    note: str = ""
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    @property
    def figures(self) -> tuple[float, float, float]:
        """Seconds of a run: the median, the fastest, and the median of processor time over all threads."""
        return statistics.median(self.wall), min(self.wall), statistics.median(self.processor)


def main() -> None:
    arguments = parse()
    if not arguments.as_is and any(os.environ.get(name) != value for name, value in STEADY.items()):
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | STEADY)
    # NumPy reads its thread count once, on import: hence the imports inside functions.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(arguments.threads)
    import numpy as np
    import torch

    from luxel.assessment.weights import locate

    torch.set_num_threads(arguments.threads)
    describe_machine(arguments)
    calibration, compared = pictures(arguments.images)
    if arguments.int8 and not len(calibration):
        sys.exit("--int8 needs pictures to set its ranges: give --images FOLDER")

    weights = locate(arguments.weights)
    left = np.random.default_rng(0).standard_normal((2048, 2048), dtype=np.float32)
    product = Row("NumPy product 2048^3, float32", lambda _: left @ left)
    released = released_row(arguments.released)
    skipped: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        networks = [*torch_rows(weights), *onnx_rows(weights, arguments.threads, skipped)]
        if arguments.int8:
            quantised = quantise(weights, calibration, Path(scratch))
            networks += onnx_rows(quantised, arguments.threads, skipped, precision="int8")
        rows = [product, released, *networks]
        for _ in range(arguments.rounds):
            for row in rows:
                measure(row, compared[:1], arguments.seconds)
        print_table(rows, product, released, differences(networks, compared))
    for line in skipped:
        print(f"\nNot measured: {line}")
    print(
        f"\nDifference: over {len(compared)} pictures, {'from ' + str(arguments.images) if arguments.images else MADE}."
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--weights", type=Path, help="ONNX file written by luxel export; without: shipped")
    parser.add_argument("--images", type=Path, help="folder of pictures for the differences and for INT8 ranges")
    parser.add_argument("--int8", action="store_true", help="also quantise statically (QDQ) with ONNX Runtime")
    parser.add_argument("--released", type=Path, help="the authors' checkpoint; random weights take the same time")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each row in each round")
    parser.add_argument("--rounds", type=int, default=3, help="rows take turns, so a busy moment hits all of them")
    parser.add_argument("--as-is", action="store_true", help="leave memory and waiting threads to their defaults")
    return parser.parse_args()


def describe_machine(arguments: argparse.Namespace) -> None:
    """Print what decides the figures: processor, its instruction sets, threads, memory, and who else is using it."""
    cpuinfo = Path("/proc/cpuinfo")
    known = cpuinfo.read_text() if cpuinfo.exists() else ""
    model = next((line.partition(":")[2].strip() for line in known.splitlines() if "model name" in line), "")
    sets = [flag for flag in FLAGS if f" {flag} " in known.replace("\n", " ")]
    print(
        f"{model or platform.processor()}, {' '.join(sets) or 'instruction sets unknown'}, {arguments.threads} threads"
    )
    print("Memory and waiting threads: " + ("as the system has them" if arguments.as_is else "kept, asleep"))
    print(f"Load average before the run: {os.getloadavg()[0]:.1f} (0 is a quiet machine)\n")


MADE = "made by this script (smooth light and noise); give --images for real ones"


def pictures(folder: Path | None) -> tuple[Any, Any]:
    """Calibration pictures and compared pictures, each float32 [N, 3, 256, 256] in [0, 1]; the first empty if made."""
    import numpy as np
    from PIL import Image

    from luxel.images import SUFFIXES, read
    from luxel.photometry import as_unit_float

    if folder is None:
        rng = np.random.default_rng(0)
        light = rng.uniform(size=(COMPARED, 3, 5, 5)).astype(np.float32)
        smooth = [
            [np.asarray(Image.fromarray(plane).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for plane in planes]
            for planes in light
        ]
        made = np.clip(np.asarray(smooth) + rng.normal(0.0, 0.05, (COMPARED, 3, SIDE, SIDE)), 0.0, 1.0)
        return np.empty((0, 3, SIDE, SIDE), np.float32), made.astype(np.float32)

    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if len(files) < 2:
        sys.exit(f"--images {folder}: {len(files)} pictures; give a folder with at least two")
    # Spread over the folder: neighbours in a listing are often frames of one scene.
    wanted = min(len(files), CALIBRATION + COMPARED)
    chosen = [files[round(i * (len(files) - 1) / (wanted - 1))] for i in range(wanted)]
    np.random.default_rng(0).shuffle(chosen)
    stack = []
    for path in chosen:
        small = Image.fromarray(np.rint(as_unit_float(read(path).pixels) * 255.0).astype(np.uint8)).resize(
            (SIDE, SIDE), Image.Resampling.BILINEAR
        )
        stack.append(np.asarray(small, dtype=np.float32).transpose(2, 0, 1) / 255.0)
    compared = min(COMPARED, wanted // 2)
    return np.ascontiguousarray(stack[compared:]), np.ascontiguousarray(stack[:compared])


def released_row(checkpoint: Path | None) -> Row:
    import torch

    from luxel.model.released import SIDE, ReleasedNetwork, load_released

    network = load_released(checkpoint).network if checkpoint else ReleasedNetwork().eval()
    pair = torch.rand(1, 3, SIDE, SIDE).repeat(2, 1, 1, 1)

    def run(_: Any) -> Any:
        with torch.inference_mode():
            return network(pair)

    return Row("Released network, torch float32", run, note="batch of 2" + ("" if checkpoint else ", random weights"))


def torch_rows(weights: Path) -> Iterator[Row]:
    import torch

    from luxel.model.weights import load_model

    def row(name: str, dtype: torch.dtype, layout: torch.memory_format, note: str = "") -> Row:
        network: Any = load_model(weights)  # torch's own types leave memory_format out
        network.to(dtype=dtype, memory_format=layout)

        def run(image: Any) -> Any:
            with torch.inference_mode():
                given = torch.from_numpy(image).to(dtype=dtype, memory_format=layout)
                return network(given).float().numpy()

        return Row(name, run, note)

    yield row("torch float32", torch.float32, torch.contiguous_format)
    yield row("torch float32, channels last", torch.float32, torch.channels_last)
    note = "" if processor_has("bf16") else "processor has no bf16 instructions"
    yield row("torch bfloat16", torch.bfloat16, torch.contiguous_format, note)
    yield row("torch bfloat16, channels last", torch.bfloat16, torch.channels_last, note)


def processor_has(instruction: str) -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and instruction in cpuinfo.read_text()


def onnx_rows(weights: Path, threads: int, skipped: list[str], *, precision: str = "float32") -> Iterator[Row]:
    """The exported network as luxel itself loads it, and float32 variants that luxel does not use."""
    import onnxruntime

    from luxel.assessment.runtime import load

    ours = " (luxel's default)" if precision == "float32" else ""
    yield Row(f"ONNX Runtime {precision}{ours}", load(weights, backend="onnxruntime", threads=threads))
    if precision == "float32":
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        yield Row("ONNX Runtime float32, waiting threads spin", lambda image: session.run(None, {"image": image})[0])
    if not find_spec("openvino"):
        skipped.append(f"OpenVINO {precision}: not installed (pip install 'luxel[openvino]')")
        return
    yield Row(f"OpenVINO {precision}", load(weights, backend="openvino", threads=threads))
    if precision == "float32":
        yield openvino_row("OpenVINO float32, sizes fixed", weights, threads, "f32", fixed=True)
        import openvino

        if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            yield openvino_row("OpenVINO bfloat16", weights, threads, "bf16", fixed=False)
        else:
            skipped.append("OpenVINO bfloat16: it says that this processor has none and would run float32")


def openvino_row(name: str, weights: Path, threads: int, hint: str, *, fixed: bool) -> Row:
    import openvino

    core = openvino.Core()
    model = core.read_model(weights)
    if fixed:
        model.reshape([1, 3, SIDE, SIDE])
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": hint}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return Row(name, lambda image: request.infer({"image": image})[0].copy())


def quantise(weights: Path, calibration: Any, scratch: Path) -> Path:
    """The ONNX network with INT8 weights and activations (static, QDQ, per channel), ranges from the pictures."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(calibration)

        def get_next(self) -> dict[str, Any] | None:
            picture = next(self.left, None)
            return None if picture is None else {"image": picture[None]}

    prepared, quantised = scratch / "prepared.onnx", scratch / "int8.onnx"
    quant_pre_process(weights, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        quantised,
        Pictures(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        # Full 8-bit weights overflow the 16-bit sums of processors without VNNI.
        reduce_range=not processor_has("vnni"),
    )
    return quantised


def measure(row: Row, image: Any, seconds: float) -> None:
    """Add runs to a row until its time for this round is spent: 1 to 100 of them, after one that is not counted."""
    row.run(image)
    end = time.perf_counter() + seconds
    for run in range(100):
        if run and time.perf_counter() > end:
            break
        start, work = time.perf_counter(), time.process_time()
        row.run(image)
        row.wall.append(time.perf_counter() - start)
        row.processor.append(time.process_time() - work)


def differences(networks: list[Row], compared: Any) -> dict[str, tuple[float, float]]:
    """Mean and largest |map - map of torch float32| of every network, in residual units."""
    import numpy as np

    maps = {row.name: np.concatenate([row.run(image[None]) for image in compared]) for row in networks}
    reference = maps["torch float32"]
    return {name: (float(np.abs(m - reference).mean()), float(np.abs(m - reference).max())) for name, m in maps.items()}


def print_table(rows: list[Row], product: Row, released: Row, apart: dict[str, tuple[float, float]]) -> None:
    print(
        "| runtime | ms | fastest | processor ms | x product | released / this | runs | mean diff. | largest | note |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|---|")
    for row in rows:
        cells = [
            row.name,
            *(f"{seconds * 1e3:.1f}" for seconds in row.figures),
            f"{row.figures[0] / product.figures[0]:.3f}",
            " / ".join(f"{theirs / ours:.1f}" for theirs, ours in zip(released.figures, row.figures, strict=True)),
            f"{len(row.wall)}",
            *([f"{value:.6f}" for value in apart[row.name]] if row.name in apart else ["", ""]),
            row.note,
        ]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
