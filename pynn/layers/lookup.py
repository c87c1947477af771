"""Layers that begin with Python: tokens become numbers before the network sees them."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar

from pynn import checks
from pynn._native import Tensor
from pynn.layers.arguments import Arguments
from pynn.layers.graph import Input, Node, Use
from pynn.layers.preprocessing import Categorical, rows_of
from pynn.layers.weights import Shape
from pynn.preprocessing import vocabulary as words

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODES = ("int", "one_hot", "multi_hot", "count")


class Encoder(Categorical):
    """Base class of layers whose inputs are tokens, such as strings, which are no tensors.

    `encode` turns them into numbers, in Python; ``forward`` does the rest natively. Called with
    data, a layer does both. In a network it comes first, or is called on an `Input`, and data
    are encoded on their way in; ``net.freeze()`` takes data that are encoded already.

    Parameters
    ----------
    output_mode : {"int", "one_hot", "multi_hot", "count"}, default "int"
        ``"int"`` gives the numbers; the others rows of zeros and ones or counts, as
        `CategoryEncoding` does.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError
        If `output_mode` is unknown.
    """

    def __init__(self, output_mode: str = "int", **options: Any) -> None:
        super().__init__(**options)
        self.output_mode = checks.one_of(output_mode, MODES, f"{type(self).__name__}: output_mode")

    @property
    def encodes(self) -> bool:
        return True

    def count(self) -> int:
        """Say how many numbers there are."""
        raise NotImplementedError

    def encoded_shape(self, shape: Shape) -> Shape:
        """Say what becomes of the shape of one sample."""
        return shape

    def forward(self, x: Tensor, encoded: bool = False) -> Tensor:
        if not encoded:
            raise TypeError(
                f"{self} takes data, not tensors of a network: make it the first layer, call it "
                "on an Input, or on the data before"
            )
        if self.output_mode == "int":
            return x
        # There 0 stands for nothing, and the numbers are one too great.
        return rows_of(self, x, self.count() + 1, self.output_mode)[..., 1:]

    def input_dtype(self, dtype: str, i: int = 0) -> str:
        return "int64"

    def _encoded(
        self, args: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args, options = super()._encoded(args, options)
        return args, {**options, "encoded": True}

    def _applied(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        call = Arguments.of(self, type(self).forward, args, {"encoded": True})
        if not isinstance(call.args[0], Input):
            raise ValueError(f"{self} takes data that are no numbers: call it on an Input")
        node = Node(self.encoded_shape(call.args[0].shape), "int64")
        return Use.of(self, call, self._infer(node)).outputs

    def _infer(self, *args: Any, **options: Any) -> Any:
        return super()._infer(*args, encoded=True, **options)


class Lookup(Encoder):
    """What `StringLookup` and `IntegerLookup` share: a vocabulary, and numbers for its tokens.

    Numbers start with 0 for `mask_token`, if there is one and `output_mode` is ``"int"``; then come
    `num_oov_indices` for tokens that are not in the vocabulary, then its tokens in order.

    Parameters
    ----------
    max_tokens : int or None, default None
        The most numbers there may be; `adapt` leaves out rare tokens.
    num_oov_indices : int, default 1
        Numbers for unknown tokens, which are told apart by a hash; with 0 they are errors.
    mask_token : str, int or None, default None
        What stands for nothing: the number 0, which an `Embedding` may mask.
    oov_token : str or int
        What unknown numbers become with `invert`. Default: "[UNK]", or -1 for integers.
    vocabulary : sequence, path or None, default None
        The tokens in order, or a file with one a line; ``None`` waits for `adapt`.
    invert : bool, default False
        Whether numbers become tokens. Such a layer is a function of results, not part of a network.
    output_mode : {"int", "one_hot", "multi_hot", "count"}, default "int"
        ``"int"`` gives the numbers; the others rows of zeros and ones or counts, as
        `CategoryEncoding` does.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    TypeError
        If data are no tokens.
    ValueError
        If the vocabulary has a token twice or too many, options don't go together, or a token is
        unknown where that is an error.
    RuntimeError
        If there is no vocabulary yet.
    """

    default_oov: ClassVar[Any]

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: Any = None,
        oov_token: Any = None,
        vocabulary: Sequence[Any] | str | PathLike[str] | None = None,
        invert: bool = False,
        output_mode: str = "int",
        **options: Any,
    ) -> None:
        super().__init__(output_mode, **options)
        who = type(self).__name__
        self.num_oov_indices = checks.whole(num_oov_indices, f"{who}: num_oov_indices", 0)
        self.mask_token = mask_token
        self.oov_token = self.default_oov if oov_token is None else oov_token
        self.invert = checks.flag(invert, f"{who}: invert")
        if self.invert and (output_mode != "int" or self.num_oov_indices > 1):
            raise ValueError(
                f"{who}: invert goes with output_mode='int' and at most one num_oov_indices"
            )
        self.max_tokens = None if max_tokens is None else checks.whole(max_tokens, who)
        if self.max_tokens is not None and self.max_tokens <= len(self.special_tokens()):
            raise ValueError(
                f"{who}: max_tokens expects more than the special tokens {self.special_tokens()}, "
                f"got {max_tokens}"
            )
        self._known: words.Vocabulary | None = None
        if vocabulary is not None:
            self.set_vocabulary(vocabulary)

    def read(self, data: Any) -> NDArray[Any]:
        """Read data as an array of tokens."""
        raise NotImplementedError

    @property
    def vocabulary(self) -> list[Any] | None:
        """The tokens in order, without special ones."""
        return None if self._known is None else list(self._known.tokens)

    def special_tokens(self) -> list[Any]:
        """List what the numbers before the vocabulary's stand for."""
        masks = [self.mask_token] if self._masks else []
        return masks + [self.oov_token] * self.num_oov_indices

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """List the tokens in the order of their numbers.

        Parameters
        ----------
        include_special_tokens : bool, default True
            Whether those for nothing and for unknown tokens come first.
        """
        special = self.special_tokens() if include_special_tokens else []
        return special + list(self._vocabulary().tokens)

    def vocabulary_size(self) -> int:
        """Count the numbers, special ones too."""
        return len(self.special_tokens()) + len(self._vocabulary())

    count = vocabulary_size

    def set_vocabulary(self, vocabulary: Sequence[Any] | str | PathLike[str]) -> None:
        """Take these tokens, or those in a file.

        Parameters
        ----------
        vocabulary : sequence of tokens, or path of a file with one a line
            With or without the special tokens at its start.

        Raises
        ------
        ValueError, TypeError
            If a token comes twice or is a special one, or there are too many.
        """
        if isinstance(vocabulary, (str, PathLike)):
            vocabulary = words.lines_of(str(vocabulary))
        tokens = self.read(vocabulary).ravel().tolist()
        special = self.special_tokens()
        if special and tokens[: len(special)] == special:
            tokens = tokens[len(special) :]
        for token, times in words.counted(tokens).items():
            if times > 1 or token in special:
                what = f"has {token!r} {times} times" if times > 1 else f"has the special {token!r}"
                raise ValueError(f"{self}: the vocabulary {what}")
        if self.max_tokens is not None and len(tokens) + len(special) > self.max_tokens:
            raise ValueError(
                f"{self}: {len(tokens)} tokens and {len(special)} special ones are more than "
                f"max_tokens {self.max_tokens}"
            )
        self._known = words.Vocabulary(tokens)

    def adapt(self, data: Any) -> None:
        """Take the tokens of these data as the vocabulary, those that occur most first.

        Parameters
        ----------
        data : array_like of tokens, any shape
            What inputs will be like.
        """
        counts = words.counted(self.read(data).ravel().tolist())
        for token in (self.mask_token, self.oov_token):
            counts.pop(token, None)
        special = len(self.special_tokens())
        most = None if self.max_tokens is None else self.max_tokens - special
        self._known = words.Vocabulary.of(counts, most)

    def encode(self, data: Any) -> NDArray[Any]:
        return words.numbered(self.read(data), self.number)

    def number(self, token: Any) -> int:
        """Look up what `encode` puts in the place of a token."""
        place = self._vocabulary().places.get(token)
        first = 1 if self._masks or self.output_mode != "int" else 0  # beside 0 for nothing
        if place is not None:
            return first + self.num_oov_indices + place
        if self.mask_token is not None and token == self.mask_token:
            return 0
        if self.num_oov_indices == 0:
            raise ValueError(
                f"{self}: {token!r} is not in the vocabulary of {len(self._vocabulary())} tokens, "
                "and there are no num_oov_indices"
            )
        return first + words.hashed(token, self.num_oov_indices)

    def __call__(self, x: Any = None, /, *more: Any, training: bool = False, **options: Any) -> Any:
        if not self.invert:
            return super().__call__(x, *more, training=training, **options)
        numbers = words.integers(x, f"{self}: the input")
        return words.named(numbers, self.get_vocabulary(), self.oov_token)

    @property
    def _masks(self) -> bool:
        return self.mask_token is not None and self.output_mode == "int"

    def _vocabulary(self) -> words.Vocabulary:
        if self._known is None:
            raise RuntimeError(f"{self} has no vocabulary yet: adapt it to data, or give it one")
        return self._known


