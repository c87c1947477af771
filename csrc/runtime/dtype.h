// The element types a tensor can hold.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pynn {

enum class DType : std::uint8_t { f32, f64, bf16, i32, i64, u8, boolean };
inline constexpr std::size_t kDTypes = 7;

inline constexpr std::array<std::size_t, kDTypes> kItemSize = {4, 8, 2, 4, 8, 1, 1};
inline constexpr std::array<std::string_view, kDTypes> kDTypeName = {
    "float32", "float64", "bfloat16", "int32", "int64", "uint8", "bool"};

constexpr std::size_t index(DType d) { return static_cast<std::size_t>(d); }
constexpr std::size_t item_size(DType d) { return kItemSize[index(d)]; }
constexpr std::string_view name(DType d) { return kDTypeName[index(d)]; }
constexpr bool is_float(DType d) { return index(d) <= index(DType::bf16); }

// bfloat16 is a storage type: kernels widen it to float on load and round to nearest even on store.
struct bfloat16 {
  std::uint16_t bits;
  bfloat16() = default;
  constexpr explicit bfloat16(float x) {
    const auto u = std::bit_cast<std::uint32_t>(x);
    const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
    bits = static_cast<std::uint16_t>(nan ? (u >> 16) | 0x40u
                                          : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  constexpr explicit operator float() const {
    return std::bit_cast<float>(std::uint32_t{bits} << 16);
  }
};

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<bfloat16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::boolean;
};
template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

}  // namespace pynn
