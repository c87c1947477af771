// What bounds every kernel: multiply-adds that never leave the registers, and bytes that are read
// or copied. Each loop runs for some microseconds and returns what it did.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstring>
#include <vector>

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace limits {

#if defined(__AVX512F__)
inline constexpr int kBytes = 64;  // of the widest vector that this is compiled for
#elif defined(__AVX__)
inline constexpr int kBytes = 32;
#else
inline constexpr int kBytes = 16;
#endif
#if defined(__aarch64__)
#define VECTOR_REGISTER "+w"
#else
#define VECTOR_REGISTER "+x"
#endif

inline constexpr int kSteps = 20000;
// Enough independent chains to hide the latency of two multiply-adds a cycle; they must fit beside
// two operands into the registers.
constexpr int chains(int bytes) { return bytes == 64 ? 24 : 12; }

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Floating-point operations.
template <class T, int Bytes = kBytes>
double multiply_adds() {
  typedef T Vec __attribute__((vector_size(Bytes)));
  constexpr int count = chains(Bytes);
  Vec sum[count];
  for (Vec& s : sum) s = Vec{} + T(1);
  Vec x = Vec{} + T(0.999), y = Vec{} + T(1e-3);
  for (int i = 0; i < kSteps; ++i) {
    asm volatile("" : VECTOR_REGISTER(x), VECTOR_REGISTER(y));
#pragma GCC unroll 24
    for (int c = 0; c < count; ++c) sum[c] = sum[c] * x + y;
  }
  for (Vec& s : sum) asm volatile("" : VECTOR_REGISTER(s));
  return 2.0 * count * kSteps * (Bytes / sizeof(T));
}

#if defined(__AVX512BF16__)
// The same of bfloat16 pairs: two multiply-adds a lane.
inline double dot_products() {
  constexpr int count = chains(64);
  __m512 sum[count];
  for (__m512& s : sum) s = _mm512_set1_ps(1);
  __m512bh x = (__m512bh)_mm512_set1_epi16(0x3f7f), y = (__m512bh)_mm512_set1_epi16(0x3a83);
  for (int i = 0; i < kSteps; ++i) {
    asm volatile("" : VECTOR_REGISTER(x), VECTOR_REGISTER(y));
#pragma GCC unroll 24
    for (int c = 0; c < count; ++c) sum[c] = _mm512_dpbf16_ps(sum[c], x, y);
  }
  for (__m512& s : sum) asm volatile("" : VECTOR_REGISTER(s));
  return 4.0 * count * kSteps * 16;
}
#endif

// Passes over memory of its own, about `bytes` in all: reads it, or copies one half to the other.
class Pass {
 public:
  Pass(double bytes, bool copies)
      : x_(static_cast<std::size_t>(bytes / sizeof(float) / (copies ? 2 : 1)) + kBlock, 1.0f),
        y_(copies ? x_.size() : 0) {}

  // Bytes read and written.
  double operator()() {
    const double size = static_cast<double>(x_.size() * sizeof(float));
    if (!y_.empty()) {
      std::memcpy(y_.data(), x_.data(), x_.size() * sizeof(float));
      asm volatile("" ::"r"(y_.data()) : "memory");
      return 2 * size;
    }
    Vec sum[8] = {};
    for (std::size_t i = 0; i + kBlock <= x_.size(); i += kBlock)
      for (std::size_t k = 0; k < 8; ++k)
        sum[k] += *reinterpret_cast<const Vec*>(x_.data() + i + k * (kBlock / 8));
    for (Vec& s : sum) asm volatile("" : VECTOR_REGISTER(s));
    return size;
  }

 private:
  typedef float Vec __attribute__((vector_size(kBytes), aligned(4), may_alias));
  static constexpr std::size_t kBlock = 8 * kBytes / sizeof(float);
  std::vector<float> x_, y_;
};

}  // namespace limits
