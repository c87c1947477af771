// A step that runs a program once, such as a function that a tape follows.
#include <cstring>
#include <numeric>
#include <utility>

#include "ops/body.h"
#include "ops/ops.h"

namespace pynn {

namespace {

// dims = {varying, visible}: what Body::run is told.
std::vector<Tensor> apply_call(const Attrs& attrs, std::span<const Tensor> inputs) {
  static const Op& row = op("call");
  if (active_recorder() != nullptr) return apply(row, attrs, inputs);
  std::vector<TensorType> types;
  for (const Tensor& x : inputs) types.push_back(x.type());
  check_inputs("call", *attrs.body, types);
  std::vector<Tensor> outputs =
      attrs.body->run(inputs, static_cast<std::size_t>(attrs.dims[0]),
                      static_cast<std::size_t>(attrs.dims[1]), inner_state(attrs, {}));
  observe(row, attrs, inputs, outputs);
  return outputs;
}

Launch prepare_call(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  return [body = std::shared_ptr(a.body->instance(in)), attrs = a,
          results = std::vector<View>(out.begin(), out.end())](const RunState& state) {
    body->run(inner_state(attrs, state));
    for (std::size_t i = 0; i < results.size(); ++i)
      std::memcpy(results[i].data, body->output(i).data, results[i].bytes());
  };
}

// The gradient is a call too. It reads what the forward call has kept.
std::vector<Tensor> gradient_call(const GradientArgs& g) {
  const auto varying = static_cast<std::size_t>(g.attrs.dims[0]);
  BodyGradientArgs args;
  args.seeded = seeded(g);
  for (std::size_t i = 0; i < g.inputs.size(); ++i)
    args.wanted.push_back(g.wanted[i] && is_float(g.inputs[i].dtype()));
  args.shared = varying;
  args.save = args.once = true;
  const BodyGradient d = g.attrs.body->differentiate(args);

  std::vector<Tensor> outputs(g.outputs.begin(), g.outputs.end());
  if (d.forward) {
    Attrs more = g.attrs;
    more.body = d.forward;
    outputs = g.extend ? g.extend(more) : apply_call(more, g.inputs);
  }
  std::vector<Tensor> in;
  for (const Tensor& dy : g.doutputs)
    if (dy.defined()) in.push_back(dy);
  for (const std::size_t i : d.read)
    if (i < varying) in.push_back(g.inputs[i]);
  const std::size_t changing = in.size();
  for (const std::size_t i : d.saved) in.push_back(outputs[i]);
  for (const std::size_t i : d.read)
    if (i >= varying) in.push_back(g.inputs[i]);

  std::vector<Tensor> out(g.inputs.size());
  const std::size_t count = d.backward->outputs().size();
  if (count == 0) return out;
  Attrs back = g.attrs;
  back.body = d.backward;
  back.dims = {static_cast<std::int64_t>(changing), static_cast<std::int64_t>(count)};
  const std::vector<Tensor> found = apply_call(back, in);
  for (std::size_t i = 0, next = 0; i < out.size(); ++i)
    if (args.wanted[i] && d.reaches[i]) out[i] = found[next++];
  return out;
}

}  // namespace

void register_call(OpTable& table) {
  Op row;
  row.name = "call";
  row.traits = kContiguous;
  row.arity = -1;
  row.infer = [](const Attrs& a, std::span<const TensorType> in) {
    check_inputs("call", *a.body, in);
    return a.body->outputs();
  };
  row.prepare = prepare_call;
  row.gradient = gradient_call;
  table.add(std::move(row));
}

namespace ops {

std::vector<Tensor> call(std::shared_ptr<const Body> body, std::span<const Tensor> inputs,
                         std::size_t varying, std::span<const char> followed) {
  static const Op& row = op("call");
  const std::size_t visible = body->outputs().size();
  BodyGradientArgs args;
  for (const TensorType& y : body->outputs()) args.seeded.push_back(is_float(y.dtype));
  for (std::size_t i = 0; i < followed.size(); ++i)
    args.wanted.push_back(followed[i] && is_float(inputs[i].dtype()));
  const auto any = [](const std::vector<char>& flags) {
    return std::accumulate(flags.begin(), flags.end(), 0) != 0;
  };
  if (any(args.seeded) && any(args.wanted)) {
    args.shared = varying;
    args.save = args.once = true;
    if (const BodyGradient d = body->differentiate(args); d.forward) body = d.forward;
  }
  Attrs attrs;
  attrs.body = std::move(body);
  attrs.dims = {static_cast<std::int64_t>(varying), static_cast<std::int64_t>(visible)};
  fix_numbers(attrs, row);
  std::vector<Tensor> outputs = apply_call(attrs, inputs);
  outputs.resize(visible);
  return outputs;
}

}  // namespace ops
}  // namespace pynn
