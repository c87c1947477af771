// Standardized rows and their gradient: every instruction set against the reference.
#include "tests/kernels.h"

using namespace pynn;
using kernels::Standardize;
using kernels::Table;
using namespace pynn::test;

namespace {

const std::size_t kRowLengths[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 129, 1000, 5000};

template <class T>
void check_near(const Array<T>& y, const Array<T>& expected, double tolerance) {
  REQUIRE(y.size() == expected.size());
  for (std::size_t i = 0; i < y.size(); ++i)
    CHECK(std::abs(y[i] - expected[i]) <= tolerance * (1 + std::abs(expected[i])));
}

// What a table makes of rows and of their gradient.
template <class T>
struct Result {
  Array<T> y, mean, scale, dx, dgamma, dbeta;

  Result(const Table& t, const Standardize& s, const Array<T>& x, const Array<T>& dy, bool weighted,
         const Result* forward = nullptr)
      : y(x.size()),
        mean(s.rows),
        scale(s.rows),
        dx(x.size()),
        dgamma(s.cols, 1),
        dbeta(s.cols, 1) {
    constexpr std::size_t d = index(dtype_of<T>);
    t.standardize[d](s, x.data(), y.data(), mean.data(), scale.data());
    const Result& from = forward == nullptr ? *this : *forward;
    t.standardize_grad[d](s, dy.data(), x.data(), from.mean.data(), from.scale.data(), dx.data(),
                          weighted ? dgamma.data() : nullptr, weighted ? dbeta.data() : nullptr);
  }
};

}  // namespace

TEST_CASE_TEMPLATE("standardized rows and their gradients agree with the reference", T, float,
                   double) {
  constexpr std::size_t rows = 3;
  const double tolerance = 64 * std::numeric_limits<T>::epsilon();
  for_each_isa([&](const Table& t) {
    for (const std::size_t cols : kRowLengths)
      for (const bool center : {true, false})
        for (const int weights : {0, 1, 2}) {
          CAPTURE(cols);
          CAPTURE(center);
          CAPTURE(weights);
          const auto x = random_array<T>(rows * cols, -2, 3, 31);
          const auto dy = random_array<T>(rows * cols, -1, 1, 32);
          const auto gamma = random_array<T>(cols, -2, 2, 33),
                     beta = random_array<T>(cols, -2, 2, 34);
          const Standardize s{rows,
                              cols,
                              center,
                              1e-3,
                              weights > 0 ? gamma.data() : nullptr,
                              weights > 1 ? beta.data() : nullptr};
          const Result<T> expected(reference(), s, x, dy, weights > 0);
          const Result<T> got(t, s, x, dy, weights > 0, &expected);
          check_near(got.y, expected.y, tolerance);
          check_near(got.mean, expected.mean, tolerance);
          check_near(got.scale, expected.scale, tolerance);
          check_near(got.dx, expected.dx, tolerance * expected.scale[0]);
          check_near(got.dgamma, expected.dgamma, tolerance);
          check_near(got.dbeta, expected.dbeta, tolerance);
        }
  });
}
