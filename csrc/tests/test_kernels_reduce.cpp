// Reductions, extreme indices, softmax and its kin: every instruction set against the reference.
#include "tests/kernels.h"

using namespace pynn;
using kernels::Reduce;
using kernels::Table;
using namespace pynn::test;

namespace {

struct Row {
  const char* name;
  Reduce op;
};
const Row kReductions[] = {
#define PYNN_ROW(name) {#name, Reduce::name},
    PYNN_REDUCTIONS(PYNN_ROW)
#undef PYNN_ROW
};

template <class T>
T reduce_run(const Table& t, Reduce op, const Array<T>& x) {
  T y;
  t.reduce_run[static_cast<std::size_t>(op)][index(dtype_of<T>)](x.size(), x.data(), &y);
  return y;
}

template <class T>
Array<T> reduce_columns(const Table& t, Reduce op, std::size_t rows, std::size_t cols,
                        std::ptrdiff_t ld, const T* x) {
  Array<T> y(cols);
  t.reduce_columns[static_cast<std::size_t>(op)][index(dtype_of<T>)](rows, cols, ld, x, y.data());
  return y;
}

// Random data whose product neither vanishes nor overflows.
template <class T>
Array<T> data_for(Reduce op, std::size_t n, unsigned seed) {
  if (op == Reduce::prod && std::is_floating_point_v<T>) return random_array<T>(n, 0.9, 1.1, seed);
  return random_array<T>(n, -100, 100, seed);
}

template <class T>
void check_value(Reduce op, T y, T expected, std::size_t n) {
  if constexpr (std::is_floating_point_v<T>) {
    if (op == Reduce::sum || op == Reduce::prod) {
      const double scale = op == Reduce::sum ? 100 * std::sqrt(static_cast<double>(n)) : expected;
      const double depth = op == Reduce::sum ? 16 : std::sqrt(static_cast<double>(n)) + 4;
      CHECK(std::abs(y - expected) <= depth * std::numeric_limits<T>::epsilon() * scale);
      return;
    }
  }
  CHECK(y == expected);
}

template <class T>
struct Rows {
  std::size_t rows, cols;
  Array<T> x;
};

}  // namespace

TEST_CASE_TEMPLATE("reductions of a run agree with the reference", T, float, double, std::int32_t,
                   std::int64_t) {
  for_each_isa([](const Table& t) {
    for (const Row& row : kReductions) {
      CAPTURE(std::string(row.name));
      for (const std::size_t n : kSizes) {
        if (n == 0 && (row.op == Reduce::max || row.op == Reduce::min)) continue;
        CAPTURE(n);
        const auto x = data_for<T>(row.op, n, 11);
        check_value(row.op, reduce_run(t, row.op, x), reduce_run(reference(), row.op, x), n);
      }
    }
  });
}

TEST_CASE("the sum of a long run is as accurate as pairwise summation") {
  for_each_isa([](const Table& t) {
    for (const std::size_t n : {2047, 2049, 4096, 100003, 1000000}) {
      const auto x = random_array<float>(n, 0, 1, 12);
      double exact = 0;
      for (const float v : x) exact += v;
      CAPTURE(n);
      CHECK(std::abs(reduce_run(t, Reduce::sum, x) - exact) <= 3e-7 * exact);
    }
  });
}

TEST_CASE("max and min propagate NaN from any position") {
  for_each_isa([](const Table& t) {
    for (std::size_t n = 1; n < 300; n += 37) {
      for (std::size_t at = 0; at < n; ++at) {
        auto x = random_array<float>(n, -1, 1, 13);
        x[at] = std::numeric_limits<float>::quiet_NaN();
        CHECK(std::isnan(reduce_run(t, Reduce::max, x)));
        CHECK(std::isnan(reduce_run(t, Reduce::min, x)));
      }
    }
  });
}

