// The loops that kernels run in: they own body and tail. The tail is the same vector code on a
// partial load, so a result does not depend on its position in the array.
#pragma once

#include <type_traits>

#include "kernels/cpu/vec.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// Asks for memory some lines ahead: beyond the second-level cache it takes longer than the vectors
// in flight can hide.
template <class T>
PYNN_INLINE void ask_ahead(const T* p) {
  constexpr std::size_t kAhead = 1024;  // bytes
  __builtin_prefetch(reinterpret_cast<const char*>(p) + kAhead);
}

// out[i] = f(in[i]...) for items of one type. `out` may be one of `in`.
template <class T, class F, class... In>
PYNN_INLINE void map(std::size_t n, const F& f, T* out, const In*... in) {
  constexpr std::size_t N = kLanes<T>;
  std::size_t i = 0;
  for (; i + N <= n; i += N) {
    (ask_ahead(in + i), ...);
    store(out + i, f(load(in + i)...));
  }
  if (i < n) store_first(out + i, f(load_first(in + i, n - i)...), n - i);
}

template <std::size_t bytes>
struct UnsignedOf;
template <>
struct UnsignedOf<1> : std::type_identity<std::uint8_t> {};
template <>
struct UnsignedOf<2> : std::type_identity<std::uint16_t> {};
template <>
struct UnsignedOf<4> : std::type_identity<std::uint32_t> {};
template <>
struct UnsignedOf<8> : std::type_identity<std::uint64_t> {};

// K vectors of masks for K-byte lanes to one vector of masks for bytes, and back.
template <int K, class M>
PYNN_INLINE Vec<std::uint8_t> narrow_masks(const M (&mask)[K]) {
  if constexpr (K == 1) {
    return as<std::uint8_t>(mask[0]);
  } else {
    using Half = typename UnsignedOf<sizeof(Elem<M>) / 2>::type;
    Vec<Half> half[K / 2];
    for (int k = 0; k < K / 2; ++k) {
      half[k] = deinterleave<0>(as<Half>(mask[2 * k]), as<Half>(mask[2 * k + 1]));
    }
    return narrow_masks<K / 2>(half);
  }
}
template <int K, class M>
PYNN_INLINE void widen_masks(M mask, Vec<typename UnsignedOf<K * sizeof(Elem<M>)>::type>* wide) {
  if constexpr (K == 1) {
    *wide = as<Elem<std::remove_pointer_t<decltype(wide)>>>(mask);
  } else {
    using Twice = typename UnsignedOf<2 * sizeof(Elem<M>)>::type;
    widen_masks<K / 2>(as<Twice>(interleave<0>(mask, mask)), wide);
    widen_masks<K / 2>(as<Twice>(interleave<1>(mask, mask)), wide + K / 2);
  }
}

// The k-th vector of a block of items, of which only the first `left` may be looked at.
template <bool full, class T>
PYNN_INLINE Vec<T> load_kth(const T* block, std::size_t k, std::size_t left) {
  constexpr std::size_t N = kLanes<T>;
  if constexpr (full) {
    ask_ahead(block + k * N);
    return load(block + k * N);
  }
  const std::size_t start = k * N < left ? k * N : left;
  return load_first(block + start, left - start < N ? left - start : N);
}

// out[i] = test(in[i]...) as bytes 0 and 1; a block fills one vector of bytes.
template <class T, class F, class... In>
PYNN_INLINE void map_to_bool(std::size_t n, const F& test, std::uint8_t* out, const In*... in) {
  constexpr int K = sizeof(T);
  const auto block = [&]<bool full>(std::size_t i, std::size_t left) {
    Mask<Vec<T>> mask[K];
    for (int k = 0; k < K; ++k) mask[k] = test(load_kth<full>(in + i, k, left)...);
    const auto bytes = narrow_masks<K>(mask) & 1;
    if constexpr (full)
      store(out + i, bytes);
    else
      store_first(out + i, bytes, left);
  };
  std::size_t i = 0;
  for (; i + kVectorBytes <= n; i += kVectorBytes) block.template operator()<true>(i, kVectorBytes);
  if (i < n) block.template operator()<false>(i, n - i);
}

