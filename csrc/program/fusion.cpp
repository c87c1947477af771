#include <algorithm>

#include "program/passes.h"

namespace pynn {

namespace {

using kernels::Activation;

constexpr std::size_t at(SlotId slot) { return static_cast<std::size_t>(slot); }

// How many steps, outputs and stores read each slot.
std::vector<int> count_uses(const Program& program) {
  std::vector<int> uses(program.slots.size(), 0);
  for (const Step& step : program.steps)
    for (const SlotId in : step.inputs) ++uses[at(in)];
  for (const SlotId out : program.outputs) ++uses[at(out)];
  for (const Store& store : program.stores) ++uses[at(store.value)];
  return uses;
}

// Whether `bias` is one row to be added to every row of `type`.
bool is_bias(const Slot& bias, const TensorType& type) {
  return bias.type.dtype == type.dtype && bias.type.shape.rank() == 1 &&
         bias.type.shape[0] == type.shape.back() && bias.layout.contiguous() && bias.row_bytes == 0;
}

// The only step that reads the only output of `step`, or null.
Step* sole_reader(Program& program, const std::vector<int>& uses, const Step& step) {
  const SlotId out = step.outputs[0];
  if (uses[at(out)] != 1) return nullptr;
  for (Step& reader : program.steps)
    if (std::find(reader.inputs.begin(), reader.inputs.end(), out) != reader.inputs.end())
      return &reader;
  return nullptr;
}

// Folds `step` into its reader, which becomes the fused row.
void absorb(Step& step, Step& reader, const Op& fused) {
  reader.op = &fused;
  reader.attrs = step.attrs;
  reader.inputs = std::move(step.inputs);
  step.inputs.clear();
  step.op = nullptr;
}

}  // namespace

void drop_steps(Program& program, const std::vector<char>& keep) {
  std::vector<Step> kept;
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    if (!keep[i]) continue;
    for (const SlotId out : program.steps[i].outputs)
      program.slots[at(out)].step = static_cast<std::int32_t>(kept.size());
    kept.push_back(std::move(program.steps[i]));
  }
  program.steps = std::move(kept);
}

std::vector<char> read_by_others(const Program& program) {
  std::vector<char> others(program.slots.size(), 0);
  for (const Step& step : program.steps)
    if (!step.op->is(kPointwise) && !step.op->is(kView))
      for (const SlotId in : step.inputs) others[at(program.slots[at(in)].root)] = 1;
  return others;
}

void remove_dead_steps(Program& program) {
  std::vector<char> live(program.slots.size(), 0), keep(program.steps.size(), 0);
  for (const SlotId out : program.outputs) live[at(out)] = 1;
  for (const Store& store : program.stores) live[at(store.value)] = 1;
  for (std::size_t i = program.steps.size(); i-- > 0;) {
    const Step& step = program.steps[i];
    bool needed = (traits_of(*step.op, step.attrs) & kEffect) != 0;
    for (const SlotId out : step.outputs) needed |= live[at(out)] != 0;
    if (!needed) continue;
    keep[i] = 1;
    for (const SlotId in : step.inputs) live[at(in)] = 1;
  }
  drop_steps(program, keep);
}

void fuse_epilogues(Program& program) {
  const std::vector<int> uses = count_uses(program);
  for (Step& step : program.steps) {
    if (step.op == nullptr || step.op->fused.empty()) continue;
    const TensorType type = program.slots[at(step.outputs[0])].type;
    if (!is_float(type.dtype)) continue;
    const Op& fused = op(step.op->fused);

    Step* product = &step;
    const auto same_type = [&](const Step& s) {
      return program.slots[at(s.outputs[0])].type == type;
    };
    const bool plain = step.inputs.size() == 2 && step.attrs.activation == Activation::linear;
    if (Step* sum = sole_reader(program, uses, *product);
        plain && sum != nullptr && sum->op->is(kAddition) && same_type(*sum)) {
      const SlotId other = sum->inputs[0] == product->outputs[0] ? sum->inputs[1] : sum->inputs[0];
      if (is_bias(program.slots[at(other)], type)) {
        absorb(*product, *sum, fused);
        sum->inputs.push_back(other);
        product = sum;
      }
    }
    if (Step* map = sole_reader(program, uses, *product);
        product->attrs.activation == Activation::linear && map != nullptr &&
        map->op->is(kActivation) && same_type(*map)) {
      const Activation activation = map->op->activation;
      const std::array<double, 2> parameters = map->attrs.reals;
      absorb(*product, *map, fused);
      map->attrs.activation = activation;
      map->attrs.reals = parameters;
    }
  }
  std::vector<char> keep;
  for (const Step& step : program.steps) keep.push_back(step.op != nullptr);
  drop_steps(program, keep);
}

}  // namespace pynn
