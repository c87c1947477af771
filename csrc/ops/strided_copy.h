// Copies between views of any strides: what copy, concatenate and pad launch.
#pragma once

#include "ops/op.h"

namespace pynn {

// out = in, for views of one dtype and shape that don't overlap.
Launch strided_copy(const View& in, const View& out);

// out = value in every element.
Launch strided_fill(double value, const View& out);

}  // namespace pynn
