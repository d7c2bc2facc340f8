"""XMP sidecars, byte by byte."""

import json
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luxel.report import xmp
from stand_ins.xmp_texts import ADOBE, BILLION, DARKTABLE, UNRATED, rating_of


@pytest.mark.parametrize(("text", "rating"), [(DARKTABLE, 3), (ADOBE, 2), (UNRATED, None)])
def test_ratings_are_found_as_attribute_and_element_by_namespace_not_prefix(text: str, rating: int | None) -> None:
    assert xmp.read(text.encode()) == xmp.Sidecar(rating, ours=False)
    assert rating_of(b"\xef\xbb\xbf" + text.encode()) == rating


def test_a_change_touches_the_rating_and_not_one_other_byte() -> None:
    assert xmp.with_rating(DARKTABLE.encode(), 5, ours=False).decode() == DARKTABLE.replace('g="3"', 'g="5"')
    assert xmp.with_rating(ADOBE.encode(), -1, ours=False).decode() == ADOBE.replace(">2<", ">-1<")


def test_a_new_rating_is_added_beside_what_is_there() -> None:
    after = xmp.with_rating(UNRATED.encode(), 4, ours=True).decode()
    assert rating_of(after.encode()) == 4
    assert 'xmlns:xmp="urn:somebody-elses" xmp:Rating="99"' in after
    start, end = UNRATED.index("/></rdf:RDF"), len(UNRATED) - UNRATED.index("/></rdf:RDF")
    assert after.startswith(UNRATED[:start])
    assert after.endswith(UNRATED[-end:])


@settings(max_examples=40, deadline=None)
@given(
    rating=st.integers(-1, 5),
    again=st.integers(-1, 5),
    ours=st.booleans(),
    text=st.sampled_from([DARKTABLE, ADOBE, UNRATED]),
)
def test_what_is_written_is_read_back_and_the_way_does_not_matter(
    rating: int, again: int, ours: bool, text: str
) -> None:
    once = xmp.with_rating(text.encode(), rating, ours=ours)
    assert xmp.read(once) == xmp.Sidecar(rating, ours)
    twice = xmp.with_rating(xmp.with_rating(text.encode(), again, ours=ours), rating, ours=ours)
    assert twice == once


def test_everything_else_survives_by_another_reader() -> None:
    def rest(data: bytes) -> list[tuple[str, tuple[tuple[str, str], ...], str]]:
        ratings = (f"{{{xmp.XMP}}}Rating", f"{{{xmp.LUXEL}}}Rating")
        return [
            (
                node.tag,
                tuple(sorted((k, v) for k, v in node.attrib.items() if k not in ratings)),
                (node.text or "").strip(),
            )
            for node in ElementTree.fromstring(data).iter()
            if node.tag not in ratings
        ]

    for text in (DARKTABLE, ADOBE, UNRATED):
        data = text.encode()
        assert rest(xmp.with_rating(data, 1, ours=True)) == rest(data)


def test_a_new_sidecar_is_what_it_says() -> None:
    data = xmp.new(4, ours=False, creator="luxel 1")
    assert xmp.read(data) == xmp.Sidecar(4, ours=False)
    assert xmp.read(xmp.new(2, ours=True, creator="luxel 1")) == xmp.Sidecar(2, ours=True)


EXTERNAL = '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (BILLION.encode(), "document type"),
        (EXTERNAL.encode(), "document type"),
        (b"", "not well-formed"),
        (b"<x:xmpmeta", "not well-formed"),
        (DARKTABLE.encode()[:700], "not well-formed"),
        (b"<html/>", "no rdf:Description"),
        (DARKTABLE.encode("utf-16"), "not in UTF-8"),
        (DARKTABLE.replace("UTF-8", "ISO-8859-1").encode("latin-1"), "not in UTF-8"),
        (b'<x a="\xff"/>', "not well-formed"),
        (DARKTABLE.replace('Rating="3"', 'Rating="many"').encode(), "'many'"),
        (DARKTABLE.replace('Rating="3"', 'Rating="7"').encode(), "'7'"),
        (ADOBE.replace("<xap:Label>Red</xap:Label>", "<xap:Rating>1</xap:Rating>").encode(), "more than one rating"),
        (ADOBE.replace(">2<", "><rdf:value>2</rdf:value><").encode(), "parts inside"),
    ],
)
def test_what_is_not_a_sidecar_is_rejected_in_one_line(data: bytes, reason: str) -> None:
    for action in (xmp.read, lambda data: xmp.with_rating(data, 3, ours=False)):
        with pytest.raises(xmp.SidecarError, match=reason) as caught:
            action(data)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "rating"), [("3.0", 3), ("", None), (" 4 ", 4), ("0", 0)])
def test_other_spellings_of_ratings(text: str, rating: int | None) -> None:
    assert rating_of(DARKTABLE.replace('Rating="3"', f'Rating="{text}"').encode()) == rating
    assert rating_of(ADOBE.replace(">2<", f">{text}<").encode()) == rating


def test_an_empty_element_takes_a_rating() -> None:
    data = ADOBE.replace("<xap:Rating>2</xap:Rating>", "<xap:Rating />").encode()
    assert rating_of(data) is None
    assert rating_of(xmp.with_rating(data, 3, ours=False)) == 3


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_reads_the_same(tmp_path: Path) -> None:
    for text in (DARKTABLE, ADOBE, UNRATED, xmp.new(1, ours=True, creator="luxel").decode()):
        file = tmp_path / "a.xmp"
        file.write_bytes(xmp.with_rating(text.encode(), 4, ours=True))
        said = json.loads(subprocess.run(["exiftool", "-j", "-G1", file], capture_output=True, check=True).stdout)[0]
        assert said["XMP-xmp:Rating"] == 4
        file.write_bytes(text.encode())
        before = json.loads(subprocess.run(["exiftool", "-j", "-G1", file], capture_output=True, check=True).stdout)[0]
        system = {key for key in said | before if key.startswith(("System:", "XMP-luxel", "XMP-x:", "ExifTool"))}
        keys = set(before) - system - {"SourceFile", "XMP-xmp:Rating"}
        assert {key: said[key] for key in keys} == {key: before[key] for key in keys}
