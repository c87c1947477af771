// Every pointwise row on the device against the reference. A new row is tested by existing.
#include "tests/cuda/device.h"
#include "tests/pointwise_rows.h"

using namespace pynn;
using namespace pynn::test;

namespace {

constexpr double kAttr[2] = {0.3, 0};  // alpha

template <class T, class Table>
auto kernel(const Table& t, Pointwise row) {
  return t.pointwise[static_cast<std::size_t>(row)][index(dtype_of<T>)];
}

// A row of `T` on host arrays: by the reference, and on the device.
template <class Out, class T, class First, class... Rest>
Array<Out> expect(Pointwise row, const Array<First>& first, const Array<Rest>&... rest) {
  Array<Out> y(first.size());
  const void* in[] = {first.data(), rest.data()...};
  kernel<T>(reference(), row)(first.size(), y.data(), in, kAttr);
  return y;
}

template <class Out, class T, class First, class... Rest>
Array<Out> compute(Pointwise row, const Array<First>& first, const Array<Rest>&... rest) {
  const DeviceArray<Out> y(first.size());
  const auto run = [&](const auto&... operands) {
    const void* in[] = {operands.data()...};
    kernel<T>(device_table(), row)(queue(), first.size(), y.data(), in, kAttr);
    stream().synchronize();
  };
  run(DeviceArray<First>(first), DeviceArray<Rest>(rest)...);
  return y.fetch();
}

template <class T>
void check_differentiable(const Row& row, std::size_t n, unsigned seed) {
  const auto x = random_array<T>(n, row.lo, row.hi, seed);
  const auto dy = random_array<T>(n, -1, 1, seed + 100);
  const auto y = expect<T, T>(row.f, x);
  check_close(compute<T, T>(row.f, x), y);
  const auto& s = row.saved == Saved::Output ? y : x;
  check_close(compute<T, T>(row.df, dy, s), expect<T, T>(row.df, dy, s));
}

template <class T>
void check_binary(Pointwise row, const Array<T>& a, const Array<T>& b) {
  const auto y = compute<T, T>(row, a, b), expected = expect<T, T>(row, a, b);
  if constexpr (std::is_floating_point_v<T>) {
    if (row == Pointwise::power) {
      double worst = 0;
      for (std::size_t i = 0; i < y.size(); ++i) worst = std::max(worst, ulps(y[i], expected[i]));
      CHECK(worst <= 8);  // CUDA's pow is wrong by up to 4
      return;
    }
  }
  CHECK(same_bits(y, expected));
}

template <class T>
void check_plain(std::size_t n, unsigned seed) {
  const double lo = std::is_unsigned_v<T> ? 0 : -9;
  auto a = random_array<T>(n, lo, 9, seed), b = random_array<T>(n, 0, 9, seed + 100);
  for (std::size_t i = 0; i < n; i += 3) b[i] = a[i];
  for (const PlainRow& row : kPlain) {
    CAPTURE(std::string(row.name));
    CHECK(same_bits(compute<T, T>(row.f, a), expect<T, T>(row.f, a)));
  }
  for (const PlainRow& row : kTests) {
    CAPTURE(std::string(row.name));
    CHECK(same_bits(compute<bool, T>(row.f, a), expect<bool, T>(row.f, a)));
  }
  for (const PlainRow& row : kBinary) {
    if (kernel<T>(reference(), row.f) == nullptr) continue;
    CAPTURE(std::string(row.name));
    check_binary<T>(row.f, a, b);
  }
  for (const PlainRow& row : kCompare) {
    CAPTURE(std::string(row.name));
    CHECK(same_bits(compute<bool, T>(row.f, a, b), expect<bool, T>(row.f, a, b)));
  }
  const auto condition = random_array<bool>(n, 0, 2, seed + 200);
  CHECK(same_bits(compute<T, T>(Pointwise::where, condition, a, b),
                  expect<T, T>(Pointwise::where, condition, a, b)));
}

}  // namespace

TEST_CASE("the device has the rows and types that the reference has") {
  for (std::size_t row = 0; row < kernels::kPointwise; ++row) {
    CAPTURE(row);
    for (std::size_t d = 0; d < kDTypes; ++d) {
      CHECK((device_table().pointwise[row][d] == nullptr) ==
            (reference().pointwise[row][d] == nullptr));
    }
  }
}

TEST_SUITE_BEGIN("device");

TEST_CASE_TEMPLATE("differentiable rows agree with the reference", T, float, double) {
  for (const Row& row : kDifferentiable) {
    CAPTURE(std::string(row.name));
    for (const std::size_t n : device_sizes()) {
      CAPTURE(n);
      for (const unsigned seed : {1, 2, 3}) check_differentiable<T>(row, n, seed);
    }
  }
}

TEST_CASE_TEMPLATE("rows without derivative agree bit by bit", T, float, double, std::int32_t,
                   std::int64_t, std::uint8_t, bool) {
  for (const std::size_t n : device_sizes()) {
    CAPTURE(n);
    for (const unsigned seed : {4, 5, 6}) check_plain<T>(n, seed);
  }
}

TEST_CASE("the output may be an input") {
  const auto x = random_array<float>(1000, -3, 3, 7);
  const DeviceArray<float> device(x);
  const void* in[] = {device.data()};
  kernel<float>(device_table(), Pointwise::tanh)(queue(), x.size(), device.data(), in, kAttr);
  CHECK(same_bits(device.fetch(), compute<float, float>(Pointwise::tanh, x)));
}

TEST_CASE("arrays longer than one grid of blocks are computed to their end") {
  const std::size_t n = (std::size_t{1} << 24) + 12345;
  const auto x = random_array<float>(n, -1, 1, 8);
  CHECK(same_bits(compute<float, float>(Pointwise::negative, x),
                  expect<float, float>(Pointwise::negative, x)));
}

TEST_CASE_TEMPLATE("NaN stays, and activations take their limits at infinity", T, float, double) {
  const T inf = std::numeric_limits<T>::infinity();
  const Array<T> x = {std::numeric_limits<T>::quiet_NaN(), inf, -inf, T(80), T(-80)}, one(5, T(1));
  const auto agree = [](const Array<T>& y, const Array<T>& expected) {
    for (std::size_t i = 0; i < y.size(); ++i) {
      CAPTURE(i);
      if (std::isnan(expected[i]))
        CHECK(std::isnan(y[i]));
      else
        CHECK((y[i] == expected[i] || std::abs(y[i] - expected[i]) <= T(1e-3)));
    }
  };
  for (const Row& row : kActivations) {
    CAPTURE(std::string(row.name));
    const auto y = expect<T, T>(row.f, x);
    CHECK(std::isnan(compute<T, T>(row.f, x)[0]));
    agree(compute<T, T>(row.f, x), y);
    const auto& s = row.saved == Saved::Output ? y : x;
    agree(compute<T, T>(row.df, one, s), expect<T, T>(row.df, one, s));
  }
}

TEST_SUITE_END();
