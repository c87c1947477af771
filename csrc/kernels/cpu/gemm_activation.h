// The activation of a finished block of C, for those that a tile does not apply in its registers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/vec.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/formulas.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

template <class V>
struct Parameters {
  const double* attr;
  PYNN_INLINE V operator[](int i) const { return broadcast<V>(static_cast<Elem<V>>(attr[i])); }
};

// c(i, j) = f(c(i, j)) for i < m, j < n.
template <class F, class T>
void activate(std::int64_t m, std::int64_t n, T* c, std::int64_t c_row, const double* attr) {
  constexpr std::int64_t L = kLanes<T>;
  const Parameters<Vec<T>> p{attr};
  for (std::int64_t i = 0; i < m; ++i) {
    T* const row = c + i * c_row;
    for (std::int64_t j = 0; j < n; j += L) {
      const auto lanes = static_cast<std::size_t>(n - j);
      store_last(row + j, F::f(load_last(row + j, lanes), p), lanes);
    }
  }
}

template <class T>
using ActivateFn = void (*)(std::int64_t, std::int64_t, T*, std::int64_t, const double*);

// By Activation; null for linear and for relu.
template <class T>
constexpr ActivateFn<T> kActivate[] = {nullptr,
#define PYNN_ROW(name, ...) \
  std::is_same_v<formula::name, formula::relu> ? nullptr : activate<formula::name, T>,
                                       PYNN_ACTIVATIONS(PYNN_ROW)
#undef PYNN_ROW
};

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