TEST_CASE_TEMPLATE("reductions of the leading axis agree with the reference", T, float, double,
                   std::int32_t, std::int64_t) {
  for_each_isa([](const Table& t) {
    for (const Row& row : kReductions) {
      CAPTURE(std::string(row.name));
      for (const std::size_t rows : {1, 2, 3, 4, 31, 32, 33, 100, 600}) {
        for (const std::size_t cols : {0, 1, 3, 10, 16, 17, 64, 100, 1100}) {
          if (rows * cols > 40000 && rows != 600) continue;
          CAPTURE(rows);
          CAPTURE(cols);
          const std::size_t ld = cols + 3;
          const auto x = data_for<T>(row.op, rows * ld, 14);
          const auto stride = static_cast<std::ptrdiff_t>(ld);
          const auto y = reduce_columns(t, row.op, rows, cols, stride, x.data());
          const auto expected = reduce_columns(reference(), row.op, rows, cols, stride, x.data());
          for (std::size_t j = 0; j < cols; ++j) check_value(row.op, y[j], expected[j], rows);
          // The bits of a column do not depend on its neighbours.
          if (cols < 2) continue;
          const auto part = reduce_columns(t, row.op, rows, cols - 1, stride, x.data() + 1);
          CHECK(same_bits(part, Array<T>(y.begin() + 1, y.end())));
        }
      }
    }
  });
}

TEST_CASE("the sum of many rows stays accurate") {
  for_each_isa([](const Table& t) {
    const std::size_t rows = 100000, cols = 3;
    const auto x = random_array<float>(rows * cols, 0, 1, 15);
    const auto y = reduce_columns(t, Reduce::sum, rows, cols, cols, x.data());
    for (std::size_t j = 0; j < cols; ++j) {
      double exact = 0;
      for (std::size_t i = 0; i < rows; ++i) exact += x[i * cols + j];
      CHECK(std::abs(y[j] - exact) <= 5e-7 * exact);
    }
  });
}

TEST_CASE_TEMPLATE("argmax and argmin give the first extreme", T, float, double, std::int32_t,
                   std::int64_t) {
  constexpr std::size_t d = index(dtype_of<T>);
  for_each_isa([](const Table& t) {
    for (const std::size_t n : kSizes) {
      if (n == 0) continue;
      CAPTURE(n);
      const auto x = random_array<T>(n, -5, 5, 16);  // integers: many ties
      CHECK(t.argmax[d](n, x.data()) == reference().argmax[d](n, x.data()));
      CHECK(t.argmin[d](n, x.data()) == reference().argmin[d](n, x.data()));
      const Array<T> equal(n, T(3));
      CHECK(t.argmax[d](n, equal.data()) == 0);
      auto last = equal;
      last[n - 1] = T(4);
      CHECK(t.argmax[d](n, last.data()) == static_cast<std::int64_t>(n - 1));
    }
  });
}

TEST_CASE("argmax and argmin stop at the first NaN") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto check = [&](const Table& t) {
    auto x = random_array<float>(200, -1, 1, 17);
    x[70] = x[150] = nan;
    CHECK(t.argmax[0](x.size(), x.data()) == 70);
    CHECK(t.argmin[0](x.size(), x.data()) == 70);
  };
  check(reference());
  for_each_isa(check);
}

namespace {

constexpr std::size_t kRowLengths[] = {1,  2,  3,  5,  8,  10, 15,  16,   17,  31,
                                       32, 33, 48, 50, 64, 65, 100, 1000, 5000};

template <class T>
void check_rows(kernels::RowsFn f, kernels::RowsFn expected_f, const Rows<T>& in, bool one_a_row) {
  const std::size_t n = one_a_row ? in.rows : in.rows * in.cols;
  Array<T> y(n), expected(n);
  f(in.rows, in.cols, in.x.data(), y.data());
  expected_f(in.rows, in.cols, in.x.data(), expected.data());
  double worst = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double error = std::isinf(expected[i]) && y[i] == expected[i]
                             ? 0
                             : std::abs(y[i] - expected[i]) / (std::abs(expected[i]) + 1);
    worst = std::max(worst, error);
  }
  CHECK(worst <= 8 * std::numeric_limits<T>::epsilon());
  if (one_a_row) return;
  auto in_place = in.x;
  f(in.rows, in.cols, in_place.data(), in_place.data());
  CHECK(same_bits(in_place, y));
}

}  // namespace

