// Columns of a matrix brought to mean 0 and variance 1, as batch normalization does it with the
// features of a batch: the launches of the rows that norm.cpp describes.
#pragma once

#include "ops/op.h"

namespace pynn {

// x[, gamma[, beta]] -> y, mean, scale, variance; reals = {epsilon}
Launch prepare_standardize_columns(const Attrs& a, std::span<const View> in,
                                   std::span<const View> out);
// dy, x, mean, scale[, gamma] -> dx[, dgamma, dbeta]
Launch prepare_standardize_columns_grad(const Attrs& a, std::span<const View> in,
                                        std::span<const View> out);

}  // namespace pynn
