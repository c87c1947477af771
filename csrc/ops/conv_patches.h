// What an output pixel sees of its image, run by run, and the sum of such patches.
#pragma once

#include <algorithm>

#include "ops/conv.h"

namespace pynn {

// Calls run(from, to, n) for each run of a group's patches of pixels [first, first + count),
// counted through all images: n elements of the patches from `to` on are those of x from `from` on,
// or zero where `from` is negative.
template <class Run>
void patch_runs(const ConvGeometry& g, std::int64_t group, std::int64_t first, std::int64_t count,
                Run&& run) {
  const std::int64_t channels = g.group_channels();
  const bool joined = g.groups == 1 && g.dilation[2] == 1;  // a row of taps is one run
  std::int64_t at = 0;
  for (std::int64_t pixel = first; pixel < first + count; ++pixel) {
    const std::int64_t n = pixel / g.pixels();
    const ConvGeometry::Extents o = {pixel / (g.out[1] * g.out[2]) % g.out[0],
                                     pixel / g.out[2] % g.out[1], pixel % g.out[2]};
    const std::int64_t left = o[2] * g.stride[2] - g.before[2];
    for (std::int64_t d = 0; d < g.kernel[0]; ++d) {
      const std::int64_t z = o[0] * g.stride[0] - g.before[0] + d * g.dilation[0];
      for (std::int64_t h = 0; h < g.kernel[1]; ++h) {
        const std::int64_t y = o[1] * g.stride[1] - g.before[1] + h * g.dilation[1];
        const bool inside = z >= 0 && z < g.in[0] && y >= 0 && y < g.in[1];
        if (!inside) {
          at += g.kernel[2] * channels;
          continue;
        }
        const std::int64_t row =
            (((n * g.in[0] + z) * g.in[1] + y) * g.in[2]) * g.channels + group * channels;
        if (joined) {
          const std::int64_t begin = std::clamp<std::int64_t>(-left, 0, g.kernel[2]);
          const std::int64_t end = std::clamp<std::int64_t>(g.in[2] - left, begin, g.kernel[2]);
          if (end > begin)
            run(row + (left + begin) * channels, at + begin * channels, (end - begin) * channels);
          at += g.kernel[2] * channels;
          continue;
        }
        for (std::int64_t w = 0; w < g.kernel[2]; ++w, at += channels) {
          const std::int64_t x = left + w * g.dilation[2];
          if (x >= 0 && x < g.in[2]) run(row + x * g.channels, at, channels);
        }
      }
    }
  }
}

// x += what lies in the patches, in the order of the pixels.
inline void scatter_patches(const ConvGeometry& g, std::int64_t group, std::int64_t first,
                            std::int64_t count, DType dtype, const void* patches, void* x) {
  const auto add =
      kernels::table().pointwise[static_cast<std::size_t>(kernels::Pointwise::add)][index(dtype)];
  const std::size_t item = item_size(dtype);
  patch_runs(g, group, first, count, [&](std::int64_t from, std::int64_t to, std::int64_t n) {
    void* const target = static_cast<char*>(x) + static_cast<std::size_t>(from) * item;
    const void* const in[] = {
        target, static_cast<const char*>(patches) + static_cast<std::size_t>(to) * item};
    add(static_cast<std::size_t>(n), target, in, nullptr);
  });
}

}  // namespace pynn
