"""Shapes of requests and answers, for the description of the interface (OpenAPI)."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from luxel.draw.files import MAP_KINDS


class Weights(BaseModel):
    """Which weights, or which head, made a result."""

    name: str
    sha256: str


class AssessmentAnswer(BaseModel):
    """What luxel says about one picture."""

    name: str | None = Field(description="Name of the picture as the sender gave it.")
    width: int
    height: int
    score: float = Field(description="Score in [0, 10], on the scale of people; 8 is ideal everywhere.")
    mean_abs_residual: float = Field(description="Mean |r|, in [0, 1].")
    over: float = Field(description="Share of pixels with r < -threshold, in [0, 1].")
    under: float = Field(description="Share of pixels with r > threshold, in [0, 1].")
    ev: float | None = Field(description="Advised compensation in stops; null where nothing can be said.")
    ev_bound: Literal["exact", "at least", "at most"]
    ev_reason: str | None
    threshold: float
    weights: Weights
    head: Weights | None
    notes: list[str] = Field(description="What reading did to the stored values.")


class RowAnswer(BaseModel):
    """One line of a batch: the assessment, or the reason why there is none."""

    name: str | None
    error: str | None


class NeedAnswer(BaseModel):
    """Why a band of the criteria could not be decided."""

    kind: Literal["person", "region"]
    name: str
    text: str
    score: float | None


class ScoreAnswer(BaseModel):
    """What criteria say about one picture."""

    name: str | None
    criteria: str
    score: float | None
    label: str
    line: int = Field(description="Line of the matched band in the criteria file.")
    when: str | None = Field(description="Condition of the matched band.")
    measured: dict[str, float]
    needs: list[NeedAnswer] = Field(description="What would have to be known to decide the bands above.")
    regions: list[dict[str, Any]]


class ErrorAnswer(BaseModel):
    """Why there is no answer, in one line."""

    error: str
    request_id: str


ASSESSMENT: dict[str, Any] = {
    "name": "rocket.jpg",
    "width": 640,
    "height": 427,
    "score": 4.79,
    "mean_abs_residual": 0.2292,
    "over": 0.0,
    "under": 0.9047,
    "ev": 0.43,
    "ev_bound": "exact",
    "ev_reason": "more light would clip over 1% of the picture",
    "threshold": 0.2,
    "weights": {"name": "pieanet", "sha256": "c11687813fe97941cdd2735266a9f3052e279c236c7110f5cb161c51f8580a25"},
    "head": None,
    "notes": ["ICC Adobe RGB (1998) -> sRGB"],
}
"""An example: docs/example/rocket.jpg, rounded."""

SCORE: dict[str, Any] = {
    "name": "rocket.jpg",
    "criteria": "fig9",
    "score": 30.0,
    "label": "very high / low, or 30 % over / under",
    "line": 67,
    "when": "either < 40 % and mean_abs < large",
    "measured": {"black": 0.0003, "white": 0.0, "either": 0.1236, "mean_abs": 0.2292},
    "needs": [],
    "regions": [],
}
"""Of the same photograph."""

_FILE = {"type": "string", "format": "binary"}
_ERRORS = {
    403: "A URL that may not be fetched.",
    408: "The request took too long to arrive.",
    413: "The request is too large.",
    422: "The picture, or what was asked of it, cannot be used.",
    429: "Too much work: retry after Retry-After seconds.",
    500: "The service failed.",
    502: "The server of a URL does not answer.",
    504: "The picture took longer than the time limit and its process was ended.",
}


def errors() -> dict[int | str, dict[str, Any]]:
    """The errors that every picture can have."""
    example = {"error": "damaged, truncated or unsupported JPEG: 12 bytes missing", "request_id": "5b0e..."}
    return {
        status: {
            "model": ErrorAnswer,
            "description": text,
            "content": {"application/json": {"example": example if status == 422 else None}} if status == 422 else {},
        }
        for status, text in _ERRORS.items()
    }


def body(*, many: bool = False, beside: tuple[str, ...] = ()) -> dict[str, Any]:
    """The request body for OpenAPI. many: several pictures. beside: parts beside a picture."""
    image = {"type": "array", "items": _FILE} if many else _FILE
    parts = {"image": image, **dict.fromkeys(beside, _FILE)}
    url = {"urls": {"type": "array", "items": {"type": "string"}}} if many else {"url": {"type": "string"}}
    example: dict[str, Any] = (
        {"urls": ["https://photos.example/1.jpg"]} if many else {"url": "https://photos.example/1.jpg"}
    )
    content: dict[str, Any] = {
        "multipart/form-data": {"schema": {"type": "object", "required": ["image"], "properties": parts}},
        "application/json": {"schema": {"type": "object", "properties": url}, "example": example},
    }
    if not many:
        content |= {kind: {"schema": _FILE} for kind in ("image/*", "application/octet-stream")}
    return {"requestBody": {"required": True, "content": content}}


def assessed() -> dict[int | str, dict[str, Any]]:
    """Answers of an assessment: figures, or a map."""
    maps = {f"image/png;map={kind}": {"schema": _FILE} for kind in MAP_KINDS}
    header = {"description": "With a map: the figures, as the JSON answer has them.", "schema": {"type": "string"}}
    return {
        200: {
            "model": AssessmentAnswer,
            "description": "The figures, or with Accept: image/png a map.",
            "content": {"application/json": {"example": ASSESSMENT}, **maps},
            "headers": {"Luxel-Assessment": header},
        },
        406: {"model": ErrorAnswer, "description": "Nothing that Accept lists is available."},
        **errors(),
    }


def batch() -> dict[int | str, dict[str, Any]]:
    """Answers of a batch: one JSON line for each picture."""
    line = {"application/x-ndjson": {"schema": {"$ref": "#/components/schemas/RowAnswer"}, "example": ASSESSMENT}}
    return {200: {"description": "A line for each picture, in order, as they come.", "content": line}, **errors()}


def scored() -> dict[int | str, dict[str, Any]]:
    """Answers of a score."""
    example = {"application/json": {"example": SCORE}}
    return {200: {"model": ScoreAnswer, "description": "The verdict.", "content": example}, **errors()}
