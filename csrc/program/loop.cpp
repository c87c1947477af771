#include "program/loop.h"

#include <algorithm>

#include "ops/ops.h"
#include "program/executable.h"
#include "program/instances.h"
#include "program/passes.h"
#include "runtime/cpu.h"
#include "runtime/thread_pool.h"

namespace pynn {

namespace {

constexpr std::size_t at(SlotId slot) { return static_cast<std::size_t>(slot); }

// A loop's program in two: what follows from captures alone, and the rest, which reads it.
class Hoisting {
 public:
  explicit Hoisting(Program program) : fixed_(program.slots.size(), 0), rest_(std::move(program)) {
    find_fixed();
    const auto recorder = std::make_shared<ProgramRecorder>(rest_);
    lay_out(*recorder);
    for (Step& step : rest_.steps)
      if (!is_fixed(step))
        for (SlotId in : step.inputs) need(in);
    for (const SlotId out : rest_.outputs) need(out);
    if (moved_.empty() && columns_.empty()) return;

    Program before = recorder->program();
    for (const SlotId in : before.inputs)
      if (before.slots[at(in)].role == Slot::Role::input)
        before.slots[at(in)].role = Slot::Role::value;
    before.inputs.clear();
    before.outputs = moved_;
    for (const auto& [slot, copy] : columns_) before.outputs.push_back(copy);
    before_ = std::make_unique<Executable>(std::move(before));
    bind();
  }

  std::unique_ptr<Executable> before() { return std::move(before_); }
  Program rest() { return std::move(rest_); }

 private:
  bool is_fixed(const Step& step) const { return fixed_[at(step.outputs[0])] != 0; }

  void find_fixed() {
    for (std::size_t i = 0; i < rest_.slots.size(); ++i)
      fixed_[i] = rest_.slots[i].role == Slot::Role::capture;
    for (const Step& step : rest_.steps) {
      bool fixed = (traits_of(*step.op, step.attrs) & (kRandom | kEffect)) == 0;
      for (const SlotId in : step.inputs) fixed &= fixed_[at(in)] != 0;
      for (const SlotId out : step.outputs) fixed_[at(out)] = fixed;
    }
  }

  // A product transposes a right operand that lies in columns, each time it runs: here once.
  void lay_out(ProgramRecorder& recorder) {
    const ProgramRecorder::Scope scope(recorder);
    for (Step& step : rest_.steps) {
      if (!step.op->is(kProduct) || is_fixed(step) || step.attrs.dtype == DType::bf16) continue;
      const SlotId right = step.inputs[1];
      const View& layout = rest_.slots[at(right)].layout;
      if (fixed_[at(right)] == 0 || layout.shape.rank() != 2 || layout.strides.back() == 1)
        continue;
      const auto known = std::find_if(columns_.begin(), columns_.end(),
                                      [&](const auto& c) { return c.first == right; });
      if (known == columns_.end())
        columns_.emplace_back(right, ops::copy(recorder.tensor(right)).slot());
    }
  }

  void need(SlotId slot) {
    const SlotId root = rest_.slots[at(slot)].root;
    if (fixed_[at(root)] == 0 || rest_.slots[at(root)].role != Slot::Role::value) return;
    if (std::find(moved_.begin(), moved_.end(), root) == moved_.end()) moved_.push_back(root);
  }

  void bind() {
    std::vector<char> keep;
    for (const Step& step : rest_.steps) keep.push_back(step.op->is(kView) || !is_fixed(step));
    drop_steps(rest_, keep);
    for (std::size_t i = 0; i < moved_.size(); ++i) capture(rest_.slots[at(moved_[i])], i);
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const auto id = static_cast<SlotId>(rest_.slots.size());
      Slot rows = rest_.slots[at(columns_[i].first)];
      rows.root = id;
      rows.layout = contiguous_view(Slot::origin(), rows.type.dtype, rows.type.shape);
      capture(rows, moved_.size() + i);
      rest_.slots.push_back(std::move(rows));
      for (Step& step : rest_.steps)
        if (step.op->is(kProduct) && step.inputs[1] == columns_[i].first) step.inputs[1] = id;
    }
  }
  void capture(Slot& slot, std::size_t output) {
    slot.role = Slot::Role::capture;
    slot.step = -1;
    slot.captured = Array(before_->output(output), nullptr);
  }

