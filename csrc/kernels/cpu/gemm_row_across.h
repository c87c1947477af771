// One row y = activation(x B + bias), where what is contiguous are the columns of B: the gradient
// of one sample, dx = dy Wᵀ. Every sum runs over k in order, as everywhere.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/gemm_row.h"
#include "kernels/cpu/transpose.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// kBlock<T> elements of y from column j on, in each of M accumulators: the sums of one wait for
// their additions, those of several don't. Blocks of B are transposed in registers.
template <class T, int M>
PYNN_INLINE void across(const Gemm& g, std::int64_t j) {
  constexpr int N = kBlock<T>;
  using V = Vec<T, N>;
  const T* const x = static_cast<const T*>(g.a);
  const T* const b = static_cast<const T*>(g.b) + j * g.b_col;
  T* const y = static_cast<T*>(g.c) + j;
  const T* const start = g.accumulate ? y : g.bias ? static_cast<const T*>(g.bias) + j : nullptr;
  const auto lanes = [&](int i) {
    const std::int64_t left = g.n - j - i * N;
    return static_cast<std::size_t>(left < N ? left : N);
  };
  V sum[M];
#pragma GCC unroll 2
  for (int i = 0; i < M; ++i) sum[i] = start ? load_first<T, N>(start + i * N, lanes(i)) : V{};
  const auto block = [&]<bool full>(int i, std::int64_t p) {
    const auto depth = static_cast<std::size_t>(g.k - p);
    const T* const from = b + i * N * g.b_col + p;
    V row[N] = {};
#pragma GCC unroll 16
    for (int r = 0; r < N; ++r) {
      if constexpr (full)
        row[r] = load<T, N>(from + r * g.b_col);
      else if (static_cast<std::size_t>(r) < lanes(i))
        row[r] = load_first<T, N>(from + r * g.b_col, depth < N ? depth : N);
    }
    transpose_registers(row);
#pragma GCC unroll 16
    for (std::size_t q = 0; q < N; ++q)
      if (full || q < depth)
        sum[i] = fma(broadcast<V>(x[(p + static_cast<std::int64_t>(q)) * g.a_col]), row[q], sum[i]);
  };
  for (std::int64_t p = 0; p < g.k; p += N) {
#pragma GCC unroll 2
    for (int i = 0; i < M; ++i) {
      if (p + N <= g.k && lanes(i) == N)
        block.template operator()<true>(i, p);
      else
        block.template operator()<false>(i, p);
    }
  }
#pragma GCC unroll 2
  for (int i = 0; i < M; ++i) store_first(y + i * N, activated(sum[i], g), lanes(i));
}

template <class T>
void row_across(const Gemm& g) {
  constexpr std::int64_t N = kBlock<T>;
  std::int64_t j = 0;
  for (; j + N < g.n; j += 2 * N) across<T, 2>(g, j);
  if (j < g.n) across<T, 1>(g, j);
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
