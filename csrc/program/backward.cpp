#include "program/backward.h"

#include <algorithm>
#include <memory>

#include "ops/ops.h"

namespace pynn {

namespace {

// Which nodes carry the influence of `sources` through floating-point values.
std::vector<char> influenced(const History& history, std::size_t calls,
                             std::span<const NodeId> sources) {
  std::vector<char> marked(history.nodes(), 0);
  for (const NodeId s : sources)
    if (s >= 0) marked[static_cast<std::size_t>(s)] = 1;
  for (std::size_t i = 0; i < calls; ++i) {
    bool any = false;
    for (const NodeId in : history.from(i))
      any |= in >= 0 && marked[static_cast<std::size_t>(in)] != 0;
    if (!any) continue;
    for (const NodeId out : history.to(i))
      if (out >= 0 && history.carries(out)) marked[static_cast<std::size_t>(out)] = 1;
  }
  return marked;
}

std::string described(std::span<const Tensor> tensors) {
  std::ostringstream text;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    text << (i == 0 ? "" : ", ") << name(tensors[i].dtype()) << ' ' << tensors[i].shape();
  return text.str();
}

}  // namespace

std::vector<Tensor> backward(History& history, std::span<const std::pair<NodeId, Tensor>> seeds,
                             std::span<const NodeId> sources) {
  const std::size_t calls = history.calls();
  const std::vector<char> depends = influenced(history, calls, sources);
  std::vector<Tensor> gradients(depends.size());
  const auto add = [&](NodeId node, const Tensor& gradient) {
    Tensor& sum = gradients[static_cast<std::size_t>(node)];
    sum = sum.defined() ? ops::add(sum, gradient) : gradient;
  };
  for (const auto& [node, seed] : seeds)
    if (node >= 0) add(node, seed);

  const auto flows = [&](NodeId node) {
    return node >= 0 && depends[static_cast<std::size_t>(node)] != 0;
  };
  const auto arrived = [&](NodeId node) {
    return flows(node) && gradients[static_cast<std::size_t>(node)].defined();
  };
  for (std::size_t i = calls; i-- > 0;) {
    const std::span<const NodeId> to = history.to(i), from = history.from(i);
    if (std::none_of(to.begin(), to.end(), arrived) ||
        std::none_of(from.begin(), from.end(), flows))
      continue;
    const Call call = history.call(i);
    if (!call.op->gradient)
      fail<RuntimeError>("the op '", call.op->name, "' is not differentiable: call ", i + 1, " of ",
                         calls, ", (", described(call.inputs), ") -> ", described(call.outputs));
    std::vector<Tensor> dout;
    for (const NodeId node : call.to)
      dout.push_back(node < 0 ? Tensor() : gradients[static_cast<std::size_t>(node)]);
    const std::size_t inputs = call.inputs.size();
    const std::unique_ptr<bool[]> wanted(new bool[inputs]);
    std::transform(call.from.begin(), call.from.end(), wanted.get(), flows);
    const std::vector<Tensor> din = call.op->gradient({call.attrs,
                                                       call.inputs,
                                                       call.outputs,
                                                       dout,
                                                       {wanted.get(), inputs},
                                                       history.extension(i)});
    for (std::size_t k = 0; k < din.size(); ++k)
      if (wanted[k] && din[k].defined()) add(call.from[k], din[k]);
  }

  std::vector<Tensor> results;
  for (const NodeId s : sources)
    results.push_back(s < 0 ? Tensor() : gradients[static_cast<std::size_t>(s)]);
  return results;
}

}  // namespace pynn
