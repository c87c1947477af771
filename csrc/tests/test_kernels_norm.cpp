// Standardized rows and their gradient: every instruction set against the reference.
#include "tests/kernels.h"

using namespace pynn;
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

}  // namespace

TEST_CASE_TEMPLATE("standardized rows and their gradients agree with the reference", T, float,
                   double) {
  constexpr std::size_t d = index(dtype_of<T>), rows = 3;
  const double epsilon = 1e-3, tolerance = 64 * std::numeric_limits<T>::epsilon();
  for_each_isa([&](const Table& t) {
    for (const std::size_t cols : kRowLengths) {
      for (const bool center : {true, false}) {
        CAPTURE(cols);
        CAPTURE(center);
        const auto x = random_array<T>(rows * cols, -2, 3, 31);
        const auto dy = random_array<T>(rows * cols, -1, 1, 32);
        Array<T> y(x.size()), scale(rows), dx(x.size());
        Array<T> y0(x.size()), scale0(rows), dx0(x.size());
        t.standardize[d](rows, cols, center, epsilon, x.data(), y.data(), scale.data());
        reference().standardize[d](rows, cols, center, epsilon, x.data(), y0.data(), scale0.data());
        check_near(y, y0, tolerance);
        check_near(scale, scale0, tolerance);
        t.standardize_grad[d](rows, cols, center, dy.data(), y0.data(), scale0.data(), dx.data());
        reference().standardize_grad[d](rows, cols, center, dy.data(), y0.data(), scale0.data(),
                                        dx0.data());
        check_near(dx, dx0, tolerance * scale0[0]);
      }
    }
  });
}
