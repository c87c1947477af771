// What a scalar kernel computes in, for the rows of formulas_plain.h.
#pragma once

#include <cstdint>
#include <type_traits>

namespace pynn::kernels::PYNN_ISA {
namespace {

template <class T>
struct Unsigned : std::make_unsigned<T> {};
template <>
struct Unsigned<bool> {
  using type = std::uint8_t;
};

// Floats are computed in `Float`, integers as they are, or unsigned where they wrap.
template <class F, class T, class Float, bool floating = std::is_floating_point_v<T>>
struct WideOf {
  using type = Float;
};
template <class F, class T, class Float>
struct WideOf<F, T, Float, false> : std::conditional<F::kModular, typename Unsigned<T>::type, T> {};
template <class F, class T, class Float>
using Wide = typename WideOf<F, T, Float>::type;

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
