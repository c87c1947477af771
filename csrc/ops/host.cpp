// Code outside the op table as a step: a layer whose forward and backward are Python, say.
#include <utility>

#include "ops/ops.h"

namespace pynn {
namespace {

std::vector<Tensor> gradient_host(const GradientArgs& g) {
  const HostFunction& function = *g.attrs.host;
  if (function.backward == nullptr)
    fail<RuntimeError>(function.name, " has no backward: its gradient is needed here");
  std::vector<Tensor> inputs(g.inputs.begin(), g.inputs.end());
  inputs.insert(inputs.end(), g.outputs.begin(), g.outputs.end());
  for (std::size_t i = 0; i < g.outputs.size(); ++i)
    inputs.push_back(g.doutputs[i].defined() ? g.doutputs[i] : ops::zeros_like(g.outputs[i]));
  return ops::host_call(function.backward, inputs);
}

}  // namespace

void register_host(OpTable& table) {
  Op row;
  row.name = "host";
  row.traits = kEffect | kContiguous;
  row.arity = -1;
  row.infer = [](const Attrs& a, std::span<const TensorType>) { return a.host->outputs; };
  row.prepare = [](const Attrs& a, std::span<const View> in, std::span<const View> out) -> Launch {
    return [host = a.host, inputs = std::vector<View>(in.begin(), in.end()),
            outputs = std::vector<View>(out.begin(), out.end())](const RunState&) {
      host->call(inputs, outputs);
    };
  };
  row.gradient = gradient_host;
  table.add(std::move(row));
}

namespace ops {

std::vector<Tensor> host_call(std::shared_ptr<const HostFunction> function,
                              std::span<const Tensor> inputs) {
  static const Op& row = op("host");
  Attrs attrs;
  attrs.host = std::move(function);
  return apply(row, attrs, inputs);
}

}  // namespace ops
}  // namespace pynn
