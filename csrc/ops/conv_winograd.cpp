// A tile of 2 x 2 results at a time, some tiles together: their pixels are transformed, multiplied
// by the transformed kernel in 16 products of matrices, and transformed back while all of it is in
// cache. A window of a 2 x 2 pool is one tile.
#include "ops/conv_winograd.h"

#include "ops/conv_images.h"
#include "ops/product.h"

namespace pynn {
namespace {

constexpr std::int64_t kElements = 16;  // of a transformed tile
constexpr std::int64_t kPanel = 64;     // filters whose products are computed together
constexpr std::int64_t kLine = 64 / sizeof(float);

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

std::shared_ptr<float> floats(std::int64_t n) {
  const std::shared_ptr<void> memory = scratch(static_cast<std::size_t>(n) * sizeof(float));
  return {memory, static_cast<float*>(memory.get())};
}

class Winograd {
 public:
  // Of y or, with winners, of what a pool of 2 x 2 picks of it.
  Winograd(const ConvGeometry& g, const Attrs& attrs, const View& x, const View& w,
           const View* bias, Tiles tiles, const View& y, const View* winners)
      : g_(g),
        tiles_(tiles),
        count_(g.batch * g.in[0] * tiles.of_image()),
        x_(static_cast<const float*>(x.data)),
        w_(static_cast<const float*>(w.data)),
        bias_(bias == nullptr ? nullptr : static_cast<const float*>(bias->data)),
        y_(static_cast<float*>(y.data)),
        winners_(winners == nullptr ? nullptr : static_cast<std::uint8_t*>(winners->data)),
        relu_(attrs.activation == kernels::Activation::relu),
        activate_(activation_after(attrs.activation, DType::f32)),
        parameters_(attrs.reals),
        block_(std::clamp<std::int64_t>(kBlock / (kElements * (g.channels + g.filters)), 24, 96)),
        v_step_(block_ * g.channels + kLine),
        m_step_(block_ * g.filters + kLine),
        channels_(g.channels, 64 * static_cast<double>(g.filters)),
        blocks_((count_ + block_ - 1) / block_,
                2 * kElements * static_cast<double>(block_ * g.channels * g.filters)) {}

