"""What is known of a method of the benchmark: its source, its input, what the paper prints of it. No torch here."""

from dataclasses import dataclass
from typing import Literal

Task = Literal["pixel", "score"]
Family = Literal["enhancement", "quality", "aesthetics", "exposure", "statistical"]
Values = Literal["unit", "signed", "imagenet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts of one method.

    name: how commands call it. title: how tables call it. family: the group of the paper's Tables 1 and 2. tasks: what
    it can be trained for. exact: our network is the published one, proved by its parameter count; else `note` says what
    is re-created or chosen by us. size: side of the square input it must have, None for any. multiple: sides are padded
    to a multiple of this. values: range of its input; "signed" is [-1, 1], "imagenet" standardised by ImageNet's means.
    licence: of the authors' code, none of which is used here. official_params: parameters of the published network with
    its own output layer, None where unknown. paper_params: as the paper prints them, mostly file sizes in MB (see
    `luxel benchmark methods`). paper_mae, paper_ssim, paper_psnr: Tables 1 and 7. paper_lcc, paper_srcc: Table 2.
    paper_acc: printed for ablations only, in Table 3.
    lr: peak learning rate from random weights.
    """

    name: str
    title: str
    family: Family
    tasks: tuple[Task, ...]
    exact: bool
    reference: str
    licence: str
    note: str = ""
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
