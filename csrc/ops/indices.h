// Whole numbers that name elements. Their values are known only when a launch runs, so launches
// check them.
#pragma once

#include <cstdint>

#include "ops/ops.h"

namespace pynn {

inline constexpr double kItemWork = 8;  // of an element moved from or to anywhere

inline void check_indices(const char* op, DType d) {
  if (d != DType::i32 && d != DType::i64)
    fail<TypeError>(op, ": indices must be int32 or int64, got ", name(d));
}

// Reads int32 and int64 alike.
class Indices {
 public:
  explicit Indices(const View& x) : data_(x.data), wide_(x.dtype == DType::i64) {}
  std::int64_t operator[](std::int64_t i) const {
    return wide_ ? static_cast<const std::int64_t*>(data_)[i]
                 : static_cast<const std::int32_t*>(data_)[i];
  }
  // Counted from the front of an axis of `extent`; negative ones count from its end. Throws
  // IndexError where there is no such element.
  std::int64_t within(std::int64_t extent, std::int64_t i, const char* op) const {
    const std::int64_t value = (*this)[i];
    if (value < -extent || value >= extent)
      fail<IndexError>(op, ": index ", value, " is out of range for an axis of extent ", extent);
    return value < 0 ? value + extent : value;
  }

 private:
  const void* data_;
  bool wide_;
};

// Indices for the rows: bytes count too; floats and bool are mistakes, which the rows refuse.
inline Tensor as_indices(const Tensor& x) {
  return x.dtype() == DType::u8 ? ops::cast(x, DType::i32) : x;
}

// What sums over equal indices are computed in.
inline DType added_as(DType d) {
  if (d == DType::f64) return d;
  return is_float(d) ? DType::f32 : DType::i64;
}
// Calls f with a value of that type.
template <class F>
decltype(auto) with_addable(DType d, F&& f) {
  switch (d) {
    case DType::f64:
      return f(double{});
    case DType::f32:
      return f(float{});
    default:
      return f(std::int64_t{});
  }
}

// x (outer..., n, inner...), seen around one axis, and indices (i...) into that.
struct TakeSizes {
  std::int64_t outer = 1, n, count, inner = 1;
  TakeSizes(const Shape& x, const Shape& indices, std::int64_t axis)
      : n(x[static_cast<int>(axis)]), count(element_count(indices)) {
    for (int i = 0; i < x.rank(); ++i)
      if (i != axis) (i < axis ? outer : inner) *= x[i];
  }
};

// (outer..., i..., inner...)
inline Shape taken_shape(const Shape& x, const Shape& indices, std::int64_t axis) {
  Shape out;
  for (int i = 0; i < x.rank(); ++i) {
    if (i == axis)
      for (const std::int64_t extent : indices) out.push_back(extent);
    else
      out.push_back(x[i]);
  }
  return out;
}

namespace ops {
// x as int32 or int64: numbers that must be whole and lie from 0 to extent - 1. The error of a run
// begins with `label`.
Tensor checked_indices(const Tensor& x, std::int64_t extent, const std::string& label);
}  // namespace ops

}  // namespace pynn
