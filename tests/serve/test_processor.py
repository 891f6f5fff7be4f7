import os
from pathlib import Path

import pytest

from aifashion.serve import processor
from aifashion.serve.processor import cpu_quota, fast_bfloat16, usable_cores


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "1 0\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "what\n"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_a_container(tmp_path: Path, files: dict[str, str], quota: float | None):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cpu_quota(tmp_path) == quota


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_only_the_cores_that_can_be_used_are_counted(monkeypatch):
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(os, "process_cpu_count", lambda: 8, raising=False)
    for quota, cores in ((None, 8), (2.0, 2), (2.5, 3), (0.2, 1), (64.0, 8)):
        monkeypatch.setattr(processor, "cpu_quota", lambda quota=quota: quota)
        assert usable_cores() == cores


@pytest.mark.parametrize(
    ("machine", "flags", "fast"),
    [
        ("x86_64", "flags\t\t: fpu avx512_bf16 amx_bf16 amx_tile\n", True),
        ("x86_64", "flags\t\t: fpu avx512_bf16 amx_bf16_x\n", False),
        ("AMD64", None, False),
        ("aarch64", None, True),
    ],
)
def test_bfloat16_is_fast_where_matrices_are_multiplied_in_it(tmp_path, monkeypatch, machine, flags, fast):
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"processor : 0\n{flags}")
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(processor.platform, "machine", lambda: machine)
    fast_bfloat16.cache_clear()
    assert fast_bfloat16() is fast
    fast_bfloat16.cache_clear()
