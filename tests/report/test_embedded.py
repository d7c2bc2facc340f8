"""Ratings inside pictures: where they are found, and that no score overrules them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from luxel.report import culling, xmp
from luxel.report.culling import WantedRating, apply
from luxel.report.embedded import embedded_rating
from stand_ins.exif_files import save_with_exif

PIXELS = np.random.default_rng(3).integers(0, 256, (24, 32, 3)).astype(np.uint8)
RATING, PERCENT = 0x4746, 0x4749


def packet(rating: int, *, ours: bool = False, prefix: str = "xmp") -> bytes:
    """An XMP packet as cameras write it, with room behind it."""
    mark = f' xmlns:luxel="{xmp.LUXEL}" luxel:Rating="{rating}"' if ours else ""
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{xmp.RDF}"><rdf:Description rdf:about="" xmlns:{prefix}="{xmp.XMP}"{mark}>'
        f"<{prefix}:Rating>{rating}</{prefix}:Rating></rdf:Description></rdf:RDF></x:xmpmeta>"
        f"{' ' * 200}<?xpacket end='w'?>\0\0"
    ).encode()


def photo(folder: Path, rating: int, suffix: str = ".jpg", **more: Any) -> Path:
    """A picture with a rating in its XMP packet."""
    path, data = folder / f"IMG_1{suffix}", packet(rating, **more)
    image = Image.fromarray(PIXELS)
    if suffix == ".dng":
        from stand_ins.source_material import write_dng

        write_dng(path, np.full((64, 96, 3), 0.3), more=[(700, "B", len(data), data, True)])
    elif suffix == ".heic":
        pytest.importorskip("pillow_heif").from_pillow(image).save(path, xmp=data)
    elif suffix == ".png":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", data.rstrip(b"\0").decode(), zip=True)
        image.save(path, pnginfo=info)
    elif suffix == ".tif":
        image.save(path, tiffinfo={700: data})
    else:
        image.save(path, xmp=data)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif", ".heic", ".dng"])
@pytest.mark.parametrize("rating", [5, -1])
def test_every_format_with_xmp(suffix: str, rating: int, tmp_path: Path) -> None:
    assert embedded_rating(photo(tmp_path, rating, suffix)) == xmp.Sidecar(rating, ours=False)


@pytest.mark.parametrize(
    ("tags", "rating"),
    [
        ({RATING: 4}, 4),
        ({RATING: 0}, None),
        ({RATING: 9}, None),
        ({PERCENT: 1}, 1),
        ({PERCENT: 50}, 3),
        ({PERCENT: 99}, 5),
        ({RATING: 2, PERCENT: 99}, 2),
    ],
)
def test_ratings_among_the_tags_of_exif(tags: dict[int, int], rating: int | None, tmp_path: Path) -> None:
    assert embedded_rating(save_with_exif(tmp_path / "a.jpg", PIXELS, {}, tags)).rating == rating


def test_what_is_unrated(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "plain.jpg")
    (tmp_path / "text.jpg").write_bytes(b"the picture's own bytes")
    for name in ("plain.jpg", "text.jpg", "gone.jpg"):
        assert embedded_rating(tmp_path / name) == xmp.UNRATED
    assert not embedded_rating(photo(tmp_path, 0)).rating


@pytest.mark.parametrize(("rating", "suffix"), [(5, ".jpg"), (-1, ".jpg"), (3, ".dng")])
def test_no_score_and_no_other_person_overrules_it(rating: int, suffix: str, tmp_path: Path) -> None:
    file = photo(tmp_path, rating, suffix)
    for ours in (True, False):
        [change] = apply([WantedRating(file, 1, ours=ours)], write=True)
        assert (change.outcome, change.before, change.after) == ("kept", rating, rating)
        assert "inside the picture" in change.reason
    assert apply([WantedRating(file, rating)], write=True)[0].outcome == "same"
    assert not list(tmp_path.glob("*.xmp"))
    [change] = apply([WantedRating(file, 1)], write=True, overwrite=True)
    assert (change.outcome, change.after) == ("new", 1)


def test_it_stands_beside_an_unrated_sidecar(tmp_path: Path) -> None:
    file = photo(tmp_path, 4)
    sidecar = culling.darktable_name(file)
    sidecar.write_bytes(xmp.new(0, ours=False, creator="test"))
    assert apply([WantedRating(file, 1, ours=True)], write=True)[0].outcome == "kept"
    assert xmp.read(sidecar.read_bytes()).rating == 0


def test_stars_that_luxel_set_before_are_corrected(tmp_path: Path) -> None:
    file = photo(tmp_path, 4)
    sidecar = culling.darktable_name(file)
    sidecar.write_bytes(xmp.new(2, ours=True, creator="test"))
    [change] = apply([WantedRating(file, 3, ours=True)], write=True)
    assert (change.outcome, change.before, change.after) == ("change", 2, 4)
    assert xmp.read(sidecar.read_bytes()) == xmp.Sidecar(4, ours=False)


def test_luxels_mark_inside_a_picture_is_not_a_persons(tmp_path: Path) -> None:
    """Another program has copied the sidecar into the picture."""
    file = photo(tmp_path, 4, ours=True)
    [change] = apply([WantedRating(file, 1, ours=True)], write=True)
    assert (change.outcome, change.after) == ("new", 1)


def test_xmp_that_cannot_be_read_may_hold_a_rating(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    Image.fromarray(PIXELS).save(file, xmp=packet(5).replace(b"</rdf:RDF>", b""))
    [change] = apply([WantedRating(file, 1, ours=True)], write=True)
    assert change.outcome == "rejected"
    assert "the XMP inside a.jpg is not well-formed" in change.reason
    assert apply([WantedRating(file, 1)], write=True, overwrite=True)[0].outcome == "new"


@pytest.mark.parametrize("kind", ["prefix", "deep", "pipe"])
def test_sidecars_of_other_programs_are_rejected(kind: str, tmp_path: Path) -> None:
    import os

    file = tmp_path / "a.NEF"
    file.write_bytes(b"x")
    sidecar = culling.darktable_name(file)
    if kind == "pipe":
        os.mkfifo(sidecar)
    else:
        inside = "<a:b/>" if kind == "prefix" else "<b>" * 100_000 + "</b>" * 100_000
        text = xmp.new(3, ours=False, creator="test").decode()
        sidecar.write_text(text.replace("/>\n </rdf", f">{inside}</rdf:Description>\n </rdf"))
    [change] = apply([WantedRating(file, 1)], write=True)
    assert change.outcome == "rejected", change
