// A chain made ready: registers, instructions and the memory they walk. chain.cpp builds it,
// chain_run.cpp runs it.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "kernels/assembler.h"
#include "ops/chain.h"

namespace pynn::chains {

using kernels::CastFn;
using kernels::PointwiseFn;

inline constexpr std::size_t kScratchBytes =
    32 * 1024;  // all registers of a tile: two thirds of L1
inline constexpr std::size_t kMaxRegisters = 256;
inline constexpr std::size_t kMaxStages = 128;

// A value of the tile in flight: memory of an operand (direct; scalar: its one element), a buffer
// of the scratch, part of the block that a product hands over, or what never leaves the
// accumulator.
struct Register {
  enum class Kind : std::uint8_t {
    direct,
    scalar,
    splat,
    gather,
    buffer,
    block,
    accumulator
  } kind = Kind::buffer;
  DType dtype = DType::f32;  // as held
  std::size_t buffer = 0;    // splat, gather, buffer: byte offset in the scratch
  int operand = -1;          // direct, scalar, splat, gather: whose memory
};

struct Instruction {
  kernels::Pointwise row;  // or count: a cast
  PointwiseFn kernel;      // or null: `cast`
  CastFn cast;
  std::array<double, 2> attr;
  int out;
  int arity;
  std::array<int, 3> in;  // the last of them again where there are fewer
  // In threaded code, for a sum or difference: in[scaled] counts times this register.
  int factor = -1, scaled = 0;
};

// Memory walked along the chain's iteration space.
struct Operand {
  char* data;
  std::size_t item;
  Strides strides;  // of the collapsed space, in elements
  bool scalar;      // all strides 0
  bool flat;        // row-major over the whole space
  Shift shift = {};
};

// An instruction of a chain that fits one tile, with its addresses; null: what the product hands
// over, if it reads that.
struct Bound {
  PointwiseFn kernel;
  CastFn cast;
  void* out;
  std::array<const void*, 3> in;
  const double* attr;
  bool handed;
};

// A single value that such a chain spreads first.
struct Spread {
  char* to;
  const char* from;
  std::size_t item;
};

// A chain's instructions as machine code: a loop over arrays, which registers point at, and single
// values, which are at `at` or in the memory of a register's operand.
struct SingleValue {
  int register_index;
  const void* at;
  bool operator==(const SingleValue&) const = default;
};
struct Loop {
  MachineCode code;
  std::int64_t vector_bytes = 0;
  std::vector<int> arrays;
  std::vector<SingleValue> values;
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

  // The instructions as threaded code, where there is such code for all of them: then `stages` is
  // not empty. Stage i finds its operand in register stage_registers[i], or nowhere (-1).
  const kernels::Stages* threaded = nullptr;
  std::vector<kernels::Stage> stages;
  std::vector<int> stage_registers;
  std::size_t pads = 0;  // byte offset in the scratch: a block for each operand

  // Or as machine code; then there are no stages.
  std::shared_ptr<const Loop> loop;

  // A chain of few elements has its addresses worked out once: it runs many times a microsecond.
  // As machine code it is one call, whose array `handed` is what the product hands over.
  std::vector<Spread> spreads;
  std::vector<Bound> bound;
  std::unique_ptr<kernels::LoopArgs> call;
  int handed = -1;
  std::shared_ptr<void> memory;  // its registers

  bool gathers() const {  // into the tile
    return std::any_of(fills.begin(), fills.end(), [this](int r) {
      return registers[static_cast<std::size_t>(r)].kind == Register::Kind::gather;
    });
  }
  bool moves() const {  // between launches
    return std::any_of(operands.begin(), operands.end(),
                       [](const Operand& o) { return o.shift.by != nullptr; });
  }
  void bind();
  void bind_call();
  bool is_bound() const { return call != nullptr || !bound.empty(); }
  void run_bound(const void* values) const;
  void launch() const;
  void consume(const MatrixBlock& block, const View& values) const override;
  kernels::Ahead reads(const MatrixBlock& block) const override;
};

// Turns the instructions of a chain into machine code if there is an assembler that has them all.
void compile(Chain& chain);

// Turns the instructions of a chain into stages if all of them can be; what they keep in the
// accumulator needs no buffer.
void thread(Chain& chain);

// Spreads one item of `size` bytes over a buffer of n.
void splat(char* buffer, const char* item, std::size_t size, std::int64_t n);

}  // namespace pynn::chains
