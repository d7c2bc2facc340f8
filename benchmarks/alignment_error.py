"""How far off is alignment? Known motions between two exposures, found again: a Markdown table of the errors in pixels.

    python benchmarks/alignment_error.py [--pictures DIR]

Each picture becomes linear light, is seen by a still and by a moved camera at two exposures, with noise and clipping,
and the two frames are aligned. An error is the largest distance of a corner of the picture from where it belongs; of a
tripod bracket 0.3 px and less is left as it is. "headroom" is how many stops the light was darkened first: at 0 the
brighter frame of +2 EV loses all that was above a quarter of the white.
"""

import argparse
import statistics
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

from luxel import images
from luxel.dataset.align.align import align
from luxel.dataset.align.refinement import corner_motion
from luxel.dataset.reference.bracket import frame
from luxel.photometry import as_unit_float, to_linear

SIDE = 512
MARGIN = 60
NOISE = 2e-4
HEADROOM = (0.0, 2.0)
DISTANCES = ((0, -3), (0, 2), (0, 3), (0, 4))
MOTIONS = {
    "shift 0.8": (0.0, -0.6, 0.5),
    "shift 8": (0.0, 3.3, -7.6),
    "turn 1.5": (1.5, 0.0, 0.0),
    "turn 4, shift 11": (-4.0, 10.2, 4.9),
}


def light_of(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Linear light of a picture, cut and averaged to a square with room to move."""
    linear = to_linear(as_unit_float(pixels))
    side = min(linear.shape[:2])
    top, left = (linear.shape[0] - side) // 2, (linear.shape[1] - side) // 2
    square = linear[top : top + side, left : left + side]
    return np.asarray(cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def motion_of(degrees: float, x: float, y: float) -> npt.NDArray[np.float64]:
    """A turn about the middle of the frame and a shift."""
    c, s, m = np.cos(np.radians(degrees)), np.sin(np.radians(degrees)), (SIDE - 2 * MARGIN) / 2
    return np.array([[c, -s, m - c * m + s * m + x], [s, c, m - s * m - c * m + y], [0, 0, 1]])


def taken(light: npt.NDArray[np.float32], motion: npt.NDArray[np.float64], ev: float) -> npt.NDArray[np.uint8]:
    """A frame of the light by a camera moved by `motion`, with noise and clipping."""
    size = SIDE - 2 * MARGIN
    shift = np.array([[1, 0, MARGIN], [0, 1, MARGIN], [0, 0, 1.0]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    seen = np.maximum(cv2.warpPerspective(light, shift @ motion, (size, size), flags=flags), 0) * 2.0**ev
    noise = np.random.default_rng(5).standard_normal(seen.shape, dtype=np.float32)
    return frame(np.maximum(seen + np.sqrt(NOISE * seen + NOISE**2) * noise, 0), 0)


def error_of(light: npt.NDArray[np.float32], motion: npt.NDArray[np.float64], evs: tuple[float, float]) -> float | None:
    """Largest error of a corner in pixels, None if a frame was dropped."""
    aligned = align([taken(light, np.eye(3), evs[0]), taken(light, motion, evs[1])])
    moved = [p for p in aligned.placements if not p.anchor]
    if len(moved) != 1:
        return None
    wanted = np.linalg.inv(motion) if moved[0].index == 1 else motion
    size = SIDE - 2 * MARGIN
    return corner_motion((np.linalg.inv(wanted) @ moved[0].homography).astype(np.float32), (size, size))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="folder of photographs; scikit-image's pictures if left out")
    chosen = parser.parse_args().pictures
    cv2.setNumThreads(1)
    if chosen:
        pictures = {p.stem: images.read(p).pixels for p in sorted(chosen.iterdir()) if p.suffix.lower() == ".jpg"}
    else:
        pictures = {name: getattr(skimage.data, name)() for name in ("astronaut", "coffee", "chelsea", "rocket")}
    lights = {name: light_of(pixels) for name, pixels in pictures.items()}
    print("| headroom | EV | " + " | ".join(MOTIONS) + " | median | largest | dropped |")
    print("|" + "---|" * (len(MOTIONS) + 5))
    for headroom in HEADROOM:
        for evs in DISTANCES:
            columns, every, dropped = [], [], 0
            for turn, x, y in MOTIONS.values():
                found = [error_of(v * np.float32(2**-headroom), motion_of(turn, x, y), evs) for v in lights.values()]
                known = [e for e in found if e is not None]
                every += known
                dropped += len(found) - len(known)
                columns.append(f"{max(known):.2f}" if known else "-")
            figures = (f"{statistics.median(every):.2f}", f"{max(every):.2f}") if every else ("-", "-")
            print(
                f"| {headroom:g} | {evs[1]:+d} | " + " | ".join(columns) + f" | {' | '.join(figures)} | "
                f"{dropped} of {len(lights) * len(MOTIONS)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
