"""Tokens: read, cut out of text, counted and numbered."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PUNCTUATION = re.compile(r"[!\"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']")


class Vocabulary:
    """Tokens in order, and their places.

    Parameters
    ----------
    tokens : sequence of str or int
        Each once.
    """

    def __init__(self, tokens: Sequence[Any]) -> None:
        self.tokens = tuple(tokens)
        self.places = {token: i for i, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def of(cls, counts: Counter[Any], most: int | None) -> Vocabulary:
        """Take the tokens that occur most, those first; of equally many the last ones by value."""
        ranked = sorted(counts.items(), key=lambda item: (item[1], item[0]), reverse=True)
        return cls([token for token, _ in ranked[:most]])


def strings(data: Any, name: str) -> NDArray[np.str_]:
    """Read text: strings, or bytes in UTF-8, in lists or arrays."""
    array = _array(data, name)
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    if array.dtype.kind == "O" and all(isinstance(item, str) for item in array.ravel()):
        return array.astype(str)
    if array.dtype.kind not in "UT":
        raise TypeError(f"{name} expects strings, got an array of dtype {array.dtype}")
    return array.astype(str)


def integers(data: Any, name: str) -> NDArray[np.int64]:
    """Read whole numbers, which may come as floats."""
    array = _array(data, name)
    if array.dtype.kind == "f" and not (array % 1).any():
        return array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise TypeError(f"{name} expects whole numbers, got an array of dtype {array.dtype}")
    return array.astype(np.int64)


def tokens(data: Any, name: str) -> NDArray[Any]:
    """Read strings or whole numbers."""
    return (strings if _array(data, name).dtype.kind in "USOT" else integers)(data, name)


def counted(tokens: Iterable[Any]) -> Counter[Any]:
    """Count tokens."""
    return Counter(tokens)


def numbered(tokens: NDArray[Any], number: Callable[[Any], int]) -> NDArray[np.int64]:
    """Put a number in the place of each token; `number` is asked once for each."""
    known: dict[Any, int] = {}
    flat = tokens.ravel().tolist()
    for token in flat:
        if token not in known:
            known[token] = number(token)
    return np.array([known[token] for token in flat], np.int64).reshape(tokens.shape)


def named(numbers: NDArray[np.int64], tokens: Sequence[Any], otherwise: Any) -> NDArray[Any]:
    """Put a token in the place of each number; `otherwise` where there is none."""
    size = len(tokens)
    found = [tokens[i] if 0 <= i < size else otherwise for i in numbers.ravel().tolist()]
    return np.array(found).reshape(numbers.shape)


def hashed(token: Any, bins: int, salt: int = 0) -> int:
    """Give a token a number below `bins`, the same one everywhere and always (BLAKE2b)."""
    import hashlib  # takes a millisecond

    digest = hashlib.blake2b(str(token).encode(), digest_size=8, salt=salt.to_bytes(8, "little"))
    return int.from_bytes(digest.digest(), "little") % bins


def padded(rows: Sequence[Sequence[int]], length: int | None) -> NDArray[np.int64]:
    """Cut rows at `length`, by default that of the longest, and fill them up with zeros."""
    extent = max(map(len, rows), default=0) if length is None else length
    out = np.zeros((len(rows), extent), np.int64)
    for line, row in zip(out, rows, strict=True):
        line[: len(row)] = row[:extent]
    return out


def without_punctuation(text: str) -> str:
    """Leave out the punctuation of ASCII."""
    return _PUNCTUATION.sub("", text)


def lower_without_punctuation(text: str) -> str:
    """Leave out capitals too."""
    return without_punctuation(text.lower())


def whole(text: str) -> list[str]:
    """Take a text for one word."""
    return [text]


def ngrams(words: Sequence[str], sizes: Iterable[int]) -> list[str]:
    """List runs of so many words, joined by spaces: all of the first size, then of the next.

    Examples
    --------
    >>> ngrams(["a", "b", "c"], (1, 2))
    ['a', 'b', 'c', 'a b', 'b c']
    """
    return [" ".join(words[i : i + n]) for n in sizes for i in range(len(words) - n + 1)]


def lines_of(path: str) -> list[str]:
    """Read a file with one token a line."""
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def _array(data: Any, name: str) -> NDArray[Any]:
    try:
        return np.asarray(data)
    except ValueError as error:
        raise ValueError(f"{name} is not a regular array: {error}") from None
