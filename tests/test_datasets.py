"""What users rely on when they load data."""

from __future__ import annotations

import doctest
import gzip
import hashlib
import importlib
import os
import re
import struct
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pynn.datasets import load_digits, load_fashion_mnist, load_mnist, read_idx
from pynn.datasets import mnist as mnist_module
from pynn.datasets.download import cache_folder

REAL_MNIST = Path(os.environ.get("PYNN_DATA_DIR", ""), "mnist")
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
Files = dict[str, bytes]


def idx_bytes(array: NDArray[Any]) -> bytes:
    header = bytes([0, 0, CODES[array.dtype.str[1:]], array.ndim])
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return header + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def files() -> Files:
    """Return a data set of the published names with 6 + 4 images of 3 x 2 pixels."""
    rng = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte": idx_bytes(rng.integers(0, 256, (6, 3, 2), np.uint8)),
        "train-labels-idx1-ubyte": idx_bytes(np.arange(6, dtype=np.uint8)),
        "t10k-images-idx3-ubyte": idx_bytes(rng.integers(0, 256, (4, 3, 2), np.uint8)),
        "t10k-labels-idx1-ubyte": idx_bytes(np.arange(4, dtype=np.uint8)),
    }


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep the tests away from the user's files and from the network beyond this machine."""
    monkeypatch.delenv("PYNN_DATA_DIR", raising=False)
    monkeypatch.setenv("PYNN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache" / "mnist"


def write(folder: Path, files: Files) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


# Reading IDX


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (2, 0, 3), (2, 1, 3, 4)])
@pytest.mark.parametrize("zipped", [False, True])
def test_idx_holds_every_dtype_and_rank(
    tmp_path: Path, dtype: str, shape: tuple[int, ...], zipped: bool
) -> None:
    array = np.asarray(np.random.default_rng(0).normal(size=shape) * 50).astype(dtype)
    content = idx_bytes(array)
    path = tmp_path / "array"
    path.write_bytes(gzip.compress(content) if zipped else content)
    read = read_idx(path)
    np.testing.assert_array_equal(read, array, strict=True)
    assert read.dtype.isnative
    assert read.flags.writeable


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file.*got an empty file"),
        (b"\x00\x00\x08", "not an IDX file"),
        (b"PK\x03\x04", "not an IDX file.*got 50 4b 03 04"),
        (b"\x00\x00\x0a\x01\x00\x00\x00\x00", "dtype code"),
        (b"\x00\x00\x08\xff", "255 dimensions"),
        (b"\x00\x00\x08\x02\x00\x00\x00\x01", "header of 2 dimensions ends early"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x03ab", r"truncated.*\(3,\) of uint8, 3 bytes.*only 2"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x03abcd", "trailing bytes"),
        (b"\x00\x00\x0e\x03" + b"\xff" * 12 + b"abc", "truncated.*but only 3 follow"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_idx_that_is_wrong_is_named(
    tmp_path: Path, content: bytes, message: str, zipped: bool
) -> None:
    path = tmp_path / "wrong-idx1-ubyte"
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(ValueError, match=f"(?s)wrong-idx1-ubyte: .*{message}"):
        read_idx(path)


def test_gzip_that_is_wrong_is_named(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(idx_bytes(np.arange(100, dtype=np.int32))))
    path = tmp_path / "wrong.gz"
    path.write_bytes(packed[:-20])
    with pytest.raises(ValueError, match=r"wrong\.gz: .*truncated"):
        read_idx(path)
    packed[-8] ^= 1  # its CRC
    path.write_bytes(packed)
    with pytest.raises(ValueError, match=r"wrong\.gz: damaged gzip"):
        read_idx(path)
    path.write_bytes(packed[:10] + b"\xff" * 20)
    with pytest.raises(ValueError, match=r"wrong\.gz: damaged gzip"):
        read_idx(path)


# Loading from folders


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dotted", [False, True])
def test_mnist_from_a_folder(tmp_path: Path, files: Files, zipped: bool, dotted: bool) -> None:
    folder = tmp_path / "given"
    for name, content in files.items():
        spelt = name.replace("-idx", ".idx") if dotted else name
        write(folder, {spelt + ".gz": gzip.compress(content)} if zipped else {spelt: content})
    (x_train, y_train), (x_test, y_test) = load_mnist(folder)
    assert (x_train.shape, x_test.shape) == ((6, 3, 2), (4, 3, 2))
    assert x_train.tobytes() == files["train-images-idx3-ubyte"][16:]
    assert x_test.tobytes() == files["t10k-images-idx3-ubyte"][16:]
    np.testing.assert_array_equal(y_train, np.arange(6, dtype=np.uint8), strict=True)
    np.testing.assert_array_equal(y_test, np.arange(4, dtype=np.uint8), strict=True)


def test_mnist_flattened_and_normalized(tmp_path: Path, files: Files) -> None:
    folder = write(tmp_path / "given", files)
    (plain, _), _ = load_mnist(str(folder))
    (x_train, _), (x_test, y_test) = load_mnist(folder, flatten=True, normalize=True)
    np.testing.assert_array_equal(
        x_train, plain.reshape(6, 6).astype(np.float32) / np.float32(255), strict=True
    )
    assert x_test.shape == (4, 6)
    assert y_test.dtype == np.uint8


def test_mnist_from_the_data_folder_before_the_cache(
    tmp_path: Path, files: Files, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(own_cache, files)
    monkeypatch.setenv("PYNN_DATA_DIR", str(tmp_path / "data"))
    (_, y_train), _ = load_mnist()  # the data folder has no such set
    assert y_train.tolist() == list(range(6))
    other = files | {"train-labels-idx1-ubyte": idx_bytes(np.full(6, 7, np.uint8))}
    write(tmp_path / "data" / "mnist", other)
    (_, y_train), _ = load_mnist()
    assert y_train.tolist() == [7] * 6


def test_missing_files_are_named_with_the_way_out(tmp_path: Path, files: Files) -> None:
    del files["t10k-labels-idx1-ubyte"]
    folder = write(tmp_path / "given", files)
    message = (
        rf"MNIST not found: looked for t10k-labels-idx1-ubyte \(or \.gz\) in "
        rf"{re.escape(str(folder))}\. .*load_mnist\(path\).*PYNN_DATA_DIR.*'mnist'"
    )
    with pytest.raises(FileNotFoundError, match=message):
        load_mnist(folder)
    with pytest.raises(FileNotFoundError, match="looked for train-images-idx3-ubyte, "):
        load_mnist(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"Fashion-MNIST.*load_fashion_mnist\(path\)"):
        load_fashion_mnist(download=False)


def test_files_that_are_not_what_they_are_called(tmp_path: Path, files: Files) -> None:
    images, labels = files["train-images-idx3-ubyte"], files["train-labels-idx1-ubyte"]
    swapped = files | {"train-images-idx3-ubyte": labels, "train-labels-idx1-ubyte": images}
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte: expected uint8 in 3 dim.*\(6,"):
        load_mnist(write(tmp_path / "swapped", swapped))
    shorter = files | {"train-labels-idx1-ubyte": idx_bytes(np.arange(5, dtype=np.uint8))}
    with pytest.raises(ValueError, match=r"holds 6 images, but .*labels-idx1-ubyte holds 5 labels"):
        load_mnist(write(tmp_path / "shorter", shorter))


@pytest.mark.skipif(not REAL_MNIST.is_dir(), reason="needs MNIST in PYNN_DATA_DIR")
def test_the_real_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNN_DATA_DIR", str(REAL_MNIST.parent))
    (x_train, y_train), (x_test, y_test) = load_mnist(download=False)
    assert (x_train.shape, x_test.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert np.bincount(y_train).tolist() == [
        *(5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    ]
    # What was read, written as IDX again, has the checksums that downloads are held to.
    for name, array in zip(
        mnist_module._SETS["mnist"].md5, (x_train, y_train, x_test, y_test), strict=True
    ):
        digest = hashlib.md5(idx_bytes(array), usedforsecurity=False).hexdigest()
        assert digest == mnist_module._SETS["mnist"].md5[name]


def test_the_cache_follows_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNN_CACHE_DIR", "~/mine")
    assert cache_folder() == os.path.expanduser("~/mine")
    monkeypatch.delenv("PYNN_CACHE_DIR")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == os.path.join("/somewhere", "pynn")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_folder() == os.path.join(os.path.expanduser("~/.cache"), "pynn")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == os.path.expanduser("~/Library/Caches/pynn")
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert cache_folder() == os.path.join("/local", "pynn", "Cache")


# Downloading, from a server in this process


class Server:
    """Serves `content` by path and keeps what was asked for in `requests`."""

    def __init__(self) -> None:
        self.content: Files = {}
        self.requests: list[str] = []
        self.cut = False  # whether to stop half way
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                content = outer.content.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if outer.cut else content)

            def log_message(self, format: str, *args: object) -> None:
                """Keep the test's output clean."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def server(files: Files, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Publish the small set at ``/second/``, the second of two mirrors."""
    server = Server()
    server.content = {f"/second/{name}.gz": gzip.compress(files[name]) for name in files}
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    mirrors = (f"{server.url}/first/", f"{server.url}/second/")
    published = mnist_module._Published("MNIST", mirrors, md5)
    monkeypatch.setitem(mnist_module._SETS, "mnist", published)
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


def test_download_fills_the_cache_once(
    server: Server, files: Files, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (x_train, y_train), (_, y_test) = load_mnist()
    assert x_train.tobytes() == files["train-images-idx3-ubyte"][16:]
    assert (y_train.tolist(), y_test.tolist()) == (list(range(6)), list(range(4)))
    assert {path.name: path.read_bytes() for path in own_cache.iterdir()} == files
    assert "train-images-idx3-ubyte" in capsys.readouterr().err  # the progress bar
    asked = len(server.requests)
    load_mnist()
    assert len(server.requests) == asked


def test_download_resumes_with_the_missing_files(
    server: Server, files: Files, own_cache: Path
) -> None:
    broken = server.content.pop("/second/t10k-images-idx3-ubyte.gz")
    with pytest.raises(FileNotFoundError, match="404"):
        load_mnist()
    server.content["/second/t10k-images-idx3-ubyte.gz"] = broken
    server.requests.clear()
    load_mnist()
    assert {Path(path).name for path in server.requests} == {
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    }


def test_download_accepts_the_checksum_of_the_archive(
    server: Server, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = mnist_module._SETS["mnist"]
    archives = {
        name: hashlib.md5(server.content[f"/second/{name}.gz"]).hexdigest() for name in files
    }
    monkeypatch.setitem(mnist_module._SETS, "mnist", published._replace(md5=archives))
    (_, y_train), _ = load_mnist()
    assert y_train.tolist() == list(range(6))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(b"something else"), "MD5 .*expected "),
        (b"<html>Log in to this network</html>", "not the gzipped file"),
        (b"", "ended early"),
    ],
)
def test_download_of_something_else_leaves_nothing(
    server: Server, own_cache: Path, content: bytes, reason: str
) -> None:
    server.content["/first/train-images-idx3-ubyte.gz"] = content
    load_mnist()  # the second mirror has it
    (own_cache / "train-images-idx3-ubyte").unlink()
    server.content["/second/train-images-idx3-ubyte.gz"] = content
    with pytest.raises(FileNotFoundError, match=reason):
        load_mnist()
    assert len(list(own_cache.iterdir())) == 3


def test_download_that_breaks_off_leaves_nothing(server: Server, own_cache: Path) -> None:
    server.cut = True
    with pytest.raises(FileNotFoundError, match="could not be downloaded"):
        load_mnist()
    assert list(own_cache.iterdir()) == []


def test_download_interrupted_by_the_user_leaves_nothing(
    server: Server, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(source: str, target: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_mnist()
    assert list(own_cache.iterdir()) == []


def test_offline_the_error_says_what_to_do(server: Server, own_cache: Path) -> None:
    server.http.server_close()
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist()
    message = str(caught.value)
    for needed in ("train-images-idx3-ubyte", str(own_cache), server.url, "load_mnist(path)"):
        assert needed in message
    with pytest.raises(FileNotFoundError, match="not found") as caught:
        load_mnist(download=False)
    assert server.url not in str(caught.value)


# The bundled digits


def test_digits() -> None:
    pytest.importorskip("sklearn")
    x, y = load_digits()
    assert (x.shape, x.min(), x.max()) == ((1797, 64), 0, 16)
    assert (y.shape, np.unique(y).tolist()) == ((1797,), list(range(10)))
    assert x.dtype == np.float32
    assert y.dtype == np.int64
    images, _ = load_digits(flatten=False, normalize=True)
    np.testing.assert_array_equal(images, x.reshape(1797, 8, 8) / np.float32(16), strict=True)


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=re.escape('pip install "pynn-native[demo]"')):
        load_digits()


@pytest.mark.parametrize("name", ["idx", "mnist", "digits"])
def test_docstring_examples_run(name: str) -> None:
    if name == "digits":
        pytest.importorskip("sklearn")
    failed, attempted = doctest.testmod(importlib.import_module(f"pynn.datasets.{name}"))
    assert attempted > 0
    assert failed == 0


def test_the_page_on_data_runs(
    tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    for name in ("mnist", "fashion_mnist"):
        write(tmp_path / "data" / name, files)
    monkeypatch.setenv("PYNN_DATA_DIR", str(tmp_path / "data"))
    page = Path(__file__).parents[1] / "docs" / "data.md"
    snippets = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert snippets
    names: dict[str, Any] = {}
    for snippet in snippets:
        exec(snippet, names)
