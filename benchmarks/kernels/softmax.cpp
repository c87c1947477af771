// A notebook on softmax, its logarithm and their derivatives along rows: checks them against the
// reference, times them, prints their share of the bandwidth.
//
//   cmake --preset default -DPYNN_BENCHMARKS=ON
//   cmake --build build/default -t notebook_softmax && build/default/notebook_softmax [isa]
#include "notebook.h"

namespace {

using notebook::Buffer;
using notebook::Table;

constexpr std::size_t kFloat = index(pynn::DType::f32);

template <class Function, class Call>
void measure(const Table& table, const char* name, Function Table::*function, std::size_t rows,
             std::size_t cols, int operands, const Call& call) {
  const auto n = static_cast<std::int64_t>(rows * cols);
  Buffer<float> y(n), expected(n);
  call((notebook::reference().*function)[kFloat], expected.p);
  const double time = notebook::seconds([&] { call((table.*function)[kFloat], y.p); });
  char what[64];
  std::snprintf(what, sizeof what, "%s %zux%zu", name, rows, cols);
  notebook::line(what, time, double(n), 4.0 * double(n) * (operands + 1), difference(y, expected));
}

}  // namespace

int main(int argc, char** argv) {
  const Table* table = notebook::chosen(argc, argv);
  if (!table) return 1;
  notebook::head(table->isa);
  const std::size_t shapes[][2] = {{128, 10}, {128, 1000}, {1024, 1024}};
  for (const auto [rows, cols] : shapes) {
    const auto n = static_cast<std::int64_t>(rows * cols);
    Buffer<float> x(n), dy(n), y(n);
    x.fill(-4, 4, 1);
    dy.fill(-1, 1, 2);
    notebook::reference().softmax[kFloat](rows, cols, x.p, y.p);
    const auto map = [&](auto f, void* out) { f(rows, cols, x.p, out); };
    const auto slope = [&](auto f, void* out) { f(rows, cols, dy.p, y.p, out); };
    measure(*table, "softmax", &Table::softmax, rows, cols, 1, map);
    measure(*table, "log_softmax", &Table::log_softmax, rows, cols, 1, map);
    measure(*table, "softmax_grad", &Table::softmax_grad, rows, cols, 2, slope);
    measure(*table, "log_softmax_grad", &Table::log_softmax_grad, rows, cols, 2, slope);
  }
}
