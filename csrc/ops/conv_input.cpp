// The gradient of a convolution by its image, which is the transposed
// convolution.
#include "ops/conv_depthwise.h"
#include "ops/conv_images.h"
#include "ops/conv_patches.h"

namespace pynn {
namespace {

using kernels::Gemm;

// Where strides are 1, each pixel of x gathers from y what reached it: a
// convolution of y with the taps in reverse order, and filters and channels
// exchanged.
class Reversed {
 public:
  explicit Reversed(const ConvGeometry& g) : g(g) {
    std::swap(this->g.in, this->g.out);
    std::swap(this->g.channels, this->g.filters);
    for (std::size_t i = 0; i < 3; ++i)
      this->g.before[i] = (g.kernel[i] - 1) * g.dilation[i] - g.before[i];
  }
  bool possible() const {
    return g.stride == ConvGeometry::Extents{1, 1, 1} &&
           std::all_of(g.before.begin(), g.before.end(), [](auto n) { return n >= 0; });
  }

  // turned(taps, filters / groups, channels) from w(taps, channels / groups,
  // filters).
  void turn(const void* w, void* turned, std::size_t item) const {
    const std::int64_t filters = g.group_channels(), channels = g.group_filters();
    const std::int64_t tap = channels * g.channels;
    for (std::int64_t t = 0; t < g.taps(); ++t)
      for (std::int64_t group = 0; group < g.groups; ++group)
        kernels::table().transpose[item](
            static_cast<std::size_t>(channels), static_cast<std::size_t>(filters),
            moved(w, (g.taps() - 1 - t) * tap + group * filters, item), g.channels,
            moved(turned, t * tap + group * channels, item), g.filters);
  }

  ConvGeometry g;
};

// Otherwise each pixel of y adds its patch's gradient y w^T to x, image by
// image.
Launch prepare_scatter(const ConvGeometry& g, const Images& y, const View& w, const View& x) {
  constexpr std::int64_t kBlockBytes = 96 * 1024;
  const std::size_t item = item_size(x.dtype);
  const std::int64_t row = std::max<std::int64_t>(g.depth(), 1) * static_cast<std::int64_t>(item);
  const std::int64_t rows = std::clamp<std::int64_t>(kBlockBytes / row, 24, 480);
  const Chunks chunks(
      g.batch, 2 * static_cast<double>(g.pixels()) * static_cast<double>(g.depth() * g.filters));
  Gemm gemm{};
  gemm.m = rows;
  gemm.k = g.group_filters();
  gemm.n = gemm.c_row = g.depth();
  gemm.a_row = g.filters;
  gemm.a_col = gemm.b_col = 1;
  gemm.b_row = g.depth();
  const auto workspace = kernels::table().gemm_workspace[index(x.dtype)];
  const std::size_t patch_bytes = aligned(static_cast<std::size_t>(rows * row));
  std::size_t spare = workspace(gemm);
  for (gemm.m = 1; gemm.m < rows; ++gemm.m) spare = std::max(spare, workspace(gemm));
  const std::size_t unpooled = aligned(y.bytes());
  return [=, kernel = w.data, to = x.data, dtype = x.dtype, bytes = w.bytes()](const RunState&) {
    // (groups, filters, taps, channels)
    const std::shared_ptr<void> turned = scratch(bytes);
    kernels::table().transpose[item](static_cast<std::size_t>(g.depth()),
                                     static_cast<std::size_t>(g.filters), kernel, g.filters,
                                     turned.get(), g.depth());
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      const std::shared_ptr<void> memory = scratch(patch_bytes + unpooled + spare);
      Gemm product = gemm;
      product.c = memory.get();
      void* const image = static_cast<char*>(memory.get()) + patch_bytes;
      product.workspace = static_cast<char*>(image) + unpooled;
      std::memset(moved(to, begin * g.image(), item), 0,
                  static_cast<std::size_t>((end - begin) * g.image()) * item);
      for (std::int64_t n = begin; n < end; ++n) {
        const void* const from = y.image(n, image);
        for (std::int64_t first = 0; first < g.pixels(); first += rows) {
          product.m = std::min(rows, g.pixels() - first);
          for (std::int64_t group = 0; group < g.groups; ++group) {
            const std::int64_t column = group * product.k;
            product.a = moved(from, first * g.filters + column, item);
            product.b = moved(turned.get(), column * g.depth(), item);
            kernels::table().gemm[index(dtype)](product);
            scatter_patches(g, group, n * g.pixels() + first, product.m, dtype, memory.get(), to);
          }
        }
      }
    });
  };
}

}  // namespace

Launch prepare_conv_input(const ConvGeometry& g, const Images& y, const View& w, const View& x) {
  if (is_depthwise(g)) return prepare_depthwise_input(g, y, w, x);
  const Reversed reversed(g);
  if (!reversed.possible()) return prepare_scatter(g, y, w, x);
  const std::shared_ptr<void> turned = scratch(w.bytes());
  View kernel = w;
  kernel.data = turned.get();
  return [reversed, turned, from = w.data, item = item_size(w.dtype),
          launch = prepare_conv(reversed.g, {}, y, kernel, nullptr, x)](const RunState& state) {
    reversed.turn(from, turned.get(), item);
    launch(state);
  };
}

}  // namespace pynn
