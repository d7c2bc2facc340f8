"""luxel: how far every pixel of a photo is from ideal exposure.

The public names, resolved when first used, so that `import luxel` costs nothing:

assess, Assessor, Assessment    an image in, its exposure residual map and what follows from it out
assess_many                     a stream of images in, their assessments out, in order, errors as values
load_model                      the torch network with the shipped weights (train extra)
ExposureLoss                    the map as a differentiable training loss (train extra)
ExposureResidual                the mean residual of a stream of images, a torchmetrics metric (train extra)
LuxelError                      the base class of every error of luxel that a user can fix

The public modules; every other module may change between two versions without notice:

luxel.errors                        the errors, and why one file of many has no result
luxel.photometry                    sRGB and linear light, lightness, luminance, exposure in stops
luxel.zones                         Adams' zones
luxel.residual                      the residual map, score and areas from it
luxel.residual_files                residual maps as files
luxel.metrics                       how well maps and scores agree
luxel.images                        every reader and writer of image files
luxel.filters.gaussian              Gaussian blur
luxel.filters.guided                the guided filter, and edge-aware upsampling
luxel.filters.shrink                shrinking with antialiasing
luxel.draw.heatmap                  heat maps, overlays, legends
luxel.draw.false_colour             false colour, zebra, zones
luxel.assessment.meter              clipping, zones, the bracket a scene needs
luxel.regions.regions               regions of an image, and statistics of a map for each
luxel.regions.coco                  masks of COCO JSON
luxel.criteria                      scores by anyone's criteria
luxel.criteria.scorer               the same for many files, with regions
luxel.compare.compare               versions of images compared and ranked
luxel.dataset.build                 datasets from brackets, RAW, HDR and photographs
luxel.dataset.reference.reference   the ideally exposed image of a scene
luxel.model.exposure_loss           the training loss (train extra)
luxel.model.exposure_metric         the metric (train extra)
luxel.model.residual_dataset        images with their maps for a torch DataLoader (torch extra)
luxel.model.weights                 weights of the network as files (train extra)
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from luxel.assessment.assessor import Assessment, Assessor, assess
    from luxel.assessment.many import assess_many
    from luxel.errors import LuxelError
    from luxel.model.exposure_loss import ExposureLoss
    from luxel.model.exposure_metric import ExposureResidual
    from luxel.model.weights import load_model

_HOME = {
    "assess": "luxel.assessment.assessor",
    "Assessor": "luxel.assessment.assessor",
    "assess_many": "luxel.assessment.many",
    "Assessment": "luxel.assessment.assessor",
    "load_model": "luxel.model.weights",
    "ExposureLoss": "luxel.model.exposure_loss",
    "ExposureResidual": "luxel.model.exposure_metric",
    "LuxelError": "luxel.errors",
}

_NEEDS_TORCH = ("load_model", "ExposureLoss", "ExposureResidual")

__all__ = [
    "Assessment",
    "Assessor",
    "ExposureLoss",
    "ExposureResidual",
    "LuxelError",
    "__version__",
    "assess",
    "assess_many",
    "load_model",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'luxel' has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        if name in _NEEDS_TORCH and not (error.name or "").startswith("luxel"):
            from luxel.errors import MissingExtraError

            raise MissingExtraError(f"luxel.{name}", "train") from error
        raise


def __dir__() -> list[str]:
    return sorted(__all__)
