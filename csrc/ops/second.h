// Second derivatives of the differentiable rows of lists.h, as ops: those are differentiable again.
#pragma once

#include "ops/op.h"

namespace pynn {

// The derivative of df(s) of formulas.h with respect to s, the row's saved tensor; undefined where
// it is zero everywhere. `f` is the row of the function itself, `p` its parameters.
Tensor derivative_of_slope(kernels::Pointwise f, const Tensor& s, const std::array<double, 2>& p);

}  // namespace pynn
