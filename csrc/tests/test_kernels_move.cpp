// Conversions, transposition, the finite test and random streams on every instruction set.
#include "runtime/rng.h"
#include "tests/kernels.h"

using namespace pynn;
using kernels::Table;
using namespace pynn::test;

namespace {

template <class To, class From>
Array<To> cast(const Table& t, const Array<From>& x) {
  Array<To> y(x.size());
  t.cast[index(dtype_of<To>)][index(dtype_of<From>)](x.size(), y.data(), x.data());
  return y;
}

template <class From>
Array<From> values_to_cast(std::size_t n) {
  if constexpr (std::is_same_v<From, bfloat16>) {
    Array<bfloat16> y;
    for (const float v : random_array<float>(n, 0, 120, 22)) y.push_back(bfloat16(v));
    return y;
  } else {
    return random_array<From>(n, 0, 120, 22);
  }
}

template <class To, class From>
void check_cast(const Table& t) {
  for (const std::size_t n : kSizes) {
    const auto x = values_to_cast<From>(n);
    CHECK(same_bits(cast<To>(t, x), cast<To>(reference(), x)));
  }
}

template <class To>
void check_casts_to(const Table& t) {
  CAPTURE(std::string(name(dtype_of<To>)));
  check_cast<To, float>(t);
  check_cast<To, double>(t);
  check_cast<To, bfloat16>(t);
  check_cast<To, std::int32_t>(t);
  check_cast<To, std::int64_t>(t);
  check_cast<To, std::uint8_t>(t);
  check_cast<To, bool>(t);
}

template <class F>
void for_reference_and_each_isa(const F& f) {
  f(reference());
  for_each_isa(f);
}

}  // namespace

TEST_CASE("conversions between all pairs of types agree with the reference") {
  for_each_isa([](const Table& t) {
    check_casts_to<float>(t);
    check_casts_to<double>(t);
    check_casts_to<bfloat16>(t);
    check_casts_to<std::int32_t>(t);
    check_casts_to<std::int64_t>(t);
    check_casts_to<std::uint8_t>(t);
    check_casts_to<bool>(t);
  });
}

TEST_CASE("conversions truncate, test for zero and keep large integers") {
  for_reference_and_each_isa([](const Table& t) {
    const Array<float> x = {-1.75f, -0.5f, 0.0f, 0.5f, 1.75f, 1e9f};
    CHECK(cast<std::int32_t>(t, x) == Array<std::int32_t>{-1, 0, 0, 0, 1, 1000000000});
    CHECK(cast<std::int64_t>(t, x) == Array<std::int64_t>{-1, 0, 0, 0, 1, 1000000000});
    CHECK(cast<bool>(t, x) == Array<bool>{1, 1, 0, 1, 1, 1});
    const Array<std::int64_t> large = {-(std::int64_t{1} << 52) - 1, (std::int64_t{1} << 53)};
    CHECK(cast<std::int64_t>(t, cast<double>(t, large)) == large);
    CHECK(cast<double>(t, Array<bool>{1, 0}) == Array<double>{1, 0});
  });
}

TEST_CASE("every bfloat16 widens exactly and comes back") {
  Array<bfloat16> all(1 << 16);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].bits = static_cast<std::uint16_t>(i);
  for_reference_and_each_isa([&](const Table& t) {
    const auto wide = cast<float>(t, all);
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::uint32_t bits;
      std::memcpy(&bits, &wide[i], sizeof bits);
      REQUIRE(bits == static_cast<std::uint32_t>(i) << 16);
    }
    const auto back = cast<bfloat16>(t, wide);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (std::isnan(wide[i]))
        REQUIRE(std::isnan(static_cast<float>(back[i])));
      else
        REQUIRE(back[i].bits == i);
    }
  });
}

TEST_CASE("float32 rounds to the nearest bfloat16, ties to even") {
  std::mt19937 random(23);
  Array<float> x;
  for (std::uint32_t upper = 0; upper < 0x7f80; ++upper) {
    for (const std::uint32_t lower :
         {0x7fffu, 0x8000u, 0x8001u, std::uint32_t(random() & 0xffff)}) {
      const std::uint32_t bits = upper << 16 | lower;
      float v;
      std::memcpy(&v, &bits, sizeof v);
      x.push_back(v);
    }
  }
  for_reference_and_each_isa([&](const Table& t) {
    const auto y = cast<bfloat16>(t, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      std::uint32_t bits;
      std::memcpy(&bits, &x[i], sizeof bits);
      const std::uint32_t below = bits >> 16, rest = bits & 0xffff;
      const bool up = rest > 0x8000 || (rest == 0x8000 && below % 2 == 1);
      REQUIRE(y[i].bits == below + (up ? 1 : 0));
    }
  });
}

TEST_CASE_TEMPLATE("transposition swaps rows and columns, whatever the strides", T, std::uint8_t,
                   std::uint16_t, std::uint32_t, std::uint64_t) {
  for_reference_and_each_isa([](const Table& t) {
    for (const std::size_t rows : {0, 1, 2, 3, 7, 8, 15, 16, 17, 33, 50}) {
      for (const std::size_t cols : {0, 1, 2, 3, 7, 8, 15, 16, 17, 33, 50}) {
        CAPTURE(rows);
        CAPTURE(cols);
        const std::size_t ldx = cols + 1, ldy = rows + 2;
        Array<T> x(rows * ldx), y(cols * ldy, T(99));
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i * 7);
        t.transpose[sizeof(T)](rows, cols, x.data(), static_cast<std::ptrdiff_t>(ldx), y.data(),
                               static_cast<std::ptrdiff_t>(ldy));
        bool right = true;
        for (std::size_t j = 0; j < cols; ++j) {
          for (std::size_t i = 0; i < rows; ++i) right &= y[j * ldy + i] == x[i * ldx + j];
          for (std::size_t i = rows; i < ldy; ++i) right &= y[j * ldy + i] == T(99);
        }
        CHECK(right);
      }
    }
  });
}

