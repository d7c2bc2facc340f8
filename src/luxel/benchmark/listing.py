"""What can be benchmarked: every trained method, ablation and statistical method with its facts and counted size."""

import functools
from dataclasses import asdict, dataclass
from typing import Any, Literal

from luxel.benchmark import registry
from luxel.benchmark.facts import BenchmarkTask, Cost
from luxel.benchmark.methods.ablations import ABLATIONS
from luxel.benchmark.methods.controls import CONTROLS
from luxel.benchmark.methods.statistical import STATISTICAL

PAPER_PARAMS_NOTE = (
    "The column Params of the paper's Tables 1 and 2 is mostly the size of a checkpoint file in MB, not a number of "
    "parameters (P-IEANet's 2.7M is a file of 2.7 MB with 0.62 M parameters). Ours are counted, with the task's head."
)

MACS_NOTE = (
    "GMACs: billions of multiply-adds in convolutions, matrix products and attention for one image of 256 x 256, with "
    "the task's head; what is done element by element and Fourier transforms are not counted."
)

MethodKind = Literal["exact", "denoiser", "re-creation", "ablation", "control", "statistical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One method as `luxel benchmark methods` lists it.

    kind: "exact", "denoiser" or "re-creation" of a published method (see `luxel.benchmark.facts.Facts`; a statistical
        method can be a re-creation, too); "ablation" is P-IEANet with one change; "control" scores a method's map;
        "statistical" is a published formula that is not trained.
    note: what is ours in a denoiser or a re-creation, "" for other kinds.
    costs: by task, of the network that is trained, with the head of the task.
    facts: everything its registry knows, as JSON values.
    """

    name: str
    title: str
    family: str
    tasks: tuple[BenchmarkTask, ...]
    kind: MethodKind
    note: str
    costs: dict[BenchmarkTask, Cost]
    paper_params: str
    facts: dict[str, Any]


def cost(name: str, task: BenchmarkTask) -> Cost:
    """Parameters and multiply-adds of a method's full build with the head of a task.

    name: one of `luxel.benchmark.registry.TRAINED`.
    Raises LuxelError for an unknown name or a task the method does not have.

    >>> cost("mslt", "pixel").params
    8101
    """
    return registry.facts(name).costs.get(task) or counted(name, task)


@functools.cache
def counted(name: str, task: BenchmarkTask) -> Cost:
    """The same as `cost`, counted on the network that `luxel.benchmark.registry.build` makes, without its values.

    Raises LuxelError for an unknown name or a task the method does not have.
    """
    import torch

    from luxel.benchmark.protocol.footprint import multiply_adds, parameters

    with torch.device("meta"):
        model = registry.build(name, task)
        return Cost(parameters(model), multiply_adds(model))


def listed() -> list[Listed]:
    """Every method of the registries: trained, ablations, controls, statistical, in this order."""
    found = []
    for name in registry.TRAINED:
        facts = registry.facts(name)
        kind: MethodKind = "ablation" if name in ABLATIONS else "control" if name in CONTROLS else facts.kind
        found.append(
            Listed(
                name=name,
                title=facts.title,
                family=facts.family,
                tasks=facts.tasks,
                kind=kind,
                note=facts.note if kind in ("denoiser", "re-creation") else "",
                costs={task: cost(name, task) for task in facts.tasks},
                paper_params=facts.paper_params if name in registry.NETWORKS else "",
                facts=asdict(facts),
            )
        )
    for method in STATISTICAL.values():
        keys = ("reference", "source", "meaning", "ours", "folded", "recreation")
        found.append(
            Listed(
                name=method.name,
                title=method.title,
                family="statistical",
                tasks=("score",),
                kind="re-creation" if method.recreation else "statistical",
                note=method.note,
                costs={},
                paper_params="",
                facts={key: getattr(method, key) for key in keys},
            )
        )
    return found


def record(method: Listed) -> dict[str, Any]:
    """A method as one JSON object: name, title, family, tasks, kind, note, costs by task, then its other facts."""
    known = {key: value for key, value in asdict(method).items() if key != "facts"}
    return known | {key: value for key, value in method.facts.items() if key not in known}


def short_count(number: int) -> str:
    """A number of parameters in three figures: 8098 -> "8.10k", 1950036 -> "1.95M"."""
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            scaled = number / size
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}{unit}"
    return str(number)
