// Images as convolutions read them: with the border that padding adds, where
// there is any.
#pragma once

#include <cstring>

#include "ops/conv.h"
#include "ops/launch.h"
#include "ops/unpooling.h"

namespace pynn {

constexpr std::size_t aligned(std::size_t n) {
  return (n + kAlignment - 1) / kAlignment * kAlignment;
}

inline void* moved(void* p, std::int64_t elements, std::size_t item) {
  return static_cast<char*>(p) + elements * static_cast<std::int64_t>(item);
}
inline const void* moved(const void* p, std::int64_t elements, std::size_t item) {
  return static_cast<const char*>(p) + elements * static_cast<std::int64_t>(item);
}

// Distances, in elements, in an image of `extents` whose pixels have
// `channels`.
struct ImageStrides {
  ImageStrides(const ConvGeometry::Extents& extents, std::int64_t channels)
      : pixel(channels), row(extents[2] * pixel), slice(extents[1] * row) {}
  std::int64_t pixel, row, slice;
};

// The images of x as far as taps reach: x itself, or copies of one image after
// the other. Without `border`: always x itself.
class PaddedImages {
 public:
  PaddedImages(const ConvGeometry& g, const Images& x, bool border = true)
      : g_(g), x_(x), item_(item_size(x.dtype())), from_(g.in, g.channels), strides_(from_) {
    for (std::size_t i = 0; i < 3; ++i) {
      extents_[i] = (g.out[i] - 1) * g.stride[i] + (g.kernel[i] - 1) * g.dilation[i] + 1;
      copies_ |= border && (g.before[i] > 0 || extents_[i] > g.in[i]);
    }
    if (copies_) strides_ = ImageStrides(extents_, g.channels);
  }

  const ImageStrides& strides() const { return strides_; }
  bool copies() const { return copies_; }
  std::size_t bytes() const {  // of the memory that image() needs
    return copy_bytes() + x_.bytes();
  }
  // Where the taps of pixel 0 begin in image n, for the rows of the result
  // [begin, end), counted through its slices. Other rows may be missing in
  // `memory`.
  const void* image(std::int64_t n, std::int64_t begin, std::int64_t end, void* memory) const {
    const void* const image = x_.image(n, static_cast<char*>(memory) + copy_bytes());
    if (!copies_) return image;
    const auto needed = [&](std::size_t axis, std::int64_t first, std::int64_t last) {
      return std::pair(first * g_.stride[axis],
                       last * g_.stride[axis] + (g_.kernel[axis] - 1) * g_.dilation[axis] + 1);
    };
    const std::int64_t top = begin / g_.out[1], bottom = (end - 1) / g_.out[1];
    const auto slices = needed(0, top, bottom);
    const bool some = top == bottom;
    const auto rows = some ? needed(1, begin % g_.out[1], (end - 1) % g_.out[1])
                           : std::pair<std::int64_t, std::int64_t>(0, extents_[1]);
    for (std::int64_t z = slices.first; z < slices.second; ++z)
      for (std::int64_t y = rows.first; y < rows.second; ++y)
        copy_row(image, z, y, moved(memory, z * strides_.slice + y * strides_.row, item_));
    return memory;
  }
  // The other way: `image` gets its pixels out of a copy.
  void take_back(const void* copy, void* image) const {
    std::memset(image, 0, static_cast<std::size_t>(g_.image()) * item_);
    const auto reached = [&](std::size_t axis) {
      return std::min(g_.in[axis], extents_[axis] - g_.before[axis]);
    };
    for (std::int64_t z = 0; z < reached(0); ++z)
      for (std::int64_t y = 0; y < reached(1); ++y)
        std::memcpy(
            moved(image, z * from_.slice + y * from_.row, item_),
            moved(copy,
                  (z + g_.before[0]) * strides_.slice + (y + g_.before[1]) * strides_.row +
                      g_.before[2] * strides_.pixel,
                  item_),
            static_cast<std::size_t>(std::max<std::int64_t>(reached(2), 0) * g_.channels) * item_);
  }

 private:
  std::size_t copy_bytes() const {
    return copies_ ? aligned(static_cast<std::size_t>(extents_[0] * strides_.slice) * item_) : 0;
  }
  void copy_row(const void* image, std::int64_t z, std::int64_t y, void* to) const {
    const std::int64_t from_z = z - g_.before[0], from_y = y - g_.before[1];
    const auto bytes = [&](std::int64_t pixels) {
      return static_cast<std::size_t>(pixels * g_.channels) * item_;
    };
    if (from_z < 0 || from_z >= g_.in[0] || from_y < 0 || from_y >= g_.in[1]) {
      std::memset(to, 0, bytes(extents_[2]));
      return;
    }
    const std::int64_t left = std::min(g_.before[2], extents_[2]);
    const std::int64_t width = std::min(g_.in[2], extents_[2] - left);
    std::memset(to, 0, bytes(left));
    std::memcpy(moved(to, left * g_.channels, item_),
                moved(image, from_z * from_.slice + from_y * from_.row, item_), bytes(width));
    std::memset(moved(to, (left + width) * g_.channels, item_), 0,
                bytes(extents_[2] - left - width));
  }

  ConvGeometry g_;
  Images x_;
  std::size_t item_;
  ConvGeometry::Extents extents_{};
  ImageStrides from_, strides_;
  bool copies_ = false;
};

// How taps are gathered into products: `run` elements of an image lie side by
// side, so do `run` rows of the kernel; `stretches` of them follow each other
// at a fixed distance, and `outer` such sets are added one by one.
struct Taps {
  Taps(const ConvGeometry& g, const ImageStrides& s) {
    const std::int64_t channels = g.group_channels();
    // A row of taps is one run, where all of its pixels' channels count.
    const bool joined = g.groups == 1 && (g.dilation[2] == 1 || g.kernel[2] == 1);
    run = joined ? g.kernel[2] * channels : channels;
    stretches = joined ? g.kernel[1] : g.kernel[2];
    distance = joined ? g.dilation[1] * s.row : g.dilation[2] * s.pixel;
    for (std::int64_t d = 0; d < g.kernel[0]; ++d)
      for (std::int64_t h = 0; h < (joined ? 1 : g.kernel[1]); ++h)
        outer.push_back(d * g.dilation[0] * s.slice + h * g.dilation[1] * s.row);
  }
  std::int64_t run, stretches, distance;
  std::vector<std::int64_t> outer;  // where each set begins
};

}  // namespace pynn
