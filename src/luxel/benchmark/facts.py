"""What is known of a method of the benchmark: its source, its input, what the paper prints of it. No torch here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

BenchmarkTask = Literal["pixel", "score"]
Family = Literal["enhancement", "quality", "aesthetics", "exposure", "statistical"]
Values = Literal["unit", "signed", "imagenet"]
Kind = Literal["exact", "denoiser", "re-creation"]


@dataclass(frozen=True, slots=True)
class Cost:
    """Size of a network with the head of a task.

    params: trained and frozen parameters.
    macs: multiply-adds of convolutions, matrix products and attention for one image of 256 x 256; what is done element
        by element, and Fourier transforms, are not counted.
    """

    params: int
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts of one method.

    name: how commands call it.
    title: how tables call it.
    family: group of the paper's Tables 1 and 2.
    tasks: what it can be trained for.
    kind: "exact" is the published network, proved by its parameter count; "denoiser" is the network inside a published
        diffusion method, trained here as a regression in one pass, without the diffusion; "re-creation" has parts that
        are ours.
    reference: title and venue of the publication.
    licence: of the authors' code, none of which is used here.
    note: what is re-created, left out or chosen by us.
    costs: by task, of what is trained, with the head of the task; empty for P-IEANet, whose widths follow luxel's
        weights.
    size: side in pixels of the square input it must have, None for any.
    multiple: sides are padded to a multiple of this.
    values: range of its input; "unit" is [0, 1], "signed" [-1, 1], "imagenet" standardised by ImageNet's means.
    official_params: parameters of the published network with its own output layer, None where unknown. For a denoiser
        that is the whole published method, of which only the denoiser is trained here.
    paper_params: as the paper prints them, mostly file sizes in MB (see `luxel benchmark methods`).
    paper_mae, paper_ssim, paper_psnr: Tables 1 and 7.
    paper_lcc, paper_srcc: Table 2.
    paper_acc: printed for ablations only, in Table 3.
    lr: peak learning rate from random weights.
    """

    name: str
    title: str
    family: Family
    tasks: tuple[BenchmarkTask, ...]
    kind: Kind
    reference: str
    licence: str
    note: str = ""
    costs: Mapping[BenchmarkTask, Cost] = field(default_factory=dict)
    size: int | None = None
    multiple: int = 1
    values: Values = "unit"
    official_params: int | None = None
    paper_params: str = ""
    paper_mae: float | None = None
    paper_ssim: float | None = None
    paper_psnr: float | None = None
    paper_lcc: float | None = None
    paper_srcc: float | None = None
    paper_acc: float | None = None
    lr: float = 1e-3
