// Every row of the kernel lists: all instruction sets against the reference, derivatives against
// differences, limits, and the accuracy of the vector functions. A new row is tested by existing.
#include "tests/kernels.h"
#include "tests/pointwise_rows.h"

using namespace pynn;
using kernels::Pointwise;
using kernels::Table;
using namespace pynn::test;

namespace {

constexpr double kAttr[2] = {0.3, 0};  // alpha

template <class T>
kernels::PointwiseFn kernel(const Table& t, Pointwise row) {
  return t.pointwise[static_cast<std::size_t>(row)][index(dtype_of<T>)];
}

template <class Out, class T, class... Rest>
Array<Out> call(kernels::PointwiseFn f, const Array<T>& x, const Rest&... rest) {
  Array<Out> y(x.size());
  const void* in[] = {x.data(), rest.data()...};
  f(x.size(), y.data(), in, kAttr);
  return y;
}

template <class T>
T call_at(const Table& t, Pointwise row, T x, T s = 0) {
  T y;
  const void* in[] = {&x, &s};
  kernel<T>(t, row)(1, &y, in, kAttr);
  return y;
}

template <class T>
void check_differentiable(const Table& t, const Row& row) {
  for (const std::size_t n : kSizes) {
    CAPTURE(n);
    const auto x = random_array<T>(n, row.lo, row.hi, 1), dy = random_array<T>(n, -1, 1, 2);
    const auto expected = call<T>(kernel<T>(reference(), row.f), x);
    auto y = call<T>(kernel<T>(t, row.f), x);
    check_close(y, expected);
    const auto& s = row.saved == Saved::Output ? expected : x;
    auto dx = call<T>(kernel<T>(t, row.df), dy, s);
    check_close(dx, call<T>(kernel<T>(reference(), row.df), dy, s));

    auto in_place = x;
    const void* in[] = {in_place.data()};
    kernel<T>(t, row.f)(n, in_place.data(), in, kAttr);
    CHECK(same_bits(in_place, y));
    auto gradient_in_place = dy;
    const void* gradient_in[] = {gradient_in_place.data(), s.data()};
    kernel<T>(t, row.df)(n, gradient_in_place.data(), gradient_in, kAttr);
    CHECK(same_bits(gradient_in_place, dx));
  }
}

// Any part of an array gives the bits it has in the whole.
template <class T>
void check_position_independent(const Table& t, const Row& row) {
  const std::size_t n = 200;
  const auto x = random_array<T>(n, row.lo, row.hi, 3);
  const auto whole = call<T>(kernel<T>(t, row.f), x);
  for (std::size_t first = 0; first < n; first += 13) {
    const Array<T> part(x.begin() + static_cast<std::ptrdiff_t>(first), x.end());
    const Array<T> expected(whole.begin() + static_cast<std::ptrdiff_t>(first), whole.end());
    CAPTURE(first);
    CHECK(same_bits(call<T>(kernel<T>(t, row.f), part), expected));
  }
}

template <class T>
void check_plain(const Table& t) {
  for (const std::size_t n : kSizes) {
    CAPTURE(n);
    const double lo = std::is_unsigned_v<T> ? 0 : -9;
    auto a = random_array<T>(n, lo, 9, 4), b = random_array<T>(n, 0, 9, 5);
    for (std::size_t i = 0; i < n; i += 3) b[i] = a[i];
    for (const PlainRow& row : kPlain) {
      CAPTURE(std::string(row.name));
      CHECK(same_bits(call<T>(kernel<T>(t, row.f), a), call<T>(kernel<T>(reference(), row.f), a)));
    }
    for (const PlainRow& row : kTests) {
      CAPTURE(std::string(row.name));
      CHECK(same_bits(call<bool>(kernel<T>(t, row.f), a),
                      call<bool>(kernel<T>(reference(), row.f), a)));
    }
    for (const PlainRow& row : kBinary) {
      CAPTURE(std::string(row.name));
      REQUIRE((kernel<T>(t, row.f) == nullptr) == (kernel<T>(reference(), row.f) == nullptr));
      if (kernel<T>(t, row.f) == nullptr) continue;
      const auto y = call<T>(kernel<T>(t, row.f), a, b);
      const auto expected = call<T>(kernel<T>(reference(), row.f), a, b);
      if constexpr (std::is_floating_point_v<T>) {
        if (row.f == Pointwise::power) {
          for (std::size_t i = 0; i < n; ++i) CHECK(ulps(y[i], expected[i]) <= 2);
          continue;
        }
      }
      CHECK(same_bits(y, expected));
    }
    for (const PlainRow& row : kCompare) {
      CAPTURE(std::string(row.name));
      CHECK(same_bits(call<bool>(kernel<T>(t, row.f), a, b),
                      call<bool>(kernel<T>(reference(), row.f), a, b)));
    }
    const auto condition = random_array<bool>(n, 0, 2, 6);
    CHECK(same_bits(call<T>(kernel<T>(t, Pointwise::where), condition, a, b),
                    call<T>(kernel<T>(reference(), Pointwise::where), condition, a, b)));
  }
}

}  // namespace

