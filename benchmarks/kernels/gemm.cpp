// A notebook on the matrix product: checks it, times it on one core, prints its share of the FMA
// peak.
//
//   cmake --preset default -DPYNN_BENCHMARKS=ON
//   cmake --build build/default -t notebook_gemm && build/default/notebook_gemm [isa]
//
// The peak is that of the table's vector width; it is measured between the rows, so that a clock
// that drifts moves both.
#include "notebook.h"

namespace {

using notebook::Buffer;
using notebook::Table;
using pynn::kernels::Gemm;

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
    a.fill(-1, 1, 1);
    b.fill(-1, 1, 2);
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
    double limit = measure_peak();
    const double best = notebook::seconds([&] { gemm(problem.g); });
    limit = std::max(limit, measure_peak());
    std::printf("%6ldx%ldx%ld %c%c %16s %9.3f us %7.1f %6.1f%% %8.3f\n", long(s.m), long(s.n),
                long(s.k), s.a, s.b, s.what, best * 1e6, flops / best * 1e-9,
                flops / best * 1e-7 / limit, problem.error());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Table* table = notebook::chosen(argc, argv);
  if (!table) return 1;
  using notebook::peak;
  const bool wide = table->vector_bytes == 64;
  const bool fused = table->vector_bytes == 32;
  run<float>(*table, wide ? peak<float, 64> : fused ? peak<float, 32> : peak<float, 16>);
  run<double>(*table, wide ? peak<double, 64> : fused ? peak<double, 32> : peak<double, 16>);
}
