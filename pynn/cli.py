"""The ``pynn`` command: train a network on real digits, or tell what this machine can do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Part = tuple[NDArray[np.float32], NDArray[np.integer]]

# Defaults that reach the accuracy each data set is known for within seconds.
_TRAINING = {
    "digits": {"layers": [64, 64], "dropout": 0.0, "epochs": 30, "batch_size": 32},
    "mnist": {"layers": [512, 512], "dropout": 0.2, "epochs": 5, "batch_size": 128},
}


def _load(name: str, folder: str | None, seed: int) -> tuple[Part, Part]:
    """The training and the test part: rows of features scaled to [0, 1], and their labels."""
    from pynn import datasets, preprocessing

    if name == "mnist":
        (x, y), (x_test, y_test) = datasets.load_mnist(folder, flatten=True, normalize=True)
        return (x, y), (x_test, y_test)
    images, labels = datasets.load_digits(normalize=True)
    x, x_test, y, y_test = preprocessing.train_test_split(
        images, labels, test_size=0.2, stratify=labels, seed=seed
    )
    return (x, y), (x_test, y_test)


def train(args: argparse.Namespace) -> int:
    """Build, train and evaluate a multilayer perceptron as the options say."""
    import pynn
    from pynn.layers import Dense, Dropout

    if args.threads is not None:
        pynn.set_num_threads(args.threads)
    pynn.seed(args.seed)
    (x, y), test = _load(args.data, args.folder, args.seed)

    net = pynn.Network()
    for i, units in enumerate(args.layers):
        shape = (x.shape[1],) if i == 0 else None
        net.add(Dense(units, activation=args.activation, input_shape=shape))
        if args.dropout:
            net.add(Dropout(args.dropout))
    net.add(Dense(10, activation="softmax", input_shape=None if args.layers else (x.shape[1],)))
    optimizer = pynn.optimizers.get(args.optimizer)
    if args.learning_rate is not None:
        optimizer.learning_rate = args.learning_rate
    net.use(loss="sparse_categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])

    net.summary()
    net.fit(x, y, epochs=args.epochs, batch_size=args.batch_size, verbose=1)
    accuracy = net.evaluate(*test, verbose=0)["accuracy"]
    print(f"test accuracy {100 * accuracy:.2f} % on {len(test[1]):,} samples it has never seen")
    return 0


def _cuda() -> str:
    """What this build and this machine have of CUDA."""
    from pynn import cuda

    if not cuda.is_built():
        return "not in this build"
    devices = [cuda.device(i) for i in range(cuda.device_count())]
    if not devices:
        return "in this build, but no device was found"
    about = (
        f"{d.name}, {d.memory / 1e9:.1f} GB, compute capability "
        f"{d.compute_capability[0]}.{d.compute_capability[1]}"
        for d in devices
    )
    return f"{'; '.join(about)} (networks run on the CPU)"


def info(_: argparse.Namespace) -> int:
    """Print the version and what the native code found on this machine."""
    import pynn
    from pynn import _native

    rows = {
        "pynn": pynn.__version__,
        "processor": _native.cpu_name(),
        "instruction set": f"{_native.isa()} (available: {', '.join(_native.available_isas())})",
        "threads": f"{_native.num_threads()} of {_native.available_cpus()} available",
        "CUDA": _cuda(),
    }
    for label, value in rows.items():
        print(f"{label:<16} {value}")
    return 0


def _positive(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expects an integer of at least 1, got {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pynn", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    run = commands.add_parser("train", help="train a multilayer perceptron on real data")
    run.set_defaults(action=train)
    data = run.add_subparsers(required=True, dest="data", metavar="data")
    for name, defaults in _TRAINING.items():
        one = data.add_parser(
            name, formatter_class=argparse.ArgumentDefaultsHelpFormatter, help=f"the {name} images"
        )
        # These say in their own words what they are without a value.
        one.set_defaults(folder=None, learning_rate=None, threads=None)
        unsaid = argparse.SUPPRESS
        if name == "mnist":
            one.add_argument(
                "--folder", default=unsaid, help="where the IDX files are (default: PYNN_DATA_DIR)"
            )
        one.add_argument(
            "--layers",
            type=_positive,
            nargs="*",
            default=defaults["layers"],
            metavar="UNITS",
            help="units of each hidden layer",
        )
        one.add_argument("--activation", default="relu", help="of the hidden layers")
        one.add_argument(
            "--dropout",
            type=float,
            default=defaults["dropout"],
            help="rate after each hidden layer",
        )
        one.add_argument("--optimizer", default="adam")
        one.add_argument(
            "--learning-rate",
            type=float,
            default=unsaid,
            help="of the optimizer (default: its own)",
        )
        one.add_argument("--epochs", type=_positive, default=defaults["epochs"])
        one.add_argument("--batch-size", type=_positive, default=defaults["batch_size"])
        one.add_argument("--seed", type=int, default=0)
        one.add_argument(
            "--threads",
            type=_positive,
            default=unsaid,
            help="to work with (default: all that are available)",
        )

    about = commands.add_parser("info", help="print version, instruction set, threads and CUDA")
    about.set_defaults(action=info)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    Mistakes in the options, missing data and missing extras end with a line on stderr and status 2.
    """
    args = _parser().parse_args(argv)
    try:
        status: int = args.action(args)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"pynn: {error}", file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
