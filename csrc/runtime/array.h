// Arrays: typed, strided views of memory, and what keeps that memory alive.
#pragma once

#include <memory>
#include <utility>

#include "runtime/allocator.h"
#include "runtime/dtype.h"
#include "runtime/shape.h"

namespace pynn {

// A view owns nothing; kernels see views only.
struct View {
  void* data = nullptr;
  DType dtype = DType::f32;
  Shape shape;
  Strides strides;

  std::int64_t size() const { return element_count(shape); }
  std::size_t bytes() const { return static_cast<std::size_t>(size()) * item_size(dtype); }
  bool contiguous() const {
    std::int64_t expected = 1;
    for (int i = shape.rank() - 1; i >= 0; --i) {
      if (shape[i] != 1 && strides[i] != expected) return size() == 0;
      expected *= shape[i];
    }
    return true;
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  // The address `elements` further on.
  void* at(std::int64_t elements) const {
    return static_cast<char*>(data) + elements * static_cast<std::int64_t>(item_size(dtype));
  }
};

inline View contiguous_view(void* data, DType dtype, const Shape& shape) {
  return {data, dtype, shape, contiguous_strides(shape)};
}

// Whether the address ranges that two views reach share a byte.
inline bool overlaps(const View& a, const View& b) {
  if (a.size() == 0 || b.size() == 0) return false;
  const auto reach = [](const View& v) {
    std::int64_t low = 0, high = 1;  // in elements
    for (int i = 0; i < v.shape.rank(); ++i) {
      const std::int64_t last = (v.shape[i] - 1) * v.strides[i];
      (last < 0 ? low : high) += last;
    }
    return std::pair(static_cast<const char*>(v.at(low)), static_cast<const char*>(v.at(high)));
  };
  const auto [a_low, a_high] = reach(a);
  const auto [b_low, b_high] = reach(b);
  return a_low < b_high && b_low < a_high;
}

// `v` seen with `shape`: stretched extents get stride 0.
inline View broadcast_view(const View& v, const Shape& shape) {
  View out{v.data, v.dtype, shape, Dims::filled(shape.rank(), 0)};
  const int shift = shape.rank() - v.shape.rank();
  for (int i = 0; i < v.shape.rank(); ++i)
    out.strides[i + shift] = v.shape[i] == 1 ? 0 : v.strides[i];
  return out;
}

// A view with shared ownership of what it sees.
struct Array : View {
  std::shared_ptr<void> owner;

  Array() = default;
  Array(View view, std::shared_ptr<void> keep) : View(std::move(view)), owner(std::move(keep)) {}

  static Array empty(DType dtype, const Shape& shape) {
    const auto bytes = static_cast<std::size_t>(element_count(shape)) * item_size(dtype);
    std::shared_ptr<void> memory(allocate(bytes), [bytes](void* p) { deallocate(p, bytes); });
    View view = contiguous_view(memory.get(), dtype, shape);
    return {std::move(view), std::move(memory)};
  }
};

}  // namespace pynn
