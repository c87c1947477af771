// The tiles of Winograd's convolution: 2 x 2 results and the 4 x 4 pixels that they see.
#pragma once

#include <memory>

#include "ops/conv.h"
#include "ops/launch.h"

namespace pynn {

inline constexpr std::int64_t kTileElements = 16;  // of a transformed tile
inline constexpr std::int64_t kLineFloats = 64 / sizeof(float);

// The tiles of all images, by rows.
struct Tiles {
  std::int64_t rows, columns;
  std::int64_t of_image() const { return rows * columns; }
};
struct Tile {
  Tile(const Tiles& all, std::int64_t number)
      : n(number / all.of_image()),
        row(number % all.of_image() / all.columns),
        column(number % all.columns) {}
  void next(const Tiles& all) {
    if (++column < all.columns) return;
    column = 0;
    if (++row < all.rows) return;
    row = 0;
    ++n;
  }
  std::int64_t n, row, column;
};

inline std::shared_ptr<float> floats(std::int64_t n) {
  const std::shared_ptr<void> memory = scratch(static_cast<std::size_t>(n) * sizeof(float));
  return {memory, static_cast<float*>(memory.get())};
}

// A result's tile: its pixels in y, or `beyond` where there are none.
template <class T>
void tile_results(const ConvGeometry& g, const Tile& tile, T* y, T* beyond, T** pixels) {
  for (std::int64_t i = 0; i < 4; ++i) {
    const std::int64_t row = 2 * tile.row + i / 2, column = 2 * tile.column + i % 2;
    const bool inside = row < g.out[1] && column < g.out[2];
    pixels[i] = inside ? y + ((tile.n * g.out[1] + row) * g.out[2] + column) * g.filters : beyond;
  }
}

// v(16, channels) = the transformed pixels that a tile sees, with zeros of `border` around the
// images.
inline void transform_tile(const ConvGeometry& g, const Tile& tile, const float* x,
                           const float* border, float* v, std::int64_t v_step) {
  const std::int64_t top = 2 * tile.row - g.before[1], left = 2 * tile.column - g.before[2];
  const std::int64_t row = g.in[2] * g.channels;
  const std::int64_t from = (tile.n * g.in[1] + top) * row + left * g.channels;
  const bool whole = top >= 0 && left >= 0 && top + 4 <= g.in[1] && left + 4 <= g.in[2];
  const float* pixels[kTileElements];
  for (std::int64_t i = 0; i < kTileElements; ++i) {
    const std::int64_t down = i / 4, right = i % 4;
    const bool inside = whole || (top + down >= 0 && top + down < g.in[1] && left + right >= 0 &&
                                  left + right < g.in[2]);
    pixels[i] = inside ? x + from + down * row + right * g.channels : border;
  }
  // What the tile below this one reads, beside what both do, where there is more.
  if (whole && top + 6 <= g.in[1])
    for (std::int64_t down = 4; down < 6; ++down)
      for (std::int64_t i = 0; i < 2 * g.channels; i += kLineFloats)
        __builtin_prefetch(x + from + down * row + i);
  kernels::table().winograd_image(g.channels, pixels, v, v_step);
}

}  // namespace pynn
