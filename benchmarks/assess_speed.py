"""What `luxel assess` costs from a cold start, where the time goes, and how near a folder comes to decoding alone.

    python benchmarks/assess_speed.py [PICTURE.jpg] [--folder FOLDER] [--weights FILE.onnx] [--runs 5]

Three parts, medians over runs: (1) whole processes `luxel assess PICTURE --out DIR --heatmap`, wall time, processor
time and peak resident memory; (2) the same steps one by one, each run in a fresh process; (3) pictures per second over
a folder against decoding the same files and nothing else, in this process, and as `luxel assess FOLDER`. Without
PICTURE a 12-megapixel JPEG is made; without --folder the picture stands for eight. Each part is also given in 2048^3
float32 NumPy products timed in the same run. File contents come from the system's cache after the first run. Unix only.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 4000, 3000
COPIES = 8
MAX_FILES = 40
"""Files of a folder that are measured: the first ones by name."""
JOBS = os.cpu_count() or 1


def main() -> None:
    arguments = parse()
    if arguments.stages:
        print(json.dumps(stages(arguments.picture, arguments.weights, arguments.stages)))
        return
    print(f"{JOBS} cores, load average before the run: {os.getloadavg()[0]:.1f} (0 is a quiet machine)")
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        picture = arguments.picture or made_picture(scratch / "made.jpg")
        unit = product_seconds()
        print(f"One NumPy product 2048^3 float32: {unit * 1e3:.0f} ms\n")
        one_picture(picture, arguments.weights, scratch, arguments.runs, unit)
        files = folder_files(arguments.folder, picture, scratch / "folder")
        over_folder(files, arguments.weights, scratch, unit)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("picture", type=Path, nargs="?", help="one large JPEG; without: a made one of 12 megapixels")
    parser.add_argument("--folder", type=Path, help="pictures for the third part")
    parser.add_argument("--weights", type=Path, help="ONNX weights; without: shipped")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--stages", type=Path, help=argparse.SUPPRESS)  # how the script calls itself for part 2
    return parser.parse_args()


def made_picture(path: Path) -> Path:
    """A 12-megapixel JPEG with smooth light, edges and grain, about as heavy to decode as a camera's."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    light = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT), 3)
    shapes = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT), 0)
    grain = rng.normal(0.0, 3.0, (HEIGHT, WIDTH, 1)).astype(np.float32)
    pixels = np.asarray(Image.blend(light, shapes, 0.3), dtype=np.float32) + grain
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path, quality=92)
    return path


def product_seconds() -> float:
    import numpy as np

    left = np.random.default_rng(0).standard_normal((2048, 2048), dtype=np.float32)
    return median_of(5, lambda: left @ left)


def median_of(runs: int, call: Callable[[], Any]) -> float:
    """Median seconds of a call, after one that is not counted."""
    call()
    return float(statistics.median(seconds_of(call) for _ in range(runs)))


def seconds_of(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def luxel(*words: str | Path, weights: Path | None) -> tuple[float, float, float]:
    """Run the `luxel` command to its end. Returns wall seconds, processor seconds and peak resident MB."""
    command = Path(sysconfig.get_path("scripts")) / "luxel"
    given = ["--weights", str(weights)] if weights else []
    start = time.perf_counter()
    # Waited for by hand: wait4 gives the figures of this one child, getrusage the maximum over all so far.
    process = subprocess.Popen([command, *map(str, words), *given], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"luxel {' '.join(map(str, words))} failed with {process.returncode}:\n{said}")
    per_mb = 2**20 if sys.platform == "darwin" else 2**10
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / per_mb


def one_picture(picture: Path, weights: Path | None, scratch: Path, runs: int, unit: float) -> None:
    """Print parts 1 and 2, measured in turns, so that a busy moment hits both."""
    from PIL import Image

    with Image.open(picture) as opened:
        megapixels = opened.width * opened.height / 1e6
    processes: list[tuple[float, float, float]] = []
    steps: list[dict[str, tuple[float, float]]] = []
    for run in range(runs + 1):
        processes.append(luxel("assess", picture, "--out", scratch / f"out{run}", "--heatmap", weights=weights))
        words = [sys.executable, __file__, str(picture), "--stages", str(scratch / f"{run}.jpg")]
        words += ["--weights", str(weights)] if weights else []
        steps.append(json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout))
    processes, steps = processes[1:], steps[1:]  # the first run only fills the system's file cache

    wall, cpu, rss = (float(statistics.median(column)) for column in zip(*processes, strict=True))
    print(f"## One picture: luxel assess {picture.name} ({megapixels:.1f} megapixels) --out DIR --heatmap\n")
    print("| wall s | fastest | x product | processor s | peak MB |")
    print("|--:|--:|--:|--:|--:|")
    print(f"| {wall:.2f} | {min(processes)[0]:.2f} | {wall / unit:.1f} | {cpu:.2f} | {rss:.0f} |\n")

    print("## Where the time goes\n")
    print("| step | wall ms | share | processor ms |")
    print("|---|--:|--:|--:|")
    left = [wall, cpu]
    for name in steps[0]:
        step = [statistics.median(one[name][clock] for one in steps) for clock in (0, 1)]
        left = [have - taken for have, taken in zip(left, step, strict=True)]
        print(f"| {name} | {step[0] * 1e3:.0f} | {step[0] / wall:.0%} | {step[1] * 1e3:.0f} |")
    rest = "the rest: interpreter, command line, table, exit"
    print(f"| {rest} | {left[0] * 1e3:.0f} | {left[0] / wall:.0%} | {left[1] * 1e3:.0f} |\n")


