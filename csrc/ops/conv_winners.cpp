// The gradients of a convolution whose result is max pooled. In each window and filter one pixel
// won, so they are sums of one row a winner: its patch, or its filter's weights.
#include <limits>

#include "ops/conv_images.h"
#include "ops/conv_sums.h"

namespace pynn {
namespace {

// Images' windows, and what won in them.
struct Winners {
  Winners(const Attrs& attrs, const View& values, const View& winners)
      : pool(merged_pool(attrs, values.shape.back())),
        windows(pool.out[0] * pool.out[1] * pool.out[2]),
        pixels(pool.window[0] * pool.window[1] * pool.window[2]),
        filters(pool.channels),
        dtype(values.dtype),
        values_(values.data),
        winners_(static_cast<const std::uint8_t*>(winners.data)) {}

  // Of `window`, counted from those of image n on: a row of filters.
  const void* values(std::int64_t n, std::int64_t window = 0) const {
    return moved(values_, (n * windows + window) * filters, item_size(dtype));
  }
  const std::uint8_t* winners(std::int64_t n, std::int64_t window = 0) const {
    return winners_ + (n * windows + window) * filters;
  }

  kernels::Pool pool;
  std::int64_t windows, pixels, filters;
  DType dtype;

 private:
  const void* values_;
  const std::uint8_t* winners_;
};

// Where, in elements, the patches of the windows of some images that lie `distance` apart begin,
// and of the pixels within a window.
struct PatchOffsets {
  PatchOffsets(const ConvGeometry& g, const Winners& y, const ImageStrides& s,
               std::int64_t images = 1, std::int64_t distance = 0) {
    const std::int64_t step[] = {g.stride[0] * s.slice, g.stride[1] * s.row, g.stride[2] * s.pixel};
    const auto offsets = [&](const std::int64_t* extent, const std::int64_t* stride) {
      std::vector<std::int32_t> out;
      for (std::int64_t d = 0; d < extent[0]; ++d)
        for (std::int64_t h = 0; h < extent[1]; ++h)
          for (std::int64_t w = 0; w < extent[2]; ++w)
            out.push_back(static_cast<std::int32_t>(
                d * stride[0] * step[0] + h * stride[1] * step[1] + w * stride[2] * step[2]));
      return out;
    };
    constexpr std::int64_t kOne[] = {1, 1, 1};
    window = offsets(y.pool.out, y.pool.stride);
    pixel = offsets(y.pool.window, kOne);
    for (std::int64_t i = y.windows; i < images * y.windows; ++i)
      window.push_back(window[static_cast<std::size_t>(i - y.windows)] +
                       static_cast<std::int32_t>(distance));
  }
  std::vector<std::int32_t> window, pixel;
};

// The terms of kernels::RowSums, in memory that a thread lends.
class Terms {
 public:
  Terms(std::int64_t sums, std::int64_t most, DType dtype)
      : sums_(sums),
        capacity_((most + kLine - 1) / kLine * kLine | kLine),
        dtype_(dtype),
        at_from_(aligned(static_cast<std::size_t>(sums) * sizeof(std::int32_t))),
        values_from_(at_from_ + static_cast<std::size_t>(sums * capacity_) * sizeof(std::int32_t)) {
  }
  std::size_t bytes() const {
    return values_from_ + static_cast<std::size_t>(sums_ * capacity_) * item_size(dtype_);
  }

  // Terms of which sum i gets those that pack(i) describes.
  template <class Pack>
  kernels::RowSums collect(void* memory, std::int64_t sums, const Pack& pack) const {
    char* const bytes = static_cast<char*>(memory);
    const auto terms = reinterpret_cast<std::int32_t*>(bytes);
    const auto at = reinterpret_cast<std::int32_t*>(bytes + at_from_);
    void* const values = bytes + values_from_;
    for (std::int64_t i = 0; i < sums; ++i) {
      kernels::PackTerms p = pack(i);
      p.packed = moved(values, i * capacity_, item_size(dtype_));
      p.packed_at = at + i * capacity_;
      terms[i] = kernels::table().pack_terms[index(dtype_)](p);
    }
    kernels::RowSums s{};
    s.sums = sums;
    s.capacity = capacity_;
    s.terms = terms;
    s.at = at;
    s.values = values;
    return s;
  }

