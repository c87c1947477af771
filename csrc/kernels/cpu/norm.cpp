// Rows of mean 0 and variance 1, and the gradient. A row that fits the first-level cache is read
// from memory once.
#include "kernels/cpu/loops.h"
#include "kernels/cpu/reducers.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// Calls f(begin, lanes, read, write) for each vector of [0, n): `read(p)` and `write(p, v)` move
// elements `begin` and on of p, as many as there are left.
template <class T, class F>
PYNN_INLINE void for_each_vector(std::size_t n, const F& f) {
  constexpr std::size_t N = kLanes<T>;
  std::size_t i = 0;
  for (; i + N <= n; i += N)
    f([i](const T* p) { return load(p + i); }, [i](T* p, Vec<T> v) { store(p + i, v); });
  if (i == n) return;
  f([i, n](const T* p) { return load_first(p + i, n - i); },
    [i, n](T* p, Vec<T> v) { store_first(p + i, v, n - i); });
}

// The sum of f(x[i]), a run of a few vectors after the other: a row may be short, and many.
template <class T, class F>
PYNN_INLINE T total(std::size_t n, const T* x, const F& f) {
  using V = Vec<T>;
  constexpr std::size_t N = kLanes<T>, kChains = 4, kRun = 16 * kChains * N;
  V sum = {};
  for (std::size_t begin = 0; begin < n; begin += kRun) {
    const std::size_t end = n - begin < kRun ? n : begin + kRun;
    std::size_t i = begin;
    V chain[kChains] = {};
    for (; i + kChains * N <= end; i += kChains * N) {
#pragma GCC unroll 4
      for (std::size_t c = 0; c < kChains; ++c) chain[c] += f(load(x + i + c * N));
    }
    for (; i + N <= end; i += N) chain[0] += f(load(x + i));
    if (i < end) {
      const std::size_t left = end - i;
      chain[1] += select(first_lanes<V>(left), V(f(load_first(x + i, left))), V{});
    }
    sum += (chain[0] + chain[1]) + (chain[2] + chain[3]);
  }
  return fold(sum, reducer::sum{});
}

template <class T>
void standardize(const Standardize& s, const void* x, void* y, void* mean, void* scale) {
  using V = Vec<T>;
  const T share = T(1) / static_cast<T>(s.cols);
  const auto gamma = static_cast<const T*>(s.gamma), beta = static_cast<const T*>(s.beta);
  auto xi = static_cast<const T*>(x);
  auto yi = static_cast<T*>(y);
  for (std::size_t i = 0; i < s.rows; ++i, xi += s.cols, yi += s.cols) {
    const T center = s.center ? total(s.cols, xi, Identity{}) * share : T(0);
    const V shift = broadcast<V>(center);
    const auto square = [shift](V v) __attribute__((always_inline)) {
      const V d = v - shift;
      return d * d;
    };
    const T power = total(s.cols, xi, square) * share;
    const T factor = T(1) / math::sqrt(broadcast<V>(power + static_cast<T>(s.epsilon)))[0];
    const V f = broadcast<V>(factor);
    for_each_vector<T>(
        s.cols, [&](const auto& read, const auto& write) __attribute__((always_inline)) {
          V v = (read(xi) - shift) * f;
          if (gamma) v *= read(gamma);
          write(yi, beta ? v + read(beta) : v);
        });
    static_cast<T*>(mean)[i] = center;
    static_cast<T*>(scale)[i] = factor;
  }
}

template <class T>
void standardize_grad(const Standardize& s, const void* dy, const void* x, const void* mean,
                      const void* scale, void* dx, void* dgamma, void* dbeta) {
  using V = Vec<T>;
  constexpr std::size_t kRun = 64 * kLanes<T>;  // what is added up by itself
  const T share = T(1) / static_cast<T>(s.cols);
  const auto gamma = static_cast<const T*>(s.gamma);
  auto dyi = static_cast<const T*>(dy), xi = static_cast<const T*>(x);
  auto dxi = static_cast<T*>(dx);
  for (std::size_t i = 0; i < s.rows; ++i, dyi += s.cols, xi += s.cols, dxi += s.cols) {
    const V center = broadcast<V>(static_cast<const T*>(mean)[i]);
    const V factor = broadcast<V>(static_cast<const T*>(scale)[i]);
    V total = {}, total_dot = {};
    for (std::size_t j = 0; j < s.cols; j += kRun) {
      V sum = {}, dot = {};
      for_each_vector<T>(
          s.cols - j < kRun ? s.cols - j : kRun, [&](const auto& read, const auto& write)
                                                     __attribute__((always_inline)) {
                                                       const V d = read(dyi + j),
                                                               h = (read(xi + j) - center) * factor;
                                                       if (dgamma) {
                                                         T* const to = static_cast<T*>(dgamma) + j;
                                                         write(to, fma(d, h, read(to)));
                                                       }
                                                       if (dbeta) {
                                                         T* const to = static_cast<T*>(dbeta) + j;
                                                         write(to, read(to) + d);
                                                       }
                                                       // Lanes past the end read as 0, so they add
                                                       // nothing.
                                                       const V g = gamma ? d * read(gamma + j) : d;
                                                       sum += g;
                                                       dot = fma(g, h, dot);
                                                     });
      total += sum;
      total_dot += dot;
    }
    const V m = broadcast<V>(s.center ? fold(total, reducer::sum{}) * share : T(0));
    const V slope = broadcast<V>(fold(total_dot, reducer::sum{}) * share);
    for_each_vector<T>(
        s.cols, [&](const auto& read, const auto& write) __attribute__((always_inline)) {
          const V h = (read(xi) - center) * factor;
          const V g = gamma ? read(dyi) * read(gamma) : read(dyi);
          write(dxi, (g - m - h * slope) * factor);
        });
  }
}

template <class T>
void fill(Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
  t.standardize[d] = standardize<T>;
  t.standardize_grad[d] = standardize_grad<T>;
}

}  // namespace

void fill_norm(Table& table) {
  fill<float>(table);
  fill<double>(table);
}

}  // namespace pynn::kernels::PYNN_ISA
