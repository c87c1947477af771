// Weights stay with the thread that updates them. A training step updates a weight by rows: a part
// of them on each thread, whose cache holds them then. A product of a few rows of a batch by that
// weight would read all of it on every thread, and take half of it out of another's cache, which
// costs more than its arithmetic. So its sum over k is cut where the update is: each thread
// multiplies by its own rows of the weight, and two partial sums, small as the batch is small, are
// added up. Where it is cut depends on shapes only, and so do the bits.
#include <algorithm>
#include <array>

#include "ops/ops.h"
#include "ops/product.h"
#include "program/passes.h"
#include "runtime/thread_pool.h"

namespace pynn {

namespace {

constexpr std::size_t at(SlotId slot) { return static_cast<std::size_t>(slot); }

// Of a larger weight, in bytes, no part stays in a thread's cache from step to step.
constexpr std::size_t kLargest = 1024 * 1024;
// Partial sums cost less than what is read of the weight if there are so many terms, and so many
// for each row of the batch.
constexpr std::int64_t kTerms = 256, kTermsPerRow = 4;

bool pays(const Program& program, const Step& step) {
  if (!step.op->is(kProduct) || step.attrs.dtype == DType::bf16) return false;
  const Slot& left = program.slots[at(step.inputs[0])];
  const Slot& right = program.slots[at(step.inputs[1])];
  const bool updated =
      std::any_of(program.stores.begin(), program.stores.end(),
                  [&](const Store& store) { return store.target == step.inputs[1]; });
  if (!updated || left.type.shape.rank() != 2 || right.type.shape.rank() != 2 ||
      !left.layout.contiguous() || !is_float(right.type.dtype))
    return false;
  const std::int64_t m = left.type.shape[0], k = right.type.shape[0], n = right.type.shape[1];
  return k % 2 == 0 && k >= std::max(kTerms, kTermsPerRow * m) &&
         right.layout.bytes() <= kLargest && 2 * static_cast<double>(m * n * k) > kParallelWork;
}

// Records the product that `step` is as products of halves.
void record_halves(ProgramRecorder& recorder, const Step& step) {
  const ProgramRecorder::Scope scope(recorder);
  const Tensor x = recorder.tensor(step.inputs[0]), w = recorder.tensor(step.inputs[1]);
  const std::int64_t m = x.shape()[0], half = w.shape()[0] / 2, n = w.shape()[1];
  const Tensor sums = ops::matmul(ops::transpose(ops::reshape(x, {m, 2, half}), {1, 0, 2}),
                                  ops::reshape(w, {2, half, n}));
  const auto part = [&](std::int64_t i) {
    return ops::reshape(ops::slice(sums, {i, 0, 0}, {i + 1, m, n}, {1, 1, 1}), {m, n});
  };
  Tensor y = ops::add(part(0), part(1));
  if (step.inputs.size() > 2) y = ops::add(y, recorder.tensor(step.inputs[2]));
  if (const Op* activation = activation_op(step.attrs.activation)) {
    Attrs attrs;
    attrs.reals = step.attrs.reals;
    apply(*activation, attrs, std::array{y});
  }
}

}  // namespace

void split_k(Program& program) {
  if (std::none_of(program.steps.begin(), program.steps.end(),
                   [&](const Step& step) { return pays(program, step); }))
    return;
  const std::vector<Step> steps = program.steps;
  const auto recorder = std::make_shared<ProgramRecorder>(std::move(program));
  std::vector<Step> ordered;
  for (const Step& step : steps) {
    if (!pays(recorder->program(), step)) {
      ordered.push_back(step);
      continue;
    }
    const std::size_t before = recorder->program().steps.size();
    record_halves(*recorder, step);
    const std::vector<Step>& all = recorder->program().steps;
    ordered.insert(ordered.end(), all.begin() + static_cast<std::ptrdiff_t>(before), all.end());
    ordered.back().outputs = step.outputs;
  }
  program = recorder->program();
  program.steps = std::move(ordered);
  for (std::size_t i = 0; i < program.steps.size(); ++i)
    for (const SlotId out : program.steps[i].outputs)
      program.slots[at(out)].step = static_cast<std::int32_t>(i);
}

}  // namespace pynn