 private:
  // No vector has more lanes. An odd number of lines: sums don't meet in the cache.
  static constexpr std::int64_t kLine = 16;
  std::int64_t sums_, capacity_;
  DType dtype_;
  std::size_t at_from_, values_from_;
};

// Windows at a time, such that their terms stay in the first-level cache.
std::int64_t windows_of_block(const Winners& y) {
  return std::clamp<std::int64_t>(2048 / y.filters, std::min<std::int64_t>(8, y.windows),
                                  y.windows);
}

// Images whose patches are added up together: the sums, which take more memory, pass through the
// first-level cache once for all of them.
std::int64_t images_of_block(const ConvGeometry& g, const Winners& y) {
  const std::int64_t bytes = g.image() * static_cast<std::int64_t>(item_size(y.dtype));
  const auto fit = [](std::int64_t most, std::int64_t each) {
    return most / std::max<std::int64_t>(each, 1);
  };
  return std::max<std::int64_t>(std::min(fit(48 * 1024, bytes), fit(4096, y.windows * y.filters)),
                                1);
}

double work_of_image(const ConvGeometry& g, const Winners& y) {
  return 2 * static_cast<double>(y.windows * y.filters * g.depth());
}

class KernelSum {
 public:
  KernelSum(const ConvGeometry& g, const Winners& y, const View& x, const View& w)
      : g_(g),
        y_(y),
        images_(g, Images(x)),
        taps_(g, images_.strides()),
        together_(images_of_block(g, y)),
        padded_(aligned(images_.bytes())),
        offsets_(
            g, y, images_.strides(), together_,
            images_.copies() ? static_cast<std::int64_t>(padded_ / item_size(y.dtype)) : g.image()),
        w_(w.data),
        block_(together_ > 1 ? together_ * y.windows : windows_of_block(y)),
        terms_(y.filters, block_, y.dtype),
        parts_(image_parts(g.batch, work_of_image(g, y))) {
    for (const std::int64_t outer : taps_.outer)
      for (std::int64_t i = 0; i < taps_.stretches * taps_.run; ++i)
        rows_.push_back(
            static_cast<std::int32_t>(outer + i / taps_.run * taps_.distance + i % taps_.run));
    for (std::int64_t f = 0; f < y.filters; ++f)
      patch_sums_.push_back(static_cast<std::int32_t>(f * g.depth()));
  }

  void run() const {
    const bool dense = short_patches();
    const std::int64_t size = g_.depth() * y_.filters;
    const std::size_t item = item_size(y_.dtype);
    const std::size_t padded = static_cast<std::size_t>(together_) * padded_;
    const std::shared_ptr<void> turned =
        dense ? nullptr : scratch(static_cast<std::size_t>(size) * item);
    sum_over_images(
        parts_, y_.dtype, size, padded + (dense ? 0 : turned_bytes() + terms_.bytes()),
        [&](std::int64_t begin, std::int64_t end, void* sum, void* memory) {
          char* const bytes = static_cast<char*>(memory);
          for (std::int64_t n = begin; n < end; n += together_) {
            const std::int64_t count = std::min(together_, end - n);
            const void* const first = images_.image(n, 0, g_.out[0] * g_.out[1], bytes);
            for (std::int64_t i = 1; images_.copies() && i < count; ++i)
              images_.image(n + i, 0, g_.out[0] * g_.out[1],
                            bytes + static_cast<std::size_t>(i) * padded_);
            dense ? multiply(n, count, first, sum)
                  : add_patches(n, count, first, sum, bytes + padded);
          }
        },
        dense ? w_ : turned.get());
    if (!dense)
      kernels::table().transpose[item](static_cast<std::size_t>(y_.filters),
                                       static_cast<std::size_t>(g_.depth()), turned.get(),
                                       g_.depth(), w_, y_.filters);
  }

 private:
  // Whether multiplying each pixel of a window, a vector of filters at a time, takes fewer cycles
  // than adding up the winners' patches, one term after the other.
  bool short_patches() const {
    const double lanes = static_cast<double>(kernels::table().vector_bytes / item_size(y_.dtype));
    const double products = static_cast<double>(y_.pixels * g_.depth()) / (2 * lanes);
    const double runs = static_cast<double>(g_.depth()) / static_cast<double>(taps_.run);
    const double sums = 3 + runs * (1 + 0.75 * std::ceil(static_cast<double>(taps_.run) / lanes));
    return y_.dtype == DType::f32 && products < sums;
  }

