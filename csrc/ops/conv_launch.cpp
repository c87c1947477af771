// Convolutions as products of patches: a block of patches lies in cache while it is multiplied, so
// the matrix of all patches never exists.
#include "ops/conv_patches.h"
#include "ops/launch.h"

namespace pynn {
namespace {

using kernels::Gemm;

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

constexpr std::size_t aligned(std::size_t n) {
  return (n + kAlignment - 1) / kAlignment * kAlignment;
}

// What the three launches share: sizes, and memory for the patches of a block and a product.
class Blocks {
 public:
  Blocks(const ConvGeometry& g, DType dtype) : g(g), dtype(dtype), item(item_size(dtype)) {
    constexpr std::int64_t kBlockBytes = 96 * 1024;
    const std::int64_t row = std::max<std::int64_t>(g.depth(), 1) * static_cast<std::int64_t>(item);
    rows = std::clamp<std::int64_t>(kBlockBytes / row / 24 * 24, 24, 480);
    patch_bytes = aligned(static_cast<std::size_t>(rows * row));
  }

  // Of one pixel.
  double work() const {
    return 2 * static_cast<double>(g.depth()) * static_cast<double>(g.filters);
  }
  std::size_t workspace(Gemm gemm) const {
    const auto bytes = kernels::table().gemm_workspace[index(dtype)];
    const std::size_t full = bytes(gemm);
    (gemm.m == rows ? gemm.m : gemm.k) = 1;  // the last block
    return aligned(std::max(full, bytes(gemm)));
  }
  void multiply(const Gemm& gemm) const { kernels::table().gemm[index(dtype)](gemm); }
  static const void* at(const void* p, std::int64_t elements, std::size_t item) {
    return static_cast<const char*>(p) + elements * static_cast<std::int64_t>(item);
  }
  const void* at(const void* p, std::int64_t elements) const { return at(p, elements, item); }
  void* at(void* p, std::int64_t elements) const {
    return const_cast<void*>(at(static_cast<const void*>(p), elements, item));
  }
  // body(first, count) for the blocks of pixels [begin, end).
  template <class Body>
  void each(std::int64_t begin, std::int64_t end, Body&& body) const {
    for (std::int64_t i = begin; i < end; i += rows) body(i, std::min(rows, end - i));
  }

  ConvGeometry g;
  DType dtype;
  std::size_t item;
  std::int64_t rows;        // pixels of a block
  std::size_t patch_bytes;  // of a block
};

}  // namespace

Launch prepare_conv(const ConvGeometry& g, const Attrs& attrs, const View& x, const View& w,
                    const View* bias, const View& y) {
  const Blocks blocks(g, y.dtype);
  const Chunks chunks(g.batch * g.pixels(), blocks.work(), blocks.rows);
  Gemm gemm{};
  gemm.m = blocks.rows;
  gemm.n = g.group_filters();
  gemm.k = gemm.a_row = g.depth();
  gemm.a_col = gemm.b_col = 1;
  gemm.b_row = gemm.c_row = g.filters;
  gemm.activation = attrs.activation;
  const std::size_t per_chunk = blocks.patch_bytes + blocks.workspace(gemm);
  return [=, parameters = attrs.reals, from = x.data, kernel = w.data, to = y.data,
          shift = bias == nullptr ? nullptr : bias->data](const RunState&) {
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      Gemm product = gemm;
      const std::shared_ptr<void> memory = scratch(per_chunk);
      char* const patches = static_cast<char*>(memory.get());
      product.a = patches;
      product.workspace = patches + blocks.patch_bytes;
      product.attr = parameters.data();
      blocks.each(begin, end, [&](std::int64_t first, std::int64_t count) {
        product.m = count;
        for (std::int64_t group = 0; group < g.groups; ++group) {
          const std::int64_t column = group * product.n;
          gather_patches(g, group, first, count, blocks.item, from, patches);
          product.b = blocks.at(kernel, column);
          product.c = blocks.at(to, first * g.filters + column);
          product.bias = shift == nullptr ? nullptr : blocks.at(shift, column);
          blocks.multiply(product);
        }
      });
    });
  };
}

