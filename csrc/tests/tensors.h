// What tests of ops share: tensors from values, values from tensors, and gradients by differences.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "ops/ops.h"

namespace pynn::tests {

// A contiguous tensor of `dtype` with the given values in row-major order.
inline Tensor tensor(const Shape& shape, const std::vector<double>& values,
                     DType dtype = DType::f64) {
  Array wide = Array::empty(DType::f64, shape);
  REQUIRE(wide.size() == static_cast<std::int64_t>(values.size()));
  std::copy(values.begin(), values.end(), wide.as<double>());
  return ops::cast(Tensor(wide), dtype);
}

// Normal values, or for integers whole ones from -3 to 3 (0 to 6 where there is no sign).
inline Tensor random_tensor(const Shape& shape, DType dtype = DType::f64, unsigned seed = 1) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  std::uniform_int_distribution<int> whole(-3, 3);
  std::vector<double> values(static_cast<std::size_t>(element_count(shape)));
  for (double& v : values) {
    v = is_float(dtype) ? normal(engine) : whole(engine);
    if (dtype == DType::u8) v += 3;
  }
  return tensor(shape, values, dtype);
}

// Calls f(index) for every index of `shape` in row-major order.
inline void for_each_index(const Shape& shape, const std::function<void(const Dims&)>& f) {
  if (element_count(shape) == 0) return;
  Dims at = Dims::filled(shape.rank(), 0);
  for (;;) {
    f(at);
    int axis = shape.rank() - 1;
    while (axis >= 0 && ++at[axis] == shape[axis]) at[axis--] = 0;
    if (axis < 0) return;
  }
}

template <class T>
double element(const View& x, std::int64_t offset) {
  return static_cast<double>(static_cast<T>(x.as<const T>()[offset]));
}

// The element at an index, read through the strides.
inline double at(const Tensor& x, const Dims& index_of) {
  const Array& a = x.array();
  std::int64_t offset = 0;
  for (int i = 0; i < index_of.rank(); ++i) offset += index_of[i] * a.strides[i];
  switch (a.dtype) {
    case DType::f32:
      return element<float>(a, offset);
    case DType::f64:
      return element<double>(a, offset);
    case DType::bf16:
      return static_cast<float>(a.as<const bfloat16>()[offset]);
    case DType::i32:
      return element<std::int32_t>(a, offset);
    case DType::i64:
      return element<std::int64_t>(a, offset);
    case DType::u8:
      return element<std::uint8_t>(a, offset);
    case DType::boolean:
      return element<bool>(a, offset);
  }
  return 0;
}

// All values in row-major order.
inline std::vector<double> values(const Tensor& x) {
  std::vector<double> out;
  for_each_index(x.shape(), [&](const Dims& i) { out.push_back(at(x, i)); });
  return out;
}

// x against what `expected` says of each index, within `tolerance` of max(1, |expected|).
inline void check_elements(const Tensor& x, const Shape& shape,
                           const std::function<double(const Dims&)>& expected,
                           double tolerance = 0) {
  REQUIRE(x.shape() == shape);
  double worst = 0;
  for_each_index(shape, [&](const Dims& i) {
    const double want = expected(i);
    const double error = std::abs(at(x, i) - want) / std::max(1.0, std::abs(want));
    worst = std::max(worst, std::isnan(error) ? HUGE_VAL : error);
  });
  CHECK(worst <= tolerance);
}

inline void check_same(const Tensor& a, const Tensor& b, double tolerance = 0) {
  CHECK(a.dtype() == b.dtype());
  check_elements(
      a, b.shape(), [&](const Dims& i) { return at(b, i); }, tolerance);
}

// The message of the exception that f throws.
template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace pynn::tests
