"""The textbook formulas in NumPy float64: what tests compare the package with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _huber(e: Array, delta: float = 1.0) -> Array:
    return np.where(np.abs(e) <= delta, e**2 / 2, delta * np.abs(e) - delta**2 / 2)


def _unit(x: Array) -> Array:
    return x / np.sqrt((x**2).sum(-1, keepdims=True))


# loss of each element (n, d) or sample (n,), from targets and predictions of shape (n, d)
LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "mean_squared_error": lambda y, p: (y - p) ** 2,
    "mean_absolute_error": lambda y, p: np.abs(y - p),
    "huber": lambda y, p: _huber(y - p),
    "log_cosh": lambda y, p: np.log(np.cosh(p - y)),
    "poisson": lambda y, p: p - y * np.log(p + 1e-7),
    "binary_crossentropy": lambda y, p: -(y * np.log(p) + (1 - y) * np.log(1 - p)),
    "categorical_crossentropy": lambda y, p: -(y * np.log(p / p.sum(-1, keepdims=True))).sum(-1),
    "kl_divergence": lambda y, p: (y * np.log(y / p)).sum(-1),
    "hinge": lambda y, p: np.maximum(1 - y * p, 0),
    "squared_hinge": lambda y, p: np.maximum(1 - y * p, 0) ** 2,
    "categorical_hinge": lambda y, p: np.maximum(
        1 + np.where(y == 1, 0, p).max(-1) - p[y == 1].reshape(len(p)), 0
    ),
    "cosine_similarity": lambda y, p: -(_unit(y) * _unit(p)).sum(-1),
}


def draw(name: str, rng: np.random.Generator, n: int = 7, d: int = 5) -> tuple[Array, Array]:
    """Return targets and predictions on which a loss is defined and smooth."""
    one_hot = np.eye(d)[rng.integers(0, d, n)]
    inside = rng.uniform(0.05, 0.95, (n, d))
    if name == "poisson":
        return rng.integers(0, 6, (n, d)).astype(float), rng.uniform(0.2, 4, (n, d))
    if name == "binary_crossentropy":
        return rng.integers(0, 2, (n, d)).astype(float), inside
    if name == "categorical_crossentropy":
        return one_hot, inside
    if name == "kl_divergence":
        return softmax(rng.normal(size=(n, d))), softmax(rng.normal(size=(n, d)))
    if name == "categorical_hinge":
        return one_hot, rng.normal(size=(n, d))
    if name in ("hinge", "squared_hinge"):
        return rng.choice([-1.0, 1.0], (n, d)), rng.normal(size=(n, d))
    return rng.normal(size=(n, d)), rng.normal(size=(n, d))


def difference_gradient(f: Callable[[Array], float], x: Array, h: float = 1e-6) -> Array:
    """Return the gradient of ``f`` at ``x`` by central differences."""
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        gradient[i] = (f(x + step) - f(x - step)) / (2 * h)
    return gradient


def optimize(rule: str, w: Array, gradients: list[Array], lr: float, **o: Any) -> Array:
    """Return ``w`` after one step for each gradient, by an optimizer's published equations."""
    w, eps = w.copy(), o.get("epsilon", 1e-7)
    m, v, a, top = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    b1, b2, rho, mu = o.get("b1", 0.9), o.get("b2", 0.999), o.get("rho", 0.9), o.get("momentum", 0)
    product = 1.0
    if rule == "adagrad":
        v += o["start"]
    for t, g in enumerate(gradients, 1):
        w *= 1 - lr * o.get("decay", 0.0)
        if rule == "sgd":
            m = mu * m + g
            w -= lr * (g + mu * m if o.get("nesterov") else m)
        elif rule == "rmsprop":
            v = rho * v + (1 - rho) * g**2
            a = rho * a + (1 - rho) * g
            m = mu * m + g / (np.sqrt(v - a**2 if o.get("centered") else v) + eps)
            w -= lr * m
        elif rule == "adagrad":
            v += g**2
            w -= lr * g / (np.sqrt(v) + eps)
        else:
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * g**2
            top = np.maximum(top, v)
            v_hat = (top if o.get("amsgrad") else v) / (1 - b2**t)
            if rule == "adam":
                m_hat = m / (1 - b1**t)
            else:
                now, following = (b1 * (1 - 0.96 ** (0.004 * s) / 2) for s in (t, t + 1))
                product *= now
                m_hat = following * m / (1 - product * following) + (1 - now) * g / (1 - product)
            w -= lr * m_hat / (np.sqrt(v_hat) + eps)
    return w
