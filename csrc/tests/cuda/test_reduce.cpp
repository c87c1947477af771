// Reductions, extreme indices, softmax and its kin on the device against the reference.
#include "tests/cuda/device.h"

using namespace pynn;
using kernels::Reduce;
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

constexpr std::size_t kRows[] = {0, 1, 2, 7, 8, 9, 33, 300};
constexpr std::size_t kCols[] = {0, 1, 2, 3, 10, 31, 32, 33, 100, 256, 1024, 1025, 5000};

// Random data whose product neither vanishes nor overflows.
template <class T>
Array<T> data_for(Reduce op, std::size_t n, unsigned seed) {
  if (op == Reduce::prod && std::is_floating_point_v<T>) return random_array<T>(n, 0.9, 1.1, seed);
  return random_array<T>(n, -100, 100, seed);
}

template <class T>
void check_values(Reduce op, const Array<T>& y, const Array<T>& expected, std::size_t n) {
  REQUIRE(y.size() == expected.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    CAPTURE(i);
    if (std::is_floating_point_v<T> && (op == Reduce::sum || op == Reduce::prod)) {
      // Both keep doubles, in another order, and round once.
      const double e = static_cast<double>(expected[i]), steps = static_cast<double>(n) * 0x1p-52;
      const double size = op == Reduce::sum ? 100 * static_cast<double>(n) : std::abs(e);
      const double rounding = static_cast<double>(std::numeric_limits<T>::epsilon()) * std::abs(e);
      CHECK(std::abs(static_cast<double>(y[i]) - e) <= rounding + steps * size);
    } else {
      CHECK(y[i] == expected[i]);
    }
  }
}

template <class T>
Array<T> reduce_rows(Reduce op, std::size_t rows, std::size_t cols, const DeviceArray<T>& x) {
  const DeviceArray<T> y(rows);
  const auto row = device_table().reduce_rows[static_cast<std::size_t>(op)];
  row[index(dtype_of<T>)](queue(), rows, cols, x.data(), y.data());
  return y.fetch();
}

template <class T>
Array<T> expect_rows(Reduce op, std::size_t rows, std::size_t cols, const Array<T>& x) {
  Array<T> y(rows);
  const auto run = reference().reduce_run[static_cast<std::size_t>(op)][index(dtype_of<T>)];
  for (std::size_t i = 0; i < rows; ++i) run(cols, x.data() + i * cols, &y[i]);
  return y;
}

bool needs_elements(Reduce op) { return op == Reduce::max || op == Reduce::min; }

}  // namespace

TEST_CASE("the device has the reductions and row maps that the reference has") {
  const kernels::cuda::Table& t = device_table();
  const kernels::Table& r = reference();
  const auto same = [](auto row, auto expected) {
    CHECK((row == nullptr) == (expected == nullptr));
  };
  for (std::size_t d = 0; d < kDTypes; ++d) {
    CAPTURE(d);
    for (std::size_t op = 0; op < kernels::kReduce; ++op) {
      same(t.reduce_rows[op][d], r.reduce_run[op][d]);
      same(t.reduce_columns[op][d], r.reduce_columns[op][d]);
    }
    same(t.argmax[d], r.argmax[d]);
    same(t.argmin[d], r.argmin[d]);
    same(t.softmax[d], r.softmax[d]);
    same(t.log_softmax[d], r.log_softmax[d]);
    same(t.logsumexp[d], r.logsumexp[d]);
    same(t.softmax_grad[d], r.softmax_grad[d]);
    same(t.log_softmax_grad[d], r.log_softmax_grad[d]);
  }
}

TEST_SUITE_BEGIN("device");

TEST_CASE_TEMPLATE("reductions of rows agree with the reference", T, float, double, std::int32_t,
                   std::int64_t) {
  for (const Row& row : kReductions) {
    CAPTURE(std::string(row.name));
    for (const std::size_t rows : kRows) {
      for (const std::size_t cols : kCols) {
        if (cols == 0 && needs_elements(row.op)) continue;
        CAPTURE(rows);
        CAPTURE(cols);
        const auto x = data_for<T>(row.op, rows * cols, 11);
        const DeviceArray<T> device(x);
        const auto y = reduce_rows<T>(row.op, rows, cols, device);
        check_values(row.op, y, expect_rows(row.op, rows, cols, x), cols);
        CHECK(same_bits(reduce_rows<T>(row.op, rows, cols, device), y));
      }
    }
  }
}

