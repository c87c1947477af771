"""Data sets to learn on: real digits, and generated points and lines.

========================  =======================================================  ==============
loader or generator       what it returns                                          needs
========================  =======================================================  ==============
`load_mnist`              70,000 handwritten digits of 28 x 28 pixels              files or network
`load_fashion_mnist`      70,000 pieces of clothing of 28 x 28 pixels              files or network
`load_digits`             1,797 handwritten digits of 8 x 8 pixels                 scikit-learn
`read_idx`                any IDX file, plain or gzipped, as an array              the file
`xor`                     the four points that no straight line separates          nothing
`spirals`                 interleaved arms, one a class                            nothing
`moons`                   two interleaved half circles                             nothing
`circles`                 a circle inside a circle                                 nothing
`linear_regression`       a noisy linear function and its true coefficients        nothing
========================  =======================================================  ==============
"""

from pynn.datasets.digits import load_digits
from pynn.datasets.generators import circles, linear_regression, moons, spirals, xor
from pynn.datasets.idx import read_idx
from pynn.datasets.mnist import load_fashion_mnist, load_mnist

__all__ = [
    "circles",
    "linear_regression",
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
    "moons",
    "read_idx",
    "spirals",
    "xor",
]
