// Tensors made of parts: what is added up from parts in zeros is put together, and parts are
// computed where they belong.
#include <algorithm>

#include "program/passes.h"

namespace pynn {

namespace {

constexpr std::size_t at(SlotId slot) { return static_cast<std::size_t>(slot); }

const Step* producer(const Program& program, SlotId slot) {
  const std::int32_t step = program.slots[at(slot)].step;
  return step < 0 ? nullptr : &program.steps[static_cast<std::size_t>(step)];
}

// Collects the parts that `slot` is the sum of; false where something else is added as well.
bool collect(const Program& program, SlotId slot, const TensorType& type,
             std::vector<const Step*>& parts) {
  const Step* step = producer(program, slot);
  if (step == nullptr || !(program.slots[at(slot)].type == type)) return false;
  if (step->op->is(kAddition))
    return collect(program, step->inputs[0], type, parts) &&
           collect(program, step->inputs[1], type, parts);
  const Dims& gaps = step->attrs.steps;
  if (!step->op->is(kPart) || step->attrs.reals[0] != 0 ||
      std::any_of(gaps.begin(), gaps.end(), [](std::int64_t gap) { return gap != 1; }))
    return false;
  parts.push_back(step);
  return true;
}

// The axis along which parts differ in where they begin; the only one with anything around them.
int common_axis(const std::vector<const Step*>& parts) {
  int found = -1;
  for (const Step* part : parts)
    for (int i = 0; i < part->attrs.dims.rank(); ++i) {
      if (part->attrs.dims[i] == 0 && part->attrs.more[i] == 0) continue;
      if (found >= 0 && found != i) return -1;
      found = i;
    }
  return found;
}

void join(Program& program, Step& sum) {
  std::vector<const Step*> parts;
  const TensorType type = program.slots[at(sum.outputs[0])].type;
  if (!collect(program, sum.outputs[0], type, parts)) return;
  const int axis = common_axis(parts);
  if (axis < 0) return;
  std::sort(parts.begin(), parts.end(), [&](const Step* a, const Step* b) {
    return a->attrs.dims[axis] < b->attrs.dims[axis];
  });
  std::int64_t next = 0;
  for (const Step* part : parts) {
    if (part->attrs.dims[axis] != next) return;
    next += program.slots[at(part->inputs[0])].type.shape[axis];
  }
  if (next != type.shape[axis]) return;
  std::vector<SlotId> inputs;
  for (const Step* part : parts) inputs.push_back(part->inputs[0]);
  sum.op = &op(parts[0]->op->joined);
  sum.attrs = {};
  sum.attrs.dims = {axis};
  sum.inputs = std::move(inputs);
}

}  // namespace

void join_parts(Program& program) {
  for (std::size_t i = program.steps.size(); i-- > 0;)
    if (program.steps[i].op->is(kAddition)) join(program, program.steps[i]);
  remove_dead_steps(program);
}

std::vector<SlotId> place_parts(Program& program, const std::vector<Cluster>& clusters) {
  // Computed by a chain, and seen by nothing but chains and what puts it together.
  std::vector<char> movable(program.slots.size(), 0);
  for (const Cluster& cluster : clusters)
    for (const std::size_t s : cluster.steps)
      if (program.steps[s].op->is(kPointwise)) movable[at(program.steps[s].outputs[0])] = 1;
  for (const Slot& slot : program.slots)
    if (&slot != &program.slots[at(slot.root)]) movable[at(slot.root)] = 0;
  for (const SlotId out : program.outputs) movable[at(out)] = 0;
  for (const Step& step : program.steps)
    if (!step.op->is(kPointwise) && !step.op->is(kJoin))
      for (const SlotId in : step.inputs) movable[at(in)] = 0;

  std::vector<SlotId> part_of(program.slots.size(), -1);
  for (const Step& step : program.steps) {
    if (!step.op->is(kJoin)) continue;
    const View& whole = program.slots[at(step.outputs[0])].layout;
    const auto axis = static_cast<int>(step.attrs.dims[0]);
    std::int64_t begin = 0;
    for (const SlotId in : step.inputs) {
      Slot& slot = program.slots[at(in)];
      const std::int64_t extent = slot.type.shape[axis];
      if (movable[at(in)] != 0 && slot.type.shape.back() > 1) {
        slot.layout.data = whole.at(begin * whole.strides[axis]);
        slot.layout.strides = whole.strides;
        part_of[at(in)] = step.outputs[0];
        movable[at(in)] = 0;
      }
      begin += extent;
    }
  }
  return part_of;
}

}  // namespace pynn
