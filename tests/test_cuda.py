"""What a build says of CUDA, with it and without, on machines with a device and without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pynn
from pynn import cli

BUILT = pynn.cuda.is_built()


def test_devices_are_available_where_there_are_some() -> None:
    count = pynn.cuda.device_count()
    assert count >= 0
    assert pynn.cuda.is_available() is (count > 0)
    assert BUILT or count == 0


def test_every_device_says_what_it_is() -> None:
    names = [pynn.cuda.device_name(i) for i in range(pynn.cuda.device_count())]
    devices = [pynn.cuda.device(i) for i in range(pynn.cuda.device_count())]
    assert names == [d.name for d in devices]
    assert all(d.name and d.memory > 0 and d.compute_capability >= (5, 0) for d in devices)


@pytest.mark.skipif(BUILT, reason="this build has CUDA")
def test_a_build_without_cuda_says_so() -> None:
    for ask in (pynn.cuda.device, pynn.cuda.device_name):
        with pytest.raises(RuntimeError, match="this build of pynn has no CUDA"):
            ask()


@pytest.mark.skipif(not BUILT, reason="this build has no CUDA")
def test_a_missing_device_is_an_index_error() -> None:
    count = pynn.cuda.device_count()
    for index in (-1, count):
        expected = f"there is no CUDA device {index}: this machine has {count}"
        with pytest.raises(IndexError, match=expected):
            pynn.cuda.device_name(index)


def test_an_index_is_an_integer() -> None:
    with pytest.raises(TypeError):
        pynn.cuda.device_name("0")  # type: ignore[arg-type]


def test_info_has_a_line_on_cuda(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def line(built: bool, devices: list[pynn.cuda.Device]) -> str:
        monkeypatch.setattr(pynn.cuda, "is_built", lambda: built)
        monkeypatch.setattr(pynn.cuda, "device_count", lambda: len(devices))
        monkeypatch.setattr(pynn.cuda, "device", lambda i: devices[i])
        assert cli.main(["info"]) == 0
        lines = capsys.readouterr().out.splitlines()
        return next(text for text in lines if text.startswith("CUDA")).split(maxsplit=1)[1]

    device = pynn.cuda.Device("Some GPU", 80 * 10**9, (9, 0))
    assert line(False, []) == "not in this build"
    assert line(True, []) == "in this build, but no device was found"
    one = "Some GPU, 80.0 GB, compute capability 9.0"
    assert line(True, [device]) == f"{one} (networks run on the CPU)"
    assert line(True, [device, device]) == f"{one}; {one} (networks run on the CPU)"


def test_importing_pynn_asks_for_no_device(tmp_path: Path) -> None:
    """Only a question initialises the driver, which would not survive a fork."""
    code = "import sys, pynn; assert 'pynn.cuda' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
