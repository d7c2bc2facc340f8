"""What holds for every row of a benchmark's run, and what a folder of rows must have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from luxel.benchmark.protocol.training import Budget
from luxel.benchmark.registry import facts
from luxel.errors import LuxelError


@dataclass(frozen=True, slots=True)
class BackboneWeights:
    """Published weights for one backbone of one method."""

    method: str
    backbone: str
    file: Path

    @classmethod
    def parse(cls, text: str) -> "BackboneWeights":
        """From "METHOD:BACKBONE=FILE", as "nima:backbone=inception.pth". Raises LuxelError for anything else."""
        name, equals, file = text.partition("=")
        method, colon, backbone = name.partition(":")
        if not (equals and colon and backbone and file):
            raise LuxelError(f"backbone {text!r}: write METHOD:BACKBONE=FILE, for example nima:backbone=inception.pth")
        return cls(facts(method).name, backbone, Path(file))


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSettings:
    """What holds for every row of a run.

    frames: folder of `prepare_frames`. out: folder of the rows. budget: per row. batch: pictures per step over all
    devices. threads: CPU threads of a process. tiny: small builds, for tests. released: the authors' checkpoint.
    backbones: files of published weights that backbones start from; all else starts from random weights.
    Raises LuxelError for a batch that cannot be shared out evenly among the devices.
    """

    frames: Path
    out: Path
    budget: Budget
    batch: int = 8
    threads: int = 1
    tiny: bool = False
    released: Path | None = None
    backbones: tuple[BackboneWeights, ...] = ()
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: Literal["32", "bf16"] = "32"

    def __post_init__(self) -> None:
        many = self.devices * self.nodes
        if self.batch % many:  # a smaller share would weigh its pictures more, and an empty one has no loss
            raise LuxelError(f"batch {self.batch}: does not divide among {many} devices; give a multiple of {many}")

    @property
    def rules(self) -> str:
        """What rows must have in common beside budget and data to be compared, as text."""
        many = self.devices * self.nodes
        return f"batch {self.batch}" + f" over {many} devices" * (many > 1) + ", bfloat16" * (self.precision == "bf16")

    def backbones_of(self, method: str) -> str:
        """The backbones of a method that start from published weights, with the names of their files, as text."""
        names = (f"{given.backbone}={given.file.name}" for given in self.backbones if given.method == method)
        return ", ".join(sorted(names))