TEST_CASE("every instruction set computes the differentiable rows as the reference does") {
  for_each_isa([](const Table& t) {
    for (const Row& row : kDifferentiable) {
      CAPTURE(std::string(row.name));
      check_differentiable<float>(t, row);
      check_differentiable<double>(t, row);
    }
  });
}

TEST_CASE("a result does not depend on its position in the array") {
  for_each_isa([](const Table& t) {
    for (const Row& row : kDifferentiable) {
      CAPTURE(std::string(row.name));
      check_position_independent<float>(t, row);
      check_position_independent<double>(t, row);
    }
  });
}

TEST_CASE("derivatives agree with central differences") {
  for (const Row& row : kDifferentiable) {
    CAPTURE(std::string(row.name));
    for (const double x : random_array<double>(200, row.lo, row.hi, 7)) {
      const double h = 1e-5;
      const double difference =
          (call_at(reference(), row.f, x + h) - call_at(reference(), row.f, x - h)) / (2 * h);
      const double s = row.saved == Saved::Output ? call_at(reference(), row.f, x) : x;
      CAPTURE(x);
      CHECK(call_at(reference(), row.df, 1.0, s) == doctest::Approx(difference).epsilon(1e-6));
    }
  }
}

TEST_CASE("kinks have the subgradient 0") {
  CHECK(call_at(reference(), Pointwise::relu_grad, 1.0, 0.0) == 0);
  CHECK(call_at(reference(), Pointwise::abs_grad, 1.0, 0.0) == 0);
  CHECK(call_at(reference(), Pointwise::relu6_grad, 1.0, 6.0) == 0);
  CHECK(call_at(reference(), Pointwise::hard_tanh_grad, 1.0, -1.0) == 0);
}

TEST_CASE("NaN stays NaN") {
  for_each_isa([](const Table& t) {
    for (const Row& row : kDifferentiable) {
      CAPTURE(std::string(row.name));
      CHECK(std::isnan(call_at(t, row.f, std::numeric_limits<float>::quiet_NaN())));
      CHECK(std::isnan(call_at(t, row.f, std::numeric_limits<double>::quiet_NaN())));
      CHECK(std::isnan(call_at(t, row.df, std::numeric_limits<float>::quiet_NaN(), 0.5f)));
    }
  });
}

TEST_CASE_TEMPLATE("activations and their derivatives take their limits at infinity", T, float,
                   double) {
  const T infinity = std::numeric_limits<T>::infinity();
  const auto check = [&](const Table& t) {
    for (const Row& row : kActivations) {
      for (const T sign : {T(-1), T(1)}) {
        CAPTURE(std::string(row.name));
        CAPTURE(sign);
        const T far = call_at(t, row.f, sign * T(80)), y = call_at(t, row.f, sign * infinity);
        // Linear growth goes on to infinity, everything else has arrived.
        if (std::abs(far) > 10)
          CHECK(y == std::copysign(infinity, far));
        else
          CHECK(std::abs(y - far) <= T(0.02));
        const T huge = call_at(t, row.f, sign * std::numeric_limits<T>::max());
        CHECK(!std::isnan(huge));
        const bool output = row.saved == Saved::Output;
        const T df = call_at(t, row.df, T(1), output ? y : sign * infinity);
        const T df_far = call_at(t, row.df, T(1), output ? far : sign * T(80));
        CHECK(std::abs(df - df_far) <= T(0.001));
      }
    }
  };
  check(reference());
  for_each_isa(check);
}

TEST_CASE_TEMPLATE("rows without derivative agree bit by bit", T, float, double, std::int32_t,
                   std::int64_t, std::uint8_t, bool) {
  for_each_isa([](const Table& t) { check_plain<T>(t); });
}

TEST_CASE_TEMPLATE("NumPy's conventions hold for special values", T, float, double) {
  const T nan = std::numeric_limits<T>::quiet_NaN(), inf = std::numeric_limits<T>::infinity();
  const auto check = [&](const Table& t) {
    for (const Pointwise row : {Pointwise::maximum, Pointwise::minimum}) {
      CHECK(std::isnan(call_at(t, row, nan, T(1))));
      CHECK(std::isnan(call_at(t, row, T(1), nan)));
    }
    const Array<T> halves = {T(-2.5), T(-1.5), T(-0.5), T(0.5), T(1.5), T(2.5), T(1e30), -inf};
    const Array<T> even = {T(-2), T(-2), T(-0.0), T(0), T(2), T(2), T(1e30), -inf};
    CHECK(same_bits(call<T>(kernel<T>(t, Pointwise::round), halves), even));
    const Array<T> below = {T(-3), T(-2), T(-1), T(0), T(1), T(2), T(1e30), -inf};
    CHECK(same_bits(call<T>(kernel<T>(t, Pointwise::floor), halves), below));
    const Array<T> above = {T(-2), T(-1), T(-0.0), T(1), T(2), T(3), T(1e30), -inf};
    CHECK(same_bits(call<T>(kernel<T>(t, Pointwise::ceil), halves), above));
    CHECK(std::isnan(call_at(t, Pointwise::sign, nan)));
    CHECK(call_at(t, Pointwise::sign, -inf) == T(-1));
    const Array<T> values = {nan, inf, -inf, T(0), T(1), std::numeric_limits<T>::max()};
    CHECK(call<bool>(kernel<T>(t, Pointwise::isfinite), values) == Array<bool>{0, 0, 0, 1, 1, 1});
    CHECK(call<bool>(kernel<T>(t, Pointwise::isnan), values) == Array<bool>{1, 0, 0, 0, 0, 0});
    CHECK(call<bool>(kernel<T>(t, Pointwise::logical_not), values) ==
          Array<bool>{0, 0, 0, 1, 0, 0});
  };
  check(reference());
  for_each_isa(check);
}

