"""A small dataset and a project made from it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stand_ins.dataset_scenes import prepare, write_source

pytest.importorskip("sqlalchemy", reason="the extra annotate is not installed")
pytest.importorskip("fastapi", reason="the extra annotate is not installed")

from argon2 import PasswordHasher

from luxel.annotate.store import accounts
from luxel.annotate.store.config import Config
from luxel.annotate.store.database import Database, beside
from luxel.annotate.store.project import synchronise
from luxel.dataset.build import build_dataset
from luxel.dataset.folder.upkeep import BuildSettings


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes of 48 x 72 pixels, three frames each, and an empty project beside them."""
    folder = tmp_path_factory.mktemp("annotate")
    sources = [write_source(folder / "in", f"scene{i}", i) for i in range(2)]
    build_dataset(sources, folder / "data", settings=BuildSettings(short_side=48), prepare=prepare)
    database = Database(beside(folder / "data"))
    synchronise(database, folder / "data", Config(replicas=2, gold_share=0.0))
    database.close()
    return folder / "data"


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """Hashes that cost a thousandth: tests make many accounts."""
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "_hasher", cheap)
        patch.setattr(accounts, "_nobody", cheap.hash("nobody's password"))
        yield


@pytest.fixture
def dataset(built: Path, tmp_path: Path) -> Path:
    """A copy to work on."""
    return Path(shutil.copytree(built, tmp_path / "data"))


@pytest.fixture
def database(dataset: Path) -> Database:
    return Database(beside(dataset))
