// Sums over images in fixed parts, so that their bits do not depend on the number of threads.
#pragma once

#include <cstring>

#include "ops/launch.h"

namespace pynn {

// At most so many parts, whatever the number of threads: each has a sum of its own. But for the
// last one, none has fewer images than `least`.
inline Chunks image_parts(std::int64_t images, double work, std::int64_t least = 1) {
  constexpr std::int64_t kParts = 16;
  return {images, work, std::max((images + kParts - 1) / kParts, least)};
}

// out(size) = the sum of what add_images(begin, end, sum, memory) adds to `sum` for images
// [begin, end); it gets `spare` bytes of memory to compute in.
template <class AddImages>
void sum_over_images(const Chunks& parts, DType dtype, std::int64_t size, std::size_t spare,
                     const AddImages& add_images, void* out) {
  if (parts.count() == 0) {
    std::memset(out, 0, static_cast<std::size_t>(size) * item_size(dtype));
    return;
  }
  constexpr auto kSum = static_cast<std::size_t>(kernels::Reduce::sum);
  const auto add = kernels::table().reduce_columns[kSum][index(dtype)];
  const auto item = static_cast<std::int64_t>(item_size(dtype));
  constexpr std::int64_t kLine = 16;  // elements: no two threads write to one line of the cache
  const std::int64_t distance = (size + kLine - 1) / kLine * kLine;
  const std::shared_ptr<void> all =
      scratch(static_cast<std::size_t>(parts.count() * distance * item));
  char* const sums = static_cast<char*>(all.get());
  parts.run([&](std::size_t part, std::int64_t begin, std::int64_t end) {
    const std::shared_ptr<void> memory = scratch(spare);
    void* const sum = sums + static_cast<std::int64_t>(part) * distance * item;
    std::memset(sum, 0, static_cast<std::size_t>(size * item));
    add_images(begin, end, sum, memory.get());
  });
  constexpr double kReading = 4;  // takes longer than adding
  Chunks(size, kReading * static_cast<double>(parts.count()), kLine)
      .run([&](std::size_t, std::int64_t begin, std::int64_t end) {
        add(static_cast<std::size_t>(parts.count()), static_cast<std::size_t>(end - begin),
            distance, sums + begin * item, static_cast<char*>(out) + begin * item);
      });
}

}  // namespace pynn
