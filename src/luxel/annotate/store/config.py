"""What the leader of a project decides."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """Settings of a project.

    kinds: tasks that are handed out; with "reference" alone, maps wait until references are decided.
    levels: frames whose maps are corrected, empty for all. replicas: people per task. calibration: names of scenes
    that more people see. calibration_replicas: how many. gold_share: of tasks whose answer is known or that a person
    saw before. blank_share: of replicas that start from a blank map. lease_s: seconds without a sign of life after
    which a task that nobody worked on is free again. disagreement: standard deviation in lightness above which a
    segment counts as disputed. disputed_area: share of the area from which a task gets `escalated` replicas.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: tuple[Literal["reference", "residual"], ...] = ("reference", "residual")
    levels: tuple[str, ...] = ()
    replicas: Annotated[int, Field(ge=1, le=50)] = 3
    calibration: tuple[str, ...] = ()
    calibration_replicas: Annotated[int, Field(ge=1, le=50)] = 10
    escalated: Annotated[int, Field(ge=1, le=50)] = 5
    gold_share: Annotated[float, Field(ge=0, le=0.5)] = 0.07
    blank_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    lease_s: Annotated[int, Field(ge=10, le=3600)] = 120
    disagreement: Annotated[float, Field(gt=0, le=1)] = 0.08
    disputed_area: Annotated[float, Field(gt=0, le=1)] = 0.1
