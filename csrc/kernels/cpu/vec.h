// The vector type of the instruction set this file is compiled for, and what the type itself cannot
// say. Kernels are written against this header alone: it is the only one that tests ISA macros.
// Everything has internal linkage, so that code of one instruction set is never linked into
// another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "runtime/inline.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace pynn::kernels::PYNN_ISA {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t kVectorBytes = 64;
// For the masked forms of intrinsics whose plain form makes GCC 12 warn of an uninitialised value.
constexpr __mmask16 kAll = 0xffff;
constexpr __mmask8 kAll8 = 0xff;
constexpr int kRegisters = 32;
constexpr bool kIsFma = true;
#elif defined(__AVX2__)
constexpr std::size_t kVectorBytes = 32;
constexpr int kRegisters = 16;
constexpr bool kIsFma = true;
#elif defined(__aarch64__)
constexpr std::size_t kVectorBytes = 16;
constexpr int kRegisters = 32;
constexpr bool kIsFma = true;
#else
constexpr std::size_t kVectorBytes = 16;
constexpr int kRegisters = 16;
constexpr bool kIsFma = false;
#endif

template <class T>
constexpr int kLanes = static_cast<int>(kVectorBytes / sizeof(T));

template <class T, int N>
struct VecOf {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};
// N lanes of T in one register, or less than one when types of different sizes meet. Arithmetic,
// comparison (to Mask), shifts and bit operations are the language's own.
template <class T, int N = kLanes<T>>
using Vec = typename VecOf<T, N>::type;

template <class V>
using Elem = std::remove_cvref_t<decltype(V{}[0])>;
// Integer lanes of the same size, all ones for true and zero for false.
template <class V>
using Mask = decltype(V{} < V{});
template <class V>
constexpr int kLanesOf = static_cast<int>(sizeof(V) / sizeof(Elem<V>));

// The same bits as lanes of another type.
template <class To, class V>
PYNN_INLINE auto as(V x) {
  return (Vec<To, static_cast<int>(sizeof(V) / sizeof(To))>)x;
}
// Lane by lane conversion of value. GCC widens integers in registers only to twice their size.
template <class To, class V>
PYNN_INLINE auto convert(V x) {
  using From = Elem<V>;
  if constexpr (std::is_integral_v<From> && sizeof(To) > 2 * sizeof(From)) {
    using Half = std::conditional_t<sizeof(From) == 1, std::int16_t, std::int32_t>;
    return convert<To>(__builtin_convertvector(x, Vec<Half, kLanesOf<V>>));
  } else {
    return __builtin_convertvector(x, Vec<To, kLanesOf<V>>);
  }
}

// s - 0 keeps the sign of a zero, 0 + s would not.
template <class V>
PYNN_INLINE V broadcast(Elem<V> s) {
  return s - V{};
}

