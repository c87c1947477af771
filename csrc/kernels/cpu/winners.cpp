// Products with the gradient of max pooling, which has one pixel a window: sums of the rows that
// belong to it, or, where rows are short, products with what is zero elsewhere, which is made in
// registers.
#include <utility>

#include "kernels/cpu/loops.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// Vectors of a sum at a time, of stretches that are added up together: with one stretch, in two
// chains. As many accumulators fit the registers. Fewer where speed counts less.
template <class T>
constexpr int kVectors = !kIsFma          ? 1
                         : sizeof(T) == 4 ? 6
                                          : 3;
template <class T>
constexpr int kStretches = kRegisters == 32 && sizeof(T) == 4 ? 3 : 1;

// N vectors of S stretches of all sums, from `column` of the first stretch on.
template <class T, int N, int S>
void sum_rows(const RowSums& s, std::int64_t first, std::int64_t column, std::size_t lanes) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  constexpr int kChains = S == 1 ? 2 : 1;  // one vector alone waits for its last addition
  const std::int64_t x_stretch = s.x_stretch, c_stretch = s.c_stretch;
  const T* const x = static_cast<const T*>(s.x) + first * x_stretch + column;
  for (std::int64_t i = 0; i < s.sums; ++i) {
    const std::int64_t n = s.terms[i];
    if (n == 0) continue;
    const T* const values = static_cast<const T*>(s.values) + i * s.capacity;
    const std::int32_t* const at = s.at + i * s.capacity;
    V sum[kChains][S][N] = {};
    const auto add = [&](int chain, std::int64_t t) __attribute__((always_inline)) {
      const V value = broadcast<V>(values[t]);
      const T* row = x + at[t];
#pragma GCC unroll 3
      for (int k = 0; k < S; ++k, row += x_stretch) {
#pragma GCC unroll 8
        for (int j = 0; j < N - 1; ++j)
          sum[chain][k][j] = fma(value, load(row + j * L), sum[chain][k][j]);
        sum[chain][k][N - 1] =
            fma(value, load_first(row + (N - 1) * L, lanes), sum[chain][k][N - 1]);
      }
    };
    std::int64_t t = 0;
    for (; t + kChains <= n; t += kChains) {
#pragma GCC unroll 2
      for (int chain = 0; chain < kChains; ++chain) add(chain, t + chain);
    }
    if (t < n) add(0, t);
    T* c = static_cast<T*>(s.c) + s.to[i] + first * c_stretch + column;
#pragma GCC unroll 3
    for (int k = 0; k < S; ++k, c += c_stretch) {
      const auto total = [&](int j) __attribute__((always_inline)) {
        return kChains == 1 ? sum[0][k][j] : sum[0][k][j] + sum[kChains - 1][k][j];
      };
#pragma GCC unroll 8
      for (int j = 0; j < N - 1; ++j) store(c + j * L, load(c + j * L) + total(j));
      T* const last = c + (N - 1) * L;
      store_first(last, load_first(last, lanes) + total(N - 1), lanes);
    }
  }
}

template <class T, int... N>
void row_sums(const RowSums& s, std::integer_sequence<int, N...>) {
  constexpr std::int64_t L = kLanes<T>, kMost = kVectors<T>;
  using Sum = void (*)(const RowSums&, std::int64_t, std::int64_t, std::size_t);
  constexpr Sum kOne[] = {sum_rows<T, N + 1, 1>...},
                kAll[] = {sum_rows<T, N + 1, kStretches<T>>...};
  for (std::int64_t column = 0; column < s.columns;) {
    const std::int64_t left = (s.columns - column + L - 1) / L;
    const std::int64_t vectors = left <= kMost ? left : left < 2 * kMost ? (left + 1) / 2 : kMost;
    const std::int64_t part = s.columns - column - (vectors - 1) * L;
    const auto lanes = static_cast<std::size_t>(part < L ? part : L);
    std::int64_t k = 0;
    for (; k + kStretches<T> <= s.stretches; k += kStretches<T>)
      kAll[vectors - 1](s, k, column, lanes);
    for (; k < s.stretches; ++k) kOne[vectors - 1](s, k, column, lanes);
    column += vectors * L;
  }
}
template <class T>
void row_sums(const RowSums& s) {
  row_sums<T>(s, std::make_integer_sequence<int, kVectors<T>>{});
}

