"""Ratings become XMP sidecars: which file each goes into, what stays, and, if asked, the writing.

The pictures themselves are never opened for writing. Nothing is written at all unless `write` says so; a dry run and
a real one decide by the same code.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import luxel
from luxel.errors import LuxelError
from luxel.images.sniff import RAW_SUFFIXES
from luxel.jobs.atomic import writing_file
from luxel.report import xmp
from luxel.report.embedded import embedded_rating

SidecarStyle = Literal["auto", "darktable", "adobe", "both"]
"""How sidecars are named: darktable IMG.CR2.xmp (digiKam too), adobe IMG.xmp (Lightroom, Bridge, Capture One).
auto: the ones that lie there already, else IMG.CR2.xmp, which no two pictures share."""

SidecarOutcome = Literal["new", "change", "same", "kept", "rejected"]

STARS = (7.2, 6.2, 5.0, 3.0)
"""Scores from which a picture gets 5, 4, 3 and 2 stars; below the last it gets 1."""

RATINGS_FORMAT = "luxel-ratings-1"
"""Value of "format" in the JSON that a report page exports."""

_MAX_JSON = 64 * 2**20


@dataclass(frozen=True, slots=True)
class WantedRating:
    """A rating that somebody wants for a picture. rating: -1 to 5. ours: luxel gave it from a score, not a person."""

    picture: Path
    rating: int
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to one sidecar for one rating.

    before, after: the rating in the file, None for none. outcome: "new" sidecar, "change" of an existing one, "same":
    it says so already, "kept": a person's other rating stays, "rejected": cannot be done. reason: why, for the last
    two.
    """

    picture: Path
    sidecar: Path
    before: int | None
    after: int | None
    outcome: SidecarOutcome
    reason: str = ""


def stars(score: float, bounds: Sequence[float] = STARS) -> int:
    """Stars 1 to 5 for a score. score: [0, 10]. bounds: least score for 5, 4, 3 and 2 stars, falling."""
    return 5 - sum(score < bound for bound in bounds)


def checked_bounds(text: str) -> tuple[float, float, float, float]:
    """Four decreasing scores from text such as "7.2,6.2,5,3". Raises LuxelError for anything else."""
    try:
        bounds = tuple(float(part) for part in text.split(","))
    except ValueError:
        bounds = ()
    if len(bounds) != 4 or not all(10 >= a > b > 0 for a, b in pairwise(bounds)):
        raise LuxelError(f"stars {text!r}: give four decreasing scores between 0 and 10, such as 7.2,6.2,5,3")
    return bounds[0], bounds[1], bounds[2], bounds[3]


def read_ratings(file: Path, folder: Path, *, rejects: bool = False, picks: int | None = None) -> list[WantedRating]:
    """The ratings in a JSON file that a report page exported.

    folder: where its pictures are. rejects: a picture marked X becomes -1; else the mark is left out.
    picks: stars for a picture marked P that has none; None leaves it out. Stars and a reject together: the reject.
    Returns ratings in the order of the file, for unrated pictures none.
    Raises LuxelError for a file that cannot be read or is not such a file, a path that leaves the folder, a rating
    that is not 0 to 5, a folder that is not there.
    """
    if not folder.is_dir():
        raise LuxelError(f"{folder}: no such folder; give the folder that the report was made from")
    wanted = []
    for entry in _entries(file):
        name, rating, flag = entry.get("path"), entry.get("rating"), entry.get("flag")
        place = f"{file}: {str(name)[:80]!r}"
        if not isinstance(name, str) or not name or "\0" in name:
            raise LuxelError(f"{place} is not a path; export the ratings from the report again")
        inside = PurePosixPath(name.replace(os.sep, "/"))
        if inside.is_absolute() or ".." in inside.parts or Path(name).is_absolute():
            raise LuxelError(f"{place} leads out of the folder; paths must be relative to it, without '..'")
        if rating is not None and (isinstance(rating, bool) or rating not in range(6)):
            raise LuxelError(f"{place} has rating {str(rating)[:20]!r}; give 0 to 5 or null")
        if flag not in (None, "pick", "reject"):
            raise LuxelError(f"{place} has flag {str(flag)[:20]!r}; give 'pick', 'reject' or null")
        if flag == "reject" and rejects:
            rating = -1
        elif flag == "pick" and not rating and picks is not None:
            rating = picks
        if rating is not None:
            wanted.append(WantedRating(folder / inside, int(rating)))
    return wanted


def apply(
    wanted: Iterable[WantedRating], *, style: SidecarStyle = "auto", overwrite: bool = False, write: bool = False
) -> list[Change]:
    """What is done for every rating, and with `write` the sidecars themselves.

    style: see `SidecarStyle`. overwrite: also replace ratings that a person gave; those of luxel are always replaced.
    write: False only says what would happen. A sidecar that cannot be read or written is a "rejected" change and the
    others continue. A sidecar is written atomically and keeps its permissions.
    """
    wanted = list(wanted)
    owners = _owners([one.picture for one in wanted])
    changes = []
    for one in wanted:
        if not one.picture.is_file():
            changes.append(_rejected(one, darktable_name(one.picture), "no such picture"))
            continue
        owner = owners[adobe_name(one.picture)]
        for sidecar in _sidecars(one.picture, style, owner):
            if sidecar.stem == one.picture.stem and owner != one.picture:
                changes.append(_rejected(one, sidecar, f"belongs to {owner.name}; use the darktable style"))
            else:
                changes.append(_applied(one, sidecar, overwrite=overwrite, write=write))
    return changes