TEST_CASE_TEMPLATE("one value that is not finite is found anywhere", T, float, double) {
  constexpr std::size_t d = index(dtype_of<T>);
  for_reference_and_each_isa([](const Table& t) {
    for (const std::size_t n : kSizes) {
      auto x = random_array<T>(n, -1, 1, 24);
      if (n > 0) x[0] = std::numeric_limits<T>::max();
      if (n > 1) x[1] = std::numeric_limits<T>::denorm_min();
      CAPTURE(n);
      CHECK(t.all_finite[d](n, x.data()));
      for (std::size_t at = 0; at < n; at += 1 + n / 50) {
        for (const T bad : {std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity(),
                            std::numeric_limits<T>::quiet_NaN()}) {
          auto y = x;
          y[at] = bad;
          CHECK(!t.all_finite[d](n, y.data()));
        }
      }
    }
  });
}

namespace {

template <class T>
Array<T> draw(kernels::RandomFn f, std::uint64_t stream, std::uint64_t first, std::size_t n) {
  Array<T> x(n);
  f(0x123456789abcdef0u, stream, first, n, x.data());
  return x;
}

}  // namespace

TEST_CASE_TEMPLATE("uniform streams are the reference's, bit by bit", T, float, double) {
  constexpr std::size_t d = index(dtype_of<T>);
  for_each_isa([](const Table& t) {
    for (const std::uint64_t first :
         {std::uint64_t{0}, std::uint64_t{4}, (std::uint64_t{1} << 34) - 8}) {
      for (const std::size_t n : kSizes) {
        CAPTURE(n);
        CHECK(same_bits(draw<T>(t.random_uniform[d], 7, first, n),
                        draw<T>(reference().random_uniform[d], 7, first, n)));
      }
    }
  });
}

TEST_CASE_TEMPLATE("normal streams are the reference's up to rounding", T, float, double) {
  constexpr std::size_t d = index(dtype_of<T>);
  for_each_isa([](const Table& t) {
    const auto z = draw<T>(t.random_normal[d], 3, 16, 20000);
    const auto expected = draw<T>(reference().random_normal[d], 3, 16, 20000);
    double worst = 0;
    for (std::size_t i = 0; i < z.size(); ++i) {
      worst = std::max(worst, static_cast<double>(std::abs(z[i] - expected[i])));
    }
    CHECK(worst <= 16 * std::numeric_limits<T>::epsilon());
  });
}

TEST_CASE_TEMPLATE("any partition of a stream gives the same bits", T, float, double) {
  constexpr std::size_t d = index(dtype_of<T>);
  for_each_isa([](const Table& t) {
    for (const auto f : {t.random_uniform[d], t.random_normal[d]}) {
      const auto whole = draw<T>(f, 5, 0, 1003);
      for (const std::size_t cut : {4, 8, 20, 64, 100, 500, 1000}) {
        auto parts = draw<T>(f, 5, 0, cut);
        const auto rest = draw<T>(f, 5, cut, 1003 - cut);
        parts.insert(parts.end(), rest.begin(), rest.end());
        CAPTURE(cut);
        CHECK(same_bits(parts, whole));
      }
    }
  });
}

TEST_CASE_TEMPLATE("random numbers have the moments of their distributions", T, float, double) {
  constexpr std::size_t d = index(dtype_of<T>);
  const std::size_t n = 400000;
  const auto moments = [&](const Array<T>& x, double centre) {
    double mean = 0, square = 0, fourth = 0, neighbours = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double v = x[i] - centre;
      mean += v / n, square += v * v / n, fourth += v * v * v * v / n;
      if (i > 0) neighbours += v * (x[i - 1] - centre) / n;
    }
    return std::array<double, 4>{mean, square, fourth, neighbours};
  };
  for_each_isa([&](const Table& t) {
    const auto u = draw<T>(t.random_uniform[d], 1, 0, n);
    CHECK(*std::min_element(u.begin(), u.end()) >= 0);
    CHECK(*std::max_element(u.begin(), u.end()) < 1);
    const auto [mean, square, fourth, neighbours] = moments(u, 0.5);
    CHECK(std::abs(mean) < 0.002);
    CHECK(square == doctest::Approx(1.0 / 12).epsilon(0.01));
    CHECK(fourth == doctest::Approx(1.0 / 80).epsilon(0.01));
    CHECK(std::abs(neighbours) < 0.001);
    const auto z = moments(draw<T>(t.random_normal[d], 2, 0, n), 0);
    CHECK(std::abs(z[0]) < 0.006);
    CHECK(z[1] == doctest::Approx(1).epsilon(0.01));
    CHECK(z[2] == doctest::Approx(3).epsilon(0.03));
    CHECK(std::abs(z[3]) < 0.006);
    CHECK(!same_bits(u, draw<T>(t.random_uniform[d], 2, 0, n)));
  });
}

TEST_CASE("the tables are found by name, best last") {
  const char* const* isas = kernels::available_isas();
  CHECK(std::string(isas[0]) == "reference");
  CHECK(kernels::table_for("sse9") == nullptr);
  for (; *isas != nullptr; ++isas) CHECK(kernels::table_for(*isas)->isa == std::string(*isas));
}