// out[i] = f(condition[i] != 0, a[i], b[i]), blocks as above.
template <class T, class F>
PYNN_INLINE void map_where(std::size_t n, const F& f, T* out, const std::uint8_t* condition,
                           const T* a, const T* b) {
  constexpr int K = sizeof(T);
  constexpr std::size_t N = kLanes<T>;
  const auto block = [&]<bool full>(std::size_t i, std::size_t left) {
    Vec<typename UnsignedOf<K>::type> mask[K];
    widen_masks<K>(as<std::uint8_t>(load_kth<full>(condition + i, 0, left) != 0), mask);
    for (std::size_t k = 0; k < K; ++k) {
      const auto y =
          f((Mask<Vec<T>>)mask[k], load_kth<full>(a + i, k, left), load_kth<full>(b + i, k, left));
      if constexpr (full)
        store(out + i + k * N, y);
      else if (k * N < left)
        store_first(out + i + k * N, y, left - k * N < N ? left - k * N : N);
    }
  };
  std::size_t i = 0;
  for (; i + kVectorBytes <= n; i += kVectorBytes) block.template operator()<true>(i, kVectorBytes);
  if (i < n) block.template operator()<false>(i, n - i);
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
      chain[c] = op(chain[c], f(load(in + i + c * N)...));
    }
  }
  for (std::size_t c = 0; i + N <= n; i += N, ++c) chain[c] = op(chain[c], f(load(in + i)...));
  if (i < n) {
    const V last = op(chain[kChains - 1], f(load_first(in + i, n - i)...));
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
Vec<T> reduce_halves(std::size_t n, const Op& op, const F& f, const In*... in) {
  constexpr int kChains = 8;
  constexpr std::size_t kLeaf = kChains * kLanes<T> * 16;
  if (n <= kLeaf) return reduce_leaf<kChains, T>(n, op, f, in...);
  const std::size_t half = (n / kLeaf + 1) / 2 * kLeaf;
  return op(reduce_halves<T>(half, op, f, in...),
            reduce_halves<T>(n - half, op, f, (in + half)...));
}

// op over f(in[i]...).
template <class T, class Op, class F, class... In>
PYNN_INLINE T reduce(std::size_t n, const Op& op, const F& f, const In*... in) {
  using V = Vec<T>;
  if (n > static_cast<std::size_t>(kLanes<T>)) return fold(reduce_halves<T>(n, op, f, in...), op);
  const V identity = broadcast<V>(Op::template identity<T>);
  return fold(select(first_lanes<V>(n), V(f(load_first(in, n)...)), identity), op);
}

// Index of the first element for which `test` is true, or n.
template <class T, class F>
PYNN_INLINE std::size_t find_first(std::size_t n, const F& test, const T* x) {
  using V = Vec<T>;
  constexpr std::size_t N = kLanes<T>;
  const auto block = [&](std::size_t i) { return test(load(x + i)); };
  std::size_t i = 0;
  while (i + 4 * N <= n && !any(block(i) | block(i + N) | block(i + 2 * N) | block(i + 3 * N))) {
    i += 4 * N;
  }
  for (; i < n; i += N) {
    const std::size_t count = n - i < N ? n - i : N;
    const Mask<V> hit = test(load_first(x + i, count)) & first_lanes<V>(count);
    if (!any(hit)) continue;
    const auto smaller = [](auto a, auto b) { return a < b ? a : b; };
    const auto lane = lane_numbers<V>() | ~hit;  // -1 where there is no hit: the largest unsigned
    return i + fold(as<typename UnsignedOf<sizeof(T)>::type>(lane), smaller);
  }
  return n;
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