  void run() const {
    const std::shared_ptr<float> u = floats(kElements * g_.channels * g_.filters);
    channels_.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = begin; c < end; ++c) transform_kernel(c, u.get());
    });
    // What lies around the images, and what of a tile lies beyond the results.
    const std::shared_ptr<float> border = floats(g_.channels);
    std::fill_n(border.get(), g_.channels, 0.0f);
    blocks_.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      const std::shared_ptr<float> memory = floats(kElements * (v_step_ + m_step_) + g_.filters);
      float* const v = memory.get();
      float* const m = v + kElements * v_step_;
      for (std::int64_t block = begin; block < end; ++block) {
        const std::int64_t first = block * block_, tiles = std::min(block_, count_ - first);
        Tile tile(tiles_, first);
        for (std::int64_t t = 0; t < tiles; ++t, tile.next(tiles_))
          transform_image(tile, border.get(), v + t * g_.channels);
        multiply(tiles, v, u.get(), m);
        tile = Tile(tiles_, first);
        for (std::int64_t t = 0; t < tiles; ++t, tile.next(tiles_))
          transform_result(tile, m + t * g_.filters, m + kElements * m_step_);
      }
    });
  }

 private:
  static constexpr std::int64_t kBlock = 64 * 1024;  // floats of transformed pixels and results

  // u(panel of filters, channel, filter of the panel) for each element.
  void transform_kernel(std::int64_t channel, float* u) const {
    const std::int64_t size = g_.channels * g_.filters;
    for (std::int64_t f = 0; f < g_.filters; f += kPanel) {
      const std::int64_t width = std::min(kPanel, g_.filters - f);
      kernels::table().winograd_kernel(width, w_ + channel * g_.filters + f, size,
                                       u + f * g_.channels + channel * width, size);
    }
  }

  void transform_image(const Tile& tile, const float* border, float* v) const {
    const std::int64_t top = 2 * tile.row - g_.before[1], left = 2 * tile.column - g_.before[2];
    const std::int64_t row = g_.in[2] * g_.channels;
    const float* const from = x_ + (tile.n * g_.in[1] + top) * row + left * g_.channels;
    const bool whole = top >= 0 && left >= 0 && top + 4 <= g_.in[1] && left + 4 <= g_.in[2];
    const float* pixels[kElements];
    for (std::int64_t i = 0; i < kElements; ++i) {
      const std::int64_t down = i / 4, right = i % 4;
      const bool inside = whole || (top + down >= 0 && top + down < g_.in[1] && left + right >= 0 &&
                                    left + right < g_.in[2]);
      pixels[i] = inside ? from + down * row + right * g_.channels : border;
    }
    // What the tile below this one reads, beside what both do.
    for (std::int64_t down = 4; down < 6; ++down)
      for (std::int64_t i = 0; i < 2 * g_.channels; i += kLine)
        __builtin_prefetch(from + down * row + i);
    kernels::table().winograd_image(g_.channels, pixels, v, v_step_);
  }

  void multiply(std::int64_t tiles, const float* v, const float* u, float* m) const {
    kernels::Gemm p{};
    p.m = tiles;
    p.k = p.a_row = g_.channels;
    p.a_col = p.b_col = 1;
    p.c_row = g_.filters;
    for (std::int64_t i = 0; i < kElements; ++i) {
      p.a = v + i * v_step_;
      for (std::int64_t f = 0; f < g_.filters; f += kPanel) {
        p.n = p.b_row = std::min(kPanel, g_.filters - f);
        p.b = u + (i * g_.filters + f) * g_.channels;
        p.c = m + i * m_step_ + f;
        kernels::table().gemm[index(DType::f32)](p);
      }
    }
  }

  void transform_result(const Tile& tile, const float* m, float* beyond) const {
    kernels::WinogradResult r{g_.filters, m_step_, m, bias_, relu_, {}, nullptr};
    if (winners_ != nullptr) {
      const std::int64_t window = (tile.n * tiles_.rows + tile.row) * tiles_.columns + tile.column;
      r.y[0] = y_ + window * g_.filters;
      r.winners = winners_ + window * g_.filters;
      return kernels::table().winograd_result(r);
    }
    for (std::int64_t i = 0; i < 4; ++i) {
      const std::int64_t row = 2 * tile.row + i / 2, column = 2 * tile.column + i % 2;
      const bool inside = row < g_.out[1] && column < g_.out[2];
      r.y[i] =
          inside ? y_ + ((tile.n * g_.out[1] + row) * g_.out[2] + column) * g_.filters : beyond;
    }
    kernels::table().winograd_result(r);
    if (activate_ == nullptr) return;
    for (float* const pixel : r.y) {
      const void* const in = pixel;
      activate_(static_cast<std::size_t>(g_.filters), pixel, &in, parameters_.data());
    }
  }

  ConvGeometry g_;
  Tiles tiles_;
  std::int64_t count_;
  const float *x_, *w_, *bias_;
  float* y_;
  std::uint8_t* winners_;
  bool relu_;
  kernels::PointwiseFn activate_;
  std::array<double, 2> parameters_;
  std::int64_t block_;  // tiles
  // From one element of the tiles to the next: not a power of two, so that they don't meet in the
  // cache.
  std::int64_t v_step_, m_step_;
  Chunks channels_, blocks_;
};

}  // namespace

bool takes_winograd(const ConvGeometry& g, DType dtype) {
  using Extents = ConvGeometry::Extents;
  if (dtype != DType::f32 || g.groups != 1 || g.kernel != Extents{1, 3, 3} || g.before[0] != 0 ||
      g.in[0] != g.out[0] || g.stride != Extents{1, 1, 1} || g.dilation[1] != 1 ||
      g.dilation[2] != 1)
    return false;
  const auto c = static_cast<double>(g.channels), f = static_cast<double>(g.filters);
  const auto tiles = static_cast<double>((g.out[1] + 1) / 2 * ((g.out[2] + 1) / 2) * g.in[0]);
  // In multiply-adds, in the time of which the transforms move and add up an element.
  constexpr double kTransform = 128;
  const double direct = static_cast<double>(g.pixels()) * 9 * c * f;
  const double winograd = tiles * (kElements * c * f + kTransform * (c + f)) + kTransform * c * f;
  return winograd < direct;
}

bool takes_winograd_pooled(const ConvGeometry& g, const Attrs& attrs, DType dtype) {
  const kernels::Pool pool = merged_pool(attrs, g.filters);
  return pool.window[0] == 1 && pool.window[1] == 2 && pool.window[2] == 2 &&
         activation_after(attrs.activation, dtype) == nullptr && takes_winograd(g, dtype);
}

Launch prepare_winograd(const ConvGeometry& g, const Attrs& attrs, const View& x, const View& w,
                        const View* bias, const View& y, const View* winners) {
  Tiles tiles{(g.out[1] + 1) / 2, (g.out[2] + 1) / 2};
  if (winners != nullptr) tiles = {g.out[1] / 2, g.out[2] / 2};
  return [all = std::make_shared<const Winograd>(g, attrs, x, w, bias, tiles, y, winners)](
             const RunState&) { all->run(); };
}

}  // namespace pynn
