// y = activation(x B + bias) for one row x. A tile of the matrix product keeps the order of its
// sums and so waits for each addition; here every sum runs as several chains side by side.
#include "kernels/cpu/gemm_row.h"

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
    for (std::int64_t j = 0; j < g.n; j += 4 * L) up_to_four<T, kChains>(g, j);
    return;
  }
  std::int64_t j = 0;
  if constexpr (L >= 4) {
    for (; j + 4 <= g.n; j += 4) dots<T, 4>(g, j);
  }
  for (; j + 2 <= g.n; j += 2) dots<T, 2>(g, j);
  if (j < g.n) dots<T, 1>(g, j);
}

}  // namespace

void fill_gemv(Table& t) {
  t.gemv[index(DType::f32)] = gemv<float>;
  t.gemv[index(DType::f64)] = gemv<double>;
}

}  // namespace pynn::kernels::PYNN_ISA
