#include "ops/conv_depthwise.h"

#include "ops/conv_images.h"

namespace pynn {
namespace {

using kernels::DepthwiseTap;

constexpr std::int64_t kParts = 16;

double line_work(const ConvGeometry& g, std::int64_t pixels) {
  return 2 * static_cast<double>(pixels * g.taps()) * static_cast<double>(g.channels);
}

}  // namespace

DepthwiseTaps::DepthwiseTaps(const ConvGeometry& g, bool transposed, std::int64_t phase)
    : g_(g), transposed_(transposed) {
  const std::int64_t stride = g.stride[2];
  const std::int64_t seen = transposed ? g.out[2] : g.in[2], step = transposed ? 1 : stride;
  const auto above = [](std::int64_t a, std::int64_t b) {  // a / b, rounded up, not negative
    return a <= 0 ? 0 : (a + b - 1) / b;
  };
  pixels_ = transposed ? above(g.in[2] - phase, stride) : g.out[2];
  // Images meet the taps in reverse: so those of a row always lie from left to right.
  for (std::int64_t i = 0; i < g.kernel[2]; ++i) {
    const std::int64_t k = transposed ? g.kernel[2] - 1 - i : i;
    // Pixel p meets tap k at pixel p * step + first.
    const std::int64_t reach = k * g.dilation[2] - g.before[2];
    if (transposed && (phase - reach) % stride != 0) continue;
    const std::int64_t first = transposed ? (phase - reach) / stride : reach;
    const std::int64_t begin = above(-first, step);
    const std::int64_t end = std::min(pixels_, above(seen - first, step));
    if (begin < end) along_.push_back({first * g.channels, k * g.channels, begin, end});
  }
}

std::size_t DepthwiseTaps::bytes() const {
  return aligned(static_cast<std::size_t>(g_.taps()) * sizeof(DepthwiseTap));
}

std::int64_t DepthwiseTaps::meets(std::size_t axis, std::int64_t i, std::int64_t k) const {
  const std::int64_t stride = g_.stride[axis], reach = k * g_.dilation[axis] - g_.before[axis];
  if (transposed_ && (i - reach) % stride != 0) return -1;
  const std::int64_t at = transposed_ ? (i - reach) / stride : i * stride + reach;
  return at < (transposed_ ? g_.out : g_.in)[axis] ? at : -1;
}

kernels::Depthwise DepthwiseTaps::line(std::int64_t slice, std::int64_t row,
                                       DepthwiseTap* taps) const {
  const std::int64_t channels = g_.channels, stride = g_.stride[2] * channels;
  const ConvGeometry::Extents& seen = transposed_ ? g_.out : g_.in;
  kernels::Depthwise line{};
  line.pixels = pixels_;
  line.channels = channels;
  line.x_step = transposed_ ? channels : stride;
  line.y_step = transposed_ ? stride : channels;
  line.taps = taps;
  for (std::int64_t d = 0; d < g_.kernel[0]; ++d)
    for (std::int64_t h = 0; h < g_.kernel[1]; ++h) {
      const std::int64_t z = meets(0, slice, d), y = meets(1, row, h);
      if (z < 0 || y < 0) continue;
      const std::int64_t from = (z * seen[1] + y) * seen[2] * channels;
      const std::int64_t weight = (d * g_.kernel[1] + h) * g_.kernel[2] * channels;
      for (const DepthwiseTap& tap : along_)
        taps[line.count++] = {from + tap.x, weight + tap.w, tap.begin, tap.end};
    }
  return line;
}

Launch prepare_depthwise_input(const ConvGeometry& g, const Images& y, const View& w,
                               const View& x) {
  std::vector<DepthwiseTaps> phases;
  for (std::int64_t phase = 0; phase < std::min(g.stride[2], g.in[2]); ++phase)
    phases.emplace_back(g, true, phase);
  const std::int64_t lines = g.in[0] * g.in[1], width = g.in[2] * g.channels;
  const Chunks chunks(g.batch * lines, line_work(g, g.in[2]));
  const std::size_t taps_size = DepthwiseTaps(g).bytes();
  return [=, item = item_size(x.dtype), kernel = w.data, to = x.data,
          run = kernels::table().depthwise[index(x.dtype)]](const RunState&) {
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      const std::shared_ptr<void> memory = scratch(taps_size + aligned(y.bytes()));
      const auto taps = static_cast<DepthwiseTap*>(memory.get());
      for (std::int64_t i = begin; i < end;) {
        const std::int64_t n = i / lines, last = std::min(end, (n + 1) * lines);
        const void* const image = y.image(n, static_cast<char*>(memory.get()) + taps_size);
        for (; i < last; ++i)
          for (std::size_t phase = 0; phase < phases.size(); ++phase)
            run(phases[phase].line(i / g.in[1] % g.in[0], i % g.in[1], taps), image, kernel,
                moved(to, i * width + static_cast<std::int64_t>(phase) * g.channels, item));
      }
    });
  };
}

Launch prepare_depthwise_kernel(const ConvGeometry& g, const View& x, const Images& y,
                                const View& w) {
  const std::int64_t lines = g.out[0] * g.out[1], width = g.out[2] * g.channels;
  const Chunks chunks(g.batch * lines, line_work(g, g.out[2]),
                      std::max<std::int64_t>((g.batch * lines + kParts - 1) / kParts, 1));
  const std::size_t bytes = w.bytes(), item = item_size(w.dtype);
  const DepthwiseTaps of(g);
  const std::size_t taps_size = of.bytes();
  return [=, images = Images(x), to = w.data, size = static_cast<std::size_t>(w.size()),
          run = kernels::table().depthwise_grad[index(w.dtype)],
          add = kernels::table().pointwise[static_cast<std::size_t>(kernels::Pointwise::add)]
                                          [index(w.dtype)]](const RunState&) {
    const auto parts = static_cast<std::size_t>(chunks.count());
    const std::shared_ptr<void> all = scratch(aligned(bytes) * parts);
    char* const sums = static_cast<char*>(all.get());
    chunks.run([&](std::size_t chunk, std::int64_t begin, std::int64_t end) {
      const std::shared_ptr<void> memory = scratch(taps_size + aligned(y.bytes()));
      const auto taps = static_cast<DepthwiseTap*>(memory.get());
      char* const sum = sums + chunk * aligned(bytes);
      std::memset(sum, 0, bytes);
      for (std::int64_t i = begin; i < end;) {
        const std::int64_t n = i / lines, last = std::min(end, (n + 1) * lines);
        const void* const dy = y.image(n, static_cast<char*>(memory.get()) + taps_size);
        for (; i < last; ++i)
          run(of.line(i / g.out[1] % g.out[0], i % g.out[1], taps), images.image(n, nullptr),
              moved(dy, (i - n * lines) * width, item), sum);
      }
    });
    std::memset(to, 0, bytes);
    for (std::size_t part = 0; part < parts; ++part) {
      const void* const in[] = {to, sums + part * aligned(bytes)};
      add(size, to, in, nullptr);
    }
  };
}

}  // namespace pynn
