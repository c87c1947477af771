// y = activation(x B + bias) for one row x. A tile of the matrix product keeps the order of its
// sums and so waits for each addition; here every sum runs as several chains side by side, which
// are added up at the end.
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/gemm_activation.h"
#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/vec.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {

void fill_gemv(Table& t);

namespace {

// Additions in flight that keep two multipliers busy, given four cycles for each.
constexpr int kChains = 8;

template <class V>
PYNN_INLINE Elem<V> sum_lanes(V v) {
  using T = Elem<V>;
  constexpr int N = kLanesOf<V>;
  if constexpr (N == 1) {
    return v[0];
  } else {
    Vec<T, N / 2> half[2];
    __builtin_memcpy(half, &v, sizeof v);
    return sum_lanes(half[0] + half[1]);
  }
}

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

// N vectors of y from as many columns of B, whose rows are contiguous.
template <class T, int N>
PYNN_INLINE void columns(const Gemm& g, std::int64_t j, std::size_t lanes) {
  using V = Vec<T>;
  constexpr std::int64_t L = kLanes<T>;
  constexpr int K = kChains / N;
  const T* x = static_cast<const T*>(g.a);
  const T* b = static_cast<const T*>(g.b) + j;
  V sum[K][N] = {};
  if (g.bias) {
    const T* const bias = static_cast<const T*>(g.bias) + j;
#pragma GCC unroll 4
    for (int i = 0; i < N - 1; ++i) sum[0][i] = load(bias + i * L);
    sum[0][N - 1] = load_last(bias + (N - 1) * L, lanes);
  }
  const auto step = [&](int chain) {
    const V value = broadcast<V>(*x);
#pragma GCC unroll 4
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
#pragma GCC unroll 4
  for (int i = 0; i < N - 1; ++i) store(y + i * L, activated(sum[0][i], g));
  store_last(y + (N - 1) * L, activated(sum[0][N - 1], g), lanes);
}

// N elements of y from as many columns of B, which are contiguous, as x is.
template <class T, int N>
PYNN_INLINE void dots(const Gemm& g, std::int64_t j) {
  using V = Vec<T>;
  constexpr std::int64_t L = kLanes<T>;
  constexpr int K = kChains / N;
  const T* const x = static_cast<const T*>(g.a);
  const T* const b = static_cast<const T*>(g.b) + j * g.b_col;
  V sum[K][N] = {};
  std::int64_t p = 0;
  for (; p + K * L <= g.k; p += K * L) {
#pragma GCC unroll 8
    for (int chain = 0; chain < K; ++chain) {
      const V value = load(x + p + chain * L);
#pragma GCC unroll 4
      for (int i = 0; i < N; ++i)
        sum[chain][i] = fma(value, load(b + i * g.b_col + p + chain * L), sum[chain][i]);
    }
  }
  for (; p < g.k; p += L) {
    const auto lanes = static_cast<std::size_t>(g.k - p);
    const V value = load_last(x + p, lanes);
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i)
      sum[0][i] = fma(value, load_last(b + i * g.b_col + p, lanes), sum[0][i]);
  }
  V y{};
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) {
#pragma GCC unroll 8
    for (int chain = 1; chain < K; ++chain) sum[0][i] += sum[chain][i];
    y[i] = sum_lanes(sum[0][i]);
  }
  if (g.bias) y += load_first(static_cast<const T*>(g.bias) + j, N);
  store_first(static_cast<T*>(g.c) + j, activated(y, g), N);
}

template <class T>
void gemv(const Gemm& g) {
  constexpr std::int64_t L = kLanes<T>;
  if (g.b_col == 1) {
    for (std::int64_t j = 0; j < g.n; j += 4 * L) {
      const std::int64_t cols = g.n - j;
      const std::int64_t vectors = (cols + L - 1) / L;
      const auto lanes = static_cast<std::size_t>(cols - (vectors - 1) * L);
      if (vectors >= 4)
        columns<T, 4>(g, j, vectors == 4 ? lanes : std::size_t{L});
      else if (vectors == 3)
        columns<T, 3>(g, j, lanes);
      else if (vectors == 2)
        columns<T, 2>(g, j, lanes);
      else
        columns<T, 1>(g, j, lanes);
    }
  } else {
    std::int64_t j = 0;
    if constexpr (L >= 4) {
      for (; j + 4 <= g.n; j += 4) dots<T, 4>(g, j);
    }
    for (; j + 2 <= g.n; j += 2) dots<T, 2>(g, j);
    if (j < g.n) dots<T, 1>(g, j);
  }
}

}  // namespace

void fill_gemv(Table& t) {
  t.gemv[index(DType::f32)] = gemv<float>;
  t.gemv[index(DType::f64)] = gemv<double>;
}

}  // namespace pynn::kernels::PYNN_ISA
