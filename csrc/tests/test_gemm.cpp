// Matrix products of every instruction set against sums in double precision.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "kernels/table.h"
#include "runtime/allocator.h"
#include "tests/kernels.h"

namespace {

using pynn::kernels::Activation;
using pynn::kernels::Gemm;
using pynn::kernels::Pointwise;
using pynn::kernels::Table;
using pynn::test::for_each_isa;

// How an operand lies in memory: its element (i, j) is at i * row + j * col.
enum class Layout { rows, columns, padded_rows, padded_columns, spread };
constexpr std::array<Layout, 5> kLayouts = {Layout::rows, Layout::columns, Layout::padded_rows,
                                            Layout::padded_columns, Layout::spread};

std::pair<std::int64_t, std::int64_t> strides(Layout layout, std::int64_t rows, std::int64_t cols) {
  switch (layout) {
    case Layout::rows:
      return {cols, 1};
    case Layout::columns:
      return {1, rows};
    case Layout::padded_rows:
      return {cols + 3, 1};
    case Layout::padded_columns:
      return {1, rows + 5};
    case Layout::spread:
      return {2 * cols + 1, 2};
  }
  return {};
}

// A matrix in exactly as much memory as it reaches, so that a sanitizer sees any look beyond.
template <class T>
struct Matrix {
  Matrix(std::int64_t rows, std::int64_t cols, std::pair<std::int64_t, std::int64_t> s,
         std::mt19937& random)
      : row(s.first), col(s.second) {
    const bool empty = rows == 0 || cols == 0;
    values.resize(static_cast<std::size_t>(empty ? 0 : (rows - 1) * row + (cols - 1) * col + 1));
    std::uniform_real_distribution<T> uniform(-1, 1);
    for (T& x : values) x = uniform(random);
  }
  T at(std::int64_t i, std::int64_t j) const {
    return values[static_cast<std::size_t>(i * row + j * col)];
  }

