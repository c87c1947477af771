// A notebook on the bfloat16 product: checks it, times packing and product on one core, prints the
// product's share of the peak of the dot-product instruction.
//
//   cmake --preset default -DPYNN_BENCHMARKS=ON
//   cmake --build build/default -t notebook_gemm_bf16 && build/default/notebook_gemm_bf16 [isa]
//
// The peak is measured between the rows, so that a clock that drifts moves both. Without the
// instruction it is that of float32 multiply-adds.
#include "notebook.h"

namespace {

using notebook::Buffer;
using notebook::Table;
using pynn::bfloat16;
using pynn::DType;
using pynn::kernels::Gemm;

// GFLOP/s of dot products that never leave the registers.
double peak() {
#if defined(__AVX512BF16__)
  return 1e-9 * limits::dot_products() / notebook::seconds([] { limits::dot_products(); }, 5);
#else
  return notebook::peak<float, limits::kBytes>();
#endif
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
    a.fill(-1, 1);
    b.fill(-1, 1, 8);
    std::fill(b_pairs.begin(), b_pairs.end(), 0u);
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

}  // namespace

int main(int argc, char** argv) {
  const Table* table = notebook::chosen(argc, argv);
  if (table == nullptr) return 1;
  std::printf("%s\n%22s %12s %11s %11s %8s %7s %8s\n", table->isa, "m x n x k", "", "pack",
              "product", "GFLOP/s", "peak", "error");
  for (const Shape& s : kShapes) {
    Problem problem(*table, s);
    const double flops = 2.0 * static_cast<double>(s.m * s.n * s.k);
    problem.pack();
    problem.multiply();
    const double error = problem.error();
    double limit = peak();
    const double product = notebook::seconds([&] { problem.multiply(); });
    limit = std::max(limit, peak());
    const double pack = notebook::seconds([&] { problem.pack(); });
    std::printf("%6ldx%ldx%ld %c%c %12s %8.2f us %8.2f us %8.1f %6.1f%% %8.3f\n", long(s.m),
                long(s.n), long(s.k), s.a, s.b, s.what, pack * 1e6, product * 1e6,
                flops / product * 1e-9, flops / product * 1e-7 / limit, error);
  }
}
