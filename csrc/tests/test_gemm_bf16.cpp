// bfloat16 products of every instruction set against sums in double precision.
#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/table.h"
#include "tests/kernels.h"

namespace {

using pynn::bfloat16;
using pynn::DType;
using pynn::dtype_of;
using pynn::kernels::Activation;
using pynn::kernels::Gemm;
using pynn::kernels::Table;
using pynn::test::for_each_isa;

template <class T>
std::vector<T> random_values(std::int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<T> x(static_cast<std::size_t>(n));
  for (T& v : x) v = static_cast<T>(uniform(random));
  return x;
}

// A product of matrices packed as a table wants them, in exactly as much memory as it takes.
struct Operands {
  std::int64_t m, n, pairs, width;
  std::vector<std::uint32_t> a, b;
  std::vector<float> bias;
  bool a_rows;

  // `a_t`, `b_t`: the operand is stored transposed. A packs to rows, or else to columns.
  Operands(const Table& table, std::int64_t m, std::int64_t n, std::int64_t k, bool a_t, bool b_t,
           const float* x, const float* y, unsigned seed = 3)
      : m(m),
        n(n),
        pairs((k + 1) / 2),
        width(table.pair_panel),
        a(static_cast<std::size_t>(m * pairs)),
        b(static_cast<std::size_t>((n + width - 1) / width * pairs * width)),
        bias(random_values<float>(n, seed)),
        a_rows(!a_t) {
    const auto pack = table.pack_pairs[index(DType::f32)];
    pack(k, m, x, a_t ? m : 1, a_t ? 1 : k, a.data(), a_rows ? 1 : m, a_rows ? pairs : 1);
    for (std::int64_t j = 0; j < n; j += width)
      pack(k, std::min(width, n - j), y + j * (b_t ? k : 1), b_t ? 1 : n, b_t ? k : 1,
           b.data() + j * pairs, width, 1);
  }

