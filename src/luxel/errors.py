"""Every error luxel raises on purpose, on one screen.

A message names the value, the place and the remedy, in one line. The command line prints it and exits with code 2;
a run over many pictures turns an `ImageError` into a row with the reason and goes on.
"""


class LuxelError(Exception):
    """The user can mend this: wrong input, missing extra, bad recipe."""


class ImageError(LuxelError):
    """One picture cannot be used: missing, empty, truncated, too large, not a picture, unsupported."""


class RecipeError(LuxelError):
    """A recipe (TOML) has an unknown key, a wrong value, or asks for something that does not exist."""


class CriteriaError(LuxelError):
    """A criteria file cannot be used, with its line: unknown names, overlaps, gaps; or a map does not fit it."""


class RegionsError(LuxelError):
    """A region file cannot be used: not a label picture or COCO JSON, damaged, or not of this picture."""


class WeightsError(LuxelError):
    """Weights cannot be found, read, or do not belong to this network."""


class DatasetError(LuxelError):
    """A dataset folder, manifest or bracket is not what it should be."""


class MissingExtraError(LuxelError):
    """A feature needs an optional dependency that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional dependency: pip install 'luxel[{extra}]'")
