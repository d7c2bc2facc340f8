"""A small shoot to scan."""

from pathlib import Path

import pytest

from luxel.dataset.reference.bracket import frame
from stand_ins.source_material import light_of, write_hdr, write_jpeg


@pytest.fixture
def shoot(tmp_path: Path) -> Path:
    """A bracket of three by EXIF, a lone photograph an hour later, and an HDR picture."""
    light = light_of("astronaut", height=160) * 0.5
    for i, (ev, seconds) in enumerate([(0, 0.01), (-2, 0.0025), (2, 0.04)]):
        write_jpeg(tmp_path / f"b{i}.jpg", frame(light, ev), seconds=float(i), exposure_s=seconds)
    write_jpeg(tmp_path / "lone.jpg", frame(light_of("coffee", height=160), 0), seconds=3600.0, exposure_s=0.01)
    write_hdr(tmp_path / "light.hdr", light_of("coffee", height=160) * 4)
    return tmp_path
