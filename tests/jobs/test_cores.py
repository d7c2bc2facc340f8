"""How many cores this process may use: affinity, quota of the control group, LUXEL_THREADS."""

import os
from pathlib import Path

import pytest

from luxel.errors import LuxelError
from luxel.jobs import cores
from luxel.jobs.cores import cgroup_quota, process_count, usable_cores


def control_groups(tmp_path: Path, lines: str, **quotas: str) -> tuple[Path, Path]:
    """A mount of control groups and the list of this process's groups. quotas: path with "__" for "/" -> content."""
    root, groups = tmp_path / "cgroup", tmp_path / "groups"
    groups.write_text(lines)
    for name, content in quotas.items():
        file = root / name.replace("__", "/").replace("cpu_max", "cpu.max").replace("quota_us", "cpu.cfs_quota_us")
        file = file.with_name(file.name.replace("period_us", "cpu.cfs_period_us"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root, groups


def test_affinity_counts_and_not_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUXEL_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5, 7}, raising=False)
    for quota, expected in ((None, 3), (2.0, 2), (1.5, 1), (0.3, 1), (8.0, 3)):
        monkeypatch.setattr(cores, "cgroup_quota", lambda quota=quota: quota)
        assert usable_cores() == expected
    assert process_count(0, 100) == 3
    assert process_count(0, 2) == 2
    monkeypatch.setenv("LUXEL_THREADS", "6")
    assert usable_cores() == 6


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "²"])
def test_bad_numbers_of_threads(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("LUXEL_THREADS", value)
    with pytest.raises(LuxelError, match="LUXEL_THREADS"):
        usable_cores()
    with pytest.raises(LuxelError, match="--jobs -1"):
        process_count(-1, 5)


def test_quota_of_version_2(tmp_path: Path) -> None:
    """The smallest quota from the group up to the mount holds."""
    found = control_groups(tmp_path, "0::/a/b\n", a__b__cpu_max="max 100000\n", a__cpu_max="150000 100000\n")
    assert cgroup_quota(*found) == 1.5


def test_quota_of_version_1(tmp_path: Path) -> None:
    lines = "4:memory:/x\n3:cpu,cpuacct:/x\n"
    cpu = {"cpu,cpuacct__x__quota_us": "200000\n", "cpu,cpuacct__x__period_us": "100000\n"}
    assert cgroup_quota(*control_groups(tmp_path, lines, **cpu)) == 2.0


def test_no_quota(tmp_path: Path) -> None:
    assert cgroup_quota(tmp_path, tmp_path / "absent") is None
    assert cgroup_quota(*control_groups(tmp_path, "0::/\nodd\n", cpu_max="max 100000\n")) is None
    assert cgroup_quota(*control_groups(tmp_path, "0::/\n", cpu_max="")) is None
