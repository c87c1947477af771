"""ONNX Runtime, which runs networks and does not train them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from benchmarks.networks import Mlp
from benchmarks.peers.base import Peer
from benchmarks.task import Task, Timed, Unsupported

_OPERATORS = {"relu": "Relu", "tanh": "Tanh", "softmax": "Softmax"}


class OnnxRuntime(Peer):
    """ONNX Runtime's CPU provider."""

    imports = "import onnxruntime"
    distribution = "onnxruntime"

    def call(self, network: Mlp, row: NDArray[np.float32], entry: str) -> Task:
        return Timed(self._session(network).run, None, {"x": row})

    def busy(self, network: Mlp) -> Callable[[], Any]:
        session = self._session(network)
        feed = {"x": np.zeros((128, network.features), np.float32)}
        return lambda: session.run(None, feed)

    def _session(self, network: Mlp) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        return onnxruntime.InferenceSession(
            model(network), options, providers=["CPUExecutionProvider"]
        )


def model(network: Mlp) -> bytes:
    """Return the network as an ONNX model."""
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise Unsupported("needs the package onnx to make a model") from None
    nodes, constants, value = [], [], "x"
    weights = network.weights()
    for i, activation in enumerate(network.activations):
        kernel, bias = f"kernel{i}", f"bias{i}"
        constants.append(numpy_helper.from_array(weights[2 * i], kernel))
        constants.append(numpy_helper.from_array(weights[2 * i + 1], bias))
        nodes.append(helper.make_node("Gemm", [value, kernel, bias], [f"sum{i}"]))
        value = f"sum{i}"
        if activation in _OPERATORS:
            nodes.append(helper.make_node(_OPERATORS[activation], [value], [f"value{i}"]))
            value = f"value{i}"
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", network.widths[0]])
    y = helper.make_tensor_value_info(value, TensorProto.FLOAT, ["rows", network.widths[-1]])
    graph = helper.make_graph(nodes, "mlp", [x], [y], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = made.SerializeToString()
    return data
