"""Exposure measures of the paper's related work that need no training: one number of a picture, no torch.

`STATISTICAL` is the registry. None of them predicts a residual map, so they have rows for the score task only. Where a
source is silent or could not be read, `ours` says what we chose.
"""

from collections.abc import Callable
from dataclasses import dataclass

from luxel.benchmark.methods.statistical import blocks, gradient, histogram
from luxel.benchmark.methods.statistical.planes import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One statistical method and its facts.

    name: how commands call it.
    title: how tables call it.
    reference: title and venue of the publication.
    source: where the formula was taken from.
    meaning: what the raw number says, with range and direction.
    statistic: image [H, W, 3] float in [0, 1] -> the raw number.
    score: image -> 0 to 10, larger is better; None where the number has no natural scale, then only its rank
        correlation means something.
    folded: the raw number has its ideal in the middle of its range, so it ranks images by exposure only once folded.
    ours: what we chose, "" if nothing.
    recreation: the formula was not published or not read; what runs is ours.
    """

    name: str
    title: str
    reference: str
    source: str
    meaning: str
    statistic: Callable[[Image], float]
    score: Callable[[Image], float] | None
    folded: bool = False
    ours: str = ""
    recreation: bool = False

    @property
    def note(self) -> str:
        """What a table says of a re-creation, "" for a published formula."""
        return f"{self.source}; ours: {self.ours}" if self.recreation else ""


STATISTICAL = {
    method.name: method
    for method in (
        Method(
            name="datta",
            title="Mean intensity (Datta)",
            reference="Studying aesthetics in photographic images using a computational approach, ECCV 2006",
            source="feature f1",
            meaning="mean HSV value, 0 to 1, ideal in the middle",
            folded=True,
            ours="the fold around 0.5",
            statistic=histogram.mean_intensity,
            score=histogram.mean_intensity_score,
        ),
        Method(
            name="liu",
            title="Histogram classes (Liu)",
            reference="Automatic analysis and adjustment of digital images with exposure problems, US 7,359,572, 2008",
            source="claims 1-5, which give no formulas",
            meaning="centroid of the luma histogram, 0 to 1, ideal in the middle",
            folded=True,
            ours="formulas of centroid and width, all thresholds, the fold and its factor for narrow histograms",
            recreation=True,
            statistic=histogram.histogram_centroid,
            score=histogram.histogram_score,
        ),
        Method(
            name="torres",
            title="Histogram moments (Torres)",
            reference="Optimal camera exposure for video surveillance systems by predictive control of shutter speed, "
            "aperture, and gain, SPIE 9400, 2015",
            source="from the abstract; formulas not read",
            meaning="mean near the middle and few pixels in the saturated ends, 0 to 1, larger is better",
            ours="the whole formula: fold of the mean of the luma histogram times the unsaturated share; "
            "saturated are levels 0 to 5 and 250 to 255",
            recreation=True,
            statistic=histogram.moment_quality,
            score=histogram.moment_score,
        ),
        Method(
            name="hanmandlu",
            title="Exposure index (Hanmandlu)",
            reference="A novel optimal fuzzy system for color image enhancement using bacterial foraging, TIM 2009",
            source="as re-used by exposure-based histogram equalisation",
            meaning="exposure index, above 0 to 1, ideal 0.5",
            folded=True,
            ours="the fold around 0.5",
            statistic=histogram.exposure_index,
            score=histogram.exposure_index_score,
        ),
        Method(
            name="rahman",
            title="Luma entropy (Rahman)",
            reference="Using image entropy maximum for auto exposure, JEI 2011",
            source="Shannon entropy of the histogram",
            meaning="entropy, 0 to 8 bits, larger is better",
            ours="256 bins of luma; the score is the share of 8 bits",
            statistic=histogram.luma_entropy,
            score=histogram.luma_entropy_score,
        ),
        Method(
            name="lu",
            title="RGB entropy (Lu)",
            reference="Camera parameters auto-adjusting technique for robust robot vision, ICRA 2010",
            source="sum of the channels' Shannon entropies",
            meaning="entropy, 0 to 16.6 nats, larger is better",
            ours="256 bins per channel; the score is the share of 3 ln 256",
            statistic=histogram.rgb_entropy,
            score=histogram.rgb_entropy_score,
        ),
        Method(
            name="shim2014",
            title="Gradient information (Shim 2014)",
            reference="Auto-adjusting camera exposure for outdoor robotics using gradient information, IROS 2014",
            source="M; constants as in a public re-implementation",
            meaning="mean gradient information, 0 to 1, larger is better",
            ours="mean in place of the sum; gradients scaled by the operator's range, not the picture's",
            statistic=gradient.gradient_information,
            score=None,
        ),
        Method(
            name="shim2018",
            title="Wanted exposure change (Shim 2018)",
            reference="Gradient-based camera exposure control for outdoor mobile platforms, TCSVT 2018",
            source="R of the nonlinear update",
            meaning="R - 1 at the best gamma, -0.83 to 0.36, above 0 underexposed, ideal 0",
            folded=True,
            ours="the update read as a measure (its M is that of 2014), d = 0.75, the fold",
            statistic=gradient.wanted_change,
            score=gradient.wanted_change_score,
        ),
        Method(
            name="zhang",
            title="Gradient percentile (Zhang)",
            reference="Active exposure control for robust visual odometry in HDR environments, ICRA 2017",
            source="M of the soft percentile; weights in their continuous form, the printed ones have a slip",
            meaning="soft percentile of squared gradients, 0 to 1, larger is better",
            ours="p = 0.7",
            statistic=gradient.gradient_percentile,
            score=None,
        ),
        Method(
            name="kim",
            title="Entropy-weighted gradient (Kim)",
            reference="Exposure control using Bayesian optimization based on entropy weighted image gradient, "
            "ICRA 2018",
            source="EWG, as re-implemented; the sign of the weights' exponent as in the authors' released code",
            meaning="weighted mean of squared gradients less a penalty for saturation, larger is better",
            ours="9 x 9 window, saturated below 0.05 of the largest entropy",
            statistic=gradient.entropy_weighted_gradient,
            score=None,
        ),
        Method(
            name="efimov",
            title="Normal blocks (Efimov)",
            reference="Block-based image exposure assessment and indoor/outdoor classification, GraphiCon 2007",
            source="as the paper's related work sums it up; not read",
            meaning="share of blocks neither dark nor bright, 0 to 1, larger is better",
            ours="8 x 8 blocks, all thresholds, the share as the measure",
            recreation=True,
            statistic=blocks.normal_share,
            score=blocks.normal_share_score,
        ),
        Method(
            name="dong",
            title="Block exposures (Dong)",
            reference="Temporally consistent region-based video exposure correction, ICME 2015",
            source="abstract; formulas not read",
            meaning="mean absolute exposure change the blocks need, 0 to 3 stops, smaller is better",
            ours="8 x 8 blocks, both energy terms, search, no temporal term",
            recreation=True,
            statistic=blocks.mean_block_change,
            score=blocks.block_change_score,
        ),
    )
}
"""Every statistical method by name, in the order of the paper's references."""
