// Row-wise softmax, log-softmax and log-sum-exp with the row's maximum subtracted, and the
// gradients.
#include "kernels/cpu/loops.h"
#include "kernels/cpu/reducers.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// A NaN may get lost: it comes back with the sum of the exponentials.
struct Greatest : reducer::max {
  template <class V>
  PYNN_INLINE V operator()(V a, V b) const {
    return kernels::PYNN_ISA::max(a, b);
  }
};

template <class T>
PYNN_INLINE T row_max(std::size_t cols, const T* x) {
  return reduce<T>(cols, Greatest{}, Identity{}, x);
}

template <class T>
PYNN_INLINE T row_sum(std::size_t cols, const T* x) {
  return reduce<T>(cols, reducer::sum{}, Identity{}, x);
}

// sum of e^(x - shift)
template <class T>
PYNN_INLINE T row_sum_exp(std::size_t cols, const T* x, T shift) {
  using V = Vec<T>;
  const V s = broadcast<V>(shift);
  const auto f = [s](V v) __attribute__((always_inline)) { return math::exp(v - s); };
  return reduce<T>(cols, reducer::sum{}, f, x);
}

template <class T>
PYNN_INLINE T scalar_log(T x) {
  return math::log(broadcast<Vec<T>>(x))[0];
}

// An infinite maximum cannot be subtracted; without it the sum of exponentials is 0 or infinite by
// itself.
template <class T>
PYNN_INLINE T finite_or_zero(T x) {
  return x - x == T(0) ? x : T(0);
}

// What a row is mapped to by its maximum m and s = sum(e^(x - m)). On long rows it makes several
// passes over memory.
struct Softmax {
  template <class T>
  static PYNN_INLINE void long_row(std::size_t cols, const T* x, T* y) {
    using V = Vec<T>;
    const V m = broadcast<V>(row_max(cols, x));
    map(
        cols, [m](V v) __attribute__((always_inline)) { return math::exp(v - m); }, y, x);
    const V scale = broadcast<V>(T(1) / row_sum(cols, y));
    map(
        cols, [scale](V v) { return v * scale; }, y, static_cast<const T*>(y));
  }
  // A short row is known by its exponentials, whose sums are divided by.
  static constexpr bool kKeepsExp = true;
  template <class V>
  static PYNN_INLINE V of_sums(V s) {
    return s;
  }
  template <class V>
  static PYNN_INLINE V value(V e, V s) {
    return e / s;
  }
};

struct LogSoftmax {
  template <class T>
  static PYNN_INLINE void long_row(std::size_t cols, const T* x, T* y) {
    using V = Vec<T>;
    const T m = row_max(cols, x);
    const V shift = broadcast<V>(m), log_sum = broadcast<V>(scalar_log(row_sum_exp(cols, x, m)));
    map(
        cols, [=](V v) { return (v - shift) - log_sum; }, y, x);
  }
  static constexpr bool kKeepsExp = false;
  template <class V>
  static PYNN_INLINE V of_sums(V s) {
    return math::log(s);
  }
  template <class V>
  static PYNN_INLINE V value(V shifted, V log_sum) {
    return shifted - log_sum;
  }
};

