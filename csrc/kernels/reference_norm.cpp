// The reference of standardized rows and their gradient.
#include <cmath>

#include "kernels/reference.h"

namespace pynn::kernels::reference {
namespace {

// Elements of arrays of T, as doubles; of a null array, `otherwise`.
template <class T>
double at(const void* x, std::size_t i, double otherwise = 0) {
  return x == nullptr ? otherwise : static_cast<double>(static_cast<const T*>(x)[i]);
}

template <class T>
void standardize(const Standardize& s, const void* x, void* y, void* mean, void* scale) {
  const auto n = static_cast<double>(s.cols);
  for (std::size_t i = 0; i < s.rows; ++i) {
    const std::size_t row = i * s.cols;
    double center = 0, power = 0;
    for (std::size_t j = 0; s.center && j < s.cols; ++j) center += at<T>(x, row + j) / n;
    for (std::size_t j = 0; j < s.cols; ++j) {
      const double d = at<T>(x, row + j) - center;
      power += d * d / n;
    }
    const double factor = 1 / std::sqrt(power + s.epsilon);
    for (std::size_t j = 0; j < s.cols; ++j)
      static_cast<T*>(y)[row + j] = static_cast<T>(
          (at<T>(x, row + j) - center) * factor * at<T>(s.gamma, j, 1) + at<T>(s.beta, j));
    static_cast<T*>(mean)[i] = static_cast<T>(center);
    static_cast<T*>(scale)[i] = static_cast<T>(factor);
  }
}

template <class T>
void standardize_grad(const Standardize& s, const void* dy, const void* x, const void* mean,
                      const void* scale, void* dx, void* dgamma, void* dbeta) {
  const auto n = static_cast<double>(s.cols);
  for (std::size_t i = 0; i < s.rows; ++i) {
    const std::size_t row = i * s.cols;
    const double center = at<T>(mean, i), factor = at<T>(scale, i);
    const auto h = [&](std::size_t j) { return (at<T>(x, row + j) - center) * factor; };
    const auto g = [&](std::size_t j) { return at<T>(dy, row + j) * at<T>(s.gamma, j, 1); };
    double sum = 0, dot = 0;
    for (std::size_t j = 0; j < s.cols; ++j) {
      if (s.center) sum += g(j) / n;
      dot += g(j) * h(j) / n;
      if (dgamma != nullptr)
        static_cast<T*>(dgamma)[j] += static_cast<T>(at<T>(dy, row + j) * h(j));
      if (dbeta != nullptr) static_cast<T*>(dbeta)[j] += static_cast<T>(at<T>(dy, row + j));
    }
    for (std::size_t j = 0; j < s.cols; ++j)
      static_cast<T*>(dx)[row + j] = static_cast<T>(factor * (g(j) - sum - h(j) * dot));
  }
}

template <class T>
void fill(Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
  t.standardize[d] = standardize<T>;
  t.standardize_grad[d] = standardize_grad<T>;
}

}  // namespace

void fill_norm(Table& table) {
  fill<float>(table);
  fill<double>(table);
}

}  // namespace pynn::kernels::reference
