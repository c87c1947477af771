// The scalar meaning of every name that formulas.h uses: the C library's functions on one double or
// float. vec_math.h gives the same names for vectors.
#pragma once

#include <cmath>

#include "runtime/inline.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

template <class V>
using Elem = V;
template <class V>
using Mask = bool;

template <class V>
PYNN_INLINE V broadcast(V s) {
  return s;
}
template <class V>
PYNN_INLINE V select(bool mask, V a, V b) {
  return mask ? a : b;
}
// The second operand where one is NaN.
template <class V>
PYNN_INLINE V min(V a, V b) {
  return a < b ? a : b;
}
template <class V>
PYNN_INLINE V max(V a, V b) {
  return a > b ? a : b;
}
PYNN_INLINE bool any(bool mask) { return mask; }

namespace math {

using std::abs;
using std::ceil;
using std::cos;
using std::erf;
using std::exp;
using std::expm1;
using std::floor;
using std::log;
using std::log1p;
using std::pow;
using std::sin;
using std::sqrt;
using std::tanh;

// Ties to even in the default rounding mode.
template <class V>
PYNN_INLINE V round(V x) {
  return std::nearbyint(x);
}

template <class V>
PYNN_INLINE V softplus(V x) {
  return max(V(0), x) + std::log1p(std::exp(-std::abs(x)));
}

template <class V>
PYNN_INLINE V sigmoid(V x) {
  const V z = std::exp(-std::abs(x));
  return (x < 0 ? z : V(1)) / (V(1) + z);
}

// 1 - Phi(x), Phi the standard normal distribution
template <class V>
PYNN_INLINE V normal_tail(V x) {
  return V(0.5) * std::erfc(x * V(0.70710678118654752440));
}

}  // namespace math
}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
