// Data movement: conversion between element types, transposition, and the test for finite values.
#include <limits>

#include "kernels/cast.h"
#include "kernels/cpu/loops.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// The compiler vectorises this for every pair of types better than generic lanes can say it, but a
// bool it reads best as the byte 0 or 1 that it is.
template <class To, class From>
void cast_all(std::size_t n, void* out, const void* in) {
  using Source = std::conditional_t<std::is_same_v<From, bool>, std::uint8_t, From>;
  const auto to = static_cast<To*>(out);
  const auto from = static_cast<const Source*>(in);
  for (std::size_t i = 0; i < n; ++i) to[i] = cast<To>(from[i]);
}

template <class T>
bool all_finite(std::size_t n, const void* x) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr Bits kExponent = __builtin_bit_cast(Bits, std::numeric_limits<T>::infinity());
  const auto not_finite = [](Vec<Bits> bits) { return (bits & kExponent) == kExponent; };
  return find_first(n, not_finite, static_cast<const Bits*>(x)) == n;
}

// Rows and columns of a block that is transposed in registers.
template <class T>
constexpr int kBlock = kLanes<T> < kRegisters / 2 ? kLanes<T> : kRegisters / 2;

// log2(N) perfect shuffles of the rows: row i and row i + N/2 interleave to rows 2i and 2i + 1.
template <int N, class V>
PYNN_INLINE void transpose_registers(V (&row)[N]) {
  for (int step = 1; step < N; step *= 2) {
    V next[N];
    for (int i = 0; i < N / 2; ++i) {
      next[2 * i] = interleave<0>(row[i], row[i + N / 2]);
      next[2 * i + 1] = interleave<1>(row[i], row[i + N / 2]);
    }
    for (int i = 0; i < N; ++i) row[i] = next[i];
  }
}

template <class T>
PYNN_INLINE void transpose_full_block(const T* x, std::ptrdiff_t ldx, T* y, std::ptrdiff_t ldy) {
  constexpr int N = kBlock<T>;
  Vec<T, N> row[N];
  for (int i = 0; i < N; ++i) row[i] = load<T, N>(x + i * ldx);
  transpose_registers(row);
  for (int i = 0; i < N; ++i) store(y + i * ldy, row[i]);
}

// At most N rows and columns, with partial loads and stores.
template <class T>
void transpose_edge_block(std::size_t rows, std::size_t cols, const T* x, std::ptrdiff_t ldx, T* y,
                          std::ptrdiff_t ldy) {
  constexpr int N = kBlock<T>;
  Vec<T, N> row[N] = {};
  for (std::size_t i = 0; i < rows; ++i) {
    row[i] = load_first<T, N>(x + static_cast<std::ptrdiff_t>(i) * ldx, cols);
  }
  transpose_registers(row);
  for (std::size_t i = 0; i < cols; ++i) {
    store_first(y + static_cast<std::ptrdiff_t>(i) * ldy, row[i], rows);
  }
}

template <class T>
void transpose(std::size_t rows, std::size_t cols, const void* x, std::ptrdiff_t ldx, void* y,
               std::ptrdiff_t ldy) {
  constexpr std::size_t N = kBlock<T>;
  for (std::size_t j = 0; j < cols; j += N) {
    for (std::size_t i = 0; i < rows; i += N) {
      const T* from = static_cast<const T*>(x) + static_cast<std::ptrdiff_t>(i) * ldx + j;
      T* to = static_cast<T*>(y) + static_cast<std::ptrdiff_t>(j) * ldy + i;
      if (rows - i >= N && cols - j >= N) {
        transpose_full_block(from, ldx, to, ldy);
      } else {
        transpose_edge_block(rows - i < N ? rows - i : N, cols - j < N ? cols - j : N, from, ldx,
                             to, ldy);
      }
    }
  }
}

}  // namespace

void fill_move(Table& table) {
  for_each_cast([&table]<class To, class From>(To, From) {
    table.cast[index(dtype_of<To>)][index(dtype_of<From>)] = cast_all<To, From>;
  });
  table.all_finite[index(DType::f32)] = all_finite<float>;
  table.all_finite[index(DType::f64)] = all_finite<double>;
  table.transpose[1] = transpose<std::uint8_t>;
  table.transpose[2] = transpose<std::uint16_t>;
  table.transpose[4] = transpose<std::uint32_t>;
  table.transpose[8] = transpose<std::uint64_t>;
}

}  // namespace pynn::kernels::PYNN_ISA
