// Op: one row of the op table. Programs ask a row's traits, never its name.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/table.h"
#include "ops/tensor.h"

namespace pynn {

// What one replay of a program knows: the key of this run's random numbers.
struct RunState {
  std::uint64_t key = 0;
  std::uint64_t run = 0;   // counts replays; random steps draw from stream (step id, run)
  std::uint64_t call = 0;  // of runs of one replay each: counts them for steps with their own seed
};

// Code outside the op table: a Python function, say. It reads `inputs` and writes `outputs`.
struct HostFunction {
  std::string name;
  std::vector<TensorType> outputs;
  std::function<void(std::span<const View> inputs, std::span<const View> outputs)> call;
  // Builds the step of the vector-Jacobian product, (inputs..., outputs..., output gradients...) ->
  // input gradients; null where there is none.
  std::shared_ptr<const HostFunction> backward;
};

class Body;  // ops/body.h: a program

// An op's parameters. What each field means is said at the op's row.
struct Attrs {
  Dims dims;                      // axes, target shape, starts ...
  Dims more;                      // a second list: stops, steps ...
  Dims steps;                     // a third
  std::array<double, 2> reals{};  // alpha, epsilon ...
  DType dtype = DType::f32;       // the target of cast, random, one_hot; what a product rounds to
  bool flag = false;              // keepdims, ...
  bool flag2 = false;
  std::uint64_t stream = 0;  // random ops: the stream's number
  kernels::Activation activation = kernels::Activation::linear;
  std::shared_ptr<const HostFunction> host;
  std::shared_ptr<const Body> body, otherwise;  // programs that the step runs
};

// Traits by which passes decide. An op is independent along an axis where no output element depends
// on input elements at another index of that axis.
enum Trait : std::uint32_t {
  kPointwise = 1,   // out[i] depends on in[i] (broadcast): fusible into chains; `pointwise` is set
  kView = 2,        // no work: the output is the input's memory under other strides
  kRowwise = 4,     // independent along the leading axes, all but the last
  kContiguous = 8,  // inputs must be contiguous: the recorder inserts copies
  kProduct = 16,    // product of matrices or patches, whose float32 operands are rounded where
                    // attrs.dtype is bfloat16; `fused` says whether its epilogue is free
  kRandom = 32,     // draws random numbers: never merged with an equal step
  kEffect = 64,     // acts beyond its outputs: never removed
  kActivation = 128,  // pointwise and usable as a product's epilogue; `activation` is set
  kAddition = 256,    // pointwise sum of two operands: a bias, where one of them is a row
  kBoolean = 512,     // the result is bool whatever the operands are
  kSum = 1024,        // the sum over attrs.dims, which are sorted
  kLinear = 2048,     // pointwise, of two operands, and linear in the first
  kPool = 4096,       // x -> y, winners: y holds the elements of x that the winners name
  kUnpool = 8192,     // y, winners -> x, zero elsewhere: the transpose of a kPool row
  kScatter = 16384,   // values, indices along axis attrs.dims[0] -> sums of values, zero elsewhere
  kZero = 32768,      // pointwise, of two operands: zero where either is
  kNeutral = 65536,   // pointwise, of two operands: the first where the second is zero
  kPart = 131072,     // x with attrs.dims before and attrs.more after it along each axis, of value
                      // reals[0]; steps: how far apart its elements come to lie
  kJoin = 262144,     // the inputs side by side along axis attrs.dims[0]; it reads none that lies
                      // where it belongs already
};

// Rows [row, row + rows) and columns [column, column + columns) of a matrix.
struct MatrixBlock {
  std::int64_t row, rows, column, columns;
};

// What happens to each block of a product as soon as it is computed, on the thread that computed
// it, while it is still in cache. `values` is the block, with column stride 1.
class BlockConsumer {
 public:
  virtual ~BlockConsumer() = default;
  virtual void consume(const MatrixBlock& block, const View& values) const = 0;
  // What it will read beside the values, as far as that lies in runs.
  virtual kernels::Ahead reads(const MatrixBlock&) const { return {}; }
};

// Prepared work: pointers, sizes and cuts into chunks are decided, calling it only computes.
using Launch = std::function<void(const RunState&)>;

// Gives a step other attributes, with which it has more outputs; returns all of them. Null where
// the step has run already.
using Extension = std::function<std::vector<Tensor>(const Attrs&)>;

struct GradientArgs {
  const Attrs& attrs;
  std::span<const Tensor> inputs;
  std::span<const Tensor> outputs;
  std::span<const Tensor> doutputs;  // gradient of each output; undefined where none arrived
  std::span<const bool> wanted;      // whether inputs[i]'s gradient is needed
  Extension extend = nullptr;
};

struct Op {
  std::string name;
  std::uint32_t traits = 0;
  int arity = 1;  // -1: any number of inputs

  // Output types from input types; checks shapes and dtypes and throws ValueError or TypeError.
  std::function<std::vector<TensorType>(const Attrs&, std::span<const TensorType>)> infer;

  // Prepares a launch over views that stay valid while it lives. Null for views and pointwise ops
  // (those run as chains).
  std::function<Launch(const Attrs&, std::span<const View> in, std::span<const View> out)> prepare;

  // kProduct: the same, handing each block of the result to `consumer`. Where out[0] has no memory
  // (data is null) the blocks live in scratch memory only.
  std::function<Launch(const Attrs&, std::span<const View> in, std::span<const View> out,
                       std::shared_ptr<const BlockConsumer> consumer)>
      prepare_blocks;

  // kView: the output as a view of the input.
  std::function<View(const Attrs&, const View& in)> view;

  // Gradients of the inputs (undefined for the unwanted and the non-differentiable), by emitting
  // ops. Null: not differentiable.
  std::function<std::vector<Tensor>(const GradientArgs&)> gradient;

  // The name of the row that computes activation(a b + bias) from (a, b[, bias]), for a product
  // whose epilogue can take a bias along the last axis and an activation.
  std::string fused;

  // kProduct: the rows that compute (y, winners) of a kPool step over the result, and that take
  // (y, winners), the latter as a last operand, for an operand that a kUnpool step computes; and
  // what adds the pool's attributes to such a row's, or returns false where it has no way to.
  std::string pooled, unpooling;
  bool (*merge_pool)(Attrs&, const Attrs& pool, const Shape& image) = nullptr;

  // kScatter: the rows that give each index the sum of all values at equal ones (with the same
  // attributes), that pick what lies at the indices, and that put it there (x, indices, values),
  // perhaps into the memory of x.
  std::string summing, picking, putting;
  std::string joined;  // kPart: the kJoin row that a sum of parts is where no two overlap

  kernels::Pointwise pointwise = kernels::Pointwise::count;      // kPointwise; count: a cast
  kernels::Activation activation = kernels::Activation::linear;  // kActivation

  bool is(Trait t) const { return (traits & t) != 0; }
};

// The traits of a step: those of its row, and what the programs inside it do.
std::uint32_t traits_of(const Op& op, const Attrs& attrs);

// The table: every op by name. Throws ValueError for an unknown one.
const Op& op(std::string_view name);
std::span<const Op> all_ops();

// Each family of ops adds its rows; registry.cpp lists the families.
class OpTable {
 public:
  Op& add(Op row);  // the row as stored; valid until the next add
  std::vector<Op> rows;
};

}  // namespace pynn
