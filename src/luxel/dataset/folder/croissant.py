"""Croissant 1.1 metadata of a dataset (croissant.json), written from its rows."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from luxel.dataset.folder.card import COLUMNS, KINDS
from luxel.dataset.folder.manifest import MANIFEST, FrameRow, scenes_of, schema, sha256_of
from luxel.errors import DatasetError
from luxel.jobs.atomic import write_file
from luxel.jobs.records import read_json
from luxel.residual_files import SCALE, ZERO

CROISSANT = "croissant.json"
CROISSANT_VERSION = "http://mlcommons.org/croissant/1.1"

_CROISSANT_TYPES = {"string": "sc:Text", "double": "sc:Float", "int32": "sc:Integer"}


def write_croissant(out: Path, record: Mapping[str, Any], rows: Sequence[FrameRow]) -> None:
    """Writes croissant.json for the manifest that is there. Raises DatasetError."""
    text = json.dumps(croissant(out, record, rows), indent=1, ensure_ascii=False) + "\n"
    write_file(out / CROISSANT, text.encode(), sync=True, error=DatasetError)


def croissant(out: Path, record: Mapping[str, Any], rows: Sequence[FrameRow]) -> dict[str, Any]:
    """Croissant 1.1 metadata as JSON-LD.

    The manifest is a file object with its checksum, pictures and maps are file sets, its rows one record set.
    """
    licences = sorted({row.licence for row in rows})
    fields = []
    for column in schema():
        fields.append(
            {
                "@type": "cr:Field",
                "@id": f"frames/{column.name}",
                "name": column.name,
                "description": COLUMNS[column.name],
                "dataType": _CROISSANT_TYPES[str(column.type)],
                "source": {"fileObject": {"@id": "manifest"}, "extract": {"column": column.name}},
            }
        )
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CROISSANT_VERSION,
        "name": record["name"],
        "description": f"{len(rows)} exposures of {len(scenes_of(rows))} scenes with pixel-level exposure residuals.",
        "license": licences or ["unknown"],
        **{key: record[key] for key in ("url", "datePublished", "creator", "version") if key in record},
        "isLiveDataset": False,
        "rai:dataCollection": "; ".join(f"{kind}: {KINDS.get(kind, kind)}" for kind in sorted({r.kind for r in rows})),
        "rai:dataBiases": "See coverage.html: counts by scene, light, device and exposure, and what is rare.",
        "rai:dataAnnotationProtocol": "Automatic residual against an optimised exposure fusion; expert layers on top.",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "manifest",
                "name": MANIFEST,
                "description": "One row per frame.",
                "contentUrl": MANIFEST,
                "contentSize": f"{(out / MANIFEST).stat().st_size} B",
                "encodingFormat": "application/x-parquet",
                "sha256": sha256_of(out / MANIFEST),
            },
            _file_set("images", "Frames and references.", ["scenes/*/*.png"], "image/png"),
            _file_set("residuals", f"r = (code - {ZERO}) / {SCALE}", ["scenes/*/*.residual.png"], "image/png"),
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "frames",
                "name": "frames",
                "description": "The frames and their labels; paths are relative to this file.",
                "key": [{"@id": "frames/scene_id"}, {"@id": "frames/level"}],
                "field": fields,
            }
        ],
    }


def croissant_problem(out: Path) -> str:
    """What is wrong with croissant.json beside its manifest, "" if nothing."""
    try:
        record = read_json(out / CROISSANT)
        objects = [part for part in record["distribution"] if part["@type"] == "cr:FileObject"]
        if record["conformsTo"] != CROISSANT_VERSION:
            return f"conforms to {record['conformsTo']}, not {CROISSANT_VERSION}"
        if objects[0]["sha256"] != sha256_of(out / MANIFEST):
            return f"its checksum is not that of {MANIFEST}; run luxel dataset split"
    except (DatasetError, KeyError, IndexError, TypeError) as error:
        return f"cannot be read ({error}); run luxel dataset split"
    return ""


def _file_set(name: str, description: str, includes: list[str], encoding: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": description,
        "includes": includes,
        "encodingFormat": encoding,
    }


_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The JSON-LD names of Croissant 1.1."""