def darktable_name(picture: Path) -> Path:
    """IMG.CR2 -> IMG.CR2.xmp, beside it."""
    return picture.with_name(picture.name + ".xmp")


def adobe_name(picture: Path) -> Path:
    """IMG.CR2 -> IMG.xmp, beside it."""
    return picture.with_suffix(".xmp")


def _entries(file: Path) -> list[dict[str, Any]]:
    try:
        if file.stat().st_size > _MAX_JSON:
            raise LuxelError(f"{file}: larger than {_MAX_JSON // 2**20} MB, so it is not a list of ratings")
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise LuxelError(f"{file}: {error.strerror}; give the JSON that the report page exported") from error
    except (ValueError, RecursionError) as error:
        raise LuxelError(f"{file}: not readable as JSON; export the ratings from the report again") from error
    if not isinstance(content, dict) or content.get("format") != RATINGS_FORMAT:
        raise LuxelError(f"{file}: not a {RATINGS_FORMAT} file; export the ratings from the report again")
    entries = content.get("ratings")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise LuxelError(f'{file}: "ratings" is not a list of objects; export the ratings from the report again')
    return entries


def _owners(pictures: Sequence[Path]) -> dict[Path, Path]:
    """Whose each IMG.xmp is: of the raw file with that stem, as Adobe's programs have it, else of the first picture.

    Raw files that lie in the folder count even when nobody rated them.
    """
    owners: dict[Path, Path] = {}
    for folder in {picture.parent for picture in pictures}:
        if folder.is_dir():
            for file in sorted(folder.iterdir()):
                if file.suffix.lower() in RAW_SUFFIXES:
                    owners.setdefault(adobe_name(file), file)
    for picture in pictures:
        owners.setdefault(adobe_name(picture), picture)
    return owners


def _sidecars(picture: Path, style: SidecarStyle, owner: Path) -> list[Path]:
    """The sidecars to look into. owner: whose the Adobe one is."""
    long, short = darktable_name(picture), adobe_name(picture)
    if style == "auto":
        mine = (long, short) if owner == picture else (long,)
        return [_as_it_lies(path) for path in mine if _as_it_lies(path).exists()] or [long]
    chosen = {"darktable": (long,), "adobe": (short,), "both": (long, short)}[style]
    return [_as_it_lies(path) for path in chosen]


def _as_it_lies(sidecar: Path) -> Path:
    """The sidecar under the name it has: some programs write .XMP."""
    upper = sidecar.with_suffix(".XMP")
    return upper if upper.exists() and not sidecar.exists() else sidecar


def _applied(wanted: WantedRating, sidecar: Path, *, overwrite: bool, write: bool) -> Change:
    before: int | None = None
    try:
        data = xmp.load(sidecar)
        found = xmp.read(data) if data is not None else xmp.UNRATED
        before, inside = found.rating, ""
        # 0 means unrated (XMP specification), so nobody's judgement is lost there.
        if not overwrite and (not before or found.ours):
            own = embedded_rating(wanted.picture)
            if own.rating and not own.ours:
                # A rating that luxel set before it looked there must not stand against it.
                if found.ours and wanted.ours and before != own.rating:
                    wanted = WantedRating(wanted.picture, own.rating)
                else:
                    found, before, inside = own, own.rating, " inside the picture"
        if (before or 0) == wanted.rating and found.ours == (wanted.ours and wanted.rating != 0):
            return Change(wanted.picture, sidecar, before, before, "same")
        by_a_person = bool(before) and not found.ours
        if by_a_person and (before == wanted.rating or not overwrite):
            kept: SidecarOutcome = "same" if before == wanted.rating else "kept"
            reason = "" if kept == "same" else f"rated before{inside}; --overwrite replaces it"
            return Change(wanted.picture, sidecar, before, before, kept, reason)
        if data is None:
            content = xmp.new(wanted.rating, ours=wanted.ours, creator=f"luxel {luxel.__version__}")
        else:
            content = xmp.with_rating(data, wanted.rating, ours=wanted.ours)
        if write:
            _write(sidecar, content)
    except LuxelError as error:
        return Change(wanted.picture, sidecar, before, before, "rejected", str(error))
    return Change(wanted.picture, sidecar, before, wanted.rating, "new" if data is None else "change")


def _write(sidecar: Path, content: bytes) -> None:
    """Puts the bytes there whole. A link is followed: the file it names is replaced, not the link."""
    target = Path(os.path.realpath(sidecar))
    if target.suffix.lower() != ".xmp":
        raise xmp.SidecarError(f"leads to {target.name}, which is not a sidecar")
    try:
        with writing_file(target, sync=True) as file:
            file.write(content)
    except OSError as error:
        raise xmp.SidecarError(f"cannot be written ({error.strerror})") from error


def _rejected(wanted: WantedRating, sidecar: Path, reason: str) -> Change:
    return Change(wanted.picture, sidecar, None, None, "rejected", reason)
