// The gradient of Winograd's convolution by its kernel: a kernel's 16 transformed elements get the
// products of tiles, pixels by results, and are transformed back once they have all of them.
#include "ops/conv_images.h"
#include "ops/conv_sums.h"
#include "ops/conv_tiles.h"
#include "ops/conv_winograd.h"

namespace pynn {
namespace {

constexpr std::int64_t kBlock = 128 * 1024;  // floats of transformed pixels and results
constexpr std::int64_t kLeastTiles = 256;    // whose products are worth a sum of their own

class KernelSum {
 public:
  KernelSum(const ConvGeometry& g, const View& x, const View& y, const View& w)
      : g_(g),
        tiles_{(g.out[1] + 1) / 2, (g.out[2] + 1) / 2},
        count_(g.batch * g.in[0] * tiles_.of_image()),
        x_(static_cast<const float*>(x.data)),
        y_(static_cast<const float*>(y.data)),
        w_(static_cast<float*>(w.data)),
        block_(
            std::clamp<std::int64_t>(kBlock / (kTileElements * (g.channels + g.filters)), 24, 96)),
        v_step_(block_ * g.channels + kLineFloats),
        d_step_(block_ * g.filters + kLineFloats),
        channels_(g.channels, 64 * static_cast<double>(g.filters)),
        parts_(image_parts((count_ + block_ - 1) / block_,
                           2 * kTileElements * static_cast<double>(block_ * kernel()),
                           (kLeastTiles + block_ - 1) / block_)) {}

  void run() const {
    const std::shared_ptr<float> sum = floats(kTileElements * kernel());
    const std::shared_ptr<float> border = floats(std::max(g_.channels, g_.filters));
    std::fill_n(border.get(), std::max(g_.channels, g_.filters), 0.0f);
    sum_over_images(
        parts_, DType::f32, kTileElements * kernel(),
        static_cast<std::size_t>(kTileElements * (v_step_ + d_step_)) * sizeof(float),
        [&](std::int64_t begin, std::int64_t end, void* part, void* memory) {
          for (std::int64_t block = begin; block < end; ++block)
            add_block(block * block_, border.get(), static_cast<float*>(part),
                      static_cast<float*>(memory));
        },
        sum.get());
    channels_.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = begin; c < end; ++c)
        kernels::table().winograd_kernel_grad(g_.filters, sum.get() + c * g_.filters, kernel(),
                                              w_ + c * g_.filters, kernel());
    });
  }

 private:
  std::int64_t kernel() const { return g_.channels * g_.filters; }

  // sum(16, channels, filters) += the products of a block of tiles.
  void add_block(std::int64_t first, const float* border, float* sum, float* v) const {
    float* const d = v + kTileElements * v_step_;
    const std::int64_t tiles = std::min(block_, count_ - first);
    Tile tile(tiles_, first);
    for (std::int64_t t = 0; t < tiles; ++t, tile.next(tiles_)) {
      transform_tile(g_, tile, x_, border, v + t * g_.channels, v_step_);
      const float* results[4];
      tile_results(g_, tile, y_, border, results);
      kernels::table().winograd_result_grad(g_.filters, results, d + t * g_.filters, d_step_);
    }
    kernels::Gemm p{};
    p.m = p.a_col = g_.channels;
    p.n = p.b_row = p.c_row = g_.filters;
    p.k = tiles;
    p.a_row = p.b_col = 1;
    p.accumulate = true;
    const std::shared_ptr<void> workspace =
        scratch(kernels::table().gemm_workspace[index(DType::f32)](p));
    p.workspace = workspace.get();
    for (std::int64_t i = 0; i < kTileElements; ++i) {
      p.a = v + i * v_step_;
      p.b = d + i * d_step_;
      p.c = sum + i * kernel();
      kernels::table().gemm[index(DType::f32)](p);
    }
  }

  ConvGeometry g_;
  Tiles tiles_;
  std::int64_t count_;
  const float *x_, *y_;
  float* w_;
  std::int64_t block_;            // tiles
  std::int64_t v_step_, d_step_;  // from one element of the tiles to the next
  Chunks channels_, parts_;
};

}  // namespace

Launch prepare_winograd_kernel(const ConvGeometry& g, const View& x, const View& y, const View& w) {
  return [sum = std::make_shared<const KernelSum>(g, x, y, w)](const RunState&) { sum->run(); };
}

}  // namespace pynn
