"""How many processor cores and processes a run may use: affinity, quota of the control group, LUXEL_THREADS."""

import os
from pathlib import Path

from luxel.errors import LuxelError

THREADS_VARIABLE = "LUXEL_THREADS"
"""Environment variable with the number of threads for all work together, in place of the cores that are found."""


def usable_cores() -> int:
    """Processor cores that this process may use, at least 1: those of its affinity, within its quota of time.

    The quota is that of its control group (containers have one): one and a half cores are one. `LUXEL_THREADS`
    overrides both. Raises LuxelError if it is not a whole number above 0.
    """
    wanted = os.environ.get(THREADS_VARIABLE)
    if wanted:
        if not (wanted.isascii() and wanted.isdigit() and int(wanted) > 0):
            raise LuxelError(f"{THREADS_VARIABLE}={wanted!r}: give a whole number of threads above 0, or unset it")
        return int(wanted)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota()
    return max(1, cores if quota is None else min(cores, int(quota)))


def cgroup_quota(root: Path = Path("/sys/fs/cgroup"), groups: Path = Path("/proc/self/cgroup")) -> float | None:
    """Cores' worth of processor time that the control groups of this process allow; None where they set no limit.

    root: where control groups are mounted, version 1 or 2.
    groups: the file that names those of this process.

    Every parent group counts too: the smallest quota holds.
    """
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return None  # not Linux
    quotas = []
    for line in lines:
        _, controllers, group = [*line.split(":", 2), "", ""][:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / controllers if controllers else root
        # Inside a container the group may be named as the host sees it, while its files lie at the mount itself.
        inside = Path(group.lstrip("/"))
        quotas += [_quota(mount / part) for part in (inside, *inside.parents)]
    found = [quota for quota in quotas if quota is not None]
    return min(found, default=None)


def _quota(folder: Path) -> float | None:
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((folder / name).read_text() for name in names).split()
            if int(quota) > 0 and int(period) > 0:  # "max" and -1 mean no limit
                return int(quota) / int(period)
        except (OSError, ValueError):
            continue
    return None


def process_count(jobs: int, tasks: int) -> int:
    """Processes for a run: as many as asked for, but no more than tasks, and at least 1.

    jobs: 0 for one per usable core.
    tasks: files, or whatever the run is over.
    Raises LuxelError for a number below 0.

    >>> process_count(4, 100), process_count(4, 2), process_count(1, 0)
    (4, 2, 1)
    """
    if jobs < 0:
        raise LuxelError(f"--jobs {jobs}: give 1 or more, or 0 for one process per core")
    return max(1, min(jobs or usable_cores(), tasks))


def threads_each(processes: int) -> int | None:
    """Threads of each of several processes, at least 1: its share of the cores; None, all of them, for one process.

    >>> threads_each(1), threads_each(1_000_000)
    (None, 1)
    """
    return None if processes <= 1 else max(1, usable_cores() // processes)
