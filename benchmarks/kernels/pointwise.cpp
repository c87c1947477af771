// A notebook on activations and their derivatives: checks each against the reference, times it on
// 2^12 numbers (in the first cache) and 2^20 (beyond the second), prints its share of the
// bandwidth.
//
//   cmake --preset default -DPYNN_BENCHMARKS=ON
//   cmake --build build/default -t notebook_pointwise && build/default/notebook_pointwise [isa]
//
// A function at its bandwidth is done; one below it still computes.
#include "notebook.h"

namespace {

using notebook::Buffer;
using pynn::kernels::Pointwise;

struct Row {
  const char* name;
  Pointwise f;
  int operands;
  double low, high;
};

const Row kRows[] = {
#define PYNN_ROW(name, saved, low, high) \
  {#name, Pointwise::name, 1, low, high}, {#name "_grad", Pointwise::name##_grad, 2, low, high},
    PYNN_ACTIVATIONS(PYNN_ROW) PYNN_DIFFERENTIABLE_MATH(PYNN_ROW)
#undef PYNN_ROW
};

void measure(const notebook::Table& table, const Row& row, std::int64_t n) {
  Buffer<float> x(n), dy(n), y(n), expected(n);
  x.fill(row.low, row.high, 1);
  dy.fill(-1, 1, 2);
  // A derivative gets dy and what its formula saved; inputs do for outputs here.
  const void* one[] = {x.p};
  const void* two[] = {dy.p, x.p};
  const void* const* in = row.operands == 1 ? one : two;
  const double attr[] = {0.2, 0.0};
  const auto size = static_cast<std::size_t>(n);
  const auto at = static_cast<std::size_t>(row.f);
  const auto run = [&](const notebook::Table& t, void* out) {
    t.pointwise[at][index(pynn::DType::f32)](size, out, in, attr);
  };
  run(notebook::reference(), expected.p);
  const double time = notebook::seconds([&] { run(table, y.p); });
  char what[64];
  std::snprintf(what, sizeof what, "%s, %ld", row.name, long(n));
  notebook::line(what, time, double(n), 4.0 * double(n) * (row.operands + 1),
                 difference(y, expected));
}

}  // namespace

int main(int argc, char** argv) {
  const notebook::Table* table = notebook::chosen(argc, argv);
  if (!table) return 1;
  notebook::head(table->isa);
  for (const Row& row : kRows)
    for (const std::int64_t n : {1 << 12, 1 << 20}) measure(*table, row, n);
}
