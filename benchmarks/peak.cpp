// The roof over every kernel, on some threads at once: multiply-adds that never leave the
// registers, and bytes that are read or copied. Compiled for the machine at hand when the
// benchmarks start (see peak.py).
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
#if defined(__aarch64__)
#define VECTOR_REGISTER "+w"
#else
#define VECTOR_REGISTER "+x"
#endif
// Enough independent chains to hide the latency of two multiply-adds a cycle; they must fit beside
// two operands into the registers.
constexpr int kChains = kBytes == 64 ? 24 : 12;
constexpr int kSteps = 20000;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Runs `block`, which returns its operations or bytes, for some time on every thread at once;
// returns the sum of their rates, each over its own time.
template <class Block>
double rate(int threads, double duration, const Block& block) {
  std::atomic<int> waiting{threads};
  std::vector<double> rates(static_cast<std::size_t>(threads));
  const auto work = [&](int id) {
    auto run = block(id);
    waiting.fetch_sub(1);
    while (waiting.load() > 0) {
    }
    const double start = seconds();
    double done = 0, elapsed = 0;
    do {
      done += run();
      elapsed = seconds() - start;
    } while (elapsed < duration);
    rates[static_cast<std::size_t>(id)] = done / elapsed;
  };
  std::vector<std::thread> pool;
  for (int id = 1; id < threads; ++id) pool.emplace_back(work, id);
  work(0);
  for (std::thread& t : pool) t.join();
  double total = 0;
  for (const double r : rates) total += r;
  return total;
}

template <class T>
double multiply_adds() {
  typedef T Vec __attribute__((vector_size(kBytes)));
  Vec sum[kChains];
  for (Vec& s : sum) s = Vec{} + T(1);
  Vec x = Vec{} + T(0.999), y = Vec{} + T(1e-3);
  for (int i = 0; i < kSteps; ++i) {
    asm volatile("" : VECTOR_REGISTER(x), VECTOR_REGISTER(y));
#pragma GCC unroll 24
    for (int c = 0; c < kChains; ++c) sum[c] = sum[c] * x + y;
  }
  for (Vec& s : sum) asm volatile("" : VECTOR_REGISTER(s));
  return 2.0 * kChains * kSteps * (kBytes / sizeof(T));
}

#if defined(__AVX512BF16__)
double dot_products() {
  __m512 sum[kChains];
  for (__m512& s : sum) s = _mm512_set1_ps(1);
  __m512bh x = (__m512bh)_mm512_set1_epi16(0x3f7f), y = (__m512bh)_mm512_set1_epi16(0x3a83);
  for (int i = 0; i < kSteps; ++i) {
    asm volatile("" : VECTOR_REGISTER(x), VECTOR_REGISTER(y));
#pragma GCC unroll 24
    for (int c = 0; c < kChains; ++c) sum[c] = _mm512_dpbf16_ps(sum[c], x, y);
  }
  for (__m512& s : sum) asm volatile("" : VECTOR_REGISTER(s));
  return 4.0 * kChains * kSteps * 16;  // two multiply-adds a lane
}
#endif

// Reads or copies memory of its own, `bytes` in all, again and again.
double moved(int threads, double bytes, double duration, bool copies) {
  return rate(threads, duration, [=](int) {
    const auto n =
        static_cast<std::size_t>(bytes / threads / sizeof(float) / (copies ? 2 : 1)) + 1024;
    return [=, x = std::vector<float>(n, 1.0f), y = std::vector<float>(copies ? n : 0)]() mutable {
      if (copies) {
        std::memcpy(y.data(), x.data(), n * sizeof(float));
        asm volatile("" ::"r"(y.data()) : "memory");
        return 2.0 * sizeof(float) * static_cast<double>(n);
      }
      typedef float Vec __attribute__((vector_size(kBytes), aligned(4)));
      constexpr std::size_t lanes = kBytes / sizeof(float);
      Vec sum[8] = {};
      for (std::size_t i = 0; i + 8 * lanes <= n; i += 8 * lanes)
        for (std::size_t k = 0; k < 8; ++k)
          sum[k] += *reinterpret_cast<const Vec*>(x.data() + i + k * lanes);
      for (Vec& s : sum) asm volatile("" : VECTOR_REGISTER(s));
      return sizeof(float) * static_cast<double>(n);
    };
  });
}

}  // namespace

// Floating-point operations per second of all threads together.
extern "C" double peak_float32(int threads, double duration) {
  return rate(threads, duration, [](int) { return multiply_adds<float>; });
}
extern "C" double peak_float64(int threads, double duration) {
  return rate(threads, duration, [](int) { return multiply_adds<double>; });
}
#if defined(__AVX512BF16__)
extern "C" double peak_bfloat16(int threads, double duration) {
  return rate(threads, duration, [](int) { return dot_products; });
}
#endif

// Bytes per second of all threads together over a working set of that size: the faster of reading
// it and copying one half to the other.
extern "C" double bandwidth(int threads, double bytes, double duration) {
  return std::max(moved(threads, bytes, duration / 2, false),
                  moved(threads, bytes, duration / 2, true));
}
