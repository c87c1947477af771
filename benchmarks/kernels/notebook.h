// What kernel notebooks share: memory, a stopwatch, and the limits of one core to hold times
// against. They run on one thread, on the kernel table that is named as argument or chosen by
// PYNN_ISA.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <map>
#include <random>

#include "../limits.h"
#include "kernels/table.h"
#include "runtime/allocator.h"

namespace notebook {

using pynn::kernels::Table;

// Memory aligned as tensors are.
template <class T>
struct Buffer {
  explicit Buffer(std::int64_t n)
      : bytes(static_cast<std::size_t>(n) * sizeof(T)), p(static_cast<T*>(pynn::allocate(bytes))) {}
  ~Buffer() { pynn::deallocate(p, bytes); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  T& operator[](std::int64_t i) const { return p[i]; }
  T* begin() const { return p; }
  T* end() const { return p + bytes / sizeof(T); }

  void fill(double low, double high, unsigned seed = 7) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> uniform(low, high);
    for (T& x : *this) x = static_cast<T>(uniform(random));
  }

  std::size_t bytes;
  T* p;
};

// Seconds of one call: the best of some turns of two milliseconds.
template <class F>
double seconds(const F& f, int turns = 9) {
  const auto turn = [&](long calls) {
    const double start = limits::now();
    for (long i = 0; i < calls; ++i) f();
    return limits::now() - start;
  };
  long calls = 1;
  double taken = turn(1);
  while (taken < 2e-4) taken = turn(calls *= 4);
  calls = std::max(1L, static_cast<long>(2e-3 / taken * static_cast<double>(calls)));
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < turns; ++i) best = std::min(best, turn(calls) / static_cast<double>(calls));
  return best;
}

// GFLOP/s of multiply-adds that never leave the registers.
template <class T, int Bytes>
double peak() {
  const auto block = limits::multiply_adds<T, Bytes>;
  return 1e-9 * block() / seconds(block, 5);
}

// GB/s over a working set of that size: the faster of reading and copying. Measured once a size.
inline double bandwidth(double bytes) {
  static std::map<double, double> known;
  const auto [at, unknown] = known.try_emplace(bytes, 0.0);
  if (unknown) {
    for (const bool copies : {false, true}) {
      limits::Pass pass(bytes, copies);
      at->second = std::max(at->second, 1e-9 * pass() / seconds([&] { pass(); }, 5));
    }
  }
  return at->second;
}

// The largest difference, relative to the largest magnitude.
template <class T>
double difference(const Buffer<T>& a, const Buffer<T>& b) {
  double worst = 0, scale = 1e-300;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(a.bytes / sizeof(T)); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    scale = std::max(scale, std::abs(static_cast<double>(b[i])));
  }
  return worst / scale;
}

inline void head(const char* isa) {
  std::printf("%s, one thread\n%-34s %12s %10s %8s %10s %9s\n", isa, "", "time", "ns/result",
              "GB/s", "bandwidth", "error");
}

// One line: `results` numbers came of `bytes` read and written, that lie in a working set as large
// or larger.
inline void line(const char* what, double time, double results, double bytes, double error,
                 double working_set = 0) {
  const double limit = bandwidth(std::max(bytes, working_set));
  std::printf("%-34s %9.3f us %10.4f %8.1f %8.0f %% %9.1e\n", what, 1e6 * time,
              1e9 * time / results, 1e-9 * bytes / time, 1e-7 * bytes / time / limit, error);
}

// The table in use, or the one named on the command line; null, said on stderr, where it can't run.
inline const Table* chosen(int argc, char** argv) {
  const Table* table = argc > 1 ? pynn::kernels::table_for(argv[1]) : &pynn::kernels::table();
  if (!table) std::fprintf(stderr, "this CPU or build has no '%s'\n", argv[1]);
  return table;
}

inline const Table& reference() { return *pynn::kernels::table_for("reference"); }

}  // namespace notebook