// A row of at most W vectors; the lanes past its end hold -inf, whose exponential is 0. As many
// rows as a vector has lanes are taken at a time, so that of_sums is computed once for all of them.
template <class F, int W, class T>
void short_rows(std::size_t rows, std::size_t cols, const T* x, T* y) {
  using V = Vec<T>;
  constexpr std::size_t N = kLanes<T>;
  const V lowest = broadcast<V>(reducer::max::identity<T>);
  const auto left = [cols](std::size_t w) { return cols - w * N < N ? cols - w * N : N; };
  for (std::size_t first = 0; first < rows; first += N) {
    const std::size_t count = rows - first < N ? rows - first : N;
    V kept[N][W], sums = broadcast<V>(T(1));
    for (std::size_t i = 0; i < count; ++i, x += cols) {
      V v[W];
      for (std::size_t w = 0; w < W; ++w) {
        v[w] = select(first_lanes<V>(left(w)), load_first(x + w * N, left(w)), lowest);
      }
      V m = v[0];
      for (int w = 1; w < W; ++w) m = Greatest{}(m, v[w]);
      m = broadcast<V>(fold(m, Greatest{}));
      V s = {};
      for (int w = 0; w < W; ++w) {
        const V shifted = v[w] - m, e = math::exp(shifted);
        kept[i][w] = F::kKeepsExp ? e : shifted;
        s += e;
      }
      sums[i] = fold(s, reducer::sum{});
    }
    sums = F::of_sums(sums);
    for (std::size_t i = 0; i < count; ++i, y += cols) {
      const V s = broadcast<V>(sums[i]);
      for (std::size_t w = 0; w < W; ++w) store_first(y + w * N, F::value(kept[i][w], s), left(w));
    }
  }
}

template <class F, class T>
void map_rows(std::size_t rows, std::size_t cols, const void* x, void* y) {
  constexpr std::size_t N = kLanes<T>;
  auto xi = static_cast<const T*>(x);
  auto yi = static_cast<T*>(y);
  if (cols == 0) return;
  if (cols <= N) return short_rows<F, 1>(rows, cols, xi, yi);
  if (cols <= 2 * N) return short_rows<F, 2>(rows, cols, xi, yi);
  if (cols <= 3 * N) return short_rows<F, 3>(rows, cols, xi, yi);
  if (cols <= 4 * N) return short_rows<F, 4>(rows, cols, xi, yi);
  for (std::size_t i = 0; i < rows; ++i, xi += cols, yi += cols) F::long_row(cols, xi, yi);
}

template <class T>
void logsumexp(std::size_t rows, std::size_t cols, const void* x, void* y) {
  auto xi = static_cast<const T*>(x);
  for (std::size_t i = 0; i < rows; ++i, xi += cols) {
    const T shift = finite_or_zero(row_max(cols, xi));
    static_cast<T*>(y)[i] = shift + scalar_log(row_sum_exp(cols, xi, shift));
  }
}

// dx = y (dy - sum(dy y))
template <class T>
void softmax_grad(std::size_t rows, std::size_t cols, const void* dy, const void* y, void* dx) {
  using V = Vec<T>;
  auto dyi = static_cast<const T*>(dy), yi = static_cast<const T*>(y);
  auto dxi = static_cast<T*>(dx);
  for (std::size_t i = 0; i < rows; ++i, dyi += cols, yi += cols, dxi += cols) {
    const auto product = [](V a, V b) { return a * b; };
    const V sum = broadcast<V>(reduce<T>(cols, reducer::sum{}, product, dyi, yi));
    map(
        cols, [sum](V d, V v) { return v * (d - sum); }, dxi, dyi, yi);
  }
}

// dx = dy - e^y sum(dy)
template <class T>
void log_softmax_grad(std::size_t rows, std::size_t cols, const void* dy, const void* y, void* dx) {
  using V = Vec<T>;
  auto dyi = static_cast<const T*>(dy), yi = static_cast<const T*>(y);
  auto dxi = static_cast<T*>(dx);
  for (std::size_t i = 0; i < rows; ++i, dyi += cols, yi += cols, dxi += cols) {
    const V sum = broadcast<V>(row_sum(cols, dyi));
    const auto f = [sum](V d, V v) __attribute__((always_inline)) {
      return d - math::exp(v) * sum;
    };
    map(cols, f, dxi, dyi, yi);
  }
}

template <class T>
void fill(Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
  t.softmax[d] = map_rows<Softmax, T>;
  t.log_softmax[d] = map_rows<LogSoftmax, T>;
  t.logsumexp[d] = logsumexp<T>;
  t.softmax_grad[d] = softmax_grad<T>;
  t.log_softmax_grad[d] = log_softmax_grad<T>;
}

}  // namespace

void fill_softmax(Table& table) {
  fill<float>(table);
  fill<double>(table);
}

}  // namespace pynn::kernels::PYNN_ISA
