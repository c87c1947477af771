// Row-wise softmax, log-softmax and log-sum-exp with the row's maximum subtracted, and the
// gradients.
#include "kernels/cpu/loops.h"
#include "kernels/cpu/reducers.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

template <class T>
PYNN_INLINE T row_max(std::size_t cols, const T* x) {
  return fold(reduce<T>(cols, reducer::max{}, Identity{}, x), reducer::max{});
}

template <class T>
PYNN_INLINE T row_sum(std::size_t cols, const T* x) {
  return fold(reduce<T>(cols, reducer::sum{}, Identity{}, x), reducer::sum{});
}

// sum of e^(x - shift)
template <class T>
PYNN_INLINE T row_sum_exp(std::size_t cols, const T* x, T shift) {
  using V = Vec<T>;
  const V s = broadcast<V>(shift);
  const auto f = [s](V v) __attribute__((always_inline)) { return math::exp(v - s); };
  return fold(reduce<T>(cols, reducer::sum{}, f, x), reducer::sum{});
}

template <class T>
PYNN_INLINE T scalar_log(T x) {
  return math::log(broadcast<Vec<T>>(x))[0];
}

// A row that fits one register is read and written once.
template <class T>
PYNN_INLINE void softmax_narrow_row(std::size_t cols, const T* x, T* y) {
  using V = Vec<T>;
  const V lowest = broadcast<V>(reducer::max::identity<T>);
  const V v = select(first_lanes<V>(cols), load_first(x, cols), lowest);
  const V e = math::exp(v - broadcast<V>(fold(v, reducer::max{})));
  const V sum = broadcast<V>(fold(e, reducer::sum{}));
  store_first(y, e / sum, cols);
}

template <class T>
void softmax(std::size_t rows, std::size_t cols, const void* x, void* y) {
  using V = Vec<T>;
  constexpr int N = kLanes<T>;
  auto xi = static_cast<const T*>(x);
  auto yi = static_cast<T*>(y);
  if (cols <= static_cast<std::size_t>(N)) {
    for (std::size_t i = 0; i < rows; ++i, xi += cols, yi += cols) {
      softmax_narrow_row(cols, xi, yi);
    }
    return;
  }
  for (std::size_t i = 0; i < rows; ++i, xi += cols, yi += cols) {
    const V m = broadcast<V>(row_max(cols, xi));
    map(
        cols, [m](V v) __attribute__((always_inline)) { return math::exp(v - m); }, yi, xi);
    const V scale = broadcast<V>(T(1) / row_sum(cols, yi));
    map(
        cols, [scale](V v) { return v * scale; }, yi, static_cast<const T*>(yi));
  }
}

template <class T>
void log_softmax(std::size_t rows, std::size_t cols, const void* x, void* y) {
  using V = Vec<T>;
  auto xi = static_cast<const T*>(x);
  auto yi = static_cast<T*>(y);
  for (std::size_t i = 0; i < rows; ++i, xi += cols, yi += cols) {
    const T m = row_max(cols, xi);
    const V shift = broadcast<V>(m), log_sum = broadcast<V>(scalar_log(row_sum_exp(cols, xi, m)));
    map(
        cols, [=](V v) { return (v - shift) - log_sum; }, yi, xi);
  }
}

template <class T>
void logsumexp(std::size_t rows, std::size_t cols, const void* x, void* y) {
  auto xi = static_cast<const T*>(x);
  for (std::size_t i = 0; i < rows; ++i, xi += cols) {
    const T m = row_max(cols, xi);
    // An infinite maximum cannot be subtracted; without it the sum is 0 or infinite by itself.
    const T shift = m - m == T(0) ? m : T(0);
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
    const auto lanes = reduce<T>(cols, reducer::sum{}, product, dyi, yi);
    const V sum = broadcast<V>(fold(lanes, reducer::sum{}));
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
  t.softmax[d] = softmax<T>;
  t.log_softmax[d] = log_softmax<T>;
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
