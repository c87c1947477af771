// The loop that every pointwise kernel runs in: it owns the body and the tail. The tail is the same
// vector code on a partial load, so a result does not depend on its position in the array.
#pragma once

#include "kernels/cpu/vec.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// out[i] = f(in[i]...) in vectors of N lanes. `out` may be one of `in`.
template <int N, class F, class Out, class... In>
PYNN_INLINE void map(std::size_t n, const F& f, Out* out, const In*... in) {
  std::size_t i = 0;
  for (; i + N <= n; i += N) store(out + i, f(load<In, N>(in + i)...));
  if (i < n) store_first(out + i, f(load_first<In, N>(in + i, n - i)...), n - i);
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
