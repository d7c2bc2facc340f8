"""Damaged records and side files for everything that reads them: anything but a result or a LuxelError is a fault.

    python tests/fuzz/fuzz_records.py [--seconds 20] [--seed 0]

A small dataset, its expert layers, its export in the released layout and side files that people write (criteria,
recipes, COCO, XMP, CSV, TOML, .npy, results.jsonl) are changed at random: values of JSON for hostile ones, keys taken
away or doubled, bytes and parts of the text. Each is read as a command would. One may take 3 seconds,
whole stages 30. The seed and the number of a file decide its content: `--only NUMBER` makes that one and shows the
traceback. Exit code 1 with faults.
"""

import argparse
import copy
import json
import random
import resource
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from luxel import criteria
from luxel.assessment.journal import _parse
from luxel.benchmark.protocol.results import ResultRow, read_rows, write_row
from luxel.dataset.build import build_dataset
from luxel.dataset.check.check import check_dataset
from luxel.dataset.folder.croissant import croissant_problem
from luxel.dataset.folder.manifest import read_manifest, scene_rows
from luxel.dataset.folder.scene_files import read_blocks, read_zones
from luxel.dataset.folder.upkeep import BuildSettings, read_report, relabel, rereference, resplit, settings_of
from luxel.dataset.iea40k.convert_released import export_released
from luxel.dataset.labels.layers import Layer, blocks_fingerprint, layer_folder, read_layers, write_layer
from luxel.dataset.sources.bracket_csv import frames_of_csv
from luxel.dataset.sources.taxonomy import TAXONOMY, load_taxonomy, read_tags
from luxel.errors import LuxelError
from luxel.regions.coco import coco_masks
from luxel.report import xmp
from luxel.residual_files import read_saved_map
from luxel.train.recipe import load_any_recipe
from stand_ins.dataset_scenes import prepare, write_source

SECONDS_FOR_ONE = 3
MEMORY = 6 << 30
NOW = "2026-11-23T12:00:00+00:00"

_HOSTILE: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 1e300, 10**18, 10**400, "", " ", "x", "\0", "\x1b[31m", "../../x", "/etc/passwd", "a\\b",
    "é" * 300, [], [[]], [None], {}, {"a": {}}, [1, 2, 3], "NaN",
)  # fmt: skip
_PIECES = (b"NaN", b"Infinity", b"1e999", b"\xff\xfe", b"\0", b"\\ud800", b'"', b"{", b"[" * 5000, b"(" * 3000, b"\n")


@dataclass(frozen=True, slots=True)
class Target:
    """A record, and what reads it. slow: whole stages of a dataset, tried once in twenty."""

    path: Path
    data: bytes
    read: Callable[[], object]
    slow: bool = False


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="NUMBER", help="make and read one file of the run")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _too_long)
    with tempfile.TemporaryDirectory() as place:
        targets = targets_in(Path(place))
        for target in targets:
            target.read()  # as they are they are sound
        tried: Counter[str] = Counter()
        faults: list[str] = []
        begun, number = monotonic(), 0
        while monotonic() - begun < arguments.seconds:
            chosen = number if arguments.only is None else arguments.only
            turn, slow = chosen // 20, chosen % 20 == 0
            group = [target for target in targets if target.slow == slow]
            target = group[(turn if slow else chosen) % len(group)]
            target.path.write_bytes(mutated(target.data, random.Random(f"{arguments.seed} {chosen}")))
            fault = fault_of(target, show=arguments.only is not None)
            target.path.write_bytes(target.data)
            tried[target.path.name] += 1
            if fault:
                faults.append(f"{chosen}: {target.path.name}: {fault}")
            if arguments.only is not None:
                break
            number += 1
    print(f"{sum(tried.values())} damaged records of {len(tried)} kinds, {len(faults)} faults")
    for name, count in sorted(tried.items()):
        print(f"  {name}: {count}")
    print("\n".join(faults[:40]))
    return 1 if faults else 0


def fault_of(target: Target, *, show: bool) -> str:
    """What went wrong with a damaged record, "" if it was read or rejected in one line."""
    signal.alarm(SECONDS_FOR_ONE * (10 if target.slow else 1))
    try:
        target.read()
    except LuxelError as error:
        if show:
            print(f"LuxelError: {error}")
        return "its message has several lines" if "\n" in str(error) else ""
    except BaseException as error:  # also what the alarm raises
        if show:
            traceback.print_exc()
        return f"{type(error).__name__}: {str(error)[:100]}"
    finally:
        signal.alarm(0)
    return ""


class TooLongError(BaseException):
    """Reading took longer than one record may."""


def _too_long(*_: object) -> None:
    raise TooLongError(f"took more than {SECONDS_FOR_ONE} s")


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The record with one to three changes."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        try:
            record = json.loads(data) if rng.random() < 0.7 else None
        except ValueError:
            record = None
        data = json.dumps(_changed(record, rng)).encode() if isinstance(record, dict) else _spoiled(data, rng)
    return data