TEST_CASE("integers wrap around and bools stay 0 or 1") {
  for_each_isa([](const Table& t) {
    const Array<std::int32_t> most(20, 0x7fffffff), one(20, 1);
    CHECK(call<std::int32_t>(kernel<std::int32_t>(t, Pointwise::add), most, one)[19] ==
          std::numeric_limits<std::int32_t>::min());
    const Array<bool> yes(3, 1);
    CHECK(call<bool>(kernel<bool>(t, Pointwise::add), yes, yes) == yes);
    CHECK(call<bool>(kernel<bool>(t, Pointwise::negative), yes) == yes);
  });
}

namespace {

struct Function {
  Pointwise row;
  long double (*exact)(long double);
  double lo, hi;
};
const Function kFunctions[] = {
    {Pointwise::exp, std::exp, -750, 750},       {Pointwise::exp, std::exp, -1, 1},
    {Pointwise::expm1, std::expm1, -60, 720},    {Pointwise::expm1, std::expm1, -1, 1},
    {Pointwise::log, std::log, 0, 1e-300},       {Pointwise::log, std::log, 0, 2},
    {Pointwise::log, std::log, 0, 1e300},        {Pointwise::log1p, std::log1p, -1, 1},
    {Pointwise::log1p, std::log1p, -1e-3, 1e-3}, {Pointwise::log1p, std::log1p, 0, 1e38},
    {Pointwise::tanh, std::tanh, -1, 1},         {Pointwise::tanh, std::tanh, -25, 25},
    {Pointwise::erf, std::erf, -1, 1},           {Pointwise::erf, std::erf, -7, 7},
    {Pointwise::sin, std::sin, -4, 4},           {Pointwise::sin, std::sin, -1e5, 1e5},
    {Pointwise::sin, std::sin, -1e18, 1e18},     {Pointwise::cos, std::cos, -4, 4},
    {Pointwise::cos, std::cos, -1e5, 1e5},       {Pointwise::sqrt, std::sqrt, 0, 1e30},
};

}  // namespace

TEST_CASE_TEMPLATE("vector functions are accurate to a few units in the last place", T, float,
                   double) {
  for_each_isa([](const Table& t) {
    const double bound = std::string_view(t.isa) == "baseline" ? 3 : 2.5;
    for (const Function& f : kFunctions) {
      const auto x = random_array<T>(20000, f.lo, f.hi, 8);
      const auto y = call<T>(kernel<T>(t, f.row), x);
      double worst = 0;
      T where = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double error = ulps(y[i], f.exact(x[i]));
        if (!(error <= worst)) worst = error, where = x[i];
      }
      CAPTURE(static_cast<int>(f.row));
      CAPTURE(where);
      CHECK(worst <= bound);
    }
  });
}

TEST_CASE_TEMPLATE("power is accurate and has IEEE 754's limits", T, float, double) {
  const T nan = std::numeric_limits<T>::quiet_NaN(), inf = std::numeric_limits<T>::infinity();
  const T values[] = {nan,
                      inf,
                      -inf,
                      T(0),
                      T(-0.0),
                      T(1),
                      T(-1),
                      T(2),
                      T(-2),
                      T(0.5),
                      T(-.5),
                      T(3),
                      T(-3),
                      T(7),
                      T(1e30),
                      T(1e-30),
                      T(-1e30),
                      T(2.5),
                      T(-2.5),
                      std::numeric_limits<T>::denorm_min(),
                      std::numeric_limits<T>::max()};
  for_each_isa([&](const Table& t) {
    for (const T x : values) {
      for (const T y : values) {
        CAPTURE(x);
        CAPTURE(y);
        const T z = call_at(t, Pointwise::power, x, y);
        CHECK(ulps(z, std::pow(static_cast<long double>(x), static_cast<long double>(y))) <= 2);
        if (!std::isnan(z)) CHECK(std::signbit(z) == std::signbit(std::pow(x, y)));
      }
    }
    const double most = sizeof(T) == 4 ? 20 : 150;
    const auto x = random_array<T>(20000, 0, 100, 9), y = random_array<T>(20000, -most, most, 10);
    const auto z = call<T>(kernel<T>(t, Pointwise::power), x, y);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const long double exact =
          std::pow(static_cast<long double>(x[i]), static_cast<long double>(y[i]));
      worst = std::max(worst, ulps(z[i], exact));
    }
    CHECK(worst <= 1.5);
  });
}
