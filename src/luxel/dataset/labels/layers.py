"""Expert corrections: attributed layers over the automatic label, how they merge, and how far experts agree.

A layer says who changed which pixels of one frame's label, when, and by how much. It is a JSON file of its own, with
PNG files beside it for a painted mask or painted amounts, in `layers/SCENE/LEVEL/` of a dataset. The automatic label is
never edited; deleting a layer's files takes the correction back.

The merge rule: each expert's layers are applied to the automatic label in the order they were made; a pixel's final
value is the median over the experts who touched it, and the automatic value where nobody did.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from luxel import images
from luxel.dataset.reference.superpixels import block_mean
from luxel.errors import DatasetError, ImageError
from luxel.jobs.atomic import write_file
from luxel.jobs.records import from_record, inside, read_json, single_name
from luxel.photometry import FloatArray, Mask
from luxel.residual_files import decode_residual, encode_residual

Blocks = npt.NDArray[np.int32]

FORMAT = 1
ICC_PIXELS = 20_000
"""Pixels that ICC is computed on; more change its third decimal only."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One correction by one expert.

    id: unique among the frame's layers, safe as a file name. expert: who. made: when, ISO 8601 with time zone.
    mode: "set" makes the residual `amount`, "add" adds it (then limited to [-1, 1]). amount: one residual in [-1, 1],
    or float32 [H, W] of them. where: bool [H, W], or the numbers of blocks of the scene. blocks_sha256: fingerprint of
    the blocks those numbers mean (`blocks_fingerprint`), so that numbers of other blocks are noticed. note: free text.
    """

    id: str
    expert: str
    made: str
    mode: Literal["set", "add"]
    amount: float | FloatArray
    where: Mask | tuple[int, ...]
    blocks_sha256: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Merged:
    """A label with its corrections in.

    residual: float32 [H, W]. touched: bool [H, W], pixels at least one expert changed. experts: their names, sorted.
    """

    residual: FloatArray
    touched: Mask
    experts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExpertAgreement:
    """How far the experts of one frame agree, on the pixels that at least one of them touched.

    An expert who worked on the frame and left a pixel alone accepted its automatic value. experts: names. pixels: how
    many. mean_difference: mean absolute difference over all pairs of experts. icc: ICC(2,1) over pixels, NaN where it
    is not defined (fewer than two pixels, or no variance at all). per_block: float32 [n blocks], mean absolute
    difference in each block, NaN where nobody touched it.
    """

    experts: tuple[str, ...]
    pixels: int
    mean_difference: float
    icc: float
    per_block: FloatArray


def new_layer_id(expert: str, made: datetime) -> str:
    """A layer id from who and when, e.g. "20261123T101500123456-anna"; sorts by time."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", expert).strip("-")[:40] or "expert"
    return f"{made.astimezone(UTC):%Y%m%dT%H%M%S%f}-{name}"


def blocks_fingerprint(blocks: Blocks) -> str:
    """SHA-256 of a block map, int32 [H, W]: equal maps, equal string."""
    return hashlib.sha256(repr(blocks.shape).encode() + np.ascontiguousarray(blocks, dtype="<i4").tobytes()).hexdigest()


def layer_folder(dataset: Path, scene_id: str, level: str) -> Path:
    """Where the layers of a frame live."""
    scene, name = (single_name(part, where=f"{dataset}: layers of {part!r}") for part in (scene_id, level))
    return inside(dataset, f"layers/{scene}/{name}")


def write_layer(folder: Path, layer: Layer) -> Path:
    """Stores a layer in `folder`; its JSON file is written last, so that a layer is atomic.

    Returns the JSON file's path. Raises DatasetError for a value outside its range or an id that is taken.
    """
    _check(layer, folder)
    place = folder / f"{layer.id}.json"
    if place.exists():
        raise DatasetError(f"{place}: this layer exists; layers are never changed, make a new one")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be made: {error.strerror}") from error
    record: dict[str, Any] = {
        "format": FORMAT,
        "id": layer.id,
        "expert": layer.expert,
        "made": layer.made,
        "mode": layer.mode,
        "note": layer.note,
    }
    if isinstance(layer.where, tuple):
        record["where"] = {"blocks": list(layer.where), "blocks_sha256": layer.blocks_sha256}
    else:
        record["where"] = {"mask": f"{layer.id}.mask.png"}
        images.write(folder / f"{layer.id}.mask.png", layer.where.astype(np.uint8) * 255)
    if isinstance(layer.amount, np.ndarray):
        record["amount"] = {"map": f"{layer.id}.amount.png"}
        images.write(folder / f"{layer.id}.amount.png", encode_residual(layer.amount))
    else:
        record["amount"] = float(layer.amount)
    write_file(place, json.dumps(record, indent=1).encode(), sync=True, error=DatasetError)
    return place


