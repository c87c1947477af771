// Matrices rounded to bfloat16, two neighbours along k in one 32-bit item: (low) k = 2q, (high)
// k = 2q + 1, zero past the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/cpu/gemm_bf16_tile.h"
#include "kernels/cpu/transpose.h"
#include "kernels/cpu/vec.h"
#include "runtime/dtype.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

constexpr int kPairLanes = kLanes<std::uint32_t>;

// All lanes where n says so at compile time, else the first n.
template <class T>
PYNN_INLINE Vec<T, kPairLanes> load_lanes(const T* p, std::size_t n) {
  return n >= kPairLanes ? load<T, kPairLanes>(p) : load_first<T, kPairLanes>(p, n);
}

// x_even in the low halves, x_odd in the high ones, of the first n lanes.
PYNN_INLINE Pairs join_pairs(const float* even, const float* odd, std::size_t n) {
  return join_rounded(load_lanes(even, n), odd ? load_lanes(odd, n) : Vec<float>{});
}
PYNN_INLINE Pairs join_pairs(const bfloat16* even, const bfloat16* odd, std::size_t n) {
  const auto lanes = [n](const bfloat16* p) {
    return convert<std::uint32_t>(load_lanes(reinterpret_cast<const std::uint16_t*>(p), n));
  };
  return odd ? lanes(even) | lanes(odd) << 16 : lanes(even);
}

// The first n pairs of values that are neighbours in memory.
PYNN_INLINE Pairs neighbour_pairs(const float* x, std::size_t n) {
  const std::size_t first = n < kPairLanes / 2 ? n : kPairLanes / 2;
  return join_neighbours(load_first(x, 2 * first), load_first(x + 2 * first, 2 * (n - first)));
}
PYNN_INLINE Pairs neighbour_pairs(const bfloat16* x, std::size_t n) {
  using Half = Vec<std::uint16_t>;
  return (Pairs)(Half)load_first(reinterpret_cast<const std::uint16_t*>(x), 2 * n);
}

template <class T>
PYNN_INLINE std::uint32_t one_pair(const T* even, const T* odd) {
  const auto bits = [](T x) { return std::uint32_t{bfloat16(static_cast<float>(x)).bits}; };
  return bits(*even) | (odd ? bits(*odd) << 16 : 0u);
}

// out(j, q) for j < n, from runs along k.
template <class T>
void pack_runs(std::int64_t k, std::int64_t n, const T* x, std::int64_t x_col, std::uint32_t* out,
               std::int64_t out_col) {
  for (std::int64_t j = 0; j < n; ++j, x += x_col, out += out_col) {
    const std::int64_t pairs = k / 2;
    for (std::int64_t q = 0; q < pairs; q += kPairLanes) {
      const auto left = static_cast<std::size_t>(pairs - q);
      const std::size_t lanes = left < kPairLanes ? left : kPairLanes;
      store_first(out + q, neighbour_pairs(x + 2 * q, lanes), lanes);
    }
    if (k % 2 != 0) out[pairs] = one_pair<T>(x + k - 1, nullptr);
  }
}

// out(q, j) from rows of n values.
template <class T>
void pack_rows(std::int64_t k, std::int64_t n, const T* x, std::int64_t x_row, std::uint32_t* out,
               std::int64_t out_row) {
  for (std::int64_t p = 0; p < k; p += 2, out += out_row) {
    const T* even = x + p * x_row;
    const T* odd = p + 1 < k ? even + x_row : nullptr;
    std::int64_t j = 0;
    const auto step = [&](std::size_t lanes) __attribute__((always_inline)) {
      return join_pairs(even + j, odd ? odd + j : nullptr, lanes);
    };
    for (; j + kPairLanes <= n; j += kPairLanes) store(out + j, step(kPairLanes));
    const auto left = static_cast<std::size_t>(n - j);
    if (left > 0) store_first(out + j, step(left), left);
  }
}

// out(q, j) from runs along k: blocks of as many runs as a block of registers has rows.
template <class T>
void pack_transposed(std::int64_t k, std::int64_t n, const T* x, std::int64_t x_col,
                     std::uint32_t* out, std::int64_t out_row) {
  constexpr int N = kBlock<std::uint32_t>;
  static_assert(N == kPairLanes);
  const std::int64_t pairs = k / 2;
  for (std::int64_t j = 0; j < n; j += N) {
    const std::int64_t runs = n - j < N ? n - j : N;
    const T* from = x + j * x_col;
    for (std::int64_t q = 0; q < pairs; q += N) {
      const std::int64_t rows = pairs - q < N ? pairs - q : N;
      std::uint32_t* const to = out + q * out_row + j;
      Pairs block[N] = {};
      if (runs == N && rows == N) {
#pragma GCC unroll 16
        for (int i = 0; i < N; ++i) block[i] = neighbour_pairs(from + i * x_col + 2 * q, N);
        transpose_registers(block);
#pragma GCC unroll 16
        for (int i = 0; i < N; ++i) store(to + i * out_row, block[i]);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < N; ++i) {
          if (i < runs)
            block[i] = neighbour_pairs(from + i * x_col + 2 * q, static_cast<std::size_t>(rows));
        }
        transpose_registers(block);
#pragma GCC unroll 16
        for (int i = 0; i < N; ++i) {
          if (i < rows) store_first(to + i * out_row, block[i], static_cast<std::size_t>(runs));
        }
      }
    }
    if (k % 2 != 0) {
      for (std::int64_t i = 0; i < runs; ++i) {
        out[pairs * out_row + j + i] = one_pair<T>(from + i * x_col + k - 1, nullptr);
      }
    }
  }
}

template <class T>
void pack_pairs(std::int64_t k, std::int64_t n, const void* x, std::int64_t x_row,
                std::int64_t x_col, std::uint32_t* out, std::int64_t out_row,
                std::int64_t out_col) {
  const auto from = static_cast<const T*>(x);
  if (x_row == 1 && out_row == 1) return pack_runs(k, n, from, x_col, out, out_col);
  if (x_col == 1 && out_col == 1) return pack_rows(k, n, from, x_row, out, out_row);
  if (x_row == 1 && out_col == 1) return pack_transposed(k, n, from, x_col, out, out_row);
  for (std::int64_t p = 0; p < k; p += 2) {
    for (std::int64_t j = 0; j < n; ++j) {
      const T* even = from + p * x_row + j * x_col;
      out[p / 2 * out_row + j * out_col] = one_pair<T>(even, p + 1 < k ? even + x_row : nullptr);
    }
  }
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
