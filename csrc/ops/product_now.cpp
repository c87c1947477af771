// A single product, computed at once: what an eager call on plain matrices needs of a Product.
#include <memory>

#include "ops/product.h"

namespace pynn {

using kernels::Gemm;

namespace {

struct Release {
  std::size_t bytes;
  void operator()(void* p) const { deallocate(p, bytes); }
};

void run(const Gemm& g, DType dtype) {
  const auto& table = kernels::table();
  const std::size_t bytes = table.gemm_workspace[index(dtype)](g);
  if (bytes == 0) return table.gemm[index(dtype)](g);
  const std::unique_ptr<void, Release> workspace(allocate(bytes), {bytes});
  Gemm own = g;
  own.workspace = workspace.get();
  table.gemm[index(dtype)](own);
}

// The blocks of the last product of this thread: the next one is often of the same size, and
// choosing takes as long as a small product.
Extent known_block(const Gemm& g, std::size_t item) {
  struct Choice {
    std::int64_t m = -1, n = 0, k = 0;
    std::size_t item = 0;
    int threads = 0;
    Extent block{};
  };
  thread_local Choice last;
  const int threads = num_threads();
  if (last.m != g.m || last.n != g.n || last.k != g.k || last.item != item ||
      last.threads != threads)
    last = {g.m, g.n, g.k, item, threads, choose_block(g, 1, item, false)};
  return last.block;
}

}  // namespace

void multiply_now(const Gemm& g, DType dtype) {
  const double work =
      2.0 * static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(g.k);
  if (work <= kParallelWork) return run(g, dtype);
  const auto item = static_cast<std::int64_t>(item_size(dtype));
  const Extent block = known_block(g, item_size(dtype));
  const std::int64_t across = (g.n + block.columns - 1) / block.columns;
  const std::int64_t down = (g.m + block.rows - 1) / block.rows;
  parallel_for(static_cast<std::size_t>(down * across), [&](std::size_t i) {
    const std::int64_t row = static_cast<std::int64_t>(i) / across * block.rows;
    const std::int64_t column = static_cast<std::int64_t>(i) % across * block.columns;
    Gemm part = g;
    part.m = std::min(block.rows, g.m - row);
    part.n = std::min(block.columns, g.n - column);
    part.a = static_cast<const char*>(g.a) + row * g.a_row * item;
    part.b = static_cast<const char*>(g.b) + column * g.b_col * item;
    part.c = static_cast<char*>(g.c) + (row * g.c_row + column) * item;
    run(part, dtype);
  });
}

}  // namespace pynn
