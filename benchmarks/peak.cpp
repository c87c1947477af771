// Multiply-adds that never leave the registers, on some threads at once: the rate that no product
// can exceed. Compiled for the machine at hand when the benchmarks start (see peak.py).
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

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

template <class T>
void block() {
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
}

template <class T>
double rate(int threads, double duration) {
  std::atomic<int> waiting{threads};
  std::vector<double> rates(static_cast<std::size_t>(threads));
  const auto work = [&](int id) {
    waiting.fetch_sub(1);
    while (waiting.load() > 0) {
    }
    const double start = seconds();
    long blocks = 0;
    double elapsed = 0;
    do {
      block<T>();
      ++blocks;
      elapsed = seconds() - start;
    } while (elapsed < duration);
    const double flops = 2.0 * kChains * kSteps * (kBytes / sizeof(T));
    rates[static_cast<std::size_t>(id)] = flops * static_cast<double>(blocks) / elapsed;
  };
  std::vector<std::thread> pool;
  for (int id = 1; id < threads; ++id) pool.emplace_back(work, id);
  work(0);
  for (std::thread& t : pool) t.join();
  double total = 0;
  for (const double r : rates) total += r;
  return total;
}

}  // namespace

// Floating-point operations per second of all threads together, each counted over its own time.
extern "C" double peak_float32(int threads, double duration) {
  return rate<float>(threads, duration);
}
extern "C" double peak_float64(int threads, double duration) {
  return rate<double>(threads, duration);
}
