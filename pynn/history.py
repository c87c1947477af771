"""History: what a fit went through, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class History:
    """The figures of each epoch of a fit.

    Attributes
    ----------
    history : dict of str to list of float
        ``"loss"``, the metrics, and both with ``"val_"`` before them where there were validation
        data; one figure an epoch. Of several outputs each has its ``"<output>_loss"`` and
        ``"<output>_<metric>"``.
    epoch : list of int
        The epochs, counted from 0.
    params : dict
        ``"epochs"``, ``"steps"`` and ``"batch_size"`` of the fit.

    Examples
    --------
    >>> from pynn.history import History
    >>> history = History({"epochs": 1})
    >>> history.record(0, {"loss": 0.5})
    >>> history.history
    {'loss': [0.5]}
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = dict(params)
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def record(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Add the figures of one epoch."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def extend(self, first: int, columns: Mapping[str, Sequence[float]]) -> None:
        """Add the figures of several epochs at once."""
        self.epoch.extend(range(first, first + len(columns["loss"])))
        for name, values in columns.items():
            self.history.setdefault(name, []).extend(values)

    def plot(self, axes: Any = None) -> Any:
        """Draw the figures over the epochs with Matplotlib.

        Parameters
        ----------
        axes : matplotlib.axes.Axes or None, default None
            Where all curves go; ``None`` makes a figure with the loss on the left and, where there
            are metrics, those on the right.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        try:
            from matplotlib import pyplot
        except ImportError:
            raise ImportError(
                "History.plot needs Matplotlib: install it with `pip install matplotlib`"
            ) from None
        losses = [name for name in self.history if name.endswith("loss")]
        metrics = [name for name in self.history if name not in losses]
        if axes is not None:
            panels = [(axes, losses + metrics)]
        else:
            groups = [group for group in (losses, metrics) if group]
            _, grid = pyplot.subplots(1, max(1, len(groups)), squeeze=False, layout="constrained")
            panels = list(zip(grid[0], groups, strict=False))
        for panel, names in panels:
            for name in names:
                style = "--" if name.startswith("val_") else "-"
                panel.plot([e + 1 for e in self.epoch], self.history[name], style, label=name)
            panel.set_xlabel("epoch")
            panel.legend()
        return (axes if axes is not None else grid[0][0]).figure

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.history.items())
        return f"<History: {len(self.epoch)} epochs{', ' + last if last else ''}>"
