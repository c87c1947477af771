// The operations of PYNN_REDUCTIONS on vectors and scalars, each with its identity. Integers of sum
// and prod wrap around: their lanes are unsigned.
#pragma once

#include <limits>
#include <type_traits>

#include "kernels/cpu/vec.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {
namespace reducer {

struct sum {
  static constexpr bool kModular = true;
  template <class T>
  static constexpr T identity = T(0);
  template <class V>
  PYNN_INLINE V operator()(V a, V b) const {
    return a + b;
  }
};

struct prod {
  static constexpr bool kModular = true;
  template <class T>
  static constexpr T identity = T(1);
  template <class V>
  PYNN_INLINE V operator()(V a, V b) const {
    return a * b;
  }
};

// NaN wins in max and min.
struct max {
  static constexpr bool kModular = false;
  template <class T>
  static constexpr T identity = std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity()
                                                            : std::numeric_limits<T>::lowest();
  template <class V>
  PYNN_INLINE V operator()(V a, V b) const {
    const V m = kernels::PYNN_ISA::max(a, b);
    return a != a ? a : m;
  }
};

struct min {
  static constexpr bool kModular = false;
  template <class T>
  static constexpr T identity = std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity()
                                                            : std::numeric_limits<T>::max();
  template <class V>
  PYNN_INLINE V operator()(V a, V b) const {
    const V m = kernels::PYNN_ISA::min(a, b);
    return a != a ? a : m;
  }
};

}  // namespace reducer

template <class Op, class T, bool unsigned_lanes = Op::kModular&& std::is_integral_v<T>>
struct ReduceLaneOf : std::make_unsigned<T> {};
template <class Op, class T>
struct ReduceLaneOf<Op, T, false> {
  using type = T;
};
template <class Op, class T>
using ReduceLane = typename ReduceLaneOf<Op, T>::type;

struct Identity {
  template <class V>
  PYNN_INLINE V operator()(V x) const {
    return x;
  }
};

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
