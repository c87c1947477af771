// A notebook on transposing a matrix: checks it, times it, prints its share of the bandwidth.
// Widths that are powers of two lie in few sets of the cache.
//
//   cmake --preset default -DPYNN_BENCHMARKS=ON
//   cmake --build build/default -t notebook_transpose && build/default/notebook_transpose [isa]
#include "notebook.h"

namespace {

using notebook::Buffer;

template <class T>
void measure(const notebook::Table& table, std::int64_t rows, std::int64_t cols) {
  Buffer<T> x(rows * cols), y(rows * cols);
  x.fill(0, 100);
  const double time = notebook::seconds([&] {
    table.transpose[sizeof(T)](static_cast<std::size_t>(rows), static_cast<std::size_t>(cols), x.p,
                               cols, y.p, rows);
  });
  double wrong = 0;
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < cols; ++j) wrong += x[i * cols + j] != y[j * rows + i];
  char what[64];
  std::snprintf(what, sizeof what, "%zu bytes, %ldx%ld", sizeof(T), long(rows), long(cols));
  const double n = double(rows) * double(cols);
  notebook::line(what, time, n, 2 * sizeof(T) * n, wrong);
}

}  // namespace

int main(int argc, char** argv) {
  const notebook::Table* table = notebook::chosen(argc, argv);
  if (!table) return 1;
  notebook::head(table->isa);
  const std::int64_t shapes[][2] = {{512, 10},    {128, 512},   {784, 512},
                                    {1000, 1000}, {1024, 1024}, {2048, 2048}};
  for (const auto [rows, cols] : shapes) {
    measure<std::uint8_t>(*table, rows, cols);
    measure<std::uint16_t>(*table, rows, cols);
    measure<float>(*table, rows, cols);
    measure<double>(*table, rows, cols);
  }
}