def _changed(record: Any, rng: random.Random) -> Any:
    """A JSON value with one node changed."""
    nodes: list[tuple[Any, Any]] = []

    def visit(value: Any) -> None:
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            nodes.append((value, key))
            if isinstance(value[key], dict | list):
                visit(value[key])

    visit(record)
    if not nodes:
        return record
    holder, key = rng.choice(nodes)
    match rng.randrange(4):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[rng.choice(("", "x", "../x", "rows", "0"))] = holder.pop(key)
        case 2:
            other, name = rng.choice(nodes)
            holder[key] = copy.deepcopy(other[name]) if name in other or isinstance(other, list) else None
        case _:
            holder[key] = rng.choice(_HOSTILE)
    return record


def _spoiled(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    match rng.randrange(6):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        case 2:
            return data[:at] + rng.choice(_PIECES) + data[at:]
        case 3:
            end = min(len(data), at + rng.randrange(1, 40))
            return data[:at] + data[end:]
        case 4:
            end = min(len(data), at + rng.randrange(1, 200))
            return data[:end] + data[at:end] * rng.choice((1, 2, 50)) + data[end:]
        case _:
            piece = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
            return data[:at] + piece + data[at + len(piece) :]


def targets_in(place: Path) -> list[Target]:
    """Sound records of every kind, made in a folder."""
    data = place / "data"
    source = write_source(place / "in", "a", 1)
    build_dataset([source], data, settings=BuildSettings(short_side=24), prepare=prepare)
    blocks = read_blocks(data / "scenes/a", (24, 36))
    folder, where = layer_folder(data, "a", "P0"), np.ones((24, 36), dtype=bool)
    amount = np.zeros((24, 36), dtype=np.float32)
    write_layer(folder, Layer(id="m", expert="anna", made=NOW, mode="add", amount=amount, where=where))
    sha = blocks_fingerprint(blocks)
    write_layer(folder, Layer(id="b", expert="ben", made=NOW, mode="set", amount=0.1, where=(0,), blocks_sha256=sha))
    relabel(data)
    released = place / "released"
    export_released(data, released)
    kept: list[Target] = []

    def add(path: Path, read: Callable[[], object], content: str | bytes | None = None, *, slow: bool = False) -> None:
        if content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        kept.append(Target(path, path.read_bytes(), read, slow))

    def whole() -> None:
        check_dataset(data)
        relabel(data)
        rereference(data)
        resplit(data, warn=lambda line: None)

    def records() -> None:
        settings_of(data)
        read_report(data)
        read_manifest(data / "manifest.parquet")
        scene_rows(data, lambda line: None)
        read_zones(data / "scenes/a")
        read_layers(layer_folder(data, "a", "P0"))
        croissant_problem(data)

    own = ("dataset.json", "scenes/a/scene.json", "scenes/a/zones.json", "manifest.parquet", "report.json")
    for name in (*own, "layers/a/P0/m.json", "layers/a/P0/b.json", "taxonomy.toml", "croissant.json"):
        add(data / name, records)
        add(data / name, whole, slow=True)
    for name in ("luxel.json", "train_256.csv"):
        add(released / name, lambda: check_dataset(released))
    add(next(iter(sorted((released / "label/exposure_condition").iterdir()))), lambda: check_dataset(released))
    np.save(place / "map.npy", amount)
    add(place / "map.npy", lambda: read_saved_map(place / "map.npy"))
    rules = sorted((Path(criteria.__file__).parent / "shipped").glob("*.toml"))[0]
    add(place / "criteria.toml", lambda: criteria.load(str(place / "criteria.toml")), rules.read_bytes())
    recipe = Path(__file__).parents[2] / "recipes/pieanet.toml"
    add(place / "recipe.toml", lambda: load_any_recipe(place / "recipe.toml"), recipe.read_bytes())
    sidecar = place / "a.xmp"

    def rate() -> None:
        found = xmp.load(sidecar)
        xmp.read(found or b"")
        xmp.with_rating(found or b"", 3, ours=True)

    add(sidecar, rate, xmp.new(2, ours=True, creator="luxel"))
    add(place / "taxonomy.toml", lambda: load_taxonomy(place / "taxonomy.toml"), TAXONOMY.read_bytes())
    (place / "f.png").touch()
    add(place / "bracket.csv", lambda: frames_of_csv(place / "bracket.csv"), "file,exposure_s,ev\nf.png,1/60,0\n")
    tags = "name,scene,light,tone\na,,,dark\n"
    add(place / "tags.csv", lambda: read_tags(place / "tags.csv", load_taxonomy()), tags)
    corner = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 4, 0, 4, 4]], "bbox": [0, 0, 4, 4]}
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 8}],
        "categories": [{"id": 1, "name": "face"}],
        "annotations": [corner],
    }
    add(place / "coco.json", lambda: coco_masks(place / "coco.json", "a.png"), json.dumps(coco))
    line = {"path": "a.jpg", "score": 5.0, "luxel": {"size": 1, "time": 1, "settings": "x"}}
    add(place / "results.jsonl", lambda: _parse((place / "results.jsonl").read_bytes()), json.dumps(line))
    results = place / "results"
    row = ResultRow(method="m", task="pixel", split=0, seed=0, status="ok", budget="b", version="0", mae=0.1)
    write_row(results, row)
    add(next(iter(results.glob("*.json"))), lambda: read_rows(results))
    return kept


if __name__ == "__main__":
    sys.exit(main())