template <class T, int N = kLanes<T>>
PYNN_INLINE Vec<T, N> load(const T* p) {
  Vec<T, N> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T, class V>
PYNN_INLINE void store(T* p, V v) {
  static_assert(sizeof(T) == sizeof(Elem<V>));
  __builtin_memcpy(p, &v, sizeof v);
}

// Copies fewer than 2 * kBlock bytes in pieces of falling powers of two.
template <std::size_t kBlock, std::size_t kItem>
PYNN_INLINE void copy_first(char* to, const char* from, std::size_t bytes) {
  if (bytes & kBlock) {
    __builtin_memcpy(to, from, kBlock);
    to += kBlock;
    from += kBlock;
  }
  if constexpr (kBlock > kItem) copy_first<kBlock / 2, kItem>(to, from, bytes);
}

// The first n <= N lanes; the others are zero. No byte past the n-th item is touched.
template <class T, int N = kLanes<T>>
PYNN_INLINE Vec<T, N> load_first(const T* p, std::size_t n) {
  using V = Vec<T, N>;
#if defined(__AVX512F__)
  const std::uint64_t bytes = _bzhi_u64(~std::uint64_t{0}, static_cast<unsigned>(n * sizeof(T)));
  if constexpr (sizeof(V) == 64) return (V)_mm512_maskz_loadu_epi8(bytes, p);
  if constexpr (sizeof(V) == 32) {
    return (V)_mm256_maskz_loadu_epi8(static_cast<__mmask32>(bytes), p);
  }
  if constexpr (sizeof(V) == 16) {
    return (V)_mm_maskz_loadu_epi8(static_cast<__mmask16>(bytes), p);
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(V) == 32 && sizeof(T) == 4) {
    const Vec<int> lane = {0, 1, 2, 3, 4, 5, 6, 7};
    return (V)_mm256_maskload_epi32(reinterpret_cast<const int*>(p),
                                    (__m256i)(lane < static_cast<int>(n)));
  }
  if constexpr (sizeof(V) == 32 && sizeof(T) == 8) {
    const Vec<long long> lane = {0, 1, 2, 3};
    return (V)_mm256_maskload_epi64(reinterpret_cast<const long long*>(p),
                                    (__m256i)(lane < static_cast<long long>(n)));
  }
#endif
  if (n >= N) return load<T, N>(p);
  V v = {};
  copy_first<sizeof(V) / 2, sizeof(T)>(reinterpret_cast<char*>(&v),
                                       reinterpret_cast<const char*>(p), n * sizeof(T));
  return v;
}

template <class T, class V>
PYNN_INLINE void store_first(T* p, V v, std::size_t n) {
  static_assert(sizeof(T) == sizeof(Elem<V>));
#if defined(__AVX512F__)
  const std::uint64_t bytes = _bzhi_u64(~std::uint64_t{0}, static_cast<unsigned>(n * sizeof(T)));
  if constexpr (sizeof(V) == 64) return _mm512_mask_storeu_epi8(p, bytes, (__m512i)v);
  if constexpr (sizeof(V) == 32) {
    return _mm256_mask_storeu_epi8(p, static_cast<__mmask32>(bytes), (__m256i)v);
  }
  if constexpr (sizeof(V) == 16) {
    return _mm_mask_storeu_epi8(p, static_cast<__mmask16>(bytes), (__m128i)v);
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(V) == 32 && sizeof(T) == 4) {
    const Vec<int> lane = {0, 1, 2, 3, 4, 5, 6, 7};
    return _mm256_maskstore_epi32(reinterpret_cast<int*>(p), (__m256i)(lane < static_cast<int>(n)),
                                  (__m256i)v);
  }
  if constexpr (sizeof(V) == 32 && sizeof(T) == 8) {
    const Vec<long long> lane = {0, 1, 2, 3};
    return _mm256_maskstore_epi64(reinterpret_cast<long long*>(p),
                                  (__m256i)(lane < static_cast<long long>(n)), (__m256i)v);
  }
#endif
  if (n >= kLanesOf<V>) return store(p, v);
  copy_first<sizeof(V) / 2, sizeof(T)>(reinterpret_cast<char*>(p),
                                       reinterpret_cast<const char*>(&v), n * sizeof(T));
}

// 0, 1, 2, ... as integers of the lanes' size.
template <class V, std::size_t... I>
PYNN_INLINE Mask<V> lane_numbers(std::index_sequence<I...>) {
  return Mask<V>{static_cast<Elem<Mask<V>>>(I)...};
}
template <class V>
PYNN_INLINE Mask<V> lane_numbers() {
  return lane_numbers<V>(std::make_index_sequence<kLanesOf<V>>{});
}
// True in the first n lanes.
template <class V>
PYNN_INLINE Mask<V> first_lanes(std::size_t n) {
  return lane_numbers<V>() < broadcast<Mask<V>>(static_cast<Elem<Mask<V>>>(n));
}

// mask ? a : b, lane by lane.
template <class V>
PYNN_INLINE V select(Mask<V> mask, V a, V b) {
  return mask ? a : b;
}
// The second operand where one is NaN, or where both are zeros. GCC makes two instructions of the
// conditional where x86 has one.
template <class V>
PYNN_INLINE V min(V a, V b) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<V, Vec<float>>)
    return (V)_mm512_maskz_min_ps(kAll, (__m512)a, (__m512)b);
  if constexpr (std::is_same_v<V, Vec<double>>)
    return (V)_mm512_maskz_min_pd(kAll8, (__m512d)a, (__m512d)b);
