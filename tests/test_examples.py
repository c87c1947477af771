"""Every example runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pynn

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(name: str, *arguments: str) -> str:
    """Return what an example prints."""
    tested = str(Path(pynn.__file__).parents[1])  # the package that these tests import
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": tested}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(text: str) -> list[int]:
    """Return the rounded answers of a table of the exclusive or."""
    return [round(float(number)) for number in re.findall(r"xor [01] = (\S+)", text)]


def test_from_scratch_learns_the_exclusive_or():
    assert answers(run("from_scratch")) == [0, 1, 1, 0]


def test_xor_learns_the_exclusive_or():
    assert answers(run("xor")) == [0, 1, 1, 0]


def test_regression_beats_the_linear_fit():
    network, linear = map(float, re.findall(r"(?:network|fit) (0\.\d+)", run("regression")))
    assert network > 0.9 > linear > 0


def test_linear_regression_finds_the_best_line():
    found = re.findall(r"y = (\S+) x \+ (\S+)", run("linear_regression"))
    assert found[-1] == found[-2]


def test_gradient_tape():
    text = run("gradient_tape")
    assert float(re.search(r"perceptron: (\S+)%", text)[1]) > 97
    assert float(re.search(r"error (\S+)", text)[1]) < 0.05
    assert re.findall(r"at 1: (\S+)", text) == ["0.5403", "-0.8415", "-0.5403"]


def test_custom_layer():
    assert run("custom_layer")


def test_functional_api_learns_both_outputs() -> None:
    text = run("functional_api")
    price = re.search(r"price_loss (0\.\d+)", text)
    sold = re.search(r"sold_accuracy (0\.\d+)", text)
    assert price is not None
    assert sold is not None
    assert float(price[1]) < 0.1
    assert float(sold[1]) > 0.9


def test_transfer_learning_beats_learning_from_nothing() -> None:
    pytest.importorskip(
        "sklearn", reason="the digits come with scikit-learn, which is not installed"
    )
    text = run("transfer_learning")
    nothing, head, tuned = (
        float(number) for number in re.findall(r"(?:nothing|head|tuned) (0\.\d+)", text)
    )
    assert "base unchanged: True" in text
    assert nothing + 0.05 < min(head, tuned)


def test_an_autoencoder_takes_out_noise() -> None:
    pytest.importorskip(
        "sklearn", reason="the digits come with scikit-learn, which is not installed"
    )
    error = re.search(r"error (0\.\d+) with noise, (0\.\d+) without", run("autoencoder"))
    assert error is not None
    assert float(error[2]) < float(error[1]) / 2


def accuracy(printed: str) -> float:
    """Return the accuracy on MNIST's test images."""
    found = re.search(r"test accuracy (0\.\d+)", printed)
    assert found is not None
    return float(found[1])


MNIST = pytest.mark.skipif(
    not (Path(os.environ.get("PYNN_DATA_DIR", "")) / "mnist").is_dir(),
    reason="MNIST is not here: set PYNN_DATA_DIR to a folder that has mnist/",
)


@MNIST
def test_mnist_mlp_reaches_its_accuracy():
    assert accuracy(run("mnist_mlp")) > 0.97


@MNIST
def test_mnist_cnn_learns_from_few_images():
    assert accuracy(run("mnist_cnn", "3000")) > 0.93


def test_char_rnn_writes_on_where_a_verse_stops():
    assert "this is the cow that tossed the dog" in run("char_rnn")


def test_every_example_has_its_test():
    tested = set(re.findall(r'run\("(\w+)"', Path(__file__).read_text(encoding="utf-8")))
    assert tested == {path.stem for path in EXAMPLES.glob("*.py")}
