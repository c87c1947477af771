// Reductions of runs and of the leading axis, and the index of an extreme element.
#include "kernels/cpu/loops.h"
#include "kernels/cpu/reducers.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

template <class Op, class T>
void reduce_run(std::size_t n, const void* x, void* out) {
  using L = ReduceLane<Op, T>;
  *static_cast<L*>(out) = reduce<L>(n, Op{}, Identity{}, static_cast<const L*>(x));
}

// A block of rows is reduced in registers in kColumnChains chains (row modulo kColumnChains).
// Then blocks are added up in levels of kRadix, so that the error grows with the depth
// of the tree. The order in which a column is reduced depends on the number of rows alone.
constexpr std::size_t kColumnChains = 4;
constexpr std::size_t kBlockRows = 32;
constexpr std::size_t kRadix = 16;
constexpr std::size_t kLevels = 3;
constexpr std::size_t kTileBytes = 4096;  // of one row: what the levels hold at a time

template <class Op, int W, class T, class Load>
PYNN_INLINE void reduce_rows(std::size_t rows, const Load& row, Vec<T> (&out)[W]) {
  using V = Vec<T>;
  V chain[kColumnChains][W];
  for (auto& c : chain) {
    for (V& v : c) v = broadcast<V>(Op::template identity<T>);
  }
  std::size_t r = 0;
  for (; r + kColumnChains <= rows; r += kColumnChains) {
    for (std::size_t c = 0; c < kColumnChains; ++c) {
      for (int w = 0; w < W; ++w) chain[c][w] = Op{}(chain[c][w], row(r + c, w));
    }
  }
  for (std::size_t c = 0; r < rows; ++r, ++c) {
    for (int w = 0; w < W; ++w) chain[c][w] = Op{}(chain[c][w], row(r, w));
  }
  for (int w = 0; w < W; ++w) {
    out[w] = Op{}(Op{}(chain[0][w], chain[1][w]), Op{}(chain[2][w], chain[3][w]));
  }
}

// sums[j] = op(sums[j], reduction of x[., j]) for one block of rows.
template <class Op, class T>
void add_block(std::size_t rows, std::size_t cols, std::ptrdiff_t ld, const T* x, T* sums) {
  using V = Vec<T>;
  constexpr std::size_t N = kLanes<T>;
  constexpr int kWide = kRegisters / 8;
  std::size_t j = 0;
  for (; j + kWide * N <= cols; j += kWide * N) {
    V block[kWide];
    reduce_rows<Op, kWide, T>(
        rows,
        [&](std::size_t r, int w) {
          return load(x + static_cast<std::ptrdiff_t>(r) * ld + j + w * N);
        },
        block);
    for (int w = 0; w < kWide; ++w) {
      store(sums + j + w * N, Op{}(load(sums + j + w * N), block[w]));
    }
  }
  for (; j < cols; j += N) {
    const std::size_t count = cols - j < N ? cols - j : N;
    V block[1];
    if (count == N) {
      reduce_rows<Op, 1, T>(
          rows,
          [&](std::size_t r, int) { return load(x + static_cast<std::ptrdiff_t>(r) * ld + j); },
          block);
    } else {
      reduce_rows<Op, 1, T>(
          rows,
          [&](std::size_t r, int) {
            return load_first(x + static_cast<std::ptrdiff_t>(r) * ld + j, count);
          },
          block);
    }
    store_first(sums + j, Op{}(load_first(sums + j, count), block[0]), count);
  }
}

template <class Op, class T>
void fill_identity(std::size_t n, T* x) {
  using V = Vec<T>;
  map(
      n, [](V) { return broadcast<V>(Op::template identity<T>); }, x, x);
}

template <class Op, class T>
void merge(std::size_t n, const T* from, T* to) {
  using V = Vec<T>;
  map(
      n, [](V a, V b) { return Op{}(a, b); }, to, to, from);
}

template <class Op, class T>
void reduce_tile(std::size_t rows, std::size_t cols, std::ptrdiff_t ld, const T* x, T* out) {
  fill_identity<Op>(cols, out);
  if (rows <= kBlockRows) return add_block<Op>(rows, cols, ld, x, out);
  alignas(64) T level[kLevels][kTileBytes / sizeof(T)];
  for (T* l : level) fill_identity<Op>(cols, l);
  std::size_t blocks = 0;
  for (std::size_t r = 0; r < rows; r += kBlockRows) {
    const std::size_t count = rows - r < kBlockRows ? rows - r : kBlockRows;
    add_block<Op>(count, cols, ld, x + static_cast<std::ptrdiff_t>(r) * ld, level[0]);
    ++blocks;
    for (std::size_t l = 0, full = kRadix; l < kLevels && blocks % full == 0; ++l, full *= kRadix) {
      merge<Op>(cols, level[l], l + 1 < kLevels ? level[l + 1] : out);
      fill_identity<Op>(cols, level[l]);
    }
  }
  for (const T* l : level) merge<Op>(cols, l, out);
}

template <class Op, class T>
void reduce_columns(std::size_t rows, std::size_t cols, std::ptrdiff_t ld, const void* x,
                    void* out) {
  using L = ReduceLane<Op, T>;
  constexpr std::size_t kTile = kTileBytes / sizeof(L);
  for (std::size_t j = 0; j < cols; j += kTile) {
    const std::size_t count = cols - j < kTile ? cols - j : kTile;
    reduce_tile<Op>(rows, count, ld, static_cast<const L*>(x) + j, static_cast<L*>(out) + j);
  }
}

template <class Op, class T>
std::int64_t arg_extreme(std::size_t n, const void* x) {
  const auto p = static_cast<const T*>(x);
  const T extreme = reduce<T>(n, Op{}, Identity{}, p);
  const auto wanted = broadcast<Vec<T>>(extreme);
  if (extreme != extreme) {
    return static_cast<std::int64_t>(find_first(
        n, [](Vec<T> v) { return v != v; }, p));
  }
  return static_cast<std::int64_t>(find_first(
      n, [&](Vec<T> v) { return v == wanted; }, p));
}

template <class T>
void fill(Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
#define PYNN_ROW(name)                                                                    \
  t.reduce_run[static_cast<std::size_t>(Reduce::name)][d] = reduce_run<reducer::name, T>; \
  t.reduce_columns[static_cast<std::size_t>(Reduce::name)][d] = reduce_columns<reducer::name, T>;
  PYNN_REDUCTIONS(PYNN_ROW)
#undef PYNN_ROW
  t.argmax[d] = arg_extreme<reducer::max, T>;
  t.argmin[d] = arg_extreme<reducer::min, T>;
}

}  // namespace

void fill_reduce(Table& table) {
  fill<float>(table);
  fill<double>(table);
  fill<std::int32_t>(table);
  fill<std::int64_t>(table);
}

}  // namespace pynn::kernels::PYNN_ISA
