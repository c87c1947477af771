// A notebook on reductions of runs and of leading axes: checks them against the reference, times
// them, prints their share of the bandwidth.
//
//   cmake --preset default -DPYNN_BENCHMARKS=ON
//   cmake --build build/default -t notebook_reductions && build/default/notebook_reductions [isa]
#include "notebook.h"

namespace {

using notebook::Buffer;
using notebook::Table;
using pynn::kernels::Reduce;

constexpr std::size_t kFloat = index(pynn::DType::f32);

struct Row {
  const char* name;
  std::size_t at;
};

const Row kRows[] = {
#define PYNN_ROW(name) {#name, static_cast<std::size_t>(Reduce::name)},
    PYNN_REDUCTIONS(PYNN_ROW)
#undef PYNN_ROW
};

// All of x (rows, cols) with one call for each row, then its leading axis.
void measure(const Table& table, const Row& row, std::size_t rows, std::size_t cols) {
  const auto n = static_cast<std::int64_t>(rows * cols);
  Buffer<float> x(n);
  x.fill(0.9, 1.1);
  const auto along = [&](const Table& t, float* out) {
    for (std::size_t i = 0; i < rows; ++i)
      t.reduce_run[row.at][kFloat](cols, x.p + i * cols, out + i);
  };
  const auto down = [&](const Table& t, float* out) {
    t.reduce_columns[row.at][kFloat](rows, cols, static_cast<std::ptrdiff_t>(cols), x.p, out);
  };
  const auto compare = [&](const char* how, std::size_t results, const auto& run) {
    Buffer<float> y(static_cast<std::int64_t>(results)),
        expected(static_cast<std::int64_t>(results));
    run(notebook::reference(), expected.p);
    const double time = notebook::seconds([&] { run(table, y.p); });
    char what[64];
    std::snprintf(what, sizeof what, "%s of %zux%zu, %s", row.name, rows, cols, how);
    notebook::line(what, time, double(n), 4.0 * double(n), difference(y, expected));
  };
  compare("rows", rows, along);
  compare("columns", cols, down);
}

}  // namespace

int main(int argc, char** argv) {
  const Table* table = notebook::chosen(argc, argv);
  if (!table) return 1;
  notebook::head(table->isa);
  for (const Row& row : kRows) {
    measure(*table, row, 128, 10);
    measure(*table, row, 128, 512);
    measure(*table, row, 1024, 1024);
  }
}
