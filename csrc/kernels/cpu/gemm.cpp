// C = activation(A B + bias) on one thread. Small operands are read where they lie: B if its rows
// are contiguous, A whatever its strides. Every sum starts from the bias, or from C, and runs over
// k in order, in memory between the blocks of k: so no way of cutting m, n or k changes a bit.
#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/cpu/gemm_activation.h"
#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/gemm_row.h"
#include "kernels/cpu/gemm_row_across.h"
#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/vec.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {

void fill_gemm(Table& t);

namespace {

template <class T>
struct Tiles {
  TileFn<T> fn[kTileVectors][kTileRows];  // [N - 1][R - 1]
  TileFn<T> packing[kTileVectors];        // [N - 1], of max_rows(N)

  template <int... N>
  constexpr explicit Tiles(std::integer_sequence<int, N...>)
      : fn{}, packing{tile<T, max_rows(N + 1), N + 1, true>...} {
    (fill<N + 1>(std::make_integer_sequence<int, max_rows(N + 1)>{}), ...);
  }
  template <int N, int... R>
  constexpr void fill(std::integer_sequence<int, R...>) {
    ((fn[N - 1][R] = tile<T, R + 1, N>), ...);
  }
};
template <class T>
constexpr Tiles<T> kTiles{std::make_integer_sequence<int, kTileVectors>{}};

constexpr std::int64_t align(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

// What is copied into the workspace, and how much of k at a time. Rows that are a multiple of 2 KiB
// apart share so few cache sets that even a small block of them does not stay in L1.
template <class T>
struct Plan {
  bool copy_a;  // A lies transposed in such rows: copy it to rows that are not
  bool pack_b;
  std::int64_t k;  // per block: a panel of B that stays in L2
  std::int64_t a_stride = 0, a_bytes = 0;

  explicit Plan(const Gemm& g) {
    constexpr std::int64_t item = sizeof(T);
    const auto collides = [](std::int64_t stride, std::int64_t bytes) {
      return stride * item % bytes == 0;
    };
    pack_b = g.b_col != 1 || g.m >= 512 || (g.m >= 256 && collides(g.b_row, 2048)) ||
             (g.m >= 64 && collides(g.b_row, g.k > 512 ? 2048 : 4096));
    copy_a = g.m >= 64 && g.n >= 128 && g.k >= 32 && g.a_row == 1 && collides(g.a_col, 2048);
    if (g.stretches > 1) {
      pack_b = copy_a = false;
      k = g.k;
      return;
    }
    k = g.k <= 512 ? g.k : !pack_b && collides(g.b_row, 4096) ? 512 : g.k < 1024 ? g.k : 1024;
    if (!copy_a) return;
    a_stride = g.m + 64 / item;
    if (collides(a_stride, 2048)) a_stride += 64 / item;
    a_bytes = align(k * a_stride * item);
  }
  std::int64_t bytes() const {
    return a_bytes + (pack_b ? k * kTileVectors * std::int64_t{kVectorBytes} : 0);
  }
};

template <class T>
std::size_t workspace(const Gemm& g) {
  return static_cast<std::size_t>(Plan<T>(g).bytes());
}

// How much of `left` the next step takes: `most`, but the last two steps share evenly.
inline std::int64_t part(std::int64_t left, std::int64_t most) {
  if (left <= most) return left;
  return left >= 2 * most ? most : (left + 1) / 2;
}

// One row of C over the rows of B, four at a time and in the order in which they lie in memory:
// that counts where B comes from beyond L1. Leaves at least one row to a tile, which finishes C.
// Returns the rows done. Not inlined: it needs the registers for itself.
template <class T>
__attribute__((noinline)) std::int64_t sweep(const Gemm& g) {
  using V = Vec<T>;
  constexpr int K = 4;
  constexpr std::int64_t L = kLanes<T>;
  const std::int64_t n = g.n, k = g.k, a_col = g.a_col, b_row = g.b_row;
  const T* const a = static_cast<const T*>(g.a);
  const T* b = static_cast<const T*>(g.b);
  T* const c = static_cast<T*>(g.c);
  const auto each = [n](auto step) __attribute__((always_inline)) {
    std::int64_t j = 0;
    for (; j + L <= n; j += L) step(j, std::size_t{L});
    if (j < n) step(j, static_cast<std::size_t>(n - j));
  };
  if (k > K && !g.accumulate) {
    const T* const bias = static_cast<const T*>(g.bias);
    each([=](std::int64_t j, std::size_t lanes) __attribute__((always_inline)) {
      store_last(c + j, bias ? load_last(bias + j, lanes) : V{}, lanes);
    });
  }
  std::int64_t p = 0;
  for (; p + K < k; p += K, b += K * b_row) {
    V x[K];
#pragma GCC unroll 4
    for (int q = 0; q < K; ++q) x[q] = broadcast<V>(a[(p + q) * a_col]);
    each([&](std::int64_t j, std::size_t lanes) __attribute__((always_inline)) {
      V sum = load_last(c + j, lanes);
#pragma GCC unroll 4
      for (int q = 0; q < K; ++q) sum = fma(x[q], load_last(b + q * b_row + j, lanes), sum);
      store_last(c + j, sum, lanes);
    });
  }
  return p;
}

template <class T>
ActivateFn<T> activation(const Gemm& g) {
  return kActivate<T>[static_cast<std::size_t>(g.activation)];
}

// The tiles of one strip of C from top to bottom; `t` describes the first. If there is a panel, the
// first tile fills it with what it reads of B, and the others read it from there.
template <class T>
PYNN_INLINE void strip(Tile<T> t, std::int64_t m, std::int64_t vectors) {
  const std::int64_t most = max_rows(static_cast<int>(vectors));
  while (m > 0) {
    const std::int64_t rows = part(m, most);
    if (t.panel && rows == most) {
      kTiles<T>.packing[vectors - 1](t);
      t.b = t.panel;
      t.b_row = vectors * kLanes<T>;
      t.panel = nullptr;
    } else {
      kTiles<T>.fn[vectors - 1][rows - 1](t);
    }
    t.a += rows * t.a_row;
    t.c += rows * t.c_row;
    t.start += rows * t.start_row;
    m -= rows;
  }
}

template <class T>
__attribute__((noinline)) void blocks(const Gemm& g) {
  constexpr std::int64_t L = kLanes<T>;
  const Plan<T> plan(g);
  const T* const bias = static_cast<const T*>(g.bias);
  const T* const b = static_cast<const T*>(g.b);
  T* const c = static_cast<T*>(g.c);
  const ActivateFn<T> finish = activation<T>(g);
  char* const copy = static_cast<char*>(g.workspace);

  std::int64_t p = g.m == 1 && g.stretches == 1 && !plan.pack_b ? sweep<T>(g) : 0;
  do {
    Tile<T> t;
    t.k = part(g.k - p, plan.k);
    const bool last = p + t.k == g.k;
    t.relu = last && g.activation == Activation::relu;
    t.c_row = g.c_row;
    t.stretches = g.stretches;
    t.a_jump = g.a_stretch - g.k * g.a_col;
    const T* a = static_cast<const T*>(g.a) + p * g.a_col;
    t.a = a;
    t.a_row = g.a_row;
    t.a_col = g.a_col;
    if (plan.copy_a) {
      T* const y = reinterpret_cast<T*>(copy);
      copy_rows(t.k, g.m, a, g.a_col, y, plan.a_stride);
      t.a = y;
      t.a_col = plan.a_stride;
    }
    const bool from_c = p > 0 || g.accumulate;
    t.start_row = from_c ? g.c_row : 0;
    for (std::int64_t j = 0; j < g.n;) {
      const std::int64_t vectors = part((g.n - j + L - 1) / L, kTileVectors);
      const std::int64_t cols = vectors * L < g.n - j ? vectors * L : g.n - j;
      t.lanes = static_cast<std::size_t>(cols - (vectors - 1) * L);
      t.b = b + p * g.b_row + j * g.b_col;
      t.b_row = g.b_row;
      t.panel = plan.pack_b ? reinterpret_cast<T*>(copy + plan.a_bytes) : nullptr;
      if (g.b_col != 1) {
        pack(t.k, cols, t.b, g.b_row, g.b_col, t.panel, vectors * L);
        t.b = t.panel;
        t.b_row = vectors * L;
        t.panel = nullptr;
      }
      t.c = c + j;
      t.start = from_c ? t.c : bias ? bias + j : nullptr;
      strip(t, g.m, vectors);
      if (last && finish) finish(g.m, cols, t.c, g.c_row, g.attr);
      j += cols;
    }
    p += t.k;
  } while (p < g.k);
}

// One column of C as one row: B is then the matrix, and its rows are contiguous.
inline Gemm transposed(const Gemm& g) {
  Gemm s = g;
  s.m = g.n;
  s.n = g.m;
  s.a = g.b;
  s.a_row = g.b_col;
  s.a_col = g.b_row;
  s.b = g.a;
  s.b_row = g.a_col;
  s.b_col = g.a_row;
  return s;
}

template <class T>
void gemm(const Gemm& g) {
  constexpr std::int64_t L = kLanes<T>;
  if (g.m <= 0 || g.n <= 0) return;
  if (g.m > 1 && g.n == 1 && g.stretches == 1 && g.c_row == 1 && g.a_row == 1 && !g.bias)
    return gemm<T>(transposed(g));
  if (g.m == 1 && g.b_row == 1 && g.b_col != 1 && g.stretches == 1) return row_across<T>(g);
  if (fits_row<T>(g)) return row<T>(g);
  // One strip in L1 takes nanoseconds: it goes straight to its tiles.
  if (g.n > kTileVectors * L || g.m > 64 || g.k > 64 || g.b_col != 1) return blocks<T>(g);
  const T* const start = static_cast<const T*>(g.accumulate ? g.c : g.bias);
  const std::int64_t vectors = (g.n + L - 1) / L;
  const Tile<T> t = {static_cast<const T*>(g.a),
                     g.a_row,
                     g.a_col,
                     static_cast<const T*>(g.b),
                     g.b_row,
                     static_cast<T*>(g.c),
                     g.c_row,
                     start,
                     g.accumulate ? g.c_row : 0,
                     g.k,
                     static_cast<std::size_t>(g.n - (vectors - 1) * L),
                     g.activation == Activation::relu,
                     nullptr,
                     g.stretches,
                     g.a_stretch - g.k * g.a_col};
  strip(t, g.m, vectors);
  if (const ActivateFn<T> finish = activation<T>(g)) finish(g.m, g.n, t.c, g.c_row, g.attr);
}

}  // namespace

void fill_gemm(Table& t) {
  t.gemm[index(DType::f32)] = gemm<float>;
  t.gemm[index(DType::f64)] = gemm<double>;
  t.gemm_workspace[index(DType::f32)] = workspace<float>;
  t.gemm_workspace[index(DType::f64)] = workspace<double>;
}

}  // namespace pynn::kernels::PYNN_ISA
