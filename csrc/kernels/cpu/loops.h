// The loops that kernels run in: they own body and tail. The tail is the same vector code on a
// partial load, so a result does not depend on its position in the array.
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

// op over f(in[i]...), one partial result per lane. Independent chains hide the latency of op.
template <int kChains, class T, class Op, class F, class... In>
PYNN_INLINE Vec<T> reduce_leaf(std::size_t n, const Op& op, const F& f, const In*... in) {
  using V = Vec<T>;
  constexpr std::size_t N = kLanes<T>;
  V chain[kChains];
  for (V& c : chain) c = broadcast<V>(Op::template identity<T>);
  std::size_t i = 0;
  for (; i + kChains * N <= n; i += kChains * N) {
    for (std::size_t c = 0; c < kChains; ++c) {
      chain[c] = op(chain[c], f(load<In, N>(in + i + c * N)...));
    }
  }
  for (std::size_t c = 0; i + N <= n; i += N, ++c)
    chain[c] = op(chain[c], f(load<In, N>(in + i)...));
  if (i < n) {
    const V last = op(chain[kChains - 1], f(load_first<In, N>(in + i, n - i)...));
    chain[kChains - 1] = select(first_lanes<V>(n - i), last, chain[kChains - 1]);
  }
  for (int step = 1; step < kChains; step *= 2) {
    for (int c = 0; c + step < kChains; c += 2 * step) chain[c] = op(chain[c], chain[c + step]);
  }
  return chain[0];
}

// The same by halves down to leaves that fit the L1 cache: an error like that of pairwise
// summation, and an order that depends on n alone.
template <class T, class Op, class F, class... In>
Vec<T> reduce(std::size_t n, const Op& op, const F& f, const In*... in) {
  constexpr int kChains = 8;
  constexpr std::size_t kLeaf = kChains * kLanes<T> * 16;
  if (n <= kLeaf) return reduce_leaf<kChains, T>(n, op, f, in...);
  const std::size_t half = (n / kLeaf + 1) / 2 * kLeaf;
  return op(reduce<T>(half, op, f, in...), reduce<T>(n - half, op, f, (in + half)...));
}

// Index of the first element for which `test` is true, or n.
template <class T, class F>
PYNN_INLINE std::size_t find_first(std::size_t n, const F& test, const T* x) {
  constexpr std::size_t N = kLanes<T>, kUnroll = 4;
  std::size_t i = 0;
  const auto block = [&](std::size_t k) { return test(load<T>(x + i + k * N)); };
  while (i + kUnroll * N <= n && !any(block(0) | block(1) | block(2) | block(3))) i += kUnroll * N;
  for (; i < n; i += N) {
    const std::size_t count = n - i < N ? n - i : N;
    const auto hit = test(load_first<T>(x + i, count));
    for (std::size_t lane = 0; lane < count; ++lane) {
      if (hit[lane]) return i + lane;
    }
  }
  return n;
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