  std::int64_t row, col;
  std::vector<T> values;
};

// Calls the kernel with the workspace that it asks for and not a byte more.
template <class T>
void multiply(const Table& table, Gemm g) {
  constexpr std::size_t type = index(pynn::dtype_of<T>);
  const std::size_t bytes = table.gemm_workspace[type](g);
  g.workspace = bytes ? pynn::allocate(bytes) : nullptr;
  table.gemm[type](g);
  if (bytes) pynn::deallocate(g.workspace, bytes);
}

constexpr std::array<double, 2> kAttr = {0.25, 0};

double reference(Activation activation, double x) {
  if (activation == Activation::linear) return x;
  constexpr Pointwise pointwise[] = {Pointwise::count,
#define PYNN_ROW(name, ...) Pointwise::name,
                                     PYNN_ACTIVATIONS(PYNN_ROW)
#undef PYNN_ROW
  };
  const auto row = static_cast<std::size_t>(pointwise[static_cast<std::size_t>(activation)]);
  const void* in = &x;
  double y;
  pynn::test::reference().pointwise[row][index(pynn::DType::f64)](1, &y, &in, kAttr.data());
  return y;
}

struct Options {
  bool bias = false, accumulate = false;
  Activation activation = Activation::linear;
  std::int64_t pad = 0;  // of the rows of C
  bool gemv = false;     // by the kernel for one row
};

template <class T>
Gemm describe(std::int64_t m, std::int64_t n, std::int64_t k, const Matrix<T>& a,
              const Matrix<T>& b, Matrix<T>& c, const Matrix<T>* bias, Activation activation,
              bool accumulate) {
  return {m,
          n,
          k,
          a.values.data(),
          a.row,
          a.col,
          b.values.data(),
          b.row,
          b.col,
          c.values.data(),
          c.row,
          bias != nullptr ? bias->values.data() : nullptr,
          activation,
          kAttr.data(),
          accumulate,
          nullptr};
}

template <class T>
void check(const Table& table, std::int64_t m, std::int64_t n, std::int64_t k,
           std::pair<std::int64_t, std::int64_t> a_strides,
           std::pair<std::int64_t, std::int64_t> b_strides, const Options& options) {
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  CAPTURE(a_strides.first);
  CAPTURE(b_strides.first);
  CAPTURE(static_cast<int>(options.activation));
  std::mt19937 random(static_cast<unsigned>(m * 10007 + n * 101 + k));
  const Matrix<T> a(m, k, a_strides, random), b(k, n, b_strides, random);
  const std::int64_t c_row = n + options.pad;
  const Matrix<T> before(m + 1, c_row + 1, {c_row, 1}, random);
  const Matrix<T> bias(1, n, {n, 1}, random);
  Matrix<T> c = before;
  const Gemm g = describe(m, n, k, a, b, c, options.bias ? &bias : nullptr, options.activation,
                          options.accumulate);
  options.gemv ? table.gemv[index(pynn::dtype_of<T>)](g) : multiply<T>(table, g);

  double worst = 0;  // error in units of what rounding allows
  bool guarded = true;
  for (std::int64_t i = 0; i <= m; ++i) {
    for (std::int64_t j = 0; j < c_row; ++j) {
      if (i >= m || j >= n) {
        guarded = guarded && c.at(i, j) == before.at(i, j);
        continue;
      }
      double sum = options.accumulate ? before.at(i, j) : options.bias ? bias.at(0, j) : 0.0;
      double size = std::abs(sum);
      for (std::int64_t p = 0; p < k; ++p) {
        const double product = double{a.at(i, p)} * double{b.at(p, j)};
        sum += product;
        size += std::abs(product);
      }
      const double expected = reference(options.activation, sum);
      // No activation is steeper than 1.2; a unit in the last place of its own for the function.
      const double unit = std::numeric_limits<T>::epsilon();
      const double allowed = unit * (1.2 * static_cast<double>(k + 1) * size + 4);
      worst = std::max(worst, std::abs(c.at(i, j) - expected) / allowed);
    }
  }
  CHECK(worst <= 1);
  CHECK(guarded);
}

constexpr std::array<std::int64_t, 13> kSizes = {0, 1, 2, 3, 5, 7, 8, 13, 31, 33, 64, 65, 100};

TEST_CASE_TEMPLATE("products of every size up to 100 are right", T, float, double) {
  for_each_isa([](const Table& table) {
    for (const std::int64_t m : kSizes) {
      for (const std::int64_t n : kSizes) {
        for (const std::int64_t k : kSizes) {
          check<T>(table, m, n, k, {k, 1}, {n, 1}, {.bias = (m + n + k) % 2 != 0, .pad = 3});
        }
      }
    }
  });
}

TEST_CASE_TEMPLATE("operands may be transposed, padded or spread", T, float, double) {
  for_each_isa([](const Table& table) {
    for (const auto [m, n, k] :
         {std::array{1, 1, 1}, {1, 33, 18}, {7, 1, 13}, {5, 3, 0}, {13, 31, 33}, {65, 100, 64}}) {
      for (const Layout a : kLayouts) {
        for (const Layout b : kLayouts) {
          check<T>(table, m, n, k, strides(a, m, k), strides(b, k, n), {.bias = true});
          check<T>(table, m, n, k, strides(a, m, k), strides(b, k, n), {.pad = 1});
          check<T>(table, m, n, k, strides(a, m, k), strides(b, k, n), {.accumulate = true});
        }
      }
    }
  });
}

// Sizes and strides at which a kernel may choose to copy, to block k, or to treat a row apart.
constexpr std::int64_t kLarge[][5] = {
    // m, n, k, row stride of A (0: A is transposed, rows -stride apart), row stride of B
    {1, 130, 300, 300, 130},  {1, 7, 2500, 2500, 7},       {2, 40, 1500, 1500, 1024},
    {130, 70, 40, 40, 1024},  {260, 40, 9, 9, 512},        {520, 20, 7, 7, 20},
    {70, 130, 35, -512, 130}, {300, 129, 33, -1024, 1024}, {600, 3, 1, -600, 3},
    {200, 1, 50, -200, 1},
};

TEST_CASE_TEMPLATE("large products and unlucky strides are right", T, float, double) {
  for_each_isa([](const Table& table) {
    for (const auto& [m, n, k, a_row, b_row] : kLarge) {
      const std::pair<std::int64_t, std::int64_t> a =
          a_row > 0 ? std::pair{a_row, std::int64_t{1}} : std::pair{std::int64_t{1}, -a_row};
      check<T>(table, m, n, k, a, {b_row, 1}, {.bias = true, .activation = Activation::relu});
      check<T>(table, m, n, k, a, {b_row, 1}, {.accumulate = true, .pad = 2});
      check<T>(table, m, n, k, a, {1, k + 3}, {.activation = Activation::tanh});
    }
  });
}

TEST_CASE_TEMPLATE("every activation is applied to the product plus bias", T, float, double) {
  for_each_isa([](const Table& table) {
    for (int activation = 0; activation < static_cast<int>(Activation::count); ++activation) {
      for (const auto [m, n, k] : {std::array{1, 1, 0}, {1, 70, 200}, {3, 5, 7}, {65, 100, 33}}) {
        check<T>(table, m, n, k, {k, 1}, {n, 1},
                 {.bias = true, .activation = static_cast<Activation>(activation), .pad = 3});
      }
    }
  });
}

TEST_CASE_TEMPLATE("one row is right by its own kernel", T, float, double) {
  for_each_isa([](const Table& table) {
    for (const std::int64_t n : kSizes) {
      for (const std::int64_t k : {0, 1, 3, 8, 15, 64, 131, 300}) {
        const auto activation = static_cast<Activation>((n + k) % 3 == 0 ? 0 : (n + k) % 11);
        check<T>(table, 1, n, k, {k, 1}, {n + 2, 1},
                 {.bias = k % 2 != 0, .activation = activation, .pad = 3, .gemv = true});
        check<T>(table, 1, n, k, {1, 2}, {n, 1}, {.pad = 1, .gemv = true});
        check<T>(table, 1, n, k, {1, 2}, {1, k + 3},
                 {.bias = n % 2 != 0, .activation = activation});
        check<T>(table, 1, n, k, {k, 1}, {1, k + 3},
                 {.bias = k % 2 != 0, .activation = activation, .pad = 3, .gemv = true});
      }
    }
  });
}

// The product cut into blocks whose sizes are drawn at random.
template <class T>
void multiply_in_blocks(const Table& table, const Gemm& whole, std::mt19937& random) {
  std::uniform_int_distribution<std::int64_t> size(1, 40);
  const auto moved = [](const void* p, std::int64_t n) -> void* {
    return const_cast<T*>(static_cast<const T*>(p) + n);
  };
  for (std::int64_t i = 0, rows; i < whole.m; i += rows) {
    rows = std::min(size(random), whole.m - i);
    for (std::int64_t j = 0, cols; j < whole.n; j += cols) {
      cols = std::min(size(random), whole.n - j);
      Gemm g = whole;
      g.m = rows;
      g.n = cols;
      g.a = moved(g.a, i * g.a_row);
      g.b = moved(g.b, j * g.b_col);
      g.c = moved(g.c, i * g.c_row + j);
      if (g.bias) g.bias = moved(g.bias, j);
      multiply<T>(table, g);
    }
  }
}

TEST_CASE_TEMPLATE("the bits do not depend on how a product is cut into blocks", T, float, double) {
  for_each_isa([](const Table& table) {
    std::mt19937 random(5);
    for (const auto& [m, n, k, a_row, b_row] : kLarge) {
      for (const Layout layout : {Layout::rows, Layout::columns, Layout::spread}) {
        CAPTURE(m);
        CAPTURE(n);
        CAPTURE(k);
        const Matrix<T> a(m, k, a_row > 0 ? std::pair{a_row, 1l} : std::pair{1l, -a_row}, random);
        const auto b_strides =
            layout == Layout::rows ? std::pair{b_row, 1l} : strides(layout, k, n);
        const Matrix<T> b(k, n, b_strides, random);
        const Matrix<T> bias(1, n, {n, 1}, random), before(m, n, {n, 1}, random);
        for (const bool accumulate : {false, true}) {
          Matrix<T> whole = before, blocks = before;
          Gemm g = describe(m, n, k, a, b, whole, accumulate ? nullptr : &bias,
                            accumulate ? Activation::linear : Activation::gelu, accumulate);
          multiply<T>(table, g);
          g.c = blocks.values.data();
          multiply_in_blocks<T>(table, g, random);
          CHECK(std::memcmp(whole.values.data(), blocks.values.data(),
                            whole.values.size() * sizeof(T)) == 0);
        }
      }
    }
  });
}

// Rows of A that overlap, in stretches as the taps of a convolution lie in an image.
TEST_CASE_TEMPLATE("a product runs over stretches of A", T, float, double) {
  struct Case {
    std::int64_t m, n, k, stretches, a_row, a_col, a_stretch;
  };
  static constexpr Case kCases[] = {{11, 64, 96, 3, 32, 1, 416}, {26, 32, 3, 3, 1, 1, 28},
                                    {3, 32, 26, 26, 1, 1, 28},   {1, 5, 4, 2, 8, 1, 40},
                                    {7, 1, 2, 5, 1, 3, 17},      {70, 130, 9, 4, 2, 1, 200}};
  for_each_isa([](const Table& table) {
    std::mt19937 random(7);
    for (const Case& s : kCases)
      for (const bool accumulate : {false, true}) {
        CAPTURE(s.m);
        CAPTURE(s.n);
        const std::int64_t reach =
            (s.m - 1) * s.a_row + (s.stretches - 1) * s.a_stretch + (s.k - 1) * s.a_col + 1;
        const Matrix<T> a(1, reach, {reach, 1}, random),
            b(s.stretches * s.k, s.n, {s.n, 1}, random);
        const Matrix<T> bias(1, s.n, {s.n, 1}, random), before(s.m, s.n, {s.n, 1}, random);
        Matrix<T> c = before, expected = before;
        Gemm g = describe(s.m, s.n, s.k, a, b, c, accumulate ? nullptr : &bias, Activation::relu,
                          accumulate);
        g.a_row = s.a_row;
        g.a_col = s.a_col;
        g.stretches = s.stretches;
        g.a_stretch = s.a_stretch;
        multiply<T>(table, g);
        g.c = expected.values.data();
        multiply<T>(pynn::test::reference(), g);
        const double size = static_cast<double>(s.stretches * s.k + 1);
        for (std::size_t i = 0; i < c.values.size(); ++i)
          CHECK(std::abs(double{c.values[i]} - double{expected.values[i]}) <=
                size * size * std::numeric_limits<T>::epsilon());
      }
  });
}

TEST_CASE_TEMPLATE("a NaN reaches its own row and column and no other", T, float, double) {
  for_each_isa([](const Table& table) {
    std::mt19937 random(6);
    constexpr std::int64_t m = 20, n = 37, k = 19;
    Matrix<T> a(m, k, {k, 1}, random), b(k, n, {n, 1}, random), c(m, n, {n, 1}, random);
    a.values[3 * k + 4] = std::numeric_limits<T>::quiet_NaN();
    b.values[2 * n + 36] = std::numeric_limits<T>::quiet_NaN();
    multiply<T>(table, {m, n, k, a.values.data(), k, 1, b.values.data(), n, 1, c.values.data(), n,
                        nullptr, Activation::relu, nullptr, false, nullptr});
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        CHECK(std::isnan(c.at(i, j)) == (i == 3 || j == 36));
      }
    }
  });
}

}  // namespace