  std::vector<char> fixed_;                         // slots that are the same in all runs
  std::vector<SlotId> moved_;                       // those that the rest reads
  std::vector<std::pair<SlotId, SlotId>> columns_;  // and right operands with their copies
  Program rest_;
  std::unique_ptr<Executable> before_;
};

// Multiply-adds of products, and what takes as long.
double work_of(const Program& program) {
  double work = 0;
  for (const Step& step : program.steps) {
    const auto size = [&](SlotId slot) {
      return static_cast<double>(element_count(program.slots[at(slot)].type.shape));
    };
    if (step.op->is(kView)) continue;
    const Shape& left =
        program.slots[at(step.inputs.empty() ? step.outputs[0] : step.inputs[0])].type.shape;
    const bool product = step.op->is(kProduct) && !left.empty();
    work += size(step.outputs[0]) * (product ? 2.0 * static_cast<double>(left.back()) : 2.0);
  }
  return work;
}

class ProgramLoop : public Body::Loop {
 public:
  ProgramLoop(Program program, std::span<const View> bound, std::size_t carries,
              std::int64_t length) {
    Hoisting hoisting(std::move(program));
    before_ = hoisting.before();
    auto whole = std::make_unique<BodyInstance>(hoisting.rest());
    if (!cut(whole->program(), bound, carries, length)) parts_.push_back({std::move(whole), 0, 1});
  }

  void start(const RunState& state) override {
    if (before_) before_->run(state);
  }
  std::span<const Part> parts() const override { return parts_; }

 private:
  // Each part goes through the whole loop on one thread, and its values stay in that thread's
  // caches.
  bool cut(const Program& program, std::span<const View> bound, std::size_t carries,
           std::int64_t length) {
    constexpr std::int64_t kFewRows = 8;  // that products do well with
    if (carries == 0 || program.slots[at(program.inputs[0])].type.shape.empty()) return false;
    const std::int64_t rows = program.slots[at(program.inputs[0])].type.shape[0];
    static const int cpus = available_cpus();
    const std::int64_t count =
        std::min<std::int64_t>(std::max(num_threads(), cpus), rows / kFewRows);
    if (count < 2 || work_of(program) * static_cast<double>(length) <= kParallelWork) return false;

    std::vector<char> batched(program.inputs.size(), 0);
    for (std::size_t i = 0; i < batched.size(); ++i) {
      const Shape& shape = program.slots[at(program.inputs[i])].type.shape;
      batched[i] = bound[i].data == nullptr && !shape.empty() && shape[0] == rows;
      if (i < carries && batched[i] == 0) return false;
    }
    const std::vector<int> axes = row_axes(program, rows, batched);
    if (axes.empty()) return false;
    for (const SlotId out : program.outputs)
      if (program.slots[at(out)].role == Slot::Role::value && axes[at(out)] != 0) return false;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t first = rows * i / count, next = rows * (i + 1) / count;
      parts_.push_back(
          {std::make_unique<BodyInstance>(program, BatchRows{axes, first, next - first}), first,
           next - first});
    }
    return true;
  }

  std::unique_ptr<Executable> before_;
  std::vector<Part> parts_;
};

}  // namespace

std::unique_ptr<Body::Loop> make_loop(Program program, std::span<const View> bound,
                                      std::size_t carries, std::int64_t length) {
  return std::make_unique<ProgramLoop>(std::move(program), bound, carries, length);
}

}  // namespace pynn