class StringLookup(Lookup):
    """A number for each string of a vocabulary.

    Numbers start with 0 for `mask_token`, if there is one and `output_mode` is ``"int"``; then come
    `num_oov_indices` for unknown strings, then those of the vocabulary in order.

    Parameters
    ----------
    *arguments, **options
        As for every `Lookup` layer: `max_tokens`, `num_oov_indices`, `mask_token`, `oov_token`,
        `vocabulary`, `invert`, `output_mode`.

    Examples
    --------
    >>> from pynn.layers import StringLookup
    >>> layer = StringLookup()
    >>> layer.adapt(["cat", "dog", "cat"])
    >>> layer.get_vocabulary()
    ['[UNK]', 'cat', 'dog']
    >>> layer(["dog", "cat", "emu"])
    array([2, 1, 0])
    >>> StringLookup(vocabulary=["cat", "dog"], invert=True)([2, 1])
    array(['dog', 'cat'], dtype='<U3')
    """

    default_oov = "[UNK]"

    def read(self, data: Any) -> NDArray[Any]:
        return words.strings(data, f"{self}: the input")


class IntegerLookup(Lookup):
    """A number for each integer of a vocabulary, such as codes and years.

    Numbers start with 0 for `mask_token`, if there is one and `output_mode` is ``"int"``; then come
    `num_oov_indices` for unknown integers, then those of the vocabulary in order.

    Parameters
    ----------
    *arguments, **options
        As for every `Lookup` layer: `max_tokens`, `num_oov_indices`, `mask_token`, `oov_token`,
        `vocabulary`, `invert`, `output_mode`.

    Examples
    --------
    >>> from pynn.layers import IntegerLookup
    >>> IntegerLookup(vocabulary=[1999, 2001, 2024])([[2024, 1999], [1970, 2001]])
    array([[3, 1],
           [0, 2]])
    >>> IntegerLookup(vocabulary=[12, 36], output_mode="multi_hot")([[36, 12], [7, 36]])
    array([[0., 1., 1.],
           [1., 0., 1.]], dtype=float32)
    """

    default_oov = -1

    def read(self, data: Any) -> NDArray[Any]:
        return words.integers(data, f"{self}: the input")


