"""The limits of a container, from files like the kernel's of control groups."""

import os

import pytest

from pipeline import machine


@pytest.fixture
def group(tmp_path):
    """Writes the files of control groups: (line of /proc, file -> content)."""

    def write(line, files):
        own = tmp_path / "own"
        own.write_text(f"{line}\n")
        for name, content in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")
        return tmp_path / "cgroup", own

    return write


V1, V2 = "7:cpu,cpuacct:/\n4:memory:/pod/box", "0::/pod/box"


@pytest.mark.parametrize(
    ("line", "files", "total", "free"),
    [
        (
            V2,
            {"pod/box/memory.max": 1 << 20, "pod/box/memory.current": 1 << 18},
            1 << 20,
            3 << 18,
        ),
        (
            V1,
            {
                "memory/pod/box/memory.limit_in_bytes": 1 << 20,
                "memory/pod/box/memory.usage_in_bytes": 1 << 19,
            },
            1 << 20,
            1 << 19,
        ),
        # The tightest of the groups above counts.
        (
            V2,
            {"pod/box/memory.max": "max", "pod/memory.max": 1 << 21},
            1 << 21,
            1 << 21,
        ),
        # Seen from inside a container: its group is the root.
        (
            V2,
            {"memory.max": 1 << 20, "memory.current": 2 << 20},
            1 << 20,
            0,
        ),
    ],
)
def test_the_limit_of_a_container_is_what_there_is(group, line, files, total, free):
    found = machine.memory(*group(line, files))
    assert (found.total, found.free, found.is_limited) == (total, free, True)


@pytest.mark.parametrize(
    ("line", "files"),
    [
        (V2, {"pod/box/memory.max": "max"}),
        (V1, {"memory/pod/box/memory.limit_in_bytes": 9223372036854771712}),
        (V2, {}),
    ],
)
def test_without_a_limit_it_is_the_machine_s(group, line, files):
    found = machine.memory(*group(line, files))
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert (found.total, found.is_limited) == (pages, False)
    assert 0 < found.free <= found.total


@pytest.mark.parametrize(
    ("line", "files", "cores"),
    [
        (V2, {"pod/box/cpu.max": "150000 100000"}, 1),
        (V2, {"pod/box/cpu.max": "20000 100000"}, 1),
        (
            V1,
            {"cpu/cpu.cfs_quota_us": 100000, "cpu/cpu.cfs_period_us": 100000},
            1,
        ),
        (V2, {"pod/box/cpu.max": "max 100000"}, None),
        (
            "1:cpu:/",
            {"cpu/cpu.cfs_quota_us": -1, "cpu/cpu.cfs_period_us": 100000},
            None,
        ),
    ],
)
def test_a_quota_of_the_processor_counts(group, line, files, cores):
    found = machine.cores(*group(line, files))
    assert found == (cores or len(os.sched_getaffinity(0)))


def test_a_gpu_is_found_by_its_device(tmp_path):
    assert not machine.has_gpu(tmp_path)
    (tmp_path / "nvidiactl").touch()
    assert machine.has_gpu(tmp_path)
