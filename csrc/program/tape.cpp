// The gradient of a recording: a walk over its steps, last to first, that records more steps.
#include "ops/ops.h"
#include "program/backward.h"
#include "program/program.h"

namespace pynn {

namespace {

class Steps : public History {
 public:
  Steps(ProgramRecorder& recorder, const Program& program)
      : recorder_(recorder), program_(program) {}
  std::size_t calls() const override { return program_.steps.size(); }
  std::size_t nodes() const override { return program_.slots.size(); }
  std::span<const NodeId> from(std::size_t i) const override { return program_.steps[i].inputs; }
  std::span<const NodeId> to(std::size_t i) const override { return program_.steps[i].outputs; }
  bool carries(NodeId node) const override {
    return is_float(program_.slots[static_cast<std::size_t>(node)].type.dtype);
  }
  Call call(std::size_t i) override {
    const Step& step = program_.steps[i];
    return {step.op,     step.attrs,  tensors(step.inputs), tensors(step.outputs),
            step.inputs, step.outputs};
  }
  Extension extension(std::size_t i) override {
    return [this, i](const Attrs& attrs) { return recorder_.extend(i, attrs); };
  }

 private:
  std::vector<Tensor> tensors(std::span<const SlotId> slots) {
    std::vector<Tensor> out;
    for (const SlotId slot : slots) out.push_back(recorder_.tensor(slot));
    return out;
  }

  ProgramRecorder& recorder_;
  const Program& program_;
};

}  // namespace

std::vector<Tensor> ProgramRecorder::extend(std::size_t index, const Attrs& attrs) {
  Step& step = program_.steps[index];
  std::vector<TensorType> types;
  for (const SlotId in : step.inputs)
    types.push_back(program_.slots[static_cast<std::size_t>(in)].type);
  const std::vector<TensorType> results = step.op->infer(attrs, types);
  step.attrs = attrs;
  for (std::size_t k = step.outputs.size(); k < results.size(); ++k) {
    Slot slot;
    slot.type = results[k];
    slot.step = static_cast<std::int32_t>(index);
    slot.layout = contiguous_view(Slot::origin(), slot.type.dtype, slot.type.shape);
    step.outputs.push_back(add_slot(std::move(slot)));
  }
  std::vector<Tensor> outputs;
  for (const SlotId out : step.outputs) outputs.push_back(tensor(out));
  return outputs;
}

std::vector<Tensor> ProgramRecorder::gradient(const Tensor& target, const Tensor& seed,
                                              std::span<const Tensor> sources) {
  return gradient(std::span(&target, 1), std::span(&seed, 1), sources);
}

std::vector<Tensor> ProgramRecorder::gradient(std::span<const Tensor> targets,
                                              std::span<const Tensor> seeds,
                                              std::span<const Tensor> sources) {
  const Scope scope(*this);
  std::vector<std::pair<NodeId, Tensor>> starts;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Tensor y = symbol(targets[i]), &seed = seeds[i];
    if (!is_float(y.dtype()))
      fail<TypeError>("gradients are taken of floating-point tensors, got ", name(y.dtype()));
    if (seed.defined() && seed.shape() != y.shape())
      fail<ValueError>("the gradient's seed has shape ", seed.shape(), ", its target ", y.shape());
    starts.emplace_back(
        y.slot(), seed.defined() ? ops::cast(seed, y.dtype()) : ops::full(y.shape(), 1, y.dtype()));
  }
  std::vector<NodeId> ids;
  for (const Tensor& s : sources) ids.push_back(s.symbolic() ? symbol(s).slot() : outside(s));
  Steps steps(*this, program_);
  return backward(steps, starts, ids);
}

}  // namespace pynn