class Hashing(Encoder):
    """A number below `num_bins` for each token, by a hash: no vocabulary, but tokens may collide.

    Parameters
    ----------
    num_bins : int
        How many numbers there are.
    mask_value : str, int or None, default None
        What gets the number 0, which then is no other token's.
    salt : int, default 0
        Another one gives another hash, which is BLAKE2b.
    output_mode : {"int", "one_hot", "multi_hot", "count"}, default "int"
        ``"int"`` gives the numbers; the others rows of zeros and ones or counts, as
        `CategoryEncoding` does.
    **options
        `name`, `dtype`, `input_shape`: see `Layer`.

    Raises
    ------
    ValueError, TypeError
        If an option is not as described, or data are neither strings nor integers.

    Examples
    --------
    >>> from pynn.layers import Hashing
    >>> Hashing(8)([["cat"], ["dog"], ["cat"]])
    array([[3],
           [1],
           [3]])
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: int = 0,
        output_mode: str = "int",
        **options: Any,
    ) -> None:
        super().__init__(output_mode, **options)
        self.mask_value = mask_value
        self.num_bins = checks.whole(num_bins, "Hashing: num_bins", 1 + (mask_value is not None))
        self.salt = checks.whole(salt, "Hashing: salt", 0)

    def count(self) -> int:
        return self.num_bins

    def encode(self, data: Any) -> NDArray[Any]:
        masked = int(self.mask_value is not None)
        shift = 0 if self.output_mode == "int" else 1

        def number(token: Any) -> int:
            if masked and token == self.mask_value:
                return shift
            return masked + words.hashed(token, self.num_bins - masked, self.salt) + shift

        return words.numbered(words.tokens(data, f"{self}: the input"), number)
