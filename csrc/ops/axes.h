// Axes as people give them, and tensors turned so that an axis lies where kernels want it.
#pragma once

#include <algorithm>
#include <numeric>

#include "ops/ops.h"

namespace pynn::ops {

// An axis of `shape` counted from the front. Throws ValueError naming `op`.
inline int checked_axis(const char* op, std::int64_t axis, const Shape& shape) {
  if (axis < -shape.rank() || axis >= shape.rank())
    fail<ValueError>(op, ": axis ", axis, " is out of range for shape ", shape);
  return normalize_axis(axis, shape.rank());
}

// Axes counted from the front and sorted; all of them for an empty list. Throws ValueError for an
// axis that is out of range or given twice.
inline Dims checked_axes(const char* op, const Dims& axes, const Shape& shape) {
  Dims out = Dims::filled(axes.empty() ? shape.rank() : axes.rank(), 0);
  if (axes.empty()) {
    std::iota(out.begin(), out.end(), 0);
    return out;
  }
  for (int i = 0; i < axes.rank(); ++i) out[i] = checked_axis(op, axes[i], shape);
  std::sort(out.begin(), out.end());
  if (std::adjacent_find(out.begin(), out.end()) != out.end())
    fail<ValueError>(op, ": axes ", axes, " name one axis of shape ", shape, " twice");
  return out;
}

// `shape` after a reduction over `axes`, which are sorted.
inline Shape reduced_shape(const Shape& shape, const Dims& axes, bool keepdims) {
  Shape out;
  for (int i = 0; i < shape.rank(); ++i) {
    const bool reduced = std::binary_search(axes.begin(), axes.end(), i);
    if (!reduced) out.push_back(shape[i]);
    if (reduced && keepdims) out.push_back(1);
  }
  return out;
}

// x with `axis` and the last axis exchanged: its own inverse.
inline Tensor swap_with_last(const Tensor& x, int axis) {
  Dims axes = Dims::filled(x.rank(), 0);
  std::iota(axes.begin(), axes.end(), 0);
  std::swap(axes[axis], axes.back());
  return transpose(x, axes);
}

}  // namespace pynn::ops
