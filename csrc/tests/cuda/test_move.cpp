// Conversions, transposition, the finite test and random streams on the device.
#include "tests/cuda/device.h"

using namespace pynn;
using namespace pynn::test;

namespace {

template <class To, class From>
Array<To> cast(const Array<From>& x) {
  const DeviceArray<From> in(x);
  const DeviceArray<To> out(x.size());
  device_table().cast[index(dtype_of<To>)][index(dtype_of<From>)](queue(), x.size(), out.data(),
                                                                  in.data());
  return out.fetch();
}

template <class From>
Array<From> values(std::size_t n, unsigned seed) {
  if constexpr (std::is_same_v<From, bfloat16>) {
    Array<bfloat16> y;
    for (const float v : random_array<float>(n, 0, 120, seed)) y.push_back(bfloat16(v));
    return y;
  } else {
    return random_array<From>(n, 0, 120, seed);
  }
}

template <class To, class From>
void check_cast() {
  for (const std::size_t n : device_sizes()) {
    CAPTURE(n);
    for (const unsigned seed : {22, 23}) {
      const auto x = values<From>(n, seed);
      Array<To> expected(n);
      reference().cast[index(dtype_of<To>)][index(dtype_of<From>)](n, expected.data(), x.data());
      CHECK(same_bits(cast<To>(x), expected));
    }
  }
}

template <class T>
Array<T> draw(kernels::cuda::RandomFn f, std::uint64_t stream, std::uint64_t first, std::size_t n) {
  const DeviceArray<T> x(n);
  f(queue(), 0x123456789abcdef0u, stream, first, n, x.data());
  return x.fetch();
}

template <class T>
Array<T> expect_draw(kernels::RandomFn f, std::uint64_t stream, std::uint64_t first,
                     std::size_t n) {
  Array<T> x(n);
  f(0x123456789abcdef0u, stream, first, n, x.data());
  return x;
}

}  // namespace

TEST_CASE("the device has the conversions, transpositions and streams that the reference has") {
  const auto same = [](auto row, auto expected) {
    CHECK((row == nullptr) == (expected == nullptr));
  };
  for (std::size_t d = 0; d < kDTypes; ++d) {
    for (std::size_t from = 0; from < kDTypes; ++from) {
      same(device_table().cast[d][from], reference().cast[d][from]);
    }
    same(device_table().all_finite[d], reference().all_finite[d]);
    same(device_table().random_uniform[d], reference().random_uniform[d]);
    same(device_table().random_normal[d], reference().random_normal[d]);
    same(device_table().transpose[kItemSize[d]], reference().transpose[kItemSize[d]]);
  }
}

TEST_SUITE_BEGIN("device");

TEST_CASE_TEMPLATE("conversions between all pairs of types agree with the reference", To, float,
                   double, bfloat16, std::int32_t, std::int64_t, std::uint8_t, bool) {
  check_cast<To, float>();
  check_cast<To, double>();
  check_cast<To, bfloat16>();
  check_cast<To, std::int32_t>();
  check_cast<To, std::int64_t>();
  check_cast<To, std::uint8_t>();
  check_cast<To, bool>();
}

TEST_CASE("every bfloat16 widens exactly and comes back") {
  Array<bfloat16> all(1 << 16);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].bits = static_cast<std::uint16_t>(i);
  const auto wide = cast<float>(all);
  const auto back = cast<bfloat16>(wide);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (std::isnan(static_cast<float>(all[i]))) {
      REQUIRE(std::isnan(wide[i]));
      REQUIRE(std::isnan(static_cast<float>(back[i])));
    } else {
      REQUIRE(wide[i] == static_cast<float>(all[i]));
      REQUIRE(back[i].bits == i);
    }
  }
}

TEST_CASE_TEMPLATE("transposition swaps rows and columns, whatever the strides", T, std::uint8_t,
                   std::uint16_t, std::uint32_t, std::uint64_t) {
  for (const std::size_t rows : {0, 1, 2, 31, 32, 33, 100}) {
    for (const std::size_t cols : {0, 1, 2, 31, 32, 33, 100}) {
      CAPTURE(rows);
      CAPTURE(cols);
      const std::size_t ldx = cols + 1, ldy = rows + 2;
      Array<T> x(rows * ldx);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i * 7);
      const DeviceArray<T> in(x), out(Array<T>(cols * ldy, T(99)));
      device_table().transpose[sizeof(T)](queue(), rows, cols, in.data(),
                                          static_cast<std::ptrdiff_t>(ldx), out.data(),
                                          static_cast<std::ptrdiff_t>(ldy));
      const auto y = out.fetch();
      bool right = true;
      for (std::size_t j = 0; j < cols; ++j) {
        for (std::size_t i = 0; i < rows; ++i) right &= y[j * ldy + i] == x[i * ldx + j];
        for (std::size_t i = rows; i < ldy; ++i) right &= y[j * ldy + i] == T(99);
      }
      CHECK(right);
    }
  }
}

