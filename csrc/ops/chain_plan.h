// A chain made ready: registers, instructions and the memory they walk. chain.cpp builds it,
// chain_run.cpp runs it.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "ops/op.h"

namespace pynn::chains {

using kernels::CastFn;
using kernels::PointwiseFn;

inline constexpr std::size_t kScratchBytes =
    32 * 1024;  // all registers of a tile: two thirds of L1
inline constexpr std::size_t kMaxRegisters = 256;

// A value of the tile in flight: memory of an operand, a buffer of the scratch, or part of the
// block that a product hands over.
struct Register {
  enum class Kind : std::uint8_t { direct, splat, gather, buffer, block } kind = Kind::buffer;
  DType dtype = DType::f32;  // as held
  std::size_t buffer = 0;    // byte offset in the scratch, unless direct
  int operand = -1;          // direct, splat, gather: whose memory
};

struct Instruction {
  PointwiseFn kernel;  // or null: `cast`
  CastFn cast;
  std::array<double, 2> attr;
  int out;
  std::array<int, 3> in;
};

// Memory walked along the chain's iteration space.
struct Operand {
  char* data;
  std::size_t item;
  Strides strides;  // of the collapsed space, in elements
  bool scalar;      // all strides 0
  bool flat;        // row-major over the whole space
};

// An instruction of a chain that fits one tile, with its addresses; null: what the product hands
// over.
struct Bound {
  PointwiseFn kernel;
  CastFn cast;
  void* out;
  std::array<const void*, 3> in;
  const double* attr;
};

struct Chain : BlockConsumer {
  Shape shape;  // collapsed: rank >= 1
  std::int64_t elements = 0;
  std::int64_t tile = 0;
  bool one_run = false;  // every operand is a scalar or row-major
  bool by_runs = false;  // tiles stay within the innermost extent
  std::int64_t tiles_per_run = 0, tiles = 0;
  std::vector<Operand> operands;
  std::vector<Register> registers;
  std::vector<Instruction> instructions;
  std::vector<int> fills;      // registers to set per tile
  std::vector<int> constants;  // splat registers that hold for the whole chain
  std::size_t scratch = 0;     // bytes
  int product = -1;            // register of the values that a product hands over

  // A chain of few elements has its addresses worked out once: it runs many times a microsecond.
  std::vector<Bound> bound;
  std::shared_ptr<void> memory;  // its registers

  void bind();
  void run_bound(void* values) const;
  void launch() const;
  void consume(const MatrixBlock& block, const View& values) const override;
};

// Spreads one item of `size` bytes over a buffer of n.
void splat(char* buffer, const char* item, std::size_t size, std::int64_t n);

}  // namespace pynn::chains
