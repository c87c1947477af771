// Reverse-mode differentiation of calls that were made: shared by programs and gradient tapes.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "ops/op.h"

namespace pynn {

// A value in a history of calls. Negative: one that no gradient reaches.
using NodeId = std::int32_t;

struct Call {
  const Op* op = nullptr;
  Attrs attrs;
  std::vector<Tensor> inputs, outputs;
  std::vector<NodeId> from, to;  // the nodes of inputs and outputs
};

// Op calls, first to last. It may grow while it is walked: the gradient's own ops may enter it.
class History {
 public:
  virtual ~History() = default;
  virtual std::size_t calls() const = 0;
  virtual std::size_t nodes() const = 0;
  virtual std::span<const NodeId> from(std::size_t call) const = 0;
  virtual std::span<const NodeId> to(std::size_t call) const = 0;
  // Whether a node's values are floating-point, so that gradients may flow through it.
  virtual bool carries(NodeId node) const = 0;
  virtual Call call(std::size_t i) = 0;  // a copy, which later calls leave as it is
  // What GradientArgs::extend does for call i.
  virtual Extension extension(std::size_t) { return nullptr; }
};

// d(sum of the seeds' nodes times their tensors)/d(each of `sources`), by emitting ops from the
// last call to the first. A source that no seed depends on gives an undefined tensor. Throws
// RuntimeError where a gradient arrives at an op that has none.
std::vector<Tensor> backward(History& history, std::span<const std::pair<NodeId, Tensor>> seeds,
                             std::span<const NodeId> sources);

}  // namespace pynn
