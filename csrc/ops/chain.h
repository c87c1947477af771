// Chains: pointwise steps that share an iteration space, run tile by tile so that what passes
// between them stays in the L1 cache.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "ops/op.h"

namespace pynn {

// How far from its view memory lies in a launch: so many bytes, `*by` times. What is there may
// change between launches; null: it stays.
struct Shift {
  std::int64_t bytes = 0;
  const std::int64_t* by = nullptr;
  std::int64_t now() const { return by == nullptr ? 0 : bytes * *by; }
};

// What to compute. Values are numbered: the sources first, then the nodes in order.
struct ChainSpec {
  struct Node {
    const Op* op;
    const Attrs* attrs;
    std::array<int, 3> inputs;
  };
  struct Sink {
    int value;
    View target;  // of the chain's shape
    Shift shift = {};
  };
  Shape shape;       // every source broadcasts to it
  int product = -1;  // the source that a product hands over in blocks, if any
  std::vector<View> sources;
  std::vector<Shift> shifts;  // of sources; no entries: all stay
  std::vector<Node> nodes;
  std::vector<Sink> sinks;
};

// A chain bound to memory. A sink may be the very view that a source reads; any other overlap
// between sinks and sources is the caller's mistake.
Launch prepare_chain(const ChainSpec& spec);

// A chain over the blocks of the product that computes source `spec.product`.
std::shared_ptr<const BlockConsumer> prepare_consumer(const ChainSpec& spec);

// A chain that is run once.
void run_chain(const ChainSpec& spec);

// out = op(in...), at once; `out` is contiguous.
void run_pointwise(const Op& op, const Attrs& attrs, std::span<const View> in, const View& out);

// out = in, broadcast and cast as needed, at once.
void copy_view(const View& in, const View& out);

}  // namespace pynn