TEST_CASE_TEMPLATE("reductions of columns agree with the reference", T, float, double, std::int32_t,
                   std::int64_t) {
  constexpr std::size_t d = index(dtype_of<T>);
  for (const Row& row : kReductions) {
    CAPTURE(std::string(row.name));
    const auto op = static_cast<std::size_t>(row.op);
    for (const std::size_t rows : kRows) {
      if (rows == 0 && needs_elements(row.op)) continue;
      for (const std::size_t cols : kCols) {
        CAPTURE(rows);
        CAPTURE(cols);
        const std::size_t ld = cols + 3;
        const auto stride = static_cast<std::ptrdiff_t>(ld);
        const auto x = data_for<T>(row.op, rows * ld, 12);
        const DeviceArray<T> device(x);
        Array<T> expected(cols);
        reference().reduce_columns[op][d](rows, cols, stride, x.data(), expected.data());
        const auto reduce = [&] {
          const DeviceArray<T> y(cols);
          device_table().reduce_columns[op][d](queue(), rows, cols, stride, device.data(),
                                               y.data());
          return y.fetch();
        };
        const auto y = reduce();
        check_values(row.op, y, expected, rows);
        CHECK(same_bits(reduce(), y));
      }
    }
  }
}

TEST_CASE("the sum of a long row is exact up to its last rounding") {
  const auto x = random_array<float>(1000003, 0, 1, 13);
  const auto y = reduce_rows<float>(Reduce::sum, 1, x.size(), DeviceArray<float>(x));
  double exact = 0;
  for (const float v : x) exact += v;
  CHECK(std::abs(y[0] - exact) <= 1e-7 * exact);
}

TEST_CASE("more rows and columns than one grid holds are reduced to their end") {
  const std::size_t rows = 600001, cols = 2100001;
  const auto tall = random_array<std::int32_t>(rows * 2, -9, 9, 16);
  CHECK(same_bits(reduce_rows<std::int32_t>(Reduce::sum, rows, 2, DeviceArray<std::int32_t>(tall)),
                  expect_rows(Reduce::sum, rows, 2, tall)));
  const auto wide = random_array<std::int32_t>(2 * cols, -9, 9, 17);
  const DeviceArray<std::int32_t> x(wide), y(cols);
  constexpr auto op = static_cast<std::size_t>(Reduce::sum), d = index(DType::i32);
  const auto ld = static_cast<std::ptrdiff_t>(cols);
  device_table().reduce_columns[op][d](queue(), 2, cols, ld, x.data(), y.data());
  Array<std::int32_t> expected(cols);
  reference().reduce_columns[op][d](2, cols, ld, wide.data(), expected.data());
  CHECK(same_bits(y.fetch(), expected));
}

TEST_CASE("max and min propagate NaN from any position") {
  for (std::size_t n = 1; n < 1500; n += 97) {
    for (std::size_t at = 0; at < n; at += 1 + n / 20) {
      auto x = random_array<float>(n, -1, 1, 14);
      x[at] = std::numeric_limits<float>::quiet_NaN();
      const DeviceArray<float> device(x);
      CHECK(std::isnan(reduce_rows<float>(Reduce::max, 1, n, device)[0]));
      CHECK(std::isnan(reduce_rows<float>(Reduce::min, 1, n, device)[0]));
    }
  }
}

TEST_CASE_TEMPLATE("argmax and argmin give the first extreme, or the first NaN", T, float, double,
                   std::int32_t, std::int64_t) {
  constexpr std::size_t d = index(dtype_of<T>);
  for (const std::size_t cols : kCols) {
    if (cols == 0) continue;
    CAPTURE(cols);
    const std::size_t rows = 9;
    auto x = random_array<T>(rows * cols, -5, 5, 15);  // integers: many ties
    for (std::size_t j = 0; j < cols; ++j) x[j] = T(3);
    if constexpr (std::is_floating_point_v<T>) {
      for (const std::size_t at : {cols / 2, cols - 1}) {
        x[cols + at] = std::numeric_limits<T>::quiet_NaN();
      }
    }
    const DeviceArray<T> device(x);
    const auto check = [&](kernels::cuda::ArgRowsFn f, kernels::ArgFn expected) {
      const DeviceArray<std::int64_t> y(rows);
      f(queue(), rows, cols, device.data(), static_cast<std::int64_t*>(y.data()));
      const auto at = y.fetch();
      for (std::size_t i = 0; i < rows; ++i) {
        CAPTURE(i);
        CHECK(at[i] == expected(cols, x.data() + i * cols));
      }
    };
    check(device_table().argmax[d], reference().argmax[d]);
    check(device_table().argmin[d], reference().argmin[d]);
  }
}