#endif
#if defined(__AVX2__)
  if constexpr (std::is_same_v<V, Vec<float, 8>>) return (V)_mm256_min_ps((__m256)a, (__m256)b);
  if constexpr (std::is_same_v<V, Vec<double, 4>>) return (V)_mm256_min_pd((__m256d)a, (__m256d)b);
#endif
#if defined(__SSE2__)
  if constexpr (std::is_same_v<V, Vec<float, 4>>) return (V)_mm_min_ps((__m128)a, (__m128)b);
  if constexpr (std::is_same_v<V, Vec<double, 2>>) return (V)_mm_min_pd((__m128d)a, (__m128d)b);
#endif
  return a < b ? a : b;
}
template <class V>
PYNN_INLINE V max(V a, V b) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<V, Vec<float>>)
    return (V)_mm512_maskz_max_ps(kAll, (__m512)a, (__m512)b);
  if constexpr (std::is_same_v<V, Vec<double>>)
    return (V)_mm512_maskz_max_pd(kAll8, (__m512d)a, (__m512d)b);
#endif
#if defined(__AVX2__)
  if constexpr (std::is_same_v<V, Vec<float, 8>>) return (V)_mm256_max_ps((__m256)a, (__m256)b);
  if constexpr (std::is_same_v<V, Vec<double, 4>>) return (V)_mm256_max_pd((__m256d)a, (__m256d)b);
#endif
#if defined(__SSE2__)
  if constexpr (std::is_same_v<V, Vec<float, 4>>) return (V)_mm_max_ps((__m128)a, (__m128)b);
  if constexpr (std::is_same_v<V, Vec<double, 2>>) return (V)_mm_max_pd((__m128d)a, (__m128d)b);
#endif
  return a > b ? a : b;
}

// a * b + c, with one rounding where kIsFma.
template <class V>
PYNN_INLINE V fma(V a, V b, V c) {
  constexpr bool kSingle = sizeof(Elem<V>) == 4;
#if defined(__AVX512F__)
  if constexpr (kSingle) return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
  if constexpr (!kSingle) return (V)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__)
  if constexpr (kSingle) return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
  if constexpr (!kSingle) return (V)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
  if constexpr (kSingle) return (V)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
  if constexpr (!kSingle) return (V)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
  (void)kSingle;
  return a * b + c;
#endif
}

// Whether any lane of a full vector of masks is set.
template <class M>
PYNN_INLINE bool any(M mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi64_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX2__)
  return !_mm256_testz_si256((__m256i)mask, (__m256i)mask);
#elif defined(__SSE2__)
  return _mm_movemask_epi8((__m128i)mask) != 0;
#elif defined(__aarch64__)
  return vmaxvq_u32((uint32x4_t)mask) != 0;
#else
  const auto words = as<std::uint64_t>(mask);
  return (words[0] | words[1]) != 0;
#endif
}