def stages(picture: Path, weights: Path | None, out: Path) -> dict[str, tuple[float, float]]:
    """Wall and processor seconds of each step of `luxel assess PICTURE --heatmap`, in a process that did nothing yet.

    The steps follow `luxel.assessment.assessor`; that they still do is checked at the end against `Assessor.assess`.
    """
    found: dict[str, tuple[float, float]] = {}
    began = time.perf_counter(), time.process_time()

    def lap(name: str) -> None:
        nonlocal began
        now = time.perf_counter(), time.process_time()
        found[name] = now[0] - began[0], now[1] - began[1]
        began = now

    import numpy as np

    lap("import NumPy")
    from luxel import images
    from luxel.assessment import runtime
    from luxel.assessment import weights as weights_files
    from luxel.assessment.assessor import WORKING_SIZE, Assessor, _measured
    from luxel.assessment.batch import Settings  # noqa: F401  (the command imports it too)
    from luxel.assessment.ev import recommended_ev
    from luxel.draw import heatmap
    from luxel.filters.guided import guided_upsample
    from luxel.filters.shrink import shrink, working_shape
    from luxel.photometry import lightness
    from luxel.residual import DEFAULT_THRESHOLD

    lap("import luxel")
    import onnxruntime  # noqa: F401

    lap("import ONNX Runtime")
    file = weights_files.locate(weights)
    weights_files.describe(file)
    network = runtime.load(file)
    lap("load the network")
    pixels = images.read(picture).pixels
    lap("decode")
    small = shrink(pixels, working_shape(pixels.shape[0], pixels.shape[1], WORKING_SIZE))
    np.clip(small, 0, 1, out=small)
    lap("shrink")
    small_residual = np.clip(runtime.predict(network, small), -1, 1)
    lap("network, first run")
    residual = small_residual
    if small.shape != pixels.shape:
        residual = guided_upsample(small_residual, lightness(small), pixels)
        np.clip(residual, -1, 1, out=residual)
    lap("upsample")
    _measured(residual, DEFAULT_THRESHOLD)
    recommended_ev(small, small_residual)
    lap("score, areas, EV")
    drawn = heatmap.with_legend(heatmap.render(heatmap.fit(residual)))
    lap("heat map")
    out.parent.mkdir(parents=True, exist_ok=True)
    images.write(out, drawn)
    lap("write")
    if not np.allclose(Assessor(weights).assess(picture).residual, residual, atol=1e-5):
        sys.exit(
            "benchmarks/assess_speed.py: its steps differ from luxel.assessment.assessor; bring stages() up to date"
        )
    return found


def folder_files(folder: Path | None, picture: Path, made: Path) -> list[Path]:
    from luxel.images import SUFFIXES

    if folder is not None:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)[:MAX_FILES]
        if not files:
            sys.exit(f"--folder {folder}: no pictures in it; give a folder of pictures")
        return files
    made.mkdir()
    return [Path(shutil.copy(picture, made / f"{n}{picture.suffix}")) for n in range(COPIES)]


def over_folder(files: list[Path], weights: Path | None, scratch: Path, unit: float) -> None:
    """Print part 3."""
    from luxel import images
    from luxel.assessment.assessor import Assessor

    listed = scratch / "listed"
    listed.mkdir()
    for file in files:
        (listed / file.name).symlink_to(file.resolve())
    assessor = Assessor(weights)
    assessor.assess(files[0])

    def command(jobs: int) -> None:
        with tempfile.TemporaryDirectory(dir=scratch) as out:
            luxel("assess", listed, "--out", out, "--jobs", str(jobs), weights=weights)

    ways: dict[str, Callable[[], Any]] = {
        "decode only": lambda: [images.read(file) for file in files],
        "decode and assess, maps at full size": lambda: [assessor.assess(file) for file in files],
        "decode and assess, no maps": lambda: [assessor.assess(file, full_size=False) for file in files],
        "luxel assess FOLDER, cold, --jobs 1": lambda: command(1),
        f"luxel assess FOLDER, cold, --jobs {JOBS}": lambda: command(JOBS),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(3):  # in turns, so that a busy moment hits all of them
        for name, way in ways.items():
            taken[name].append(seconds_of(way))
    decoding = statistics.median(taken["decode only"])
    print(f"## {len(files)} pictures\n")
    print("| what | pictures a second | x decoding alone | x product, a picture |")
    print("|---|--:|--:|--:|")
    for name, seconds in ((name, statistics.median(each)) for name, each in taken.items()):
        each = seconds / len(files)
        print(f"| {name} | {1 / each:.2f} | {seconds / decoding:.2f} | {each / unit:.2f} |")


if __name__ == "__main__":
    main()
