"""Text: cut into words, which become numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from pynn import checks
from pynn.layers.lookup import Lookup
from pynn.layers.weights import Shape
from pynn.preprocessing import vocabulary as words

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STANDARDS: dict[str | None, Callable[[str], str]] = {
    None: str,
    "lower": str.lower,
    "strip_punctuation": words.without_punctuation,
    "lower_and_strip_punctuation": words.lower_without_punctuation,
}
_SPLITS: dict[str | None, Callable[[str], Sequence[str]]] = {
    None: words.whole,
    "whitespace": str.split,
    "character": list,
}


class TextVectorization(Lookup):
    """The numbers of the words of a text, or how often each word is there.

    Text is standardized, split into words and joined to n-grams; those are looked up in a
    vocabulary. Numbers are 0 for padding, 1 for unknown words, and from 2 on the words in order;
    without padding, in the other output modes, they are one less.

    Parameters
    ----------
    max_tokens : int or None, default None
        The most numbers there may be; `adapt` leaves out rare words.
    standardize : str, callable or None, default "lower_and_strip_punctuation"
        Also "lower" or "strip_punctuation", or a function of a string.
    split : str, callable or None, default "whitespace"
        Also "character", or a function that makes a list of a string; ``None`` keeps texts whole.
    ngrams : int, tuple of int or None, default None
        Numbers of words that are joined to one, by spaces: 2 stands for (1, 2), single words and
        pairs.
    output_mode : {"int", "multi_hot", "count"}, default "int"
        ``"int"`` gives a sequence of numbers for each text; the others a row over the vocabulary.
    output_sequence_length : int or None, default None
        What sequences are cut or padded to; ``None`` is the length of the longest of the data.
    vocabulary : sequence, path or None, default None
        The words in order, or a file with one a line; ``None`` waits for `adapt`.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    TypeError, ValueError
        If an option is not as described, or data are no strings, (n,) or (n, 1).
    RuntimeError
        If there is no vocabulary yet.

    Examples
    --------
    >>> from pynn.layers import TextVectorization
    >>> layer = TextVectorization(output_sequence_length=4)
    >>> layer.adapt(["The cat sat.", "The dog sat!"])
    >>> layer.get_vocabulary()
    ['', '[UNK]', 'the', 'sat', 'dog', 'cat']
    >>> layer(["the cat and the dog", "Sat"])
    array([[2, 5, 1, 2],
           [3, 0, 0, 0]])
    """

    default_oov = "[UNK]"

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: str | Callable[[str], str] | None = "lower_and_strip_punctuation",
        split: str | Callable[[str], Sequence[str]] | None = "whitespace",
        ngrams: int | Sequence[int] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        vocabulary: Sequence[str] | str | PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        who = type(self).__name__
        checks.one_of(output_mode, ("int", "multi_hot", "count"), f"{who}: output_mode")
        self._standard = _chosen(standardize, _STANDARDS, f"{who}: standardize")
        self._cut = _chosen(split, _SPLITS, f"{who}: split")
        super().__init__(max_tokens, mask_token="", output_mode=output_mode, **options)
        self.standardize = standardize
        self.split = split
        self.ngrams = ngrams
        if ngrams is None:
            self._sizes: tuple[int, ...] = (1,)
        elif isinstance(ngrams, Sequence):
            self._sizes = tuple(checks.whole(n, f"{who}: ngrams") for n in ngrams)
        else:
            self._sizes = tuple(range(1, checks.whole(ngrams, f"{who}: ngrams") + 1))
        self.output_sequence_length = output_sequence_length
        if output_sequence_length is not None:
            checks.whole(output_sequence_length, f"{who}: output_sequence_length")
            if output_mode != "int":
                raise ValueError(f"{who}: output_sequence_length goes with output_mode='int'")
        if vocabulary is not None:
            self.set_vocabulary(vocabulary)

    def read(self, data: Any) -> NDArray[Any]:
        return words.strings(data, f"{self}: the input")

    def tokens(self, data: Any) -> list[list[str]]:
        """List the words, or n-grams, of each text."""
        texts = self.read(data)
        if texts.ndim > 2 or (texts.ndim == 2 and texts.shape[1] != 1):
            raise ValueError(f"{self} expects texts of shape (n,) or (n, 1), got {texts.shape}")
        cut = (list(self._cut(self._standard(text))) for text in texts.ravel().tolist())
        return [words.ngrams(found, self._sizes) for found in cut]

    def adapt(self, data: Any) -> None:
        super().adapt([token for found in self.tokens(data) for token in found])

    def encode(self, data: Any) -> NDArray[Any]:
        number = self.number
        rows = [[number(token) for token in found] for found in self.tokens(data)]
        found = words.padded(rows, self.output_sequence_length)
        return found if self.read(data).ndim else found[0]

    def encoded_shape(self, shape: Shape) -> Shape:
        if self.output_mode == "int" and self.output_sequence_length is None:
            raise ValueError(f"{self} needs output_sequence_length in a graph of layers")
        return (self.output_sequence_length or 1,)


def _chosen(value: Any, known: dict[str | None, Any], what: str) -> Any:
    """Look a function up by its name."""
    if callable(value):
        return value
    if value not in known:
        names = ", ".join(map(repr, known))
        raise ValueError(f"{what} expects a function or one of {names}, got {value!r}")
    return known[value]
