// A notebook on the bfloat16 product: checks it, times packing and product on one core, prints the
// product's share of the peak of the dot-product instruction.
//
//   cmake --preset default -DPYNN_BENCHMARKS=ON
//   cmake --build build/default -t notebook_gemm_bf16 && build/default/notebook_gemm_bf16 [isa]
//
// The peak is measured between the rows, so that a clock that drifts moves both. Without the
// instruction it is that of float32 multiply-adds.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

#include "kernels/table.h"
#include "runtime/allocator.h"

namespace {

using pynn::bfloat16;
using pynn::DType;
using pynn::kernels::Gemm;
using pynn::kernels::Table;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// GFLOP/s of dot products that never leave the registers.
double peak() {
  constexpr int chains = 24, steps = 100000;
#if defined(__AVX512BF16__)
  constexpr int flops = 64;
  __m512 sum[chains];
  for (__m512& s : sum) s = _mm512_set1_ps(1);
  __m512i x = _mm512_set1_epi32(0x3f003e80), y = _mm512_set1_epi32(0x3e003d80);
  const auto step = [&](__m512& s) { s = _mm512_dpbf16_ps(s, (__m512bh)x, (__m512bh)y); };
#else
  constexpr int flops = 16;
  typedef float V __attribute__((vector_size(32)));
  V sum[chains] = {}, x = V{} + 0.999f, y = V{} + 1e-3f;
  const auto step = [&](V& s) { s = s * x + y; };
#endif
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const double start = now();
    for (int i = 0; i < steps; ++i) {
      asm volatile("" : "+x"(x), "+x"(y));
#pragma GCC unroll 24
      for (int c = 0; c < chains; ++c) step(sum[c]);
    }
    best = std::max(best, 1e-9 * chains * steps * flops / (now() - start));
  }
  for (auto& s : sum) asm volatile("" ::"x"(s));
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
    {128, 10, 512, 'n', 'n', "logits"},
    {1024, 1024, 1024, 'n', 'n', ""},
    {1024, 1024, 1024, 't', 'n', ""},
    {1024, 1024, 1024, 'n', 't', ""},
    {2048, 2048, 2048, 'n', 'n', ""},
    {128, 1024, 1024, 'n', 'n', "4 KiB rows"},
    {64, 64, 64, 'n', 'n', ""},
    {33, 31, 65, 'n', 'n', "odd"},
    {1, 512, 784, 'n', 'n', "one row"},
};

// Memory aligned as tensors are.
template <class T>
struct Buffer {
  explicit Buffer(std::int64_t n)
      : bytes(static_cast<std::size_t>(n) * sizeof(T)), p(static_cast<T*>(pynn::allocate(bytes))) {}
  ~Buffer() { pynn::deallocate(p, bytes); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  T& operator[](std::int64_t i) const { return p[i]; }

  std::size_t bytes;
  T* p;
};

struct Problem {
  const Table& table;
  Shape s;
  std::int64_t pairs, width, panels, stride;
  Buffer<float> a, b, c;
  Buffer<std::uint32_t> a_pairs, b_pairs;
  Gemm g{};

  Problem(const Table& t, const Shape& shape)
      : table(t),
        s(shape),
        pairs((s.k + 1) / 2),
        width(t.pair_panel),
        panels((s.n + width - 1) / width),
        stride((s.a == 'n' ? pairs : s.m) + 16),
        a(s.m * s.k),
        b(s.k * s.n),
        c(s.m * s.n),
        a_pairs((s.a == 'n' ? s.m : pairs) * stride),
        b_pairs(panels * pairs * width) {
    std::mt19937 random(7);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (std::int64_t i = 0; i < s.m * s.k; ++i) a[i] = uniform(random);
    for (std::int64_t i = 0; i < s.k * s.n; ++i) b[i] = uniform(random);
    std::fill_n(b_pairs.p, panels * pairs * width, 0u);
    const bool rows = s.a == 'n';
    g = {s.m,
         s.n,
         pairs,
         a_pairs.p,
         rows ? stride : 1,
         rows ? 1 : stride,
         b_pairs.p,
         width,
         pairs * width,
         c.p,
         s.n,
         nullptr,
         pynn::kernels::Activation::linear,
         nullptr,
         false,
         nullptr};
  }

  void pack() {
    const auto kernel = table.pack_pairs[index(DType::f32)];
    const bool at = s.a != 'n', bt = s.b != 'n';
    kernel(s.k, s.m, a.p, at ? s.m : 1, at ? 1 : s.k, a_pairs.p, g.a_col, g.a_row);
    for (std::int64_t j = 0; j < s.n; j += width)
      kernel(s.k, std::min(width, s.n - j), b.p + j * (bt ? s.k : 1), bt ? 1 : s.n, bt ? s.k : 1,
             b_pairs.p + j * pairs, width, 1);
  }
  void multiply() { table.gemm_pairs(g); }

  // Largest error of some elements, as a multiple of epsilon |a| |b| of float32.
  double error() const {
    const auto rounded = [](float x) { return double{static_cast<float>(bfloat16(x))}; };
    double worst = 0;
    for (std::int64_t e = 0; e < s.m * s.n; e += 1 + s.m * s.n / 997) {
      const std::int64_t i = e / s.n, j = e % s.n;
      double sum = 0, size = 0;
      for (std::int64_t p = 0; p < s.k; ++p) {
        const double product = rounded(a[s.a == 'n' ? i * s.k + p : p * s.m + i]) *
                               rounded(b[s.b == 'n' ? p * s.n + j : j * s.k + p]);
        sum += product;
        size += std::abs(product);
      }
      worst = std::max(worst, std::abs(sum - c[e]) / (size * 1.2e-7));
    }
    return worst;
  }
};

template <class F>
double best_time(double flops, const F& f) {
  const int calls = std::max(1, static_cast<int>(6e7 / (flops + 2000)));
  double best = 1e9;
  for (int repeat = 0; repeat < 9; ++repeat) {
    const double start = now();
    for (int i = 0; i < calls; ++i) f();
    best = std::min(best, (now() - start) / calls);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const Table* table = argc > 1 ? pynn::kernels::table_for(argv[1]) : &pynn::kernels::table();
  if (!table) {
    std::fprintf(stderr, "this CPU or build has no '%s'\n", argv[1]);
    return 1;
  }
  std::printf("%s\n%22s %12s %11s %11s %8s %7s %8s\n", table->isa, "m x n x k", "", "pack",
              "product", "GFLOP/s", "peak", "error");
  for (const Shape& s : kShapes) {
    Problem problem(*table, s);
    const double flops = 2.0 * static_cast<double>(s.m * s.n * s.k);
    problem.pack();
    problem.multiply();
    const double error = problem.error();
    double limit = peak();
    const double product = best_time(flops, [&] { problem.multiply(); });
    limit = std::max(limit, peak());
    const double pack = best_time(flops, [&] { problem.pack(); });
    std::printf("%6ldx%ldx%ld %c%c %12s %8.2f us %8.2f us %8.1f %6.1f%% %8.3f\n", long(s.m),
                long(s.n), long(s.k), s.a, s.b, s.what, pack * 1e6, product * 1e6,
                flops / product * 1e-9, flops / product * 1e-7 / limit, error);
  }
}
