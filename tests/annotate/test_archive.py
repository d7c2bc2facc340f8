"""Backup and restore: online, checked, byte-equal after a round trip."""

import json
import zipfile
from pathlib import Path

import pytest

from luxel.annotate.store.archive import back_up, restore_archive, verify
from luxel.annotate.store.database import Database
from luxel.annotate.store.submissions import map_of
from luxel.annotate.store.tables import Task
from luxel.errors import DatasetError
from stand_ins.annotators import annotate, brush, zones


@pytest.fixture
def archive(database: Database, dataset: Path, tmp_path: Path) -> Path:
    annotate(database, dataset, "anna", [brush(500), brush(900)], "residual")
    annotate(database, dataset, "anna", [zones([1], 900)], "reference")
    assert back_up(database, tmp_path / "project.zip")["operation"] == 3
    return tmp_path / "project.zip"


def test_the_round_trip_is_byte_equal(database: Database, dataset: Path, archive: Path, tmp_path: Path) -> None:
    other = Database(f"sqlite:///{tmp_path / 'other.sqlite3'}")
    assert restore_archive(other, archive)["submission"] == 2
    back_up(other, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()
    with database.reading() as one, other.reading() as two:
        tasks = [(s.get_one(Task, 1), s) for s in (one, two)]
        assert verify(two) == 3
        assert len({map_of(s, dataset, task).sha256 for task, s in tasks}) == 1
    annotate(other, dataset, "anna", [brush(700)], "residual")  # work continues


def test_a_backup_waits_for_nobody(database: Database, dataset: Path, tmp_path: Path) -> None:
    with database.writing() as session:  # somebody is writing
        session.get_one(Task, 1).priority = 7.0
        assert back_up(database, tmp_path / "online.zip")["operation"] == 0


def test_what_is_not_sound_is_not_restored(database: Database, archive: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds a project"):
        restore_archive(database, archive)
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(
                name, content.replace(b'\\"value\\":900', b'\\"value\\":901') if "operation" in name else content
            )
    with pytest.raises(DatasetError, match="operation was changed"):
        restore_archive(Database(f"sqlite:///{tmp_path / 'a.sqlite3'}"), changed)
    (tmp_path / "no.zip").write_bytes(b"no archive")
    empty = Database(f"sqlite:///{tmp_path / 'b.sqlite3'}")
    with pytest.raises(DatasetError, match="not an archive"):
        restore_archive(empty, tmp_path / "no.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as new:
        new.writestr("contents.json", json.dumps({"format": 99}))
    with pytest.raises(DatasetError, match="format 99"):
        restore_archive(empty, tmp_path / "other.zip")
