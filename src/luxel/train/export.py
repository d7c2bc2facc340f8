"""From a training run to weights people install: one network in two formats, and the facts about it.

luxel itself contains NAME.onnx and NAME.json; NAME.safetensors has the same numbers for programs that read that format.
"""

import hashlib
import json
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from luxel.errors import WeightsError
from luxel.jobs.atomic import write_file
from luxel.model.export import ARCHITECTURE, export_onnx, largest_difference
from luxel.model.network import parameter_count
from luxel.model.weights import architecture, save_weights
from luxel.samples.built import BuiltStore
from luxel.samples.scenes import SceneStore
from luxel.train.checkpoint import load_checkpoint
from luxel.train.data import open_stores
from luxel.train.loop import make_network, validate
from luxel.train.recipe import load_run_recipe


def export_run(
    run: Path, out: Path, *, name: str, licence: str, cache: Path, pictures: int | None = None
) -> dict[str, Any]:
    """Write NAME.safetensors, NAME.onnx and NAME.json from a run's averaged weights; returns the facts in the last.

    run: folder of `luxel.train.loop.train`. pictures: validation pictures to measure on, all for None.
    The facts: recipe, commit, data checksum, date, licence, parameters by module, validation figures, parity of the two
    formats, SHA-256 of both files. Raises WeightsError if the run has no checkpoint, RecipeError if its recipe cannot
    be read.
    """
    checkpoint = run / "checkpoint.pt"
    if not checkpoint.is_file():
        raise WeightsError(f"{run}: no checkpoint.pt; train first, or name another run folder")
    recipe = load_run_recipe(run)
    # The recipe may start from a file that is not here any more; the checkpoint holds every weight.
    recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"start": "random"})})
    state = load_checkpoint(checkpoint)
    network = make_network(recipe)
    network.load_state_dict(state["average"])
    network.eval()
    training_data, validation_store = open_stores(recipe.data, cache)
    measures = validate(network, validation_store, torch.device("cpu"), pictures)
    facts: dict[str, Any] = {
        "name": name,
        "licence": licence,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "steps": state["progress"]["step"],
        "parameters": {
            "structure": parameter_count(network.structure),
            "lightness": parameter_count(network.lightness),
            "prediction": parameter_count(network.predict),
            "all": parameter_count(network),
        },
        "data": {
            **({"train": store_checksum(training_data.scenes)} if training_data.scenes else {}),
            **({"built": store_checksum(training_data.built)} if training_data.built else {}),
            "validation": store_checksum(validation_store),
        },
        "validation": {"pictures": pictures or "all", **asdict(measures)},
        "recipe": without_paths(json.loads((run / "recipe.json").read_text())),
    }
    out.mkdir(parents=True, exist_ok=True)
    onnx, safetensors = out / f"{name}.onnx", out / f"{name}.safetensors"
    model = recipe.model
    save_weights(network, safetensors, wavelet=model.wavelet, without=model.without, facts={"name": name})
    built_as = architecture(network, wavelet=model.wavelet, without=model.without)
    export_onnx(network, onnx, facts={"name": name, "licence": licence, ARCHITECTURE: built_as})
    facts["parity"] = largest_difference(network, onnx)
    facts["sha256"] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (onnx, safetensors)}
    write_file(out / f"{name}.json", json.dumps(facts, indent=1) + "\n", error=WeightsError)
    return facts


def store_checksum(store: SceneStore | BuiltStore) -> dict[str, Any]:
    """Number of scenes, or of frames of a built dataset, and SHA-256 of a store's pixels."""
    digest = hashlib.sha256()
    for file in store.files:
        with file.open("rb") as handle:
            digest.update(hashlib.file_digest(handle, "sha256").digest())
    counted = "scenes" if isinstance(store, SceneStore) else "frames"
    return {counted: len(store), "sha256": digest.hexdigest()}


def without_paths(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe as weights carry it: files and folders by their names, since their paths are those of one machine."""
    model = {**recipe["model"], "start": Path(recipe["model"]["start"]).name}
    data = {**recipe["data"], "built": [Path(folder).name for folder in recipe["data"].get("built", [])]}
    data["implied"] = Path(data.get("implied", "")).name
    return {key: value for key, value in recipe.items() if key != "output"} | {"model": model, "data": data}


def _commit() -> str:
    """The commit of the working tree, with + if it has changes; "unknown" outside a repository."""
    try:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run(["git", "status", "--porcelain", "src"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")