  Gemm product(float* c) const {
    return {m,
            n,
            pairs,
            a.data(),
            a_rows ? pairs : 1,
            a_rows ? 1 : m,
            b.data(),
            width,
            pairs * width,
            c,
            n,
            bias.data(),
            Activation::linear,
            nullptr,
            false,
            nullptr};
  }
};

double rounded(float x) { return double{static_cast<float>(bfloat16(x))}; }

constexpr std::array<std::array<std::int64_t, 3>, 10> kShapes = {{{1, 1, 1},
                                                                  {1, 33, 18},
                                                                  {7, 1, 13},
                                                                  {5, 3, 0},
                                                                  {13, 31, 33},
                                                                  {65, 100, 64},
                                                                  {12, 64, 1},
                                                                  {6, 129, 2},
                                                                  {3, 20, 2500},
                                                                  {128, 10, 40}}};

TEST_CASE_TEMPLATE("values are packed in pairs as bfloat16 rounds them", T, float, bfloat16) {
  for_each_isa([](const Table& table) {
    const auto pack = table.pack_pairs[index(dtype_of<T>)];
    const auto oracle = pynn::test::reference().pack_pairs[index(dtype_of<T>)];
    for (const auto& [m, n, k] : kShapes) {
      CAPTURE(n);
      CAPTURE(k);
      std::vector<T> x = random_values<T>(2 * k * n, 1);
      if (k * n > 3) {
        x[1] = T(std::numeric_limits<float>::quiet_NaN());
        x[2] = T(std::numeric_limits<float>::infinity());
        x[3] = T(std::numeric_limits<float>::max());
      }
      const std::int64_t pairs = (k + 1) / 2;
      for (const auto [row, col] : {std::array{n, std::int64_t{1}}, {1, k}, {2 * n, 2}}) {
        for (const bool down : {false, true}) {
          std::vector<std::uint32_t> got(static_cast<std::size_t>(pairs * n)), want = got;
          const std::int64_t out_row = down ? 1 : n, out_col = down ? pairs : 1;
          pack(k, n, x.data(), row, col, got.data(), out_row, out_col);
          oracle(k, n, x.data(), row, col, want.data(), out_row, out_col);
          CHECK(got == want);
        }
      }
    }
  });
}

TEST_CASE("products of pairs are right for every size and layout") {
  for_each_isa([](const Table& table) {
    for (const auto& [m, n, k] : kShapes) {
      CAPTURE(m);
      CAPTURE(n);
      CAPTURE(k);
      const auto x = random_values<float>(m * k, 1), y = random_values<float>(k * n, 2);
      for (const auto& [a_t, b_t] : {std::array{false, false}, {false, true}, {true, false}}) {
        const Operands operands(table, m, n, k, a_t, b_t, x.data(), y.data());
        for (int variant = 0; variant < 4; ++variant) {  // plain, bias, relu, C +=
          std::vector<float> c = random_values<float>(m * n, 4);
          const std::vector<float> before = c;
          Gemm g = operands.product(c.data());
          if (variant == 0 || variant == 3) g.bias = nullptr;
          if (variant == 2) g.activation = Activation::relu;
          g.accumulate = variant == 3;
          table.gemm_pairs(g);
          for (std::int64_t i = 0; i < m; ++i) {
            for (std::int64_t j = 0; j < n; ++j) {
              const auto at = static_cast<std::size_t>(i * n + j);
              double sum = g.accumulate ? before[at] : 0, size = 1;
              if (g.bias) sum += operands.bias[static_cast<std::size_t>(j)];
              for (std::int64_t p = 0; p < k; ++p) {
                const double product =
                    rounded(x[static_cast<std::size_t>(a_t ? p * m + i : i * k + p)]) *
                    rounded(y[static_cast<std::size_t>(b_t ? j * k + p : p * n + j)]);
                sum += product;
                size += std::abs(product);
              }
              if (g.activation == Activation::relu) sum = std::max(sum, 0.0);
              REQUIRE(std::abs(c[at] - sum) <= size * 4 * std::numeric_limits<float>::epsilon());
            }
          }
        }
      }
    }
  });
}

TEST_CASE("the bits of a product of pairs do not depend on how it is cut into blocks") {
  for_each_isa([](const Table& table) {
    std::mt19937 random(5);
    std::uniform_int_distribution<std::int64_t> size(1, 40);
    for (const auto& [m, n, k] : kShapes) {
      const auto x = random_values<float>(m * k, 1), y = random_values<float>(k * n, 2);
      const Operands operands(table, m, n, k, true, false, x.data(), y.data());
      std::vector<float> whole(static_cast<std::size_t>(m * n)), blocks = whole;
      table.gemm_pairs(operands.product(whole.data()));
      const Gemm all = operands.product(blocks.data());
      const std::int64_t panel = table.pair_panel;
      for (std::int64_t i = 0, rows; i < m; i += rows) {
        rows = std::min(size(random), m - i);
        for (std::int64_t j = 0; j < n; j += panel) {
          Gemm g = all;
          g.m = rows;
          g.n = std::min(panel, n - j);
          g.a = static_cast<const std::uint32_t*>(all.a) + i * all.a_row;
          g.b = static_cast<const std::uint32_t*>(all.b) + j / panel * all.b_col;
          g.c = static_cast<float*>(all.c) + i * n + j;
          g.bias = static_cast<const float*>(all.bias) + j;
          table.gemm_pairs(g);
        }
      }
      CHECK(pynn::test::same_bits(whole, blocks));
    }
  });
}

TEST_CASE("what a product of pairs asks for ahead changes no bit and may end anywhere") {
  for_each_isa([](const Table& table) {
    std::vector<char> near(100), far(100'000);
    const pynn::kernels::Ahead ahead{{{near.data(), 100}, {nullptr, 0}, {far.data(), 100'000}}, 3};
    for (const auto& [m, n, k] : kShapes) {
      const auto x = random_values<float>(m * k, 1), y = random_values<float>(k * n, 2);
      const Operands operands(table, m, n, k, true, false, x.data(), y.data());
      std::vector<float> plain(static_cast<std::size_t>(m * n)), asking = plain;
      table.gemm_pairs(operands.product(plain.data()));
      Gemm g = operands.product(asking.data());
      g.ahead = &ahead;
      table.gemm_pairs(g);
      CHECK(pynn::test::same_bits(plain, asking));
    }
  });
}

TEST_CASE("a NaN among pairs reaches its own row and column and no other") {
  for_each_isa([](const Table& table) {
    constexpr std::int64_t m = 20, n = 37, k = 19;
    auto x = random_values<float>(m * k, 1), y = random_values<float>(k * n, 2);
    x[3 * k + 18] = std::numeric_limits<float>::quiet_NaN();
    y[2 * n + 36] = std::numeric_limits<float>::quiet_NaN();
    const Operands operands(table, m, n, k, false, false, x.data(), y.data());
    std::vector<float> c(m * n);
    Gemm g = operands.product(c.data());
    g.activation = Activation::relu;
    table.gemm_pairs(g);
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j)
        CHECK(std::isnan(c[static_cast<std::size_t>(i * n + j)]) == (i == 3 || j == 36));
  });
}

}  // namespace