def read_layers(folder: Path) -> list[Layer]:
    """The layers of a frame in the order they were made; none if the folder does not exist.

    Raises DatasetError naming the file for one that is not a layer.
    """
    layers = [_read(place) for place in sorted(folder.glob("*.json"))]
    return sorted(layers, key=lambda layer: (datetime.fromisoformat(layer.made), layer.id))


def touched_by(layer: Layer, blocks: Blocks) -> Mask:
    """The pixels a layer changes, bool [H, W].

    blocks: int32 [H, W] of the scene. Raises DatasetError where the layer belongs to another size or other blocks.
    """
    if not isinstance(layer.where, tuple):
        if layer.where.shape != blocks.shape:
            raise DatasetError(f"layer {layer.id}: its mask is {layer.where.shape}, the frame {blocks.shape}")
        return layer.where
    if layer.blocks_sha256 != blocks_fingerprint(blocks):
        raise DatasetError(
            f"layer {layer.id}: was made on other blocks than the scene has now; draw it again as a mask"
        )
    if missing := sorted(set(layer.where) - set(range(int(blocks.max()) + 1))):
        raise DatasetError(f"layer {layer.id}: the scene has no block {missing[0]}")
    return np.isin(blocks, layer.where)


def expert_maps(automatic: FloatArray, layers: Sequence[Layer], blocks: Blocks) -> dict[str, tuple[FloatArray, Mask]]:
    """What each expert would make of the label: name -> (residual float32 [H, W], touched bool [H, W]).

    automatic: float32 [H, W]. layers: in the order they were made. Raises DatasetError as `touched_by` does.
    """
    maps: dict[str, tuple[FloatArray, Mask]] = {}
    for layer in layers:
        residual, touched = maps.get(layer.expert, (automatic, np.zeros(automatic.shape, dtype=bool)))
        where = touched_by(layer, blocks)
        if isinstance(layer.amount, np.ndarray) and layer.amount.shape != automatic.shape:
            raise DatasetError(f"layer {layer.id}: its amounts are {layer.amount.shape}, the frame {automatic.shape}")
        changed = layer.amount if layer.mode == "set" else residual + layer.amount
        residual = np.where(where, np.clip(changed, -1, 1), residual).astype(np.float32)
        maps[layer.expert] = (residual, touched | where)
    return maps


def merge(automatic: FloatArray, maps: dict[str, tuple[FloatArray, Mask]]) -> Merged:
    """The label with all corrections: per pixel the median over the experts who touched it, else the automatic value.

    automatic: float32 [H, W]. maps: from `expert_maps`. Of an even number the mean of the middle two counts.
    """
    touched = np.zeros(automatic.shape, dtype=bool)
    for _, mask in maps.values():
        touched |= mask
    residual = automatic.copy()
    if touched.any():
        votes = np.stack([np.where(mask, values, np.nan)[touched] for values, mask in maps.values()])
        residual[touched] = np.nanmedian(votes, axis=0)
    return Merged(residual, touched, tuple(sorted(maps)))


def icc(ratings: npt.ArrayLike) -> float:
    """ICC(2,1): two-way random effects, absolute agreement, single rater.

    ratings: [n subjects, k raters]. Returns a number up to 1, NaN for fewer than two of either or no variance at all.
    Source: Shrout and Fleiss 1979, case 2.
    """
    x = np.asarray(ratings, dtype=np.float64)
    n, k = x.shape
    if n < 2 or k < 2:
        return float("nan")
    mean = x.mean()
    rows = k * float(((x.mean(axis=1) - mean) ** 2).sum()) / (n - 1)
    columns = n * float(((x.mean(axis=0) - mean) ** 2).sum()) / (k - 1)
    total = float(((x - mean) ** 2).sum())
    error = max(0.0, (total - rows * (n - 1) - columns * (k - 1)) / ((n - 1) * (k - 1)))
    below = rows + (k - 1) * error + k * (columns - error) / n
    return float((rows - error) / below) if total > 1e-12 and below > 0 else float("nan")


