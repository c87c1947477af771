// Rows of mean 0 and variance 1, and the gradient. A row that fits the first-level cache is read
// from memory once.
#include "kernels/cpu/loops.h"
#include "kernels/cpu/reducers.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

template <class T>
void standardize(std::size_t rows, std::size_t cols, bool center, double epsilon, const void* x,
                 void* y, void* scale) {
  using V = Vec<T>;
  const T share = T(1) / static_cast<T>(cols);
  auto xi = static_cast<const T*>(x);
  auto yi = static_cast<T*>(y);
  for (std::size_t i = 0; i < rows; ++i, xi += cols, yi += cols) {
    const T mean = center ? reduce<T>(cols, reducer::sum{}, Identity{}, xi) * share : T(0);
    const V shift = broadcast<V>(mean);
    const auto square = [shift](V v) __attribute__((always_inline)) {
      const V d = v - shift;
      return d * d;
    };
    const T power = reduce<T>(cols, reducer::sum{}, square, xi) * share;
    const T factor = T(1) / math::sqrt(broadcast<V>(power + static_cast<T>(epsilon)))[0];
    const V f = broadcast<V>(factor);
    map(
        cols, [ shift, f ](V v) __attribute__((always_inline)) { return (v - shift) * f; }, yi, xi);
    static_cast<T*>(scale)[i] = factor;
  }
}

template <class T>
void standardize_grad(std::size_t rows, std::size_t cols, bool center, const void* dy,
                      const void* y, const void* scale, void* dx) {
  using V = Vec<T>;
  const T share = T(1) / static_cast<T>(cols);
  auto dyi = static_cast<const T*>(dy), yi = static_cast<const T*>(y);
  auto dxi = static_cast<T*>(dx);
  for (std::size_t i = 0; i < rows; ++i, dyi += cols, yi += cols, dxi += cols) {
    const auto product = [](V a, V b) __attribute__((always_inline)) { return a * b; };
    const T sum = center ? reduce<T>(cols, reducer::sum{}, Identity{}, dyi) : T(0);
    const V mean = broadcast<V>(sum * share);
    const V dot = broadcast<V>(reduce<T>(cols, reducer::sum{}, product, dyi, yi) * share);
    const V factor = broadcast<V>(static_cast<const T*>(scale)[i]);
    const auto f = [=](V d, V v) __attribute__((always_inline)) {
      return (d - mean - v * dot) * factor;
    };
    map(cols, f, dxi, dyi, yi);
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