TEST_CASE_TEMPLATE("softmax, log-softmax and log-sum-exp agree with the reference", T, float,
                   double) {
  constexpr std::size_t d = index(dtype_of<T>);
  for_each_isa([](const Table& t) {
    for (const std::size_t cols : kRowLengths) {
      for (const double range : {1.0, 30.0, 1e4}) {
        CAPTURE(cols);
        CAPTURE(range);
        Rows<T> in{7, cols, random_array<T>(7 * cols, -range, range, 18)};
        // A masked entry, as attention makes it.
        if (cols > 1) in.x[cols] = -std::numeric_limits<T>::infinity();
        check_rows(t.softmax[d], reference().softmax[d], in, false);
        check_rows(t.log_softmax[d], reference().log_softmax[d], in, false);
        check_rows(t.logsumexp[d], reference().logsumexp[d], in, true);
      }
    }
  });
}

TEST_CASE_TEMPLATE("softmax rows sum to one and shifts do not matter", T, float, double) {
  constexpr std::size_t d = index(dtype_of<T>);
  for_each_isa([](const Table& t) {
    for (const std::size_t cols : kRowLengths) {
      CAPTURE(cols);
      auto x = random_array<T>(cols, -8, 8, 19);
      for (T& v : x) v = std::floor(v);
      Array<T> y(cols), shifted(cols);
      t.softmax[d](1, cols, x.data(), y.data());
      long double sum = 0;
      for (const T v : y) sum += v;
      CHECK(std::abs(sum - 1) <= 8 * std::numeric_limits<T>::epsilon());
      for (T& v : x) v += 1000;
      t.softmax[d](1, cols, x.data(), shifted.data());
      CHECK(same_bits(y, shifted));
    }
  });
}

TEST_CASE("log-sum-exp of infinite rows is their limit") {
  const float inf = std::numeric_limits<float>::infinity();
  const auto check = [&](const Table& t) {
    const Array<float> x = {-inf, -inf, -inf, 1, inf, -inf};
    Array<float> y(2);
    t.logsumexp[0](2, 3, x.data(), y.data());
    CHECK(y == Array<float>{-inf, inf});
  };
  check(reference());
  for_each_isa(check);
}

TEST_CASE_TEMPLATE("gradients of softmax and log-softmax agree with the reference", T, float,
                   double) {
  constexpr std::size_t d = index(dtype_of<T>);
  for_each_isa([](const Table& t) {
    for (const std::size_t cols : kRowLengths) {
      CAPTURE(cols);
      const std::size_t rows = 5, n = rows * cols;
      const auto x = random_array<T>(n, -3, 3, 20), dy = random_array<T>(n, -1, 1, 21);
      for (const bool logarithm : {false, true}) {
        const auto forward = logarithm ? reference().log_softmax[d] : reference().softmax[d];
        const auto f = logarithm ? t.log_softmax_grad[d] : t.softmax_grad[d];
        const auto expected_f =
            logarithm ? reference().log_softmax_grad[d] : reference().softmax_grad[d];
        Array<T> y(n), dx(n), expected(n);
        forward(rows, cols, x.data(), y.data());
        f(rows, cols, dy.data(), y.data(), dx.data());
        expected_f(rows, cols, dy.data(), y.data(), expected.data());
        double worst = 0;
        for (std::size_t i = 0; i < n; ++i) {
          worst = std::max(worst, static_cast<double>(std::abs(dx[i] - expected[i])));
        }
        CHECK(worst <= 16 * std::numeric_limits<T>::epsilon());
        auto in_place = dy;
        f(rows, cols, in_place.data(), y.data(), in_place.data());
        CHECK(same_bits(in_place, dx));
      }
    }
  });
}
