// What prepare functions share: work cut into chunks, scratch memory, dispatch on an element's
// size.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>

#include "runtime/allocator.h"
#include "runtime/thread_pool.h"

namespace pynn {

// Items cut into runs for the pool. The cut depends on the work alone, never on the number of
// threads: so the bits of a result that depends on the cut don't depend on threads either.
class Chunks {
 public:
  Chunks() = default;
  // `work`: of one item, in floating-point operations or what takes as long. Every run but the last
  // is a multiple of `multiple` items.
  Chunks(std::int64_t items, double work, std::int64_t multiple = 1) : items_(items) {
    const double total = static_cast<double>(items) * work;
    if (items == 0) return;
    count_ = 1;
    length_ = items;
    if (total <= kParallelWork) return;
    // An even number: two threads have as much to do.
    const auto wanted =
        2 * static_cast<std::int64_t>(std::min(total / kParallelWork + 0.5, kMostChunks / 2));
    const std::int64_t units = (items + multiple - 1) / multiple;
    length_ = (units + wanted - 1) / wanted * multiple;
    count_ = (items + length_ - 1) / length_;
  }

  std::int64_t count() const { return count_; }

  // Calls body(chunk, begin, end) for each run.
  template <class Body>
  void run(Body&& body) const {
    parallel_for(static_cast<std::size_t>(count_), [&](std::size_t chunk) {
      const auto begin = static_cast<std::int64_t>(chunk) * length_;
      body(chunk, begin, std::min(items_, begin + length_));
    });
  }

 private:
  static constexpr double kMostChunks = 64;
  std::int64_t items_ = 0, length_ = 0, count_ = 0;
};

// Memory that a launch computes in, freed with the last copy of the launch.
inline std::shared_ptr<void> scratch(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  return {allocate(bytes), [bytes](void* p) { deallocate(p, bytes); }};
}

// Calls f with a value of an unsigned type of `bytes` bytes: for moving elements of any type.
template <class F>
decltype(auto) with_item(std::size_t bytes, F&& f) {
  switch (bytes) {
    case 1:
      return f(std::uint8_t{});
    case 2:
      return f(std::uint16_t{});
    case 4:
      return f(std::uint32_t{});
    default:
      return f(std::uint64_t{});
  }
}

}  // namespace pynn
