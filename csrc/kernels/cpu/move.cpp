// Data movement: conversion between element types, transposition, and the test for finite values.
#include <limits>

#include "kernels/cast.h"
#include "kernels/cpu/loops.h"
#include "kernels/cpu/transpose.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// Two vectors of float32 rounded to bfloat16, and one widened: mixed precision is full of both.
PYNN_INLINE std::size_t cast_vector(bfloat16* to, const float* from) {
  constexpr int N = kLanes<float>;
  store(&to->bits, as<std::uint16_t>(join_neighbours(load(from), load(from + N))));
  return 2 * N;
}
PYNN_INLINE std::size_t cast_vector(float* to, const bfloat16* from) {
  constexpr int N = kLanes<float>;
  store(to, as<float>(convert<std::uint32_t>(load<std::uint16_t, N>(&from->bits)) << 16));
  return N;
}

// A bool is read best as the byte 0 or 1 that it is.
template <class To, class From>
void cast_all(std::size_t n, void* out, const void* in) {
  using Source = std::conditional_t<std::is_same_v<From, bool>, std::uint8_t, From>;
  const auto to = static_cast<To*>(out);
  const auto from = static_cast<const Source*>(in);
  std::size_t i = 0;
  if constexpr (requires { cast_vector(to, from); }) {
    while (i + 2 * kLanes<float> <= n) i += cast_vector(to + i, from + i);
  }
  for (; i < n; ++i) to[i] = cast<To>(from[i]);
}

template <class T>
bool all_finite(std::size_t n, const void* x) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr Bits kExponent = __builtin_bit_cast(Bits, std::numeric_limits<T>::infinity());
  const auto not_finite = [](Vec<Bits> bits) { return (bits & kExponent) == kExponent; };
  return find_first(n, not_finite, static_cast<const Bits*>(x)) == n;
}

template <class T>
void transpose_all(std::size_t rows, std::size_t cols, const void* x, std::ptrdiff_t ldx, void* y,
                   std::ptrdiff_t ldy) {
  transpose(static_cast<std::ptrdiff_t>(rows), static_cast<std::ptrdiff_t>(cols),
            static_cast<const T*>(x), ldx, static_cast<T*>(y), ldy);
}

}  // namespace

void fill_move(Table& table) {
  for_each_cast([&table]<class To, class From>(To, From) {
    table.cast[index(dtype_of<To>)][index(dtype_of<From>)] = cast_all<To, From>;
  });
  table.all_finite[index(DType::f32)] = all_finite<float>;
  table.all_finite[index(DType::f64)] = all_finite<double>;
  table.transpose[1] = transpose_all<std::uint8_t>;
  table.transpose[2] = transpose_all<std::uint16_t>;
  table.transpose[4] = transpose_all<std::uint32_t>;
  table.transpose[8] = transpose_all<std::uint64_t>;
}

}  // namespace pynn::kernels::PYNN_ISA