TEST_CASE("more tiles than one grid holds are transposed to the last") {
  const std::size_t rows = 8300, cols = 8200;
  const auto x = random_array<std::uint8_t>(rows * cols, 0, 256, 25);
  const DeviceArray<std::uint8_t> in(x), out(x.size());
  device_table().transpose[1](queue(), rows, cols, in.data(), static_cast<std::ptrdiff_t>(cols),
                              out.data(), static_cast<std::ptrdiff_t>(rows));
  Array<std::uint8_t> expected(x.size());
  reference().transpose[1](rows, cols, x.data(), static_cast<std::ptrdiff_t>(cols), expected.data(),
                           static_cast<std::ptrdiff_t>(rows));
  CHECK(same_bits(out.fetch(), expected));
}

TEST_CASE_TEMPLATE("one value that is not finite is found anywhere", T, float, double) {
  const auto all_finite = [](const Array<T>& x) {
    const DeviceArray<T> in(x);
    const DeviceArray<bool> answer(1);
    device_table().all_finite[index(dtype_of<T>)](queue(), x.size(), in.data(),
                                                  static_cast<bool*>(answer.data()));
    return answer.fetch()[0] == 1;
  };
  for (const std::size_t n : device_sizes()) {
    auto x = random_array<T>(n, -1, 1, 24);
    if (n > 0) x[0] = std::numeric_limits<T>::max();
    if (n > 1) x[1] = std::numeric_limits<T>::denorm_min();
    CAPTURE(n);
    CHECK(all_finite(x));
    for (std::size_t at = 0; at < n; at += 1 + n / 20) {
      for (const T bad : {std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity(),
                          std::numeric_limits<T>::quiet_NaN()}) {
        auto y = x;
        y[at] = bad;
        CHECK(!all_finite(y));
      }
    }
  }
}

TEST_CASE_TEMPLATE("uniform streams are the reference's, bit by bit", T, float, double) {
  constexpr std::size_t d = index(dtype_of<T>);
  for (const std::uint64_t stream : {7, 8, 9}) {
    for (const std::uint64_t first :
         {std::uint64_t{0}, std::uint64_t{4}, (std::uint64_t{1} << 34) - 8}) {
      for (const std::size_t n : device_sizes()) {
        CAPTURE(n);
        CHECK(same_bits(draw<T>(device_table().random_uniform[d], stream, first, n),
                        expect_draw<T>(reference().random_uniform[d], stream, first, n)));
      }
    }
  }
}

TEST_CASE_TEMPLATE("normal streams are the reference's up to rounding", T, float, double) {
  constexpr std::size_t d = index(dtype_of<T>);
  const auto z = draw<T>(device_table().random_normal[d], 3, 16, 70001);
  const auto expected = expect_draw<T>(reference().random_normal[d], 3, 16, 70001);
  double worst = 0;
  for (std::size_t i = 0; i < z.size(); ++i) {
    worst = std::max(worst, static_cast<double>(std::abs(z[i] - expected[i])));
  }
  CHECK(worst <= 16 * std::numeric_limits<T>::epsilon());
}

TEST_CASE_TEMPLATE("any partition of a stream gives the same bits", T, float, double) {
  constexpr std::size_t d = index(dtype_of<T>);
  for (const auto f : {device_table().random_uniform[d], device_table().random_normal[d]}) {
    const auto whole = draw<T>(f, 5, 0, 1003);
    for (const std::size_t cut : {4, 8, 20, 64, 100, 500, 1000}) {
      auto parts = draw<T>(f, 5, 0, cut);
      const auto rest = draw<T>(f, 5, cut, 1003 - cut);
      parts.insert(parts.end(), rest.begin(), rest.end());
      CAPTURE(cut);
      CHECK(same_bits(parts, whole));
    }
  }
}

TEST_SUITE_END();
