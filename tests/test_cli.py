"""The ``pynn`` command, and what the environment decides when it starts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pynn
from pynn import _native, cli


def test_info_names_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    out = capsys.readouterr().out
    for fact in (_native.version, _native.isa(), _native.cpu_name(), "CUDA"):
        assert fact in out


def test_digits_are_learnt(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    assert cli.main(["train", "digits"]) == 0
    out = capsys.readouterr().out
    assert "parameters" in out  # the summary
    assert "samples/s" in out  # the progress bar
    accuracy = re.search(r"test accuracy ([\d.]+) %", out)
    assert accuracy is not None
    assert float(accuracy[1]) > 96


def test_options_reach_the_network(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    options = "--layers 7 5 --activation tanh --dropout 0.1 --optimizer sgd --learning-rate 0.5"
    more = "--epochs 2 --batch-size 50 --seed 3"
    assert cli.main(["train", "digits", *options.split(), *more.split()]) == 0
    out = capsys.readouterr().out
    assert f"{64 * 7 + 7 + 7 * 5 + 5 + 5 * 10 + 10:,} parameters" in out
    assert out.count("Dropout") == 2
    assert "epoch 2/2" in out


def test_the_same_seed_prints_the_same_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    lines = set()
    for _ in range(2):
        cli.main(["train", "digits", "--epochs", "2", "--seed", "11"])
        lines.add(capsys.readouterr().out.splitlines()[-1])
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "digits", "--activation", "rellu"], "did you mean 'relu'"),
        (["train", "digits", "--optimizer", "adm"], "did you mean 'adam'"),
        (["train", "digits", "--dropout", "2"], "rate expects"),
        (["train", "mnist", "--folder", "no-such-folder"], "no-such-folder"),
    ],
)
def test_mistakes_end_with_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn")
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("pynn: ")
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "command"),
        (["train"], "data"),
        (["train", "digits", "--epochs", "0"], "--epochs: expects an integer of at least 1"),
        (["train", "digits", "--epochs", "ten"], "--epochs: expects an integer of at least 1"),
    ],
)
def test_wrong_usage_is_explained(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "usage: pynn" in error
    assert said in error


def run_python(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter, away from the source tree."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("isa", _native.available_isas())
def test_the_environment_chooses_the_instruction_set(isa: str, tmp_path: Path) -> None:
    code = (
        "import numpy, pynn; pynn.ops.matmul(numpy.eye(3), numpy.eye(3)); print(pynn._native.isa())"
    )
    assert run_python(code, tmp_path, PYNN_ISA=isa).stdout == f"{isa}\n"


def test_an_unknown_instruction_set_is_named(tmp_path: Path) -> None:
    done = run_python("import pynn; pynn.ops.exp([1.0])", tmp_path, PYNN_ISA="sse9")
    assert done.returncode == 1
    assert "PYNN_ISA is 'sse9'" in done.stderr
    assert _native.available_isas()[-1] in done.stderr


def test_the_environment_chooses_the_threads(tmp_path: Path) -> None:
    code = "import pynn; print(pynn.num_threads())"
    assert run_python(code, tmp_path, PYNN_NUM_THREADS="3").stdout == "3\n"
    wrong = run_python(code, tmp_path, PYNN_NUM_THREADS="many")
    assert "ValueError" in wrong.stderr
    assert "many" in wrong.stderr


def test_import_stays_light(tmp_path: Path) -> None:
    """What costs time to import is imported when it is used."""
    code = """
import sys, numpy
before = set(sys.modules)
from pynn import Network, layers, losses, optimizers, metrics, datasets
print(*set(sys.modules) - before)
"""
    loaded = set(run_python(code, tmp_path).stdout.split())
    assert "pynn._native" in loaded
    heavy = {"sklearn", "scipy", "matplotlib", "urllib.request", "asyncio", "numpy.typing"}
    assert not loaded & heavy


def test_a_source_tree_says_why_it_cannot_be_imported(tmp_path: Path) -> None:
    binaries = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(Path(pynn.__file__).parent, tmp_path / "pynn", ignore=binaries)
    (tmp_path / "pynn" / "_native").mkdir(exist_ok=True)  # the stubs, of which wheels have none
    done = run_python("import pynn", tmp_path)
    assert done.returncode == 1
    assert "has no native part: it is a source tree" in done.stderr
