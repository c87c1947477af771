// The register tile of the bfloat16 product: R rows by N vectors of float32 sums held in registers
// over all pairs of k.
#pragma once

#include <cstdint>

#include "kernels/cpu/vec.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// Without an instruction for pairs both halves of every vector of B stay in registers.
inline constexpr int kPairVectors = kDotsPairs ? 4 : 2;
inline constexpr int kPairRows = 12;
inline constexpr std::int64_t kLine = 64;  // of the cache, in bytes
constexpr int max_pair_rows(int vectors) {
  const int rows = (kRegisters == 32 ? 24 : 8) / vectors;
  return rows < kPairRows ? rows : kPairRows;
}

struct PairTile {
  const std::uint32_t* a;  // (R, k)
  std::int64_t a_row, a_col;
  const std::uint32_t* b;  // (k, kPairVectors vectors)
  float* c;                // (R, N vectors)
  std::int64_t c_row;
  const float* start;  // what the sums start from: the bias (row stride 0), C itself, or null for 0
  std::int64_t start_row;
  std::int64_t k;     // pairs
  std::size_t lanes;  // used in the last vector
  bool relu;
  const char* ahead;  // a line for each pair of k that will be read soon, or null
};
using PairTileFn = void (*)(const PairTile&);

template <int R, int N>
void pair_tile(const PairTile& t) {
  using V = Vec<float>;
  constexpr int L = kLanes<float>;
  const std::size_t lanes = t.lanes;
  V sum[R][N] = {};
  if (t.start) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const float* s = t.start + i * t.start_row;
#pragma GCC unroll 4
      for (int j = 0; j < N - 1; ++j) sum[i][j] = load(s + j * L);
      sum[i][N - 1] = load_first(s + (N - 1) * L, lanes);
    }
  }

  // A pointer for every third row: x86 adds the stride once or twice within the address.
  constexpr int kGroups = (R + 2) / 3;
  const std::int64_t a_row = t.a_row, a_col = t.a_col;
  const std::uint32_t* a[kGroups];
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) a[g] = t.a + 3 * g * a_row;
  const std::uint32_t* b = t.b;
  const auto multiply = [&]() __attribute__((always_inline)) {
    Pairs row[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) row[j] = load(b + j * L);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const Pairs x = broadcast<Pairs>(a[i / 3][i % 3 * a_row]);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sum[i][j] = dot_pairs(x, row[j], sum[i][j]);
    }
    b += kPairVectors * L;
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) a[g] += a_col;
  };
  std::int64_t q = t.k;
  if constexpr (N == kPairVectors) {
    // One at a time, as many at once would keep the tile waiting, and no nearer than L2, as B is
    // in L1.
    if (const char* line = t.ahead) {
      for (; q > 0; --q, line += kLine) {
        __builtin_prefetch(line, 0, 2);
        multiply();
      }
    }
  }
  for (; q > 0; --q) multiply();

#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
    float* const c = t.c + i * t.c_row;
    if (t.relu) {
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sum[i][j] = max(V{}, sum[i][j]);  // keeps a NaN
    }
#pragma GCC unroll 4
    for (int j = 0; j < N - 1; ++j) store(c + j * L, sum[i][j]);
    store_first(c + (N - 1) * L, sum[i][N - 1], lanes);
  }
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
