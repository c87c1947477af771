#include "program/loop.h"

#include <algorithm>

#include "ops/ops.h"
#include "program/executable.h"
#include "program/instances.h"
#include "program/passes.h"
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

// Has chains read and write rows where they lie outside, if nothing else in the program sees them.
void place_rows(Program& program, const LoopArgs& args) {
  constexpr std::size_t kWorth = 4096;  // bytes; fewer are copied in no time
  const std::vector<char> still = read_by_others(program);
  const auto place = [&](Slot& slot, const View& rows) {
    slot.captured = Array(contiguous_view(rows.data, slot.type.dtype, slot.type.shape), nullptr);
    slot.row_bytes = static_cast<std::int64_t>(slot.layout.bytes());
  };

  std::vector<SlotId>& outputs = program.outputs;
  const auto own = outputs.begin() + static_cast<std::ptrdiff_t>(args.out.size());
  for (std::size_t i = args.carries; i < args.shared_from; ++i) {
    Slot& slot = program.slots[at(program.inputs[i])];
    if (still[at(program.inputs[i])] != 0 || slot.layout.bytes() < kWorth) continue;
    slot.role = Slot::Role::capture;
    place(slot, args.in[i]);
  }
  for (std::size_t i = args.carries; i < args.out.size(); ++i) {
    Slot& slot = program.slots[at(outputs[i])];
    const bool chained = slot.role == Slot::Role::value && slot.step >= 0 &&
                         program.steps[static_cast<std::size_t>(slot.step)].op->is(kPointwise);
    if (chained && still[at(outputs[i])] == 0 && slot.layout.bytes() >= kWorth &&
        std::count(outputs.begin(), own, outputs[i]) == 1)
      place(slot, args.out[i]);
  }
  outputs.erase(std::remove_if(own, outputs.end(),
                               [&](SlotId in) { return program.slots[at(in)].row_bytes != 0; }),
                outputs.end());
}

class ProgramLoop : public Body::Loop {
 public:
  ProgramLoop(const Program& body, const LoopArgs& args) {
    std::vector<View> bound(args.in.begin(), args.in.end());
    for (std::size_t i = 0; i < args.shared_from; ++i) bound[i].data = nullptr;
    Hoisting hoisting(with_memory(body, bound));
    before_ = hoisting.before();
    Program program = Executable(hoisting.rest()).program();  // as the passes leave it
    const std::vector<BatchRows> ranges = cut(program, args);
    place_rows(program, args);
    for (BatchRows rows : ranges) {
      auto run = std::make_unique<std::int64_t>(0);
      rows.run = run.get();
      const std::int64_t first = rows.begin, count = std::max<std::int64_t>(rows.count, 1);
      parts_.push_back(
          {std::make_unique<BodyInstance>(program, std::move(rows)), first, count, std::move(run)});
    }
  }

  void start(const RunState& state) override {
    if (before_) before_->run(state);
  }
  std::span<const Part> parts() const override { return parts_; }

 private:
  // Each part goes through the whole loop on one thread, and its values stay in that thread's
  // caches.
  static std::vector<BatchRows> cut(const Program& program, const LoopArgs& args) {
    constexpr std::int64_t kFewRows = 8;  // that products do well with
    const std::vector<BatchRows> whole(1);
    if (args.carries == 0 || program.slots[at(program.inputs[0])].type.shape.empty()) return whole;
    const std::int64_t rows = program.slots[at(program.inputs[0])].type.shape[0];
    const std::int64_t count = std::min<std::int64_t>(most_threads(), rows / kFewRows);
    if (count < 2 || work_of(program) * static_cast<double>(args.length) <= kParallelWork)
      return whole;

    std::vector<char> batched(program.inputs.size(), 0);
    for (std::size_t i = 0; i < args.shared_from; ++i) {
      const Shape& shape = program.slots[at(program.inputs[i])].type.shape;
      batched[i] = !shape.empty() && shape[0] == rows;
      if (i < args.carries && batched[i] == 0) return whole;
    }
    const auto [axes, apart, all] = row_steps(program, rows, batched);
    if (!all) return whole;
    for (const SlotId out : program.outputs)
      if (program.slots[at(out)].role == Slot::Role::value && axes[at(out)] != 0) return whole;
    std::vector<BatchRows> ranges;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t first = rows * i / count, next = rows * (i + 1) / count;
      ranges.push_back({axes, first, next - first});
    }
    return ranges;
  }

  std::unique_ptr<Executable> before_;
  std::vector<Part> parts_;
};

}  // namespace

std::unique_ptr<Body::Loop> make_loop(const Program& body, const LoopArgs& args) {
  return std::make_unique<ProgramLoop>(body, args);
}

}  // namespace pynn
