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

std::vector<Tensor> ProgramRecorder::gradient(const Tensor& target, const Tensor& seed,
                                              std::span<const Tensor> sources) {
  const Scope scope(*this);
  const Tensor y = symbol(target);
  if (!is_float(y.dtype()))
    fail<TypeError>("gradients are taken of floating-point tensors, got ", name(y.dtype()));
  if (seed.defined() && seed.shape() != y.shape())
    fail<ValueError>("the gradient's seed has shape ", seed.shape(), ", its target ", y.shape());

  std::vector<NodeId> ids;
  for (const Tensor& s : sources)
    ids.push_back(s.symbolic() ? symbol(s).slot() : capture(s.array()));
  Steps steps(*this, program_);
  const std::pair<NodeId, Tensor> start(
      y.slot(), seed.defined() ? ops::cast(seed, y.dtype()) : ops::full(y.shape(), 1, y.dtype()));
  return backward(steps, {&start, 1}, ids);
}

}  // namespace pynn