namespace {

template <class T>
void check_map(kernels::cuda::RowsFn f, kernels::RowsFn expected_f, std::size_t rows,
               std::size_t cols, const Array<T>& x, std::size_t outputs) {
  Array<T> expected(outputs);
  expected_f(rows, cols, x.data(), expected.data());
  const DeviceArray<T> in(x), out(outputs);
  f(queue(), rows, cols, in.data(), out.data());
  const auto y = out.fetch();
  double worst = 0;
  for (std::size_t i = 0; i < outputs; ++i) {
    if (y[i] == expected[i]) continue;  // infinite too
    worst = std::max(worst, static_cast<double>(std::abs(y[i] - expected[i])) /
                                (std::abs(static_cast<double>(expected[i])) + 1));
  }
  CHECK(worst <= 8 * std::numeric_limits<T>::epsilon());
  if (outputs != x.size()) return;
  f(queue(), rows, cols, in.data(), in.data());
  CHECK(same_bits(in.fetch(), y));
}

}  // namespace

TEST_CASE_TEMPLATE("softmax, log-softmax and log-sum-exp agree with the reference", T, float,
                   double) {
  constexpr std::size_t d = index(dtype_of<T>);
  for (const std::size_t cols : kCols) {
    if (cols == 0) continue;
    for (const double range : {1.0, 30.0, 1e4}) {
      CAPTURE(cols);
      CAPTURE(range);
      const std::size_t rows = 11;
      auto x = random_array<T>(rows * cols, -range, range, 18);
      if (cols > 1) x[cols] = -std::numeric_limits<T>::infinity();  // masked
      check_map(device_table().softmax[d], reference().softmax[d], rows, cols, x, x.size());
      check_map(device_table().log_softmax[d], reference().log_softmax[d], rows, cols, x, x.size());
      check_map(device_table().logsumexp[d], reference().logsumexp[d], rows, cols, x, rows);
    }
  }
}

TEST_CASE("log-sum-exp of infinite rows is their limit") {
  const float inf = std::numeric_limits<float>::infinity();
  const DeviceArray<float> x(Array<float>{-inf, -inf, -inf, 1, inf, -inf}), y(2);
  device_table().logsumexp[0](queue(), 2, 3, x.data(), y.data());
  CHECK(y.fetch() == Array<float>{-inf, inf});
}

TEST_CASE_TEMPLATE("gradients of softmax and log-softmax agree with the reference", T, float,
                   double) {
  constexpr std::size_t d = index(dtype_of<T>);
  for (const std::size_t cols : kCols) {
    CAPTURE(cols);
    const std::size_t rows = 5, n = rows * cols;
    if (n == 0) continue;
    const auto x = random_array<T>(n, -3, 3, 20), dy = random_array<T>(n, -1, 1, 21);
    for (const bool logarithm : {false, true}) {
      const auto& r = reference();
      const auto f =
          logarithm ? device_table().log_softmax_grad[d] : device_table().softmax_grad[d];
      Array<T> y(n), expected(n);
      (logarithm ? r.log_softmax[d] : r.softmax[d])(rows, cols, x.data(), y.data());
      (logarithm ? r.log_softmax_grad[d] : r.softmax_grad[d])(rows, cols, dy.data(), y.data(),
                                                              expected.data());
      const DeviceArray<T> device_dy(dy), device_y(y), device_dx(n);
      f(queue(), rows, cols, device_dy.data(), device_y.data(), device_dx.data());
      const auto dx = device_dx.fetch();
      double worst = 0;
      for (std::size_t i = 0; i < n; ++i) {
        worst = std::max(worst, static_cast<double>(std::abs(dx[i] - expected[i])));
      }
      CHECK(worst <= 16 * std::numeric_limits<T>::epsilon());
      f(queue(), rows, cols, device_dy.data(), device_y.data(), device_dy.data());
      CHECK(same_bits(device_dy.fetch(), dx));
    }
  }
}

TEST_SUITE_END();
