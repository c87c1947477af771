// Body: a program as an attribute of a step: what a loop repeats, a branch of a condition, a call.
// ops/ knows it through this interface, program/ implements it. A body reads its inputs and nothing
// else that changes.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "ops/op.h"

namespace pynn {

struct BodyGradient;

// What a gradient of a body is asked for. Inputs are counted in three parts: those that a loop
// replaces from run to run, those of one run, and those that all runs share.
struct BodyGradientArgs {
  std::vector<char> seeded;  // outputs whose gradient will come
  std::vector<char> wanted;  // inputs whose gradient is needed
  std::size_t replaced = 0;  // inputs before this one differ once the body has run
  std::size_t shared = 0;    // from this one on, gradients are sums over the runs
  bool save = false;         // keep what the gradient reads; else it computes that again
  bool once = false;         // there is one run, so nothing to sum
  bool operator==(const BodyGradientArgs&) const = default;
};

class Body {
 public:
  virtual ~Body() = default;
  virtual const std::vector<TensorType>& inputs() const = 0;
  virtual const std::vector<TensorType>& outputs() const = 0;
  virtual std::uint32_t traits() const = 0;  // kRandom and kEffect, of any step

  // The body ready to run in memory of its own.
  class Instance {
   public:
    virtual ~Instance() = default;
    virtual const View& input(std::size_t i) const = 0;
    virtual const View& output(std::size_t i) const = 0;
    virtual void run(const RunState& state) = 0;
  };
  // Inputs that have memory in `bound` are read there; the others, before each run, from
  // Instance::input.
  virtual std::unique_ptr<Instance> instance(std::span<const View> bound) const = 0;

  // Runs at once, in an instance that is kept for the next time. Inputs from `varying` on are read
  // where they lie, and are expected there the next time. Outputs from `visible` on live in the
  // instance, which is not used again before they are gone.
  virtual std::vector<Tensor> run(std::span<const Tensor> inputs, std::size_t varying,
                                  std::size_t visible, const RunState& state) const = 0;

  // The body ready to run `length` times: `carries` of the inputs `in` are replaced by outputs,
  // then come those, before `shared_from`, of which each run has a row, and those that stay as they
  // are. `out` are the last carries and the outputs stacked. Rows that are not read and computed in
  // place have memory inside. Where no run mixes the rows of a batch there are parts, which can run
  // at the same time: each an instance for some of the rows.
  class Loop {
   public:
    struct Part {
      std::unique_ptr<Instance> body;
      std::int64_t first, rows;           // of the batch: what its inputs and outputs have of one
      std::unique_ptr<std::int64_t> run;  // which row it is at, set before each run
    };
    virtual ~Loop() = default;
    virtual void start(const RunState& state) = 0;  // computes what is the same in all runs
    virtual std::span<const Part> parts() const = 0;
  };
  virtual std::unique_ptr<Loop> loop(std::span<const View> in, std::span<const View> out,
                                     std::size_t carries, std::size_t shared_from,
                                     std::int64_t length) const = 0;

  virtual BodyGradient differentiate(const BodyGradientArgs& args) const = 0;
};

struct BodyGradient {
  std::shared_ptr<const Body> forward;  // the body with more outputs, of which `saved` are some;
                                        // null where it has them all
  // (seeds of replaced inputs, sums so far, other seeds, inputs[read], saved) ->
  // (gradients of replaced inputs, sums, other gradients, operands of totals), each in
  // order.
  std::shared_ptr<const Body> backward;
  std::vector<std::size_t> sums;   // shared inputs whose gradient is added up
  std::vector<std::size_t> saved;  // outputs of `forward` that `backward` reads
  std::vector<std::size_t> read;   // inputs that `backward` reads
  // Shared inputs whose gradient is a product of matrices, or a sum over leading axes: over all
  // runs it is one product or sum of the operands, stacked.
  struct Operand {
    enum class From : std::uint8_t { backward, forward, input } from;
    std::size_t index;  // output of a body, or input
    Shape shape;        // in one run
  };
  struct Total {
    std::size_t input;
    const Op* op;
    Attrs attrs;
    std::vector<Operand> operands;  // of a product left^T right both, of a sum one
  };
  std::vector<Total> totals;
  std::vector<char> reaches;  // inputs that a gradient reaches; where `once`, others have no output
};

// --- what the ops with bodies share (control.cpp)

// The state of the programs in a step with these attributes.
RunState inner_state(const Attrs& attrs, const RunState& state);
// Draws now what a step that runs at once will use: its gradient, which may run it again, sees the
// same.
void fix_numbers(Attrs& attrs, const Op& row);
void check_inputs(const char* op, const Body& body, std::span<const TensorType> in);
std::vector<char> seeded(const GradientArgs& g);  // outputs that have a gradient

}  // namespace pynn
