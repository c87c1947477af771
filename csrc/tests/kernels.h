// What the kernel tests share: the sizes and instruction sets they go over, and seeded data.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kernels/table.h"

namespace pynn::test {

inline constexpr std::array<std::size_t, 17> kSizes = {0,  1,  2,  3,  5,  7,  8,   15,  16,
                                                       17, 31, 33, 63, 64, 65, 127, 1000};

inline const kernels::Table& reference() { return *kernels::table_for("reference"); }

// f(table) for every instruction set this CPU can run, named in the messages of its checks.
template <class F>
void for_each_isa(const F& f) {
  for (const char* const* isa = kernels::available_isas(); *isa != nullptr; ++isa) {
    if (std::string_view(*isa) == "reference") continue;
    CAPTURE(std::string(*isa));
    f(*kernels::table_for(*isa));
  }
}

// std::vector<bool> has no array of bool in it.
template <class T>
struct Array : std::vector<std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>> {
  using Item = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
  using std::vector<Item>::vector;
};

template <class T>
Array<T> random_array(std::size_t n, double lo, double hi, unsigned seed) {
  std::mt19937 random(seed);
  Array<T> x(n);
  std::uniform_real_distribution<double> uniform(lo, hi);
  for (auto& v : x) {
    if constexpr (std::is_same_v<T, bool>)
      v = random() % 2;
    else if constexpr (std::is_integral_v<T>)
      v = static_cast<T>(std::floor(uniform(random)));
    else
      v = static_cast<T>(uniform(random));
  }
  return x;
}

template <class T>
bool same_bits(const T& a, const T& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0);
}

// |a - b| in units of the spacing of T around b; 0 where both are NaN or the same infinity.
template <class T>
double ulps(T a, long double b) {
  if (std::isnan(b)) return std::isnan(a) ? 0 : std::numeric_limits<double>::infinity();
  const T rounded = static_cast<T>(b);
  if (std::isinf(rounded) || std::isinf(a)) {
    return a == rounded ? 0 : std::numeric_limits<double>::infinity();
  }
  const T magnitude = std::max(std::abs(rounded), std::numeric_limits<T>::min());
  const T spacing = std::ldexp(std::numeric_limits<T>::epsilon(), std::ilogb(magnitude));
  return static_cast<double>(std::abs(static_cast<long double>(a) - b) / spacing);
}

// Equal up to a few roundings.
template <class T>
void check_close(const Array<T>& y, const Array<T>& expected) {
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double bound = 4 * std::numeric_limits<T>::epsilon() * (std::abs(expected[i]) + 1);
    CAPTURE(i);
    CHECK(std::abs(static_cast<double>(y[i]) - expected[i]) <= bound);
  }
}

}  // namespace pynn::test
