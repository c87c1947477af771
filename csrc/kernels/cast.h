// What a conversion between two element types means, for one element.
#pragma once

#include <type_traits>

#include "runtime/dtype.h"
#include "runtime/inline.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

// Floats to integers truncate (to uint8 through int32, so that -1.5 wraps to 255), to bfloat16
// round to nearest even through float; anything to bool is != 0.
template <class To, class From>
PYNN_INLINE To cast(From x) {
  if constexpr (std::is_same_v<From, bfloat16>) {
    return cast<To>(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, bfloat16>) {
    return bfloat16(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_same_v<To, std::uint8_t>) {
    return static_cast<To>(static_cast<std::int32_t>(x));
  } else {
    return static_cast<To>(x);
  }
}

// f(To{}, From{}) for every pair of element types: fills table.cast[to][from].
template <class F>
constexpr void for_each_cast(const F& f) {
  const auto from_all = [&f]<class To>(To to) {
    f(to, float{});
    f(to, double{});
    f(to, bfloat16{});
    f(to, std::int32_t{});
    f(to, std::int64_t{});
    f(to, std::uint8_t{});
    f(to, bool{});
  };
  from_all(float{});
  from_all(double{});
  from_all(bfloat16{});
  from_all(std::int32_t{});
  from_all(std::int64_t{});
  from_all(std::uint8_t{});
  from_all(bool{});
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
