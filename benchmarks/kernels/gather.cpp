// A notebook on taking rows by number, as a batch is drawn: checks it, times it, prints its share
// of the bandwidth. The table of rows is larger than the caches; the rows of a batch lie anywhere.
//
//   cmake --preset default -DPYNN_BENCHMARKS=ON
//   cmake --build build/default -t notebook_gather && build/default/notebook_gather [isa]
#include <cstdlib>

#include "notebook.h"
#include "ops/ops.h"
#include "runtime/thread_pool.h"

namespace {

using pynn::Array;
using pynn::DType;

void measure(std::int64_t rows, std::int64_t width, std::int64_t count) {
  const Array x = Array::empty(DType::f32, {rows, width});
  const Array picked = Array::empty(DType::i64, {count});
  for (std::int64_t i = 0; i < rows * width; ++i) x.as<float>()[i] = static_cast<float>(i % 8191);
  std::mt19937_64 random(7);
  const auto draw = [&] {
    for (std::int64_t i = 0; i < count; ++i)
      picked.as<std::int64_t>()[i] =
          static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(rows));
  };
  const double drawing = notebook::seconds(draw);
  Array y;
  const double time = notebook::seconds([&] {
                        draw();  // or the rows of the last turn are in the cache
                        y = pynn::ops::take(x, picked).array();
                      }) -
                      drawing;
  double wrong = 0;
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t j = 0; j < width; ++j)
      wrong +=
          y.as<float>()[i * width + j] != x.as<float>()[picked.as<std::int64_t>()[i] * width + j];
  char what[64];
  std::snprintf(what, sizeof what, "%ld of %ldx%ld", long(count), long(rows), long(width));
  const double n = double(count) * double(width);
  notebook::line(what, time, n, 8 * n, wrong, 4 * double(rows) * double(width));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) setenv("PYNN_ISA", argv[1], 1);
  pynn::set_num_threads(1);
  notebook::head(pynn::kernels::table().isa);
  measure(60000, 784, 32);
  measure(60000, 784, 128);
  measure(60000, 784, 1024);
  measure(60000, 10, 128);
  measure(100000, 64, 4096);
}
