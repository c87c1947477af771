// A notebook on the matrix product: checks it, times it on one core, prints its share of the FMA
// peak.
//
//   cmake -S . -B build -DPYNN_PYTHON=OFF && cmake --build build --target pynn_core
//   g++ -std=c++20 -O3 -march=native -Icsrc benchmarks/kernels/gemm.cpp build/libpynn_core.a
//   -pthread -o gemm
//   ./gemm [isa]
//
// The peak is that of the vector width this file is compiled for; it is measured between the rows,
// so that a clock that drifts moves both.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>

#include "kernels/table.h"
#include "runtime/allocator.h"

namespace {

using pynn::kernels::Gemm;
using pynn::kernels::Table;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// GFLOP/s of multiply-adds that never leave the registers.
template <class T, int Bytes>
double peak() {
  typedef T V __attribute__((vector_size(Bytes)));
  constexpr int chains = Bytes == 64 ? 24 : 12;
  constexpr int steps = 100000;
  V sum[chains];
  for (V& s : sum) s = V{} + T(1);
  V x = V{} + T(0.999), y = V{} + T(1e-3);
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const double start = now();
    for (int i = 0; i < steps; ++i) {
      asm volatile("" : "+x"(x), "+x"(y));
#pragma GCC unroll 24
      for (int c = 0; c < chains; ++c) sum[c] = sum[c] * x + y;
    }
    best = std::max(best, 2e-9 * chains * steps * (Bytes / sizeof(T)) / (now() - start));
  }
  for (V& s : sum) asm volatile("" ::"x"(s));
  return best;
}

struct Shape {
  std::int64_t m, n, k;
  char a, b;  // 'n': row-major; 't': the operand is stored transposed
  const char* what;
};

const Shape kShapes[] = {
    {128, 512, 784, 'n', 'n', "x W"},
    {128, 512, 512, 'n', 'n', "x W"},
    {784, 512, 128, 't', 'n', "x^T dy"},
    {512, 512, 128, 't', 'n', "x^T dy"},
    {128, 512, 512, 'n', 't', "dy W^T"},
    {128, 512, 10, 'n', 't', "dy W^T"},
    {128, 10, 512, 'n', 'n', "logits"},
    {512, 10, 128, 't', 'n', "x^T dy"},
    {32, 128, 784, 'n', 'n', "x W"},
    {784, 128, 32, 't', 'n', "x^T dy"},
    {1024, 1024, 1024, 'n', 'n', ""},
    {1024, 1024, 1024, 't', 'n', ""},
    {1024, 1024, 1024, 'n', 't', ""},
    {1000, 1000, 1000, 'n', 'n', ""},
    {2048, 2048, 2048, 'n', 'n', ""},
    {128, 1024, 1024, 'n', 'n', "x W, 4 KiB rows"},
    {256, 2048, 2048, 'n', 'n', "x W, 8 KiB rows"},
    {64, 64, 64, 'n', 'n', ""},
    {33, 31, 65, 'n', 'n', "odd"},
    {8, 8, 8, 'n', 'n', ""},
    {1, 512, 784, 'n', 'n', "one row"},
    {1, 256, 784, 'n', 'n', "one row, half"},
    {1, 64, 64, 'n', 'n', "one row"},
    {1, 2, 64, 'n', 'n', "one row"},
    {1, 784, 512, 'n', 't', "one row, W^T"},
    {1, 3, 2, 'n', 'n', "XOR"},
};

// Memory aligned as tensors are.
template <class T>
struct Buffer {
  explicit Buffer(std::int64_t n)
      : bytes(n * sizeof(T)), p(static_cast<T*>(pynn::allocate(bytes))) {}
  ~Buffer() { pynn::deallocate(p, bytes); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  T& operator[](std::int64_t i) const { return p[i]; }
  T* begin() const { return p; }
  T* end() const { return p + bytes / sizeof(T); }

  std::size_t bytes;
  T* p;
};

template <class T>
struct Problem {
  Buffer<T> a, b, c;
  Buffer<char> workspace;
  Gemm g;

  static Gemm describe(const Shape& s) {
    return {s.m,
            s.n,
            s.k,
            nullptr,
            s.a == 'n' ? s.k : 1,
            s.a == 'n' ? 1 : s.m,
            nullptr,
            s.b == 'n' ? s.n : 1,
            s.b == 'n' ? 1 : s.k,
            nullptr,
            s.n,
            nullptr,
            pynn::kernels::Activation::linear,
            nullptr,
            false,
            nullptr};
  }
  Problem(const Table& table, const Shape& s)
      : a(s.m * s.k),
        b(s.k * s.n),
        c(s.m * s.n),
        workspace(table.gemm_workspace[index(pynn::dtype_of<T>)](describe(s))),
        g(describe(s)) {
    std::mt19937 random(7);
    std::uniform_real_distribution<T> uniform(-1, 1);
    for (T& x : a) x = uniform(random);
    for (T& x : b) x = uniform(random);
    g.a = a.p;
    g.b = b.p;
    g.c = c.p;
    g.workspace = workspace.p;
  }

  // Largest error of some elements, as a multiple of k * epsilon * |a| |b|.
  double error() const {
    double worst = 0;
    for (std::int64_t e = 0; e < g.m * g.n; e += 1 + g.m * g.n / 997) {
      const std::int64_t i = e / g.n, j = e % g.n;
      double sum = 0, size = 0;
      for (std::int64_t p = 0; p < g.k; ++p) {
        const double product = double(a[i * g.a_row + p * g.a_col]) * b[p * g.b_row + j * g.b_col];
        sum += product;
        size += std::abs(product);
      }
      const double unit = size * std::numeric_limits<T>::epsilon();
      worst = std::max(worst, std::abs(sum - c[i * g.c_row + j]) / unit);
    }
    return worst;
  }
};

template <class T>
void run(const Table& table, double (*measure_peak)()) {
  const pynn::kernels::GemmFn gemm = table.gemm[index(pynn::dtype_of<T>)];
  std::printf("%s %s\n%22s %12s %9s %8s %7s %8s\n", table.isa,
              sizeof(T) == 4 ? "float32" : "float64", "m x n x k", "", "time", "GFLOP/s", "peak",
              "error");
  for (const Shape& s : kShapes) {
    Problem<T> problem(table, s);
    const double flops = 2.0 * s.m * s.n * s.k;
    const int calls = std::max(1, static_cast<int>(3e7 / (flops + 2000)));
    gemm(problem.g);
    double best = 1e9, limit = measure_peak();
    for (int repeat = 0; repeat < 7; ++repeat) {
      const double start = now();
      for (int i = 0; i < calls; ++i) gemm(problem.g);
      best = std::min(best, (now() - start) / calls);
    }
    limit = std::max(limit, measure_peak());
    std::printf("%6ldx%ldx%ld %c%c %16s %9.3f us %7.1f %6.1f%% %8.3f\n", long(s.m), long(s.n),
                long(s.k), s.a, s.b, s.what, best * 1e6, flops / best * 1e-9,
                flops / best * 1e-7 / limit, problem.error());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Table* table = argc > 1 ? pynn::kernels::table_for(argv[1]) : &pynn::kernels::table();
  if (!table) {
    std::fprintf(stderr, "this CPU or build has no '%s'\n", argv[1]);
    return 1;
  }
  const bool wide = table->vector_bytes == 64;
  const bool fused = table->vector_bytes == 32;
  run<float>(*table, wide ? peak<float, 64> : fused ? peak<float, 32> : peak<float, 16>);
  run<double>(*table, wide ? peak<double, 64> : fused ? peak<double, 32> : peak<double, 16>);
}
