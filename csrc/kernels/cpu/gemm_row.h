// One row y = activation(x B + bias), held in registers from the first sum to the last store.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/gemm_activation.h"
#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/vec.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// The activation of one vector, while it is still in a register.
template <class F, class V>
__attribute__((noinline)) V mapped(V v, const double* attr) {
  return F::f(v, Parameters<V>{attr});
}
template <class V>
using MapFn = V (*)(V, const double*);
template <class V>
constexpr MapFn<V> kMap[] = {nullptr,
#define PYNN_ROW(name, ...) mapped<formula::name, V>,
                             PYNN_ACTIVATIONS(PYNN_ROW)
#undef PYNN_ROW
};

template <class V>
PYNN_INLINE V activated(V v, const Gemm& g) {
  const MapFn<V> map = kMap<V>[static_cast<std::size_t>(g.activation)];
  return map ? map(v, g.attr) : v;
}

// N vectors of y from as many columns of B, whose rows are contiguous. Each sum runs as K chains
// side by side, which are added up at the end; with one chain it runs in order.
template <class T, int N, int K>
PYNN_INLINE void columns(const Gemm& g, std::int64_t j, std::size_t lanes) {
  using V = Vec<T>;
  constexpr std::int64_t L = kLanes<T>;
  const T* x = static_cast<const T*>(g.a);
  const T* b = static_cast<const T*>(g.b) + j;
  V sum[K][N] = {};
  if (g.bias) {
    const T* const bias = static_cast<const T*>(g.bias) + j;
#pragma GCC unroll 16
    for (int i = 0; i < N - 1; ++i) sum[0][i] = load(bias + i * L);
    sum[0][N - 1] = load_last(bias + (N - 1) * L, lanes);
  }
  const auto step = [&](int chain) {
    const V value = broadcast<V>(*x);
#pragma GCC unroll 16
    for (int i = 0; i < N - 1; ++i) sum[chain][i] = fma(value, load(b + i * L), sum[chain][i]);
    sum[chain][N - 1] = fma(value, load_last(b + (N - 1) * L, lanes), sum[chain][N - 1]);
    x += g.a_col;
    b += g.b_row;
  };
  std::int64_t p = g.k;
  for (; p >= K; p -= K) {
#pragma GCC unroll 8
    for (int chain = 0; chain < K; ++chain) step(chain);
  }
  for (; p > 0; --p) step(0);
#pragma GCC unroll 8
  for (int chain = 1; chain < K; ++chain) {
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) sum[0][i] += sum[chain][i];
  }
  T* const y = static_cast<T*>(g.c) + j;
  if constexpr (N > 4) {
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) store_last(y + i * L, sum[0][i], i == N - 1 ? lanes : L);
    for (int i = 0; i < N && g.activation != Activation::linear; ++i) {
      const std::size_t used = i == N - 1 ? lanes : L;
      store_last(y + i * L, activated(load_last(y + i * L, used), g), used);
    }
  } else {
#pragma GCC unroll 4
    for (int i = 0; i < N - 1; ++i) store(y + i * L, activated(sum[0][i], g));
    store_last(y + (N - 1) * L, activated(sum[0][N - 1], g), lanes);
  }
}

// Four vectors of y from column j on, or as many as are left, with about `kInFlight` chains in all.
template <class T, int kInFlight>
PYNN_INLINE void up_to_four(const Gemm& g, std::int64_t j) {
  constexpr std::int64_t L = kLanes<T>;
  constexpr auto chains = [](int n) { return n < kInFlight ? kInFlight / n : 1; };
  const std::int64_t vectors = (g.n - j + L - 1) / L;
  const auto lanes = static_cast<std::size_t>(g.n - j - (vectors - 1) * L);
  if (vectors >= 4)
    columns<T, 4, chains(4)>(g, j, vectors == 4 ? lanes : std::size_t{L});
  else if (vectors == 3)
    columns<T, 3, chains(3)>(g, j, lanes);
  else if (vectors == 2)
    columns<T, 2, chains(2)>(g, j, lanes);
  else
    columns<T, 1, chains(1)>(g, j, lanes);
}

// So many vectors of one row are held in registers where that makes runs of B that are long enough
// to be read at speed from beyond L1: a kilobyte.
inline constexpr int kRowVectors = kRegisters == 32 && kVectorBytes == 64 ? 16 : 4;

// Whether `row` is faster than to sweep over B in the order of memory.
template <class T>
bool fits_row(const Gemm& g) {
  constexpr std::int64_t kWidth = kRowVectors * kLanes<T>;
  return g.m == 1 && g.n <= 2 * kWidth && g.n % kWidth <= 4 * kLanes<T> && g.b_col == 1 &&
         (kRowVectors > 4 || g.k <= 64) && !g.accumulate && g.stretches == 1;
}

// All of y, each sum in order.
template <class T>
__attribute__((noinline)) void row(const Gemm& g) {
  constexpr std::int64_t L = kLanes<T>;
  std::int64_t j = 0;
  if constexpr (kRowVectors > 4) {
    for (; j + kRowVectors * L <= g.n; j += kRowVectors * L)
      columns<T, kRowVectors, 1>(g, j, std::size_t{L});
  }
  for (; j < g.n; j += 4 * L) up_to_four<T, 1>(g, j);
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