// A patch's gradient is y w^T; each image is put together by one thread.
Launch prepare_conv_input(const ConvGeometry& g, const View& y, const View& w, const View& x) {
  const Blocks blocks(g, x.dtype);
  const Chunks chunks(g.batch, blocks.work() * static_cast<double>(g.pixels()));
  Gemm gemm{};
  gemm.m = blocks.rows;
  gemm.k = g.group_filters();
  gemm.n = gemm.b_row = gemm.c_row = g.depth();
  gemm.a_row = g.filters;
  gemm.a_col = gemm.b_col = 1;
  const std::size_t per_chunk = blocks.patch_bytes + blocks.workspace(gemm);
  return [=, from = y.data, kernel = w.data, to = x.data, bytes = w.bytes()](const RunState&) {
    const std::shared_ptr<void> turned = scratch(bytes);
    // The kernel of each group with filters in front, (groups, filters, taps, channels).
    kernels::table().transpose[blocks.item](static_cast<std::size_t>(g.depth()),
                                            static_cast<std::size_t>(g.filters), kernel, g.filters,
                                            turned.get(), g.depth());
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      Gemm product = gemm;
      const std::shared_ptr<void> memory = scratch(per_chunk);
      char* const patches = static_cast<char*>(memory.get());
      product.c = patches;
      product.workspace = patches + blocks.patch_bytes;
      std::memset(blocks.at(to, begin * g.image()), 0,
                  static_cast<std::size_t>((end - begin) * g.image()) * blocks.item);
      blocks.each(begin * g.pixels(), end * g.pixels(),
                  [&](std::int64_t first, std::int64_t count) {
                    product.m = count;
                    for (std::int64_t group = 0; group < g.groups; ++group) {
                      const std::int64_t column = group * product.k;
                      product.a = blocks.at(from, first * g.filters + column);
                      product.b = blocks.at(turned.get(), column * g.depth());
                      blocks.multiply(product);
                      scatter_patches(g, group, first, count, blocks.dtype, patches, to);
                    }
                  });
    });
  };
}

// The sum of patches^T y over all pixels, in fixed parts that are added up in order.
Launch prepare_conv_kernel(const ConvGeometry& g, const View& x, const View& y, const View& w) {
  const Blocks blocks(g, w.dtype);
  constexpr std::int64_t kParts = 16;
  const std::int64_t pixels = g.batch * g.pixels();
  const std::int64_t unit = divide_up(divide_up(pixels, kParts), blocks.rows) * blocks.rows;
  const Chunks chunks(pixels, blocks.work(), std::max<std::int64_t>(unit, 1));
  Gemm gemm{};
  gemm.m = gemm.a_col = g.depth();
  gemm.n = g.group_filters();
  gemm.k = blocks.rows;
  gemm.a_row = gemm.b_col = 1;
  gemm.b_row = gemm.c_row = g.filters;
  gemm.accumulate = true;
  const std::size_t sum_bytes = aligned(w.bytes());
  const std::size_t per_chunk = blocks.patch_bytes + blocks.workspace(gemm);
  return [=, image = x.data, from = y.data, to = w.data, size = static_cast<std::size_t>(w.size()),
          bytes = w.bytes()](const RunState&) {
    const std::shared_ptr<void> all = scratch(sum_bytes * static_cast<std::size_t>(chunks.count()));
    char* const sums = static_cast<char*>(all.get());
    chunks.run([&](std::size_t chunk, std::int64_t begin, std::int64_t end) {
      char* const sum = sums + chunk * sum_bytes;
      const std::shared_ptr<void> memory = scratch(per_chunk);
      char* const patches = static_cast<char*>(memory.get());
      Gemm product = gemm;
      product.a = patches;
      product.workspace = patches + blocks.patch_bytes;
      std::memset(sum, 0, bytes);
      blocks.each(begin, end, [&](std::int64_t first, std::int64_t count) {
        product.k = count;
        for (std::int64_t group = 0; group < g.groups; ++group) {
          const std::int64_t column = group * product.n;
          gather_patches(g, group, first, count, blocks.item, image, patches);
          product.b = blocks.at(from, first * g.filters + column);
          product.c = blocks.at(sum, column);
          blocks.multiply(product);
        }
      });
    });
    if (chunks.count() == 0) std::memset(to, 0, bytes);
    if (chunks.count() > 0) std::memcpy(to, sums, bytes);
    const auto add =
        kernels::table()
            .pointwise[static_cast<std::size_t>(kernels::Pointwise::add)][index(blocks.dtype)];
    for (std::int64_t part = 1; part < chunks.count(); ++part) {
      const void* const in[] = {to, sums + static_cast<std::size_t>(part) * sum_bytes};
      add(size, to, in, nullptr);
    }
  };
}

}  // namespace pynn