// The lanes of 32 bits for which `mask` is true, in order, in front of others of no meaning.
#if defined(__AVX512F__)
constexpr bool kPacksLanes = true;
template <class V>
PYNN_INLINE V pack_lanes(Mask<V> mask, V x) {
  return (V)_mm512_maskz_compress_epi32(_mm512_movepi32_mask((__m512i)mask), (__m512i)x);
}
template <class M>
PYNN_INLINE int count_true(M mask) {
  return __builtin_popcount(_mm512_movepi32_mask((__m512i)mask));
}
#elif defined(__AVX2__)
constexpr bool kPacksLanes = true;
template <class M>
PYNN_INLINE unsigned bits_of(M mask) {
  return static_cast<unsigned>(_mm256_movemask_ps((__m256)mask));
}
template <class V>
PYNN_INLINE V pack_lanes(Mask<V> mask, V x) {
  const std::uint64_t bytes = _pdep_u64(bits_of(mask), 0x0101010101010101u) * 0xff;
  const auto lanes = static_cast<long long>(_pext_u64(0x0706050403020100u, bytes));
  return (V)_mm256_permutevar8x32_epi32((__m256i)x, _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(lanes)));
}
template <class M>
PYNN_INLINE int count_true(M mask) {
  return __builtin_popcount(bits_of(mask));
}
#else
constexpr bool kPacksLanes = false;
#endif

