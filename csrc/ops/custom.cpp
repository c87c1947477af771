#include "ops/custom.h"

#include <utility>

#include "ops/ops.h"
#include "ops/strided_copy.h"

namespace pynn {
namespace {

void add_stop_gradient(OpTable& table) {
  Op row;
  row.name = "stop_gradient";
  row.traits = kView;
  row.infer = [](const Attrs&, std::span<const TensorType> in) {
    return std::vector<TensorType>{in[0]};
  };
  row.view = [](const Attrs&, const View& in) { return in; };
  row.gradient = [](const GradientArgs&) { return std::vector<Tensor>(1); };
  table.add(std::move(row));
}

// host: a CustomGradient; (inputs..., values...) -> copies of the values.
void add_custom_gradient(OpTable& table) {
  Op row;
  row.name = "custom_gradient";
  row.arity = -1;
  row.infer = [](const Attrs& a, std::span<const TensorType>) { return a.host->outputs; };
  row.prepare = [](const Attrs&, std::span<const View> in, std::span<const View> out) -> Launch {
    std::vector<Launch> copies;
    const std::size_t first = in.size() - out.size();
    for (std::size_t i = 0; i < out.size(); ++i)
      copies.push_back(strided_copy(in[first + i], out[i]));
    return [copies = std::move(copies)](const RunState& state) {
      for (const Launch& copy : copies) copy(state);
    };
  };
  row.gradient = [](const GradientArgs& g) {
    std::vector<Tensor> dy;
    for (std::size_t i = 0; i < g.outputs.size(); ++i)
      dy.push_back(g.doutputs[i].defined() ? g.doutputs[i] : ops::zeros_like(g.outputs[i]));
    return static_cast<const CustomGradient&>(*g.attrs.host).differentiate(dy);
  };
  table.add(std::move(row));
}

}  // namespace

void register_custom(OpTable& table) {
  add_stop_gradient(table);
  add_custom_gradient(table);
}

namespace ops {

Tensor stop_gradient(const Tensor& x) {
  static const Op& row = op("stop_gradient");
  return apply1(row, {}, {x});
}

std::vector<Tensor> custom_gradient(std::shared_ptr<const CustomGradient> rule,
                                    std::span<const Tensor> inputs,
                                    std::span<const Tensor> values) {
  static const Op& row = op("custom_gradient");
  Attrs attrs;
  attrs.host = std::move(rule);
  std::vector<Tensor> all(inputs.begin(), inputs.end());
  all.insert(all.end(), values.begin(), values.end());
  return apply(row, attrs, all);
}

}  // namespace ops
}  // namespace pynn