  // sum(depth, filters) += the patches of all pixels times their values, zero but for winners.
  void multiply(std::int64_t n, std::int64_t images, const void* image, void* sum) const {
    kernels::WinnerProduct p{};
    p.windows = images * y_.windows;
    p.pixels = y_.pixels;
    p.rows = g_.depth();
    p.filters = y_.filters;
    p.window_at = offsets_.window.data();
    p.pixel_at = offsets_.pixel.data();
    p.row_at = rows_.data();
    p.x = image;
    p.values = y_.values(n);
    p.winners = y_.winners(n);
    p.c = sum;
    kernels::table().winner_product(p);
  }

  // sum(filters, depth) += the winners' patches times their values.
  void add_patches(std::int64_t n, std::int64_t images, const void* image, void* sum,
                   void* memory) const {
    const std::size_t item = item_size(y_.dtype);
    char* const values = static_cast<char*>(memory);  // (filters, windows), and so are the winners
    const auto winners = reinterpret_cast<std::uint8_t*>(values + turned_values());
    const std::int64_t windows = images * y_.windows;
    for (std::int64_t begin = 0; begin < windows; begin += block_) {
      const std::int64_t count = std::min(block_, windows - begin);
      const auto turn = [&](std::size_t size, const void* from, void* to) {
        kernels::table().transpose[size](static_cast<std::size_t>(count),
                                         static_cast<std::size_t>(y_.filters), from, y_.filters, to,
                                         block_);
      };
      turn(item, y_.values(n, begin), values);
      turn(1, y_.winners(n, begin), winners);
      kernels::RowSums s =
          terms_.collect(values + turned_bytes(), y_.filters, [&](std::int64_t filter) {
            return kernels::PackTerms{count,
                                      moved(values, filter * block_, item),
                                      offsets_.window.data() + begin,
                                      winners + filter * block_,
                                      0,
                                      y_.pixels,
                                      offsets_.pixel.data(),
                                      nullptr,
                                      nullptr};
          });
      s.to = patch_sums_.data();
      s.columns = taps_.run;
      s.stretches = taps_.stretches;
      s.x_stretch = taps_.distance;
      s.c_stretch = taps_.run;
      for (std::size_t i = 0; i < taps_.outer.size(); ++i) {
        s.x = moved(image, taps_.outer[i], item);
        s.c = moved(sum, static_cast<std::int64_t>(i) * taps_.run * taps_.stretches, item);
        kernels::table().row_sums[index(y_.dtype)](s);
      }
    }
  }
  std::size_t turned_values() const {
    return aligned(static_cast<std::size_t>(y_.filters * block_) * item_size(y_.dtype));
  }
  std::size_t turned_bytes() const {
    return turned_values() + aligned(static_cast<std::size_t>(y_.filters * block_));
  }

  ConvGeometry g_;
  Winners y_;
  PaddedImages images_;
  Taps taps_;
  std::int64_t together_;  // images
  std::size_t padded_;     // bytes of an image's copy
  PatchOffsets offsets_;
  std::vector<std::int32_t> rows_, patch_sums_;  // of an element of a patch; of a filter's patch
  void* w_;
  std::int64_t block_;
  Terms terms_;
  Chunks parts_;
};

// Each winner adds the weights of its filter to its patch.
class ImageSum {
 public:
  ImageSum(const ConvGeometry& g, const Winners& y, const View& w, const View& x)
      : g_(g),
        y_(y),
        images_(g, Images(x)),
        taps_(g, images_.strides()),
        offsets_(g, y, images_.strides()),
        w_(w.data),
        x_(x.data),
        block_(windows_of_block(y)),
        terms_(block_ * y.pixels, y.filters, y.dtype),
        chunks_(g.batch, work_of_image(g, y)) {
    for (std::int64_t f = 0; f < y.filters; ++f)
      weights_at_.push_back(static_cast<std::int32_t>(f * g.depth()));
  }

