#include <algorithm>

// Reverse-mode differentiation: a walk over the recorded steps, last to first, that records more
// steps.
#include "ops/ops.h"
#include "program/program.h"

namespace pynn {

namespace {

// Which slots carry the influence of `sources` through floating-point values.
std::vector<char> influenced(const Program& program, std::span<const SlotId> sources) {
  std::vector<char> marked(program.slots.size(), 0);
  for (const SlotId s : sources) marked[static_cast<std::size_t>(s)] = 1;
  for (const Step& step : program.steps) {
    bool any = false;
    for (const SlotId in : step.inputs) any |= marked[static_cast<std::size_t>(in)] != 0;
    if (!any) continue;
    for (const SlotId out : step.outputs)
      if (is_float(program.slots[static_cast<std::size_t>(out)].type.dtype))
        marked[static_cast<std::size_t>(out)] = 1;
  }
  return marked;
}

}  // namespace

std::vector<Tensor> ProgramRecorder::gradient(const Tensor& target, const Tensor& seed,
                                              std::span<const Tensor> sources) {
  const Scope scope(*this);
  const Tensor y = symbol(target);
  if (!is_float(y.dtype()))
    fail<TypeError>("gradients are taken of floating-point tensors, got ", name(y.dtype()));
  if (seed.defined() && seed.shape() != y.shape())
    fail<ValueError>("the gradient's seed has shape ", seed.shape(), ", its target ", y.shape());

  std::vector<SlotId> ids;
  for (const Tensor& s : sources)
    ids.push_back(s.symbolic() ? symbol(s).slot() : capture(s.array()));
  const std::vector<char> depends = influenced(program_, ids);

  std::vector<Tensor> gradients(program_.slots.size());
  gradients[static_cast<std::size_t>(y.slot())] =
      seed.defined() ? ops::cast(seed, y.dtype()) : ops::full(y.shape(), 1, y.dtype());

  const auto flows = [&](SlotId slot) { return depends[static_cast<std::size_t>(slot)] != 0; };
  for (std::size_t i = program_.steps.size(); i-- > 0;) {
    const Step step = program_.steps[i];  // a copy: emitting steps moves the vector
    bool arrived = false;
    for (const SlotId out : step.outputs)
      arrived |= gradients[static_cast<std::size_t>(out)].defined() && flows(out);
    if (!arrived || std::none_of(step.inputs.begin(), step.inputs.end(), flows)) continue;
    if (!step.op->gradient)
      fail<RuntimeError>("the op '", step.op->name, "' is not differentiable");

    std::vector<Tensor> in, out, dout;
    std::unique_ptr<bool[]> wanted(new bool[step.inputs.size()]);
    for (std::size_t k = 0; k < step.inputs.size(); ++k) {
      in.push_back(tensor(step.inputs[k]));
      wanted[k] = flows(step.inputs[k]);
    }
    for (const SlotId o : step.outputs) {
      out.push_back(tensor(o));
      dout.push_back(gradients[static_cast<std::size_t>(o)]);
    }
    const std::vector<Tensor> din =
        step.op->gradient({step.attrs, in, out, dout, {wanted.get(), step.inputs.size()}});
    for (std::size_t k = 0; k < din.size(); ++k) {
      if (!wanted[k] || !din[k].defined()) continue;
      Tensor& sum = gradients[static_cast<std::size_t>(step.inputs[k])];
      sum = sum.defined() ? ops::add(sum, din[k]) : din[k];
    }
  }

  std::vector<Tensor> results;
  for (const SlotId id : ids) results.push_back(gradients[static_cast<std::size_t>(id)]);
  return results;
}

}  // namespace pynn
