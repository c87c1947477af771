"""Fetching a published file once: checked, unpacked, and put in place in one step."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from pynn.progress import ProgressBar

_CHUNK = 1 << 16
_TIMEOUT = 15.0  # seconds without a byte


def cache_folder() -> str:
    """The folder for downloaded files: ``PYNN_CACHE_DIR``, else the platform's cache for pynn."""
    if chosen := os.environ.get("PYNN_CACHE_DIR"):
        return os.path.expanduser(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser(r"~\AppData\Local")
        return os.path.join(base, "pynn", "Cache")
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Caches/pynn")
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification tells us to ignore a relative path.
    return os.path.join(base if os.path.isabs(base) else os.path.expanduser("~/.cache"), "pynn")


def fetch_gzip(urls: Sequence[str], target: str, md5: str) -> None:
    """Download a gzipped file from the first URL that delivers it, and store it unpacked.

    `target` appears complete and verified, or not at all: the bytes go to a file of this call's own
    beside it, which is renamed at the end. So an interrupted call leaves nothing behind that a
    later one could trip over, and processes may fetch the same file at the same time.

    Parameters
    ----------
    urls : sequence of str
        Where the gzipped file is published, in order of preference.
    target : str
        Path of the unpacked file; its folder is made if needed.
    md5 : str
        Checksum, in hexadecimal, of the gzipped file or of what is in it.

    Raises
    ------
    ConnectionError
        If no URL delivers the file; the message says what happened at each.
    OSError
        If the file cannot be written.
    """
    import tempfile

    folder, name = os.path.split(target)
    os.makedirs(folder, exist_ok=True)
    problems = []
    for url in urls:
        descriptor, part = tempfile.mkstemp(dir=folder, prefix=f"{name}.", suffix=".part")
        try:
            with open(descriptor, "wb") as file:
                for block in _unpacked(url, name, md5):
                    file.write(block)
            os.chmod(part, 0o644)  # a temporary file is private, a cache need not be
            os.replace(part, target)
            return
        except ConnectionError as error:
            problems.append(f"{url}: {error}")
        finally:
            if os.path.exists(part):
                os.unlink(part)
    raise ConnectionError("; ".join(problems))


def _unpacked(url: str, name: str, md5: str) -> Iterator[bytes]:
    """Unpack what `url` delivers; raise ConnectionError at the end if it was not the file."""
    import hashlib
    import zlib

    gunzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    packed = hashlib.md5(usedforsecurity=False)
    content = hashlib.md5(usedforsecurity=False)
    try:
        for chunk in _chunks(url, name):
            packed.update(chunk)
            block = gunzip.decompress(chunk)
            content.update(block)
            yield block
    except zlib.error as error:
        raise ConnectionError(f"what came is not the gzipped file ({error})") from error
    if not gunzip.eof:
        raise ConnectionError("the transfer ended early")
    if md5 not in (packed.hexdigest(), content.hexdigest()):
        raise ConnectionError(
            f"what came has MD5 {packed.hexdigest()}, its content {content.hexdigest()}; "
            f"expected {md5}"
        )


def _chunks(url: str, name: str) -> Iterator[bytes]:
    """Stream `url` behind a progress bar; whatever goes wrong on the way is a ConnectionError."""
    import http.client
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "pynn"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
            with ProgressBar(total, label=name, unit="B", stream=sys.stderr) as bar:
                done = 0
                while chunk := response.read(_CHUNK):
                    yield chunk
                    done += len(chunk)
                    bar.update(done)
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionError(str(error) or type(error).__name__) from error