// The even 32-bit items of a and b multiplied to 64 bits; the odd ones are not looked at.
PYNN_INLINE Vec<std::uint64_t> multiply_even(Vec<std::uint64_t> a, Vec<std::uint64_t> b) {
  using V = Vec<std::uint64_t>;
#if defined(__AVX512F__)
  return (V)_mm512_maskz_mul_epu32(kAll8, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (V)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (V)_mm_mul_epu32((__m128i)a, (__m128i)b);
#elif defined(__aarch64__)
  return (V)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
#else
  return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

// a0 b0 a1 b1 ...: the first (half = 0) or second (half = 1) vector of the two interleaved.
template <int half, class V, std::size_t... I>
PYNN_INLINE V interleave(V a, V b, std::index_sequence<I...>) {
  constexpr int n = kLanesOf<V>;
  return __builtin_shufflevector(a, b, static_cast<int>(half * n / 2 + I / 2 + I % 2 * n)...);
}
template <int half, class V>
PYNN_INLINE V interleave(V a, V b) {
  return interleave<half>(a, b, std::make_index_sequence<kLanesOf<V>>{});
}
// The even (odd = 0) or odd (odd = 1) lanes of a, then of b.
template <int odd, class V, std::size_t... I>
PYNN_INLINE V deinterleave(V a, V b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, static_cast<int>(2 * I + odd)...);
}
template <int odd, class V>
PYNN_INLINE V deinterleave(V a, V b) {
  return deinterleave<odd>(a, b, std::make_index_sequence<kLanesOf<V>>{});
}
// The lower (half = 0) or upper (half = 1) half of the lanes, and two halves put together.
template <int half, class V, std::size_t... I>
PYNN_INLINE auto half_of(V x, std::index_sequence<I...>) {
  return __builtin_shufflevector(x, x, static_cast<int>(half * sizeof...(I) + I)...);
}
template <int half, class V>
PYNN_INLINE auto half_of(V x) {
  return half_of<half>(x, std::make_index_sequence<kLanesOf<V> / 2>{});
}
template <class V, std::size_t... I>
PYNN_INLINE auto join(V lower, V upper, std::index_sequence<I...>) {
  return __builtin_shufflevector(lower, upper, static_cast<int>(I)...);
}
template <class V>
PYNN_INLINE auto join(V lower, V upper) {
  return join(lower, upper, std::make_index_sequence<2 * kLanesOf<V>>{});
}

// All lanes to one by a tree of op: the order depends on the number of lanes only.
template <class V, class Op>
PYNN_INLINE Elem<V> fold(V x, const Op& op) {
  if constexpr (kLanesOf<V> == 2) {
    return op(x[0], x[1]);
  } else {
    return fold(op(half_of<0>(x), half_of<1>(x)), op);
  }
}

// --- bfloat16, two values a lane: `low` and `high` by their place in the 32 bits.

using Pairs = Vec<std::uint32_t>;
#if defined(__AVX512BF16__)
constexpr bool kDotsPairs = true;
#else
constexpr bool kDotsPairs = false;
// The upper halves of lanes that hold float32 values rounded to bfloat16 (as runtime/dtype.h does
// one); the lower halves are of no meaning.
PYNN_INLINE Pairs rounded_high(Vec<float> value) {
  const Pairs x = (Pairs)value;
  const Pairs nan = (Pairs)((x & 0x7fffffffu) > 0x7f800000u);
  return ((x + (0x7fffu + (x >> 16 & 1u))) & ~nan) | ((x | 0x400000u) & nan);
}
#endif

// Both rounded to nearest even. The instruction takes denormals for zeros.
PYNN_INLINE Pairs join_rounded(Vec<float> low, Vec<float> high) {
#if defined(__AVX512BF16__)
  using Halves = Vec<std::uint16_t>;
  const Halves both = (Halves)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
  return (Pairs)__builtin_shufflevector(both, both, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22,
                                        7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30,
                                        15, 31);
#else
  return rounded_high(low) >> 16 | (rounded_high(high) & 0xffff0000u);
#endif
}
// The same of neighbours: (a0, a1), (a2, a3) ... and on through b.
PYNN_INLINE Pairs join_neighbours(Vec<float> a, Vec<float> b) {
#if defined(__AVX512BF16__)
  return (Pairs)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
#else
  const Pairs x = rounded_high(a), y = rounded_high(b);
  return deinterleave<0>(x, y) >> 16 | (deinterleave<1>(x, y) & 0xffff0000u);
#endif
}

// sum + a.high * b.high + a.low * b.low: products are exact, sums are rounded one by one.
PYNN_INLINE Vec<float> dot_pairs(Pairs a, Pairs b, Vec<float> sum) {
#if defined(__AVX512BF16__)
  return (Vec<float>)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
  using V = Vec<float>;
  return fma((V)(a << 16), (V)(b << 16), fma((V)(a & 0xffff0000u), (V)(b & 0xffff0000u), sum));
#endif
}

namespace math {

template <class V>
PYNN_INLINE V abs(V x) {
  using T = Elem<V>;
  if constexpr (std::is_same_v<T, float>)
    return (V)(as<std::uint32_t>(x) & 0x7fffffffu);
  else if constexpr (std::is_same_v<T, double>)
    return (V)(as<std::uint64_t>(x) & (~0ull >> 1));
  else
    return x < 0 ? -x : x;
}

// |magnitude| with the sign of `sign`.
template <class V>
PYNN_INLINE V copysign(V magnitude, V sign) {
  using M = Mask<V>;
  const M sign_bit = (M)broadcast<V>(Elem<V>{-0.0f});
  return (V)(((M)magnitude & ~sign_bit) | ((M)sign & sign_bit));
}

// x, as a value that the compiler does not join with what is computed from it: a product stays one
// that was rounded.
template <class V>
PYNN_INLINE V rounded(V x) {
#if defined(__AVX512F__)
  asm("" : "+v"(x));
#elif defined(__x86_64__)
  asm("" : "+x"(x));
#elif defined(__aarch64__)
  asm("" : "+w"(x));
#endif
  return x;
}

template <class V>
PYNN_INLINE V sqrt(V x) {
  constexpr bool kSingle = sizeof(Elem<V>) == 4;
#if defined(__AVX512F__)
  if constexpr (kSingle) return (V)_mm512_maskz_sqrt_ps(kAll, (__m512)x);
  if constexpr (!kSingle) return (V)_mm512_maskz_sqrt_pd(kAll8, (__m512d)x);
#elif defined(__AVX2__)
  if constexpr (kSingle) return (V)_mm256_sqrt_ps((__m256)x);
  if constexpr (!kSingle) return (V)_mm256_sqrt_pd((__m256d)x);
#elif defined(__SSE2__)
  if constexpr (kSingle) return (V)_mm_sqrt_ps((__m128)x);
  if constexpr (!kSingle) return (V)_mm_sqrt_pd((__m128d)x);
#elif defined(__aarch64__)
  if constexpr (kSingle) return (V)vsqrtq_f32((float32x4_t)x);
  if constexpr (!kSingle) return (V)vsqrtq_f64((float64x2_t)x);
#else
  (void)kSingle;
  for (int i = 0; i < kLanesOf<V>; ++i) x[i] = __builtin_sqrt(x[i]);
  return x;
#endif
}

// To the nearest integer, ties to even.
template <class V>
PYNN_INLINE V round(V x) {
  using T = Elem<V>;
  constexpr bool kSingle = sizeof(T) == 4;
#if defined(__AVX512F__)
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  if constexpr (kSingle) return (V)_mm512_maskz_roundscale_ps(kAll, (__m512)x, kNearest);
  if constexpr (!kSingle) return (V)_mm512_maskz_roundscale_pd(kAll8, (__m512d)x, kNearest);
#elif defined(__AVX2__)
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  if constexpr (kSingle) return (V)_mm256_round_ps((__m256)x, kNearest);
  if constexpr (!kSingle) return (V)_mm256_round_pd((__m256d)x, kNearest);
#elif defined(__aarch64__)
  if constexpr (kSingle) return (V)vrndnq_f32((float32x4_t)x);
  if constexpr (!kSingle) return (V)vrndnq_f64((float64x2_t)x);
#else
  // Adding 2^23 (2^52) leaves no room for a fraction; from there on every number is an integer.
  const V no_fraction = broadcast<V>(kSingle ? T(0x1p23) : T(0x1p52));
  const V magnitude = abs(x);
  return select(magnitude < no_fraction, copysign((magnitude + no_fraction) - no_fraction, x), x);
#endif
}

// The same for |x| < 2^22 (2^51 in double).
template <class V>
PYNN_INLINE V round_small(V x) {
#if defined(__AVX2__) || defined(__aarch64__)
  return round(x);
#else
  constexpr Elem<V> kNoFraction = sizeof(Elem<V>) == 4 ? 0x1.8p23 : 0x1.8p52;
  return (x + kNoFraction) - kNoFraction;
#endif
}

template <class V>
PYNN_INLINE V floor(V x) {
  const V nearest = round(x);
  return select(nearest > x, nearest - Elem<V>{1}, nearest);
}

template <class V>
PYNN_INLINE V ceil(V x) {
  const V nearest = round(x);
  return select(nearest < x, copysign(nearest + Elem<V>{1}, x), nearest);
}

// The layout of a float.
template <class T>
struct Format;
template <>
struct Format<float> {
  using Bits = std::uint32_t;
  static constexpr int kFraction = 23, kBias = 127;
};
template <>
struct Format<double> {
  using Bits = std::uint64_t;
  static constexpr int kFraction = 52, kBias = 1023;
};

// x 2^n for integral n, where 2^n is a normal number.
template <class V>
PYNN_INLINE V scale(V x, V n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(Elem<V>) == 4) {
    return (V)_mm512_maskz_scalef_ps(kAll, (__m512)x, (__m512)n);
  } else {
    return (V)_mm512_maskz_scalef_pd(kAll8, (__m512d)x, (__m512d)n);
  }
#else
  using F = Format<Elem<V>>;
  using Bits = typename F::Bits;
  // The sum holds n, modulo 2^kFraction, in its low bits.
  const auto low = as<Bits>(n + Elem<V>(3ull << (F::kFraction - 1)));
  return x * (V)((low << F::kFraction) + (Bits{F::kBias} << F::kFraction));
#endif
}
template <class V>
PYNN_INLINE V pow2(V n) {
  return scale(broadcast<V>(Elem<V>(1)), n);
}

// The same, rounded once, also where 2^n or the result is not a normal number.
template <class V>
PYNN_INLINE V ldexp(V x, V n) {
#if defined(__AVX512F__)
  return scale(x, n);
#else
  const V half = round_small(n * Elem<V>(0.5));
  return scale(scale(x, half), n - half);
#endif
}

}  // namespace math
}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