def expert_agreement(maps: dict[str, tuple[FloatArray, Mask]], blocks: Blocks, *, seed: int = 0) -> ExpertAgreement:
    """How far the experts of one frame agree. maps: from `expert_maps`, at least two. blocks: int32 [H, W].

    ICC is computed on `ICC_PIXELS` of the touched pixels, drawn with `seed`. Raises ValueError for a single expert.
    """
    if len(maps) < 2:
        raise ValueError("agreement needs two experts or more")
    experts = tuple(sorted(maps))
    touched = np.logical_or.reduce([maps[name][1] for name in experts])
    stack = np.stack([maps[name][0] for name in experts])
    pairs = [(a, b) for a in range(len(experts)) for b in range(a)]
    difference = np.mean([np.abs(stack[a] - stack[b]) for a, b in pairs], axis=0)
    pixels = np.flatnonzero(touched)
    if len(pixels) > ICC_PIXELS:
        chosen = np.random.default_rng(seed).choice(pixels, ICC_PIXELS, replace=False)
    else:
        chosen = pixels
    covered = block_mean(touched.astype(np.float32), blocks)
    with np.errstate(invalid="ignore", divide="ignore"):
        per_block = block_mean(np.where(touched, difference, 0), blocks) / covered
    return ExpertAgreement(
        experts,
        int(touched.sum()),
        float(difference[touched].mean()) if touched.any() else float("nan"),
        icc(stack.reshape(len(experts), -1)[:, chosen].T),
        per_block.astype(np.float32),
    )


def _check(layer: Layer, place: Path) -> None:
    problem = ""
    amounts = np.asarray(layer.amount)
    if not _ID.fullmatch(layer.id):
        problem = "its id is not a file name of letters, digits, '.', '_' and '-'"
    elif not layer.expert.strip():
        problem = "it names no expert"
    elif layer.mode not in ("set", "add"):
        problem = f"mode {layer.mode!r} is neither 'set' nor 'add'"
    elif not (np.isfinite(amounts).all() and np.abs(amounts).max(initial=0) <= 1):
        problem = "its amount leaves [-1, 1]"
    elif isinstance(layer.where, tuple) and not layer.blocks_sha256:
        problem = "it names blocks but not which (blocks_sha256)"
    else:
        try:
            if datetime.fromisoformat(layer.made).tzinfo is None:
                problem = f"made {layer.made!r} has no time zone"
        except ValueError:
            problem = f"made {layer.made!r} is not an ISO 8601 time"
    if problem:
        raise DatasetError(f"{place}: layer {layer.id!r}: {problem}")


@dataclass(frozen=True, slots=True)
class _Facts:
    """A layer's JSON file without `where` and `amount`."""

    format: int
    id: str
    expert: str
    made: str
    mode: Literal["set", "add"]
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Blocks:
    blocks: tuple[int, ...]
    blocks_sha256: str


def _read(place: Path) -> Layer:
    record = read_json(place)
    where, amount = record.pop("where", None), record.pop("amount", None)
    facts = from_record(_Facts, record, where=f"{place}: not a correction layer")
    if facts.format != FORMAT:
        raise DatasetError(f"{place}: layer format {facts.format}, this luxel reads {FORMAT}; update luxel")
    mask: Mask | tuple[int, ...]
    blocks_sha256 = ""
    if isinstance(where, dict) and "mask" in where:
        mask = _pixels(place, where["mask"], np.uint8) > 0
    else:
        chosen = from_record(_Blocks, where, where=f"{place}: where")
        mask, blocks_sha256 = chosen.blocks, chosen.blocks_sha256
    if isinstance(amount, dict):
        change: float | FloatArray = decode_residual(_pixels(place, amount.get("map"), np.uint16))
    else:
        change = from_record(_Amount, {"amount": amount}, where=str(place)).amount
    layer = Layer(
        id=facts.id,
        expert=facts.expert,
        made=facts.made,
        mode=facts.mode,
        amount=change,
        where=mask,
        blocks_sha256=blocks_sha256,
        note=facts.note,
    )
    _check(layer, place)
    return layer


@dataclass(frozen=True, slots=True)
class _Amount:
    amount: float


def _pixels(place: Path, name: object, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """One channel of a PNG that a layer names, [H, W]. Raises DatasetError."""
    try:
        pixels = images.read(inside(place.parent, name, where=str(place))).pixels
    except ImageError as error:
        raise DatasetError(f"{place}: {error}") from error
    if pixels.dtype != dtype:
        raise DatasetError(f"{place}: {name} is {pixels.dtype}, must be {np.dtype(dtype)}; write the layer again")
    return np.ascontiguousarray(pixels[..., 0])
