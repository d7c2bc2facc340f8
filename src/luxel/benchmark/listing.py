"""What can be benchmarked: every trained method, ablation and statistical method with its facts and counted size."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from luxel.benchmark import registry
from luxel.benchmark.facts import Task
from luxel.benchmark.methods.ablations import ABLATIONS
from luxel.benchmark.methods.statistical import STATISTICAL

PAPER_PARAMS_NOTE = (
    "The column Params of the paper's Tables 1 and 2 is mostly the size of a checkpoint file in MB, not a number of "
    "parameters (P-IEANet's 2.7M is a file of 2.7 MB with 0.62 M parameters). Ours are counted, with the task's head."
)

MethodKind = Literal["exact", "re-creation", "ablation", "statistical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One method as `luxel benchmark methods` lists it.

    kind: "exact" is the published network; "re-creation" has parts that are ours, said in `facts["note"]`; "ablation"
    is P-IEANet with one change; "statistical" is not trained. params: counted, by task, with that task's head.
    facts: everything its registry knows, as JSON values.
    """

    name: str
    title: str
    family: str
    tasks: tuple[Task, ...]
    kind: MethodKind
    params: dict[Task, int]
    paper_params: str
    facts: dict[str, Any]


def count_parameters(name: str, task: Task) -> int:
    """Parameters of a method's full build with the head of a task, counted without making a single one of them.

    Raises LuxelError for an unknown name or a task the method does not have.
    """
    import torch

    from luxel.benchmark.protocol.footprint import parameters

    with torch.device("meta"):
        return parameters(registry.build(name, task))


def listed() -> list[Listed]:
    """Every method of the registries: trained, ablations, statistical, in this order."""
    found = []
    for name in (*registry.NETWORKS, *ABLATIONS):
        facts = registry.facts(name)
        kind: MethodKind = "ablation" if name in ABLATIONS else "exact" if facts.exact else "re-creation"
        found.append(
            Listed(
                name=name,
                title=facts.title,
                family=facts.family,
                tasks=facts.tasks,
                kind=kind,
                params={task: count_parameters(name, task) for task in facts.tasks},
                paper_params=facts.paper_params if kind != "ablation" else "",
                facts=asdict(facts),
            )
        )
    for method in STATISTICAL.values():
        told = ("reference", "source", "meaning", "ours", "folded")
        found.append(
            Listed(
                name=method.name,
                title=method.title,
                family="statistical",
                tasks=("score",),
                kind="statistical",
                params={},
                paper_params="",
                facts={key: getattr(method, key) for key in told},
            )
        )
    return found


def record(method: Listed) -> dict[str, Any]:
    """A method as one flat JSON object: name, title, family, tasks, kind, params by task, then its other facts."""
    own = {key: getattr(method, key) for key in ("name", "title", "family", "tasks", "kind", "params", "paper_params")}
    return own | {key: value for key, value in method.facts.items() if key not in own}


def short_count(number: int) -> str:
    """A number of parameters in three figures: 8098 -> "8.10k", 1950036 -> "1.95M"."""
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            scaled = number / size
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}{unit}"
    return str(number)
