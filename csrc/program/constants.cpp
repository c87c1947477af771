// A program whose captures never change: what follows from them alone is computed while compiling.
#include <algorithm>

#include "ops/ops.h"
#include "program/passes.h"

namespace pynn {

namespace {

constexpr std::size_t at(SlotId slot) { return static_cast<std::size_t>(slot); }

bool constant(const Program& program, SlotId slot) {
  return program.slots[at(program.slots[at(slot)].root)].role == Slot::Role::capture;
}

// The values of a constant slot, a view of a capture perhaps.
Array values(const Program& program, SlotId slot) {
  const Slot& s = program.slots[at(slot)];
  const Array& captured = program.slots[at(s.root)].captured;
  View view = s.layout;
  view.data = captured.as<char>() + s.offset_bytes();
  return {std::move(view), captured.owner};
}

void make_constant(Slot& slot, SlotId id, const Array& array) {
  slot.role = Slot::Role::capture;
  slot.captured = array;
  slot.step = -1;
  slot.root = id;
  slot.layout = {Slot::origin(), array.dtype, array.shape, array.strides};
}

}  // namespace

void fold_constants(Program& program) {
  const Eager eager;
  program.stores.clear();
  std::vector<char> keep;
  for (const Step& step : program.steps) {
    keep.push_back(1);
    if ((traits_of(*step.op, step.attrs) & (kView | kRandom | kEffect)) != 0) continue;
    if (!std::all_of(step.inputs.begin(), step.inputs.end(),
                     [&](SlotId in) { return constant(program, in); }))
      continue;
    std::vector<Tensor> inputs;
    for (const SlotId in : step.inputs) inputs.emplace_back(values(program, in));
    const std::vector<Tensor> results = apply(*step.op, step.attrs, inputs);
    for (std::size_t i = 0; i < results.size(); ++i)
      make_constant(program.slots[at(step.outputs[i])], step.outputs[i], results[i].array());
    keep.back() = 0;
  }
  drop_steps(program, keep);
}

void lay_out_rows(Program& program) {
  const Eager eager;
  constexpr std::int64_t kNarrow = 8;  // columns that fill too little of a vector
  for (Step& step : program.steps) {
    if (!step.op->is(kProduct)) continue;
    const TensorType a = program.slots[at(step.inputs[0])].type;
    const TensorType b = program.slots[at(step.inputs[1])].type;
    const bool plain = is_float(a.dtype) && a.dtype != DType::bf16 &&
                       step.attrs.dtype != DType::bf16;  // those have a kernel of their own
    if (a.shape.rank() != 2 || b.shape.rank() != 2 || a.shape[0] != 1 || !plain) continue;
    step.attrs.flag = true;
    if (b.shape[1] > kNarrow || !constant(program, step.inputs[1])) continue;
    const Tensor columns = ops::contiguous(ops::swap_last(values(program, step.inputs[1])));
    Slot slot;
    slot.type = b;
    const auto id = static_cast<SlotId>(program.slots.size());
    make_constant(slot, id, ops::swap_last(columns).array());
    program.slots.push_back(std::move(slot));
    step.inputs[1] = id;
  }
}

}  // namespace pynn
