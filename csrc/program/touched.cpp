// A store that changes only the elements that a scatter reaches writes only those.
#include <algorithm>
#include <unordered_map>

#include "program/passes.h"

namespace pynn {

namespace {

constexpr std::size_t at(SlotId slot) { return static_cast<std::size_t>(slot); }

// Fewer would be slower than the pass over all rows, in which nothing is looked up.
constexpr std::int64_t kRowsPerIndex = 4;

class Touched {
 public:
  explicit Touched(Program& program) : program_(program) {}

  void run() {
    count_uses();
    std::vector<Store> kept;
    keep_.assign(program_.steps.size(), 1);
    for (const Store& store : program_.stores)
      if (!narrow(store)) kept.push_back(store);
    program_.stores = std::move(kept);
    keep_.resize(program_.steps.size(), 1);
    drop_steps(program_, keep_);
  }

 private:
  // What a value of the target's shape is where nothing is scattered.
  enum class Rest : std::uint8_t { unchanged, zero, other };

  const Slot& slot(SlotId id) const { return program_.slots[at(id)]; }

  void count_uses() {
    uses_.assign(program_.slots.size(), 0);
    for (const Step& step : program_.steps)
      for (const SlotId in : step.inputs) ++uses_[at(slot(in).root)];
    for (const SlotId out : program_.outputs) ++uses_[at(slot(out).root)];
    for (const Store& store : program_.stores) ++uses_[at(slot(store.value).root)];
  }

  // Follows the value of a store back to the scatter, through steps that nothing else reads.
  Rest classify(SlotId id) {
    if (id == target_) return Rest::unchanged;
    const Slot& value = slot(id);
    if (value.step < 0 || value.root != id || uses_[at(id)] != 1 ||
        !(value.type == slot(target_).type))
      return Rest::other;
    const auto index = static_cast<std::size_t>(value.step);
    const Step& step = program_.steps[index];
    if (step.op->is(kScatter)) {
      if (scatter_ >= 0 || step.attrs.dims[0] != 0) return Rest::other;
      scatter_ = static_cast<std::int32_t>(index);
      return Rest::zero;
    }
    if (!step.op->is(kPointwise) || step.inputs.size() != 2) return Rest::other;
    const bool one[] = {is_number(step.inputs[0]), is_number(step.inputs[1])};
    const Rest left = one[0] ? Rest::other : classify(step.inputs[0]);
    const Rest right = one[1] ? Rest::other : classify(step.inputs[1]);
    chain_.push_back(index);
    if (step.op->is(kZero) && ((left == Rest::zero && one[1]) || (one[0] && right == Rest::zero)))
      return Rest::zero;
    if (step.op->is(kNeutral) && right == Rest::zero) return left;
    if (step.op->is(kNeutral) && step.op->is(kAddition) && left == Rest::zero) return right;
    return Rest::other;
  }
  bool is_number(SlotId id) const { return slot(id).type.shape.empty(); }

  bool narrow(const Store& store) {
    target_ = store.target;
    scatter_ = -1;
    chain_.clear();
    if (slot(target_).type.shape.empty() || classify(store.value) != Rest::unchanged ||
        scatter_ < 0)
      return false;
    const Step scatter = program_.steps[static_cast<std::size_t>(scatter_)];
    const SlotId indices = scatter.inputs[1];
    if (element_count(slot(indices).type.shape) * kRowsPerIndex > slot(target_).type.shape[0])
      return false;

    Attrs axis;
    axis.dims = {0};
    std::unordered_map<SlotId, SlotId> rows;  // of values of all rows
    rows[scatter.outputs[0]] = emit(op(scatter.op->summing), scatter.attrs, scatter.inputs);
    rows[target_] = emit(op(scatter.op->picking), axis, {target_, indices});
    keep_[static_cast<std::size_t>(scatter_)] = 0;
    for (const std::size_t i : chain_) {
      const Step step = program_.steps[i];
      std::vector<SlotId> inputs;
      for (const SlotId in : step.inputs) {
        const auto narrowed = rows.find(in);
        inputs.push_back(narrowed == rows.end() ? in : narrowed->second);
      }
      rows[step.outputs[0]] = emit(*step.op, step.attrs, inputs);
      keep_[i] = 0;
    }
    const SlotId done = emit(op(scatter.op->putting), axis, {target_, indices, rows[store.value]});
    program_.slots[at(done)].root = target_;
    program_.slots[at(done)].layout = slot(target_).layout;
    return true;
  }

  SlotId emit(const Op& op, const Attrs& attrs, std::vector<SlotId> inputs) {
    std::vector<TensorType> types;
    for (const SlotId in : inputs) types.push_back(slot(in).type);
    Slot made;
    made.type = op.infer(attrs, types)[0];
    made.step = static_cast<std::int32_t>(program_.steps.size());
    made.layout = contiguous_view(Slot::origin(), made.type.dtype, made.type.shape);
    const auto id = static_cast<SlotId>(program_.slots.size());
    made.root = id;
    program_.slots.push_back(std::move(made));
    program_.steps.push_back({&op, attrs, std::move(inputs), {id}});
    return id;
  }

  Program& program_;
  std::vector<int> uses_;   // by root
  std::vector<char> keep_;  // by step
  SlotId target_ = -1;
  std::int32_t scatter_ = -1;       // the step
  std::vector<std::size_t> chain_;  // the steps behind it, in order
};

}  // namespace

bool writes_in_place(const Program& program, const Step& step) {
  if (step.op->is(kView)) return false;
  const SlotId root = program.slots[at(step.outputs[0])].root;
  return program.slots[at(root)].role == Slot::Role::capture;
}

void write_touched(Program& program) { Touched(program).run(); }

}  // namespace pynn