  void run() const {
    const std::size_t item = item_size(y_.dtype);
    const std::shared_ptr<void> turned =  // (filters, depth)
        scratch(static_cast<std::size_t>(g_.depth() * y_.filters) * item);
    kernels::table().transpose[item](static_cast<std::size_t>(g_.depth()),
                                     static_cast<std::size_t>(y_.filters), w_, y_.filters,
                                     turned.get(), g_.depth());
    const std::size_t padded = aligned(images_.bytes());
    const std::size_t places =
        aligned(static_cast<std::size_t>(block_ * y_.pixels) * sizeof(std::int32_t));
    chunks_.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      const std::shared_ptr<void> memory = scratch(padded + places + terms_.bytes());
      char* const bytes = static_cast<char*>(memory.get());
      const auto to = reinterpret_cast<std::int32_t*>(bytes + padded);
      for (std::int64_t n = begin; n < end; ++n) {
        void* const x = moved(x_, n * g_.image(), item);
        void* const image = images_.copies() ? bytes : x;
        std::memset(image, 0,
                    images_.copies() ? padded : static_cast<std::size_t>(g_.image()) * item);
        add_weights(n, turned.get(), image, to, bytes + padded + places);
        if (images_.copies()) images_.take_back(image, x);
      }
    });
  }

 private:
  void add_weights(std::int64_t n, const void* weights, void* image, std::int32_t* to,
                   void* memory) const {
    const std::size_t item = item_size(y_.dtype);
    for (std::int64_t begin = 0; begin < y_.windows; begin += block_) {
      const std::int64_t end = std::min(begin + block_, y_.windows);
      // Of each pixel the filters that it won.
      kernels::RowSums s = terms_.collect(memory, (end - begin) * y_.pixels, [&](std::int64_t i) {
        const std::int64_t window = begin + i / y_.pixels, pixel = i % y_.pixels;
        return kernels::PackTerms{y_.filters,
                                  y_.values(n, window),
                                  weights_at_.data(),
                                  y_.winners(n, window),
                                  pixel,
                                  pixel + 1,
                                  &kNoOffset,
                                  nullptr,
                                  nullptr};
      });
      for (std::int64_t i = 0; i < (end - begin) * y_.pixels; ++i)
        to[i] = offsets_.window[static_cast<std::size_t>(begin + i / y_.pixels)] +
                offsets_.pixel[static_cast<std::size_t>(i % y_.pixels)];
      s.to = to;
      s.columns = taps_.run;
      s.stretches = taps_.stretches;
      s.x_stretch = taps_.run;
      s.c_stretch = taps_.distance;
      for (std::size_t i = 0; i < taps_.outer.size(); ++i) {
        s.x = moved(weights, static_cast<std::int64_t>(i) * taps_.run * taps_.stretches, item);
        s.c = moved(image, taps_.outer[i], item);
        kernels::table().row_sums[index(y_.dtype)](s);
      }
    }
  }

  static constexpr std::int32_t kNoOffset = 0;

  ConvGeometry g_;
  Winners y_;
  PaddedImages images_;
  Taps taps_;
  PatchOffsets offsets_;
  std::vector<std::int32_t> weights_at_;  // of a filter
  const void* w_;
  void* x_;
  std::int64_t block_;
  Terms terms_;
  Chunks chunks_;
};

}  // namespace

bool has_winner_launches(const ConvGeometry& g, const View& winners) {
  double image = static_cast<double>(g.channels);
  for (std::size_t i = 0; i < 3; ++i)
    image *= static_cast<double>((g.out[i] - 1) * g.stride[i] + (g.kernel[i] - 1) * g.dilation[i] +
                                 g.in[i] + g.before[i]);
  const double kernel = static_cast<double>(g.depth() * g.filters);
  constexpr double kOffsets = std::numeric_limits<std::int32_t>::max();
  return winners.dtype == DType::u8 && g.groups == 1 && g.filters > 0 &&
         std::max(image, kernel) <= kOffsets;
}

Launch prepare_conv_input_winners(const ConvGeometry& g, const Attrs& attrs, const View& values,
                                  const View& winners, const View& w, const View& x) {
  return [sum = std::make_shared<const ImageSum>(g, Winners(attrs, values, winners), w, x)](
             const RunState&) { sum->run(); };
}

Launch prepare_conv_kernel_winners(const ConvGeometry& g, const Attrs& attrs, const View& x,
                                   const View& values, const View& winners, const View& w) {
  return [sum = std::make_shared<const KernelSum>(g, Winners(attrs, values, winners), x, w)](
             const RunState&) { sum->run(); };
}

}  // namespace pynn
