"""What a change to the training recipe does at equal cost: short runs from scratch, each change with several seeds.

Every batch of every row has about the same number of pixels (262,144), so equal steps are about equal cost; the table
says what a step took. Prints a markdown table: MAE on 71 of the validation pictures, mean and range over the seeds, and
the difference to the recipe as it is, seed by seed. Runs that are already in --out are not made again.

    LUXEL_DATA=data python benchmarks/training_ideas.py --out runs/ideas --seeds 3
    LUXEL_DATA=data python benchmarks/training_ideas.py --out runs/ideas --only "no noise,no JPEG"
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

from luxel.assessment.journal import replacing
from luxel.train.loop import train
from luxel.train.recipe import load_recipe

RECIPE = Path(__file__).parents[1] / "recipes" / "pieanet-short.toml"
BASE = "as it is"
IDEAS: dict[str, list[str]] = {
    BASE: [],
    "AdamW at 4e-3": ['train.optimizer="adamw"', "train.lr=4e-3"],
    "no gradient term": ["train.gradient_weight=0"],
    "gradient term 1.0": ["train.gradient_weight=1.0"],
    "SSIM term 0.1": ["train.ssim_weight=0.1"],
    "squared loss (Table 6)": ['train.loss="l2"'],
    "smooth L1 (Table 6)": ['train.loss="smooth_l1"'],
    "without DWT (Table 3)": ['model.without="dwt"'],
    "without structure (Table 3)": ['model.without="structure"'],
    "without lightness (Table 3)": ['model.without="lightness"'],
    "db2 (Table 5)": ['model.wavelet="db2"'],
    "sym4 (Table 5)": ['model.wavelet="sym4"'],
    "no noise": ["data.noise=false"],
    "no tone curve": ["data.contrast=0"],
    "no JPEG": ["data.jpeg_share=0"],
    "EV within 4": ["data.max_ev=4.0"],
    "EV within 6": ["data.max_ev=6.0"],
    "photographs 20 %": ["data.photo_share=0.2"],
    "photographs 80 %": ["data.photo_share=0.8"],
    "64 windows of 64": ["train.phases=[{share=1.0,crop=64,batch=64}]"],
    "7 windows of 192": ["train.phases=[{share=1.0,crop=192,batch=7}]"],
    "3 whole pictures": ['train.phases=[{share=1.0,crop="whole",batch=3}]'],
    "coarse widths larger": ["model.lightness_widths=[16,32,96,256]"],
    "coarse widths smaller": ["model.lightness_widths=[16,32,64,112]"],
    "fine widths larger": ["model.lightness_widths=[24,48,80,224]", "model.structure_widths=[24,48,64]"],
}


def run(name: str, seed: int, folder: Path) -> dict[str, float]:
    """MAE of one run and the processor seconds of its step."""
    stored = folder / f"{name.replace(' ', '-')}-{seed}.json"
    if stored.is_file():
        return dict(json.loads(stored.read_text()))
    times: list[float] = []
    overrides = [*IDEAS[name], f"train.seed={seed}", f"output.folder={folder / 'last'}"]
    recipe = load_recipe(RECIPE, overrides)
    progress = train(
        recipe,
        cache=folder.parent / "cache",
        resume=False,
        report=lambda line: None,
        on_step=lambda step, loss: times.append(time.process_time()),
    )
    result = {"mae": progress.history[-1]["mae"], "step_s": (times[-1] - times[4]) / (len(times) - 5)}
    with replacing(stored) as temporary:
        temporary.write_text(json.dumps(result))
    print(f"{name}, seed {seed}: MAE {result['mae']:.4f}, {result['step_s']:.3f} s a step", file=sys.stderr)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/ideas"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="names of changes, separated by commas; all if not given")
    arguments = parser.parse_args()
    names = [name.strip() for name in arguments.only.split(",") if name.strip()] or list(IDEAS)
    if unknown := [name for name in names if name not in IDEAS]:
        parser.error(f"--only {unknown[0]}: not one of {', '.join(IDEAS)}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    # Seed by seed, so that a run cut short has compared every change equally often.
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for seed in range(arguments.seeds):
        for name in names:
            results[name].append(run(name, seed, arguments.out))
    base = [run(BASE, seed, arguments.out)["mae"] for seed in range(arguments.seeds)]
    print("| change | MAE | lowest to highest | against the same seed | s a step |\n|---|---|---|---|---|")
    for name, runs in results.items():
        maes = [r["mae"] for r in runs]
        against = [m / b - 1 for m, b in zip(maes, base, strict=True)]
        seeds = ", ".join(f"{a:+.1%}" for a in against) if name != BASE else "-"
        step = statistics.median(r["step_s"] for r in runs)
        print(f"| {name} | {statistics.mean(maes):.4f} | {min(maes):.4f} to {max(maes):.4f} | {seeds} | {step:.3f} |")


if __name__ == "__main__":
    main()
