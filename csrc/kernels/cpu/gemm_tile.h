// The register tile of the matrix product: R rows by N vectors of C held in registers over all of
// k.
#pragma once

#include <cstdint>

#include "kernels/cpu/vec.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// Two thirds or more of the registers accumulate; the rest hold one row of B and a broadcast of A.
inline constexpr int kAccumulators = kRegisters == 32 ? 24 : 12;
inline constexpr int kTileVectors = kRegisters == 32 ? 4 : 2;
inline constexpr int kTileRows = 12;

constexpr int max_rows(int vectors) {
  const int rows = kAccumulators / vectors;
  return rows < kTileRows ? rows : kTileRows;
}

template <class T>
struct Tile {
  const T* a;  // (R, k)
  std::int64_t a_row, a_col;
  const T* b;  // (k, N vectors)
  std::int64_t b_row;
  T* c;  // (R, N vectors)
  std::int64_t c_row;
  const T* start;  // what the sums start from: the bias (row stride 0), C itself, or null for zero
  std::int64_t start_row;
  std::int64_t k;
  std::size_t lanes;  // used in the last vector, 1 ... kLanes<T>
  bool relu;
  T* panel;  // a contiguous copy of b: (k, N vectors), or null
  std::int64_t stretches = 1,
               a_jump = 0;  // k is the length of each; from the end of one to the next
};

template <class T>
using TileFn = void (*)(const Tile<T>&);

// The last vector of a row of the tile.
template <class T>
PYNN_INLINE Vec<T> load_last(const T* p, std::size_t lanes) {
  return lanes >= kLanes<T> ? load(p) : load_first(p, lanes);
}
template <class T>
PYNN_INLINE void store_last(T* p, Vec<T> v, std::size_t lanes) {
  return lanes >= kLanes<T> ? store(p, v) : store_first(p, v, lanes);
}

// With `Pack`, the rows of B that it reads also go to the panel, for the tiles below it.
template <class T, int R, int N, bool Pack = false>
void tile(const Tile<T>& t) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  const std::size_t lanes = t.lanes;
  V sum[R][N];
  const T* const start = t.start;
  const std::int64_t start_row = t.start_row;
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) sum[i][j] = V{};
  }
  if (start) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const T* s = start + i * start_row;
#pragma GCC unroll 4
      for (int j = 0; j < N - 1; ++j) sum[i][j] = load(s + j * L);
      sum[i][N - 1] = load_last(s + (N - 1) * L, lanes);
    }
  }

  // A pointer for every third row: x86 adds the stride once or twice within the address.
  const std::int64_t a_row = t.a_row, a_col = t.a_col, b_row = t.b_row;
  const T* a[(R + 2) / 3];
#pragma GCC unroll 4
  for (int g = 0; g < (R + 2) / 3; ++g) a[g] = t.a + 3 * g * a_row;
  const T* b = t.b;
  T* panel = t.panel;
  // Two loops, so that neither asks in each round whether the last vector is whole.
  const auto multiply = [&](auto last) __attribute__((always_inline)) {
    for (std::int64_t stretch = t.stretches;;) {
      for (std::int64_t p = t.k; p > 0; --p) {
        V row[N];
#pragma GCC unroll 4
        for (int j = 0; j < N - 1; ++j) row[j] = load(b + j * L);
        row[N - 1] = last(b + (N - 1) * L);
        if constexpr (Pack) {
#pragma GCC unroll 4
          for (int j = 0; j < N; ++j) store(panel + j * L, row[j]);
          panel += N * L;
        }
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
          const V x = broadcast<V>(a[i / 3][i % 3 * a_row]);
#pragma GCC unroll 4
          for (int j = 0; j < N; ++j) sum[i][j] = fma(x, row[j], sum[i][j]);
        }
        b += b_row;
#pragma GCC unroll 4
        for (int g = 0; g < (R + 2) / 3; ++g) a[g] += a_col;
      }
      if (--stretch == 0) break;
#pragma GCC unroll 4
      for (int g = 0; g < (R + 2) / 3; ++g) a[g] += t.a_jump;
    }
  };
  if (lanes >= L)
    multiply([](const T* p) __attribute__((always_inline)) { return load(p); });
  else
    multiply([lanes](const T* p) __attribute__((always_inline)) { return load_first(p, lanes); });

  if (t.relu) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sum[i][j] = max(V{}, sum[i][j]);  // keeps a NaN
    }
  }
  T* const c = t.c;
  const std::int64_t c_row = t.c_row;
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < N - 1; ++j) store(c + i * c_row + j * L, sum[i][j]);
    store_last(c + i * c_row + (N - 1) * L, sum[i][N - 1], lanes);
  }
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
