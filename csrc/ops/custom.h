// Gradients that somebody else decides: none, or what a function given with the values emits.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "ops/op.h"

namespace pynn {

// The gradients of the inputs, by emitting ops, from the gradients of the outputs. Undefined: none.
struct CustomGradient : HostFunction {
  std::function<std::vector<Tensor>(std::span<const Tensor> doutputs)> differentiate;
};

namespace ops {

// x, of which no gradient passes.
Tensor stop_gradient(const Tensor& x);

// `values` as functions of `inputs` alone, with the gradient that `rule` gives.
std::vector<Tensor> custom_gradient(std::shared_ptr<const CustomGradient> rule,
                                    std::span<const Tensor> inputs, std::span<const Tensor> values);

}  // namespace ops
}  // namespace pynn
