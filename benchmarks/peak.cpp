// The roof over every kernel, on some threads at once. Compiled for the machine at hand when the
// benchmarks start (see peak.py).
#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "limits.h"

namespace {

// Runs what `make` makes, which returns its operations or bytes, for some time on every thread at
// once; returns the sum of their rates, each over its own time.
template <class Make>
double rate(int threads, double duration, const Make& make) {
  std::atomic<int> waiting{threads};
  std::vector<double> rates(static_cast<std::size_t>(threads));
  const auto work = [&](int id) {
    auto run = make();
    run();  // once before the clock starts: touches its memory
    waiting.fetch_sub(1);
    while (waiting.load() > 0) {
    }
    const double start = limits::now();
    double done = 0, elapsed = 0;
    do {
      done += run();
      elapsed = limits::now() - start;
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

}  // namespace

// Floating-point operations per second of all threads together.
extern "C" double peak_float32(int threads, double duration) {
  return rate(threads, duration, [] { return limits::multiply_adds<float>; });
}
extern "C" double peak_float64(int threads, double duration) {
  return rate(threads, duration, [] { return limits::multiply_adds<double>; });
}
#if defined(__AVX512BF16__)
extern "C" double peak_bfloat16(int threads, double duration) {
  return rate(threads, duration, [] { return limits::dot_products; });
}
#endif

// Bytes per second of all threads together over a working set of that size: the faster of reading
// it and copying one half to the other.
extern "C" double bandwidth(int threads, double bytes, double duration) {
  const auto passes = [=](bool copies) {
    return rate(threads, duration / 2, [=] { return limits::Pass(bytes / threads, copies); });
  };
  return std::max(passes(false), passes(true));
}