template <class T>
std::int32_t pack_terms(const PackTerms& terms) {
  const PackTerms p = terms;  // which no store here changes
  const auto values = static_cast<const T*>(p.values);
  const auto packed = static_cast<T*>(p.packed);
  std::int32_t count = 0;
  if constexpr (kPacksLanes && sizeof(T) == 4) {
    using V = Vec<T>;
    using M = Mask<V>;
    constexpr std::int64_t L = kLanes<T>;
    for (std::int64_t i = 0; i < p.count; i += L) {
      const auto lanes = static_cast<std::size_t>(p.count - i < L ? p.count - i : L);
      const V value = load_first(values + i, lanes);
      const M key = convert<Elem<M>>(load_first<std::uint8_t, L>(p.keys + i, lanes));
      M at{}, found{};
      for (std::int64_t k = p.begin; k < p.end; ++k) {
        const M equal = key == static_cast<Elem<M>>(k);
        at = select(equal, broadcast<M>(p.key_at[k - p.begin]), at);
        found |= equal;
      }
      found &= value != T(0);  // which no lane beyond the last one is
      store(packed + count, pack_lanes(found, value));
      store(p.packed_at + count, pack_lanes<M>(found, at + load_first(p.at + i, lanes)));
      count += count_true(found);
    }
  } else {
    const std::int64_t last = p.end - 1 - p.begin;
    for (std::int64_t i = 0; i < p.count; ++i) {
      const std::int64_t key = p.keys[i] - p.begin;
      const bool found = key >= 0 && key <= last;
      packed[count] = values[i];
      p.packed_at[count] = p.at[i] + p.key_at[found ? key : 0];
      count += found && values[i] != T(0);
    }
  }
  return count;
}

constexpr int kRows = 9;  // a kernel of 3 x 3, or a third of one with three channels
constexpr int kFilterVectors = kRegisters == 32 ? 2 : 1;

// kRows rows, of which the first `rows` exist, by N vectors of filters.
template <class T, int N>
void winner_block(const WinnerProduct& p, std::int64_t row, std::int64_t rows, std::int64_t filter,
                  std::size_t lanes) {
  using V = Vec<T>;
  using M = Mask<V>;
  constexpr int L = kLanes<T>;
  // Of all pixels a winner can name; rows that do not exist repeat the first.
  std::int32_t at[256][kRows];
  for (std::int64_t pixel = 0; pixel < p.pixels; ++pixel) {
    for (int r = 0; r < kRows; ++r)
      at[pixel][r] = p.pixel_at[pixel] + p.row_at[row + (r < rows ? r : 0)];
  }
  V sum[kRows][N] = {};
  for (std::int64_t i = 0; i < p.windows; ++i) {
    const T* const values = static_cast<const T*>(p.values) + i * p.filters + filter;
    const std::uint8_t* const winners = p.winners + i * p.filters + filter;
    V value[N];
    M winner[N];
#pragma GCC unroll 2
    for (int j = 0; j < N - 1; ++j) {
      value[j] = load(values + j * L);
      winner[j] = convert<Elem<M>>(load<std::uint8_t, L>(winners + j * L));
    }
    value[N - 1] = load_first(values + (N - 1) * L, lanes);
    winner[N - 1] = convert<Elem<M>>(load_first<std::uint8_t, L>(winners + (N - 1) * L, lanes));
    const T* const x = static_cast<const T*>(p.x) + p.window_at[i];
    for (std::int64_t pixel = 0; pixel < p.pixels; ++pixel) {
      V won[N];
#pragma GCC unroll 2
      for (int j = 0; j < N; ++j)
        won[j] = select(winner[j] == static_cast<Elem<M>>(pixel), value[j], V{});
#pragma GCC unroll 9
      for (int r = 0; r < kRows; ++r) {
        const V factor = broadcast<V>(x[at[pixel][r]]);
#pragma GCC unroll 2
        for (int j = 0; j < N; ++j) sum[r][j] = fma(factor, won[j], sum[r][j]);
      }
    }
  }
  T sums[kRows][N * L];
#pragma GCC unroll 9
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int j = 0; j < N; ++j) store(sums[r] + j * L, sum[r][j]);
  }
  for (int r = 0; r < rows; ++r) {
    T* const c = static_cast<T*>(p.c) + (row + r) * p.filters + filter;
    map(
        static_cast<std::size_t>((N - 1) * L) + lanes, [](V a, V b) { return a + b; }, c, c,
        sums[r]);
  }
}

void winner_product(const WinnerProduct& p) {
  constexpr std::int64_t L = kLanes<float>;
  for (std::int64_t filter = 0; filter < p.filters;) {
    const std::int64_t left = p.filters - filter;
    const std::int64_t vectors = left > L ? kFilterVectors : 1;
    const std::int64_t lanes = left - (vectors - 1) * L;
    const auto block = vectors == 1 ? winner_block<float, 1> : winner_block<float, kFilterVectors>;
    for (std::int64_t row = 0; row < p.rows; row += kRows)
      block(p, row, p.rows - row < kRows ? p.rows - row : kRows, filter,
            static_cast<std::size_t>(lanes < L ? lanes : L));
    filter += vectors * L;
  }
}

}  // namespace

void fill_winners(Table& table) {
  table.row_sums[index(DType::f32)] = row_sums<float>;
  table.row_sums[index(DType::f64)] = row_sums<double>;
  table.pack_terms[index(DType::f32)] = pack_terms<float>;
  table.pack_terms[index(DType::f64)] = pack_terms<double>;
  table.winner_product = winner_product;
}

}  // namespace pynn::kernels::PYNN_ISA
