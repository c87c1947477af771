// Shapes and strides: up to kMaxRank extents held in place.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>

#include "runtime/errors.h"

namespace pynn {

inline constexpr int kMaxRank = 8;

// A short list of extents, strides or axes.
class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<std::int64_t> values)
      : Dims(std::span<const std::int64_t>(values.begin(), values.size())) {}
  explicit Dims(std::span<const std::int64_t> values) {
    for (const std::int64_t v : values) push_back(v);
  }
  static Dims filled(int rank, std::int64_t value) {
    Dims d;
    for (int i = 0; i < rank; ++i) d.push_back(value);
    return d;
  }

  int rank() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  std::int64_t operator[](int i) const { return values_[static_cast<std::size_t>(i)]; }
  std::int64_t& operator[](int i) { return values_[static_cast<std::size_t>(i)]; }
  std::int64_t back() const { return (*this)[rank_ - 1]; }
  std::int64_t& back() { return (*this)[rank_ - 1]; }
  void push_back(std::int64_t v) {
    if (rank_ == kMaxRank) fail<ValueError>("tensors have at most ", kMaxRank, " dimensions");
    values_[static_cast<std::size_t>(rank_++)] = v;
  }
  void insert(int at, std::int64_t v) {
    push_back(v);
    std::rotate(begin() + at, end() - 1, end());
  }
  void erase(int at) {
    std::copy(begin() + at + 1, end(), begin() + at);
    --rank_;
  }
  std::int64_t* begin() { return values_.data(); }
  std::int64_t* end() { return values_.data() + rank_; }
  const std::int64_t* begin() const { return values_.data(); }
  const std::int64_t* end() const { return values_.data() + rank_; }
  bool operator==(const Dims& o) const { return std::equal(begin(), end(), o.begin(), o.end()); }

 private:
  std::array<std::int64_t, kMaxRank> values_{};
  int rank_ = 0;
};

using Shape = Dims;
using Strides = Dims;  // in elements

inline std::int64_t element_count(const Shape& s) {
  std::int64_t n = 1;
  for (const std::int64_t d : s) n *= d;
  return n;
}

inline Strides contiguous_strides(const Shape& s) {
  Strides out = Dims::filled(s.rank(), 1);
  for (int i = s.rank() - 2; i >= 0; --i) out[i] = out[i + 1] * s[i + 1];
  return out;
}

inline std::ostream& operator<<(std::ostream& out, const Dims& d) {
  out << '(';
  for (int i = 0; i < d.rank(); ++i) out << (i ? ", " : "") << d[i];
  return out << (d.rank() == 1 ? ",)" : ")");
}

// NumPy's rule: align right, an extent of 1 stretches. Throws ValueError naming both shapes.
inline Shape broadcast_shapes(const Shape& a, const Shape& b) {
  Shape out = a.rank() >= b.rank() ? a : b;
  const Shape& small = a.rank() >= b.rank() ? b : a;
  const int shift = out.rank() - small.rank();
  for (int i = 0; i < small.rank(); ++i) {
    std::int64_t& d = out[i + shift];
    if (d == small[i] || small[i] == 1) continue;
    if (d != 1) fail<ValueError>("shapes ", a, " and ", b, " cannot be broadcast together");
    d = small[i];
  }
  return out;
}

// An axis counted from the end when negative. Throws ValueError when out of range.
inline int normalize_axis(std::int64_t axis, int rank) {
  if (axis < -rank || axis >= rank)
    fail<ValueError>("axis ", axis, " is out of range for a tensor of rank ", rank);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

}  // namespace pynn
