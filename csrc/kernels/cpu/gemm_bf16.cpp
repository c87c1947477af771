// C = relu(A B + bias) of bfloat16 matrices packed in pairs along k, with float32 sums. They start
// from the bias, or from C, and run over the pairs in order, in C between the blocks of k: no way
// of cutting m, n or k changes a bit.
#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/cpu/gemm_bf16_pack.h"
#include "kernels/cpu/gemm_bf16_tile.h"
#include "kernels/cpu/vec.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {

void fill_gemm_bf16(Table& t);

namespace {

struct PairTiles {
  PairTileFn fn[kPairVectors][kPairRows];  // [N - 1][R - 1]

  template <int... N>
  constexpr explicit PairTiles(std::integer_sequence<int, N...>) : fn{} {
    (fill<N + 1>(std::make_integer_sequence<int, max_pair_rows(N + 1)>{}), ...);
  }
  template <int N, int... R>
  constexpr void fill(std::integer_sequence<int, R...>) {
    ((fn[N - 1][R] = pair_tile<R + 1, N>), ...);
  }
};
constexpr PairTiles kPairTiles{std::make_integer_sequence<int, kPairVectors>{}};

// A panel of B of so many pairs stays in L2.
constexpr std::int64_t kPairBlock = 512;

// What is still to be asked for, some lines with each tile.
struct Asking {
  const Ahead* ahead;
  int run = 0;
  std::int64_t at = 0;

  const char* next(std::int64_t lines) {
    if (ahead == nullptr || run == ahead->count) return nullptr;
    const char* const from = ahead->runs[run].data + at;
    at += lines * kLine;
    if (at >= ahead->runs[run].bytes) {
      at = 0;
      ++run;
    }
    return from;
  }
};

void gemm_pairs(const Gemm& g) {
  constexpr std::int64_t L = kLanes<float>, kWidth = kPairVectors * L;
  const auto a = static_cast<const std::uint32_t*>(g.a), b = static_cast<const std::uint32_t*>(g.b);
  const auto bias = static_cast<const float*>(g.bias);
  Asking asking{g.ahead};
  for (std::int64_t j = 0; j < g.n; j += kWidth) {
    const std::int64_t cols = g.n - j < kWidth ? g.n - j : kWidth;
    const std::int64_t vectors = (cols + L - 1) / L;
    float* const c = static_cast<float*>(g.c) + j;
    PairTile t{};
    t.a_row = g.a_row;
    t.a_col = g.a_col;
    t.c_row = g.c_row;
    t.lanes = static_cast<std::size_t>(cols - (vectors - 1) * L);
    const std::int64_t tiles = (g.m + max_pair_rows(static_cast<int>(vectors)) - 1) /
                               max_pair_rows(static_cast<int>(vectors));
    std::int64_t p = 0;
    do {
      t.k = g.k - p < kPairBlock ? g.k - p : kPairBlock;
      t.relu = p + t.k == g.k && g.activation == Activation::relu;
      t.b = b + j / kWidth * g.b_col + p * kWidth;
      const bool from_c = p > 0 || g.accumulate;
      t.start_row = from_c ? g.c_row : 0;
      for (std::int64_t i = 0; i < tiles; ++i) {
        const std::int64_t row = g.m * i / tiles, rows = g.m * (i + 1) / tiles - row;
        t.a = a + row * g.a_row + p * g.a_col;
        t.c = c + row * g.c_row;
        t.ahead = vectors == kPairVectors ? asking.next(t.k) : nullptr;
        t.start = from_c ? t.c : bias ? bias + j : nullptr;
        kPairTiles.fn[vectors - 1][rows - 1](t);
      }
      p += t.k;
    } while (p < g.k);
  }
}

}  // namespace

void fill_gemm_bf16(Table& t) {
  t.pair_panel = kPairVectors * kLanes<float>;
  t.pack_pairs[index(DType::f32)] = pack_pairs<float>;
  t.pack_pairs[index(DType::bf16)] = pack_pairs<bfloat16>;
  t.gemm_pairs = gemm_pairs;
}

}  // namespace pynn::kernels::PYNN_ISA
