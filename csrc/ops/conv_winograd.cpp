// A tile of 2 x 2 results at a time, some tiles together: their pixels are transformed, multiplied
// by the transformed kernel in 16 products of matrices, and transformed back while all of it is in
// cache. A window of a 2 x 2 pool is one tile.
#include "ops/conv_winograd.h"

#include "ops/conv_images.h"
#include "ops/conv_tiles.h"
#include "ops/product.h"

namespace pynn {
namespace {

constexpr std::int64_t kPanel = 64;  // filters whose products are computed together

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
        block_(
            std::clamp<std::int64_t>(kBlock / (kTileElements * (g.channels + g.filters)), 24, 96)),
        v_step_(block_ * g.channels + kLineFloats),
        m_step_(block_ * g.filters + kLineFloats),
        channels_(g.channels, 64 * static_cast<double>(g.filters)),
        blocks_((count_ + block_ - 1) / block_,
                2 * kTileElements * static_cast<double>(block_ * g.channels * g.filters)) {}

  void run() const {
    const std::shared_ptr<float> u = floats(kTileElements * g_.channels * g_.filters);
    channels_.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = begin; c < end; ++c) transform_kernel(c, u.get());
    });
    // What lies around the images, and what of a tile lies beyond the results.
    const std::shared_ptr<float> border = floats(g_.channels);
    std::fill_n(border.get(), g_.channels, 0.0f);
    blocks_.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      const std::shared_ptr<float> memory =
          floats(kTileElements * (v_step_ + m_step_) + g_.filters);
      float* const v = memory.get();
      float* const m = v + kTileElements * v_step_;
      for (std::int64_t block = begin; block < end; ++block) {
        const std::int64_t first = block * block_, tiles = std::min(block_, count_ - first);
        Tile tile(tiles_, first);
        for (std::int64_t t = 0; t < tiles; ++t, tile.next(tiles_))
          transform_tile(g_, tile, x_, border.get(), v + t * g_.channels, v_step_);
        multiply(tiles, v, u.get(), m);
        tile = Tile(tiles_, first);
        for (std::int64_t t = 0; t < tiles; ++t, tile.next(tiles_))
          transform_result(tile, m + t * g_.filters, m + kTileElements * m_step_);
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

  void multiply(std::int64_t tiles, const float* v, const float* u, float* m) const {
    kernels::Gemm p{};
    p.m = tiles;
    p.k = p.a_row = g_.channels;
    p.a_col = p.b_col = 1;
    p.c_row = g_.filters;
    for (std::int64_t i = 0; i < kTileElements; ++i) {
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
    tile_results(g_, tile, y_, beyond, r.y);
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
  const double winograd =
      tiles * (kTileElements * c * f + kTransform * (c + f)) + kTransform * c * f;
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
