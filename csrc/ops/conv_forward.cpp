// The convolution, a row of output pixels at a time: the patches of
// neighbouring pixels overlap in memory, so a row of them is a matrix that the
// product reads where it lies.
#include <optional>

#include "ops/conv_depthwise.h"
#include "ops/conv_images.h"
#include "ops/conv_winograd.h"
#include "ops/product.h"

namespace pynn {
namespace {

using kernels::Gemm;

class Forward {
 public:
  Forward(const ConvGeometry& g, const Attrs& attrs, const Images& x, const View& w,
          const View* bias)
      : g(g),
        dtype(w.dtype),
        item(item_size(w.dtype)),
        images(g, x, !is_depthwise(g)),
        w_(w.data),
        bias_(bias == nullptr ? nullptr : bias->data),
        taps_(g, images.strides()),
        parameters_(attrs.reals),
        activation_(attrs.activation) {
    if (!is_depthwise(g)) return;
    channels_.emplace(g);
    activate_ = activation_after(activation_, dtype);
  }

  double pixel_work() const {
    return 2 * static_cast<double>(g.depth()) * static_cast<double>(g.filters);
  }
  std::size_t workspace_bytes(std::int64_t width) const {
    if (channels_) return channels_->bytes();
    return kernels::table().gemm_workspace[index(dtype)](product(width));
  }

  // c(width, filters) = the first pixels of row `line` of the result, counted
  // through its slices.
  void row(const void* image, std::int64_t line, std::int64_t width, void* c,
           void* workspace) const {
    if (channels_) return row_of_channels(image, line, width, c, workspace);
    const ImageStrides& s = images.strides();
    const void* const from = moved(
        image, line / g.out[1] * g.stride[0] * s.slice + line % g.out[1] * g.stride[1] * s.row,
        item);
    Gemm p = product(width);
    p.workspace = workspace;
    const std::int64_t taps = taps_.run * taps_.stretches;
    for (std::int64_t group = 0; group < g.groups; ++group) {
      const std::int64_t column = group * p.n;
      p.c = moved(c, column, item);
      for (std::size_t i = 0; i < taps_.outer.size(); ++i) {
        p.a = moved(from, taps_.outer[i] + group * g.group_channels(), item);
        p.b = moved(w_, static_cast<std::int64_t>(i) * taps * g.filters + column, item);
        p.accumulate = i > 0;
        p.bias = bias_ == nullptr || i > 0 ? nullptr : moved(bias_, column, item);
        p.activation = i + 1 == taps_.outer.size() ? activation_ : kernels::Activation::linear;
        kernels::table().gemm[index(dtype)](p);
      }
    }
  }

  ConvGeometry g;
  DType dtype;
  std::size_t item;
  PaddedImages images;

 private:
  void row_of_channels(const void* image, std::int64_t line, std::int64_t width, void* c,
                       void* workspace) const {
    kernels::Depthwise row = channels_->line(line / g.out[1], line % g.out[1],
                                             static_cast<kernels::DepthwiseTap*>(workspace));
    row.pixels = width;
    row.bias = bias_;
    row.relu = activation_ == kernels::Activation::relu;
    kernels::table().depthwise[index(dtype)](row, image, w_, c);
    if (activate_)
      activate_(static_cast<std::size_t>(width * g.filters), c, &c, parameters_.data());
  }

  Gemm product(std::int64_t width) const {
    Gemm p{};
    p.m = width;
    p.n = g.group_filters();
    p.k = taps_.run;
    p.a_row = g.stride[2] * images.strides().pixel;
    p.a_col = p.b_col = 1;
    p.b_row = p.c_row = g.filters;
    p.stretches = taps_.stretches;
    p.a_stretch = taps_.distance;
    p.attr = parameters_.data();
    return p;
  }

  const void *w_, *bias_;
  Taps taps_;
  std::array<double, 2> parameters_;
  kernels::Activation activation_;
  std::optional<DepthwiseTaps> channels_;    // where each channel is convolved by itself,
  kernels::PointwiseFn activate_ = nullptr;  // and an activation that its kernel does not apply
};

// body(image, line, chunk's spare memory) for every line of every image, a line
// being `rows` rows of the result that begin at row_of(line).
template <class RowOf, class Body>
Launch over_lines(std::shared_ptr<const Forward> f, std::int64_t lines, std::int64_t rows,
                  std::int64_t width, std::size_t spare, RowOf row_of, Body body) {
  const double work = f->pixel_work() * static_cast<double>(rows * width);
  const std::size_t padded = aligned(f->images.bytes()), workspace = f->workspace_bytes(width);
  const Chunks chunks(f->g.batch * lines, work);
  return [=](const RunState&) {
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      const std::shared_ptr<void> memory = scratch(padded + aligned(spare) + workspace);
      char* const bytes = static_cast<char*>(memory.get());
      for (std::int64_t i = begin; i < end;) {
        const std::int64_t n = i / lines, last = std::min(end, (n + 1) * lines);
        const std::int64_t first_row = row_of(i - n * lines).first;
        const std::int64_t last_row = row_of(last - 1 - n * lines).second;
        const void* const image = f->images.image(n, first_row, last_row, bytes);
        for (; i < last; ++i)
          body(*f, image, i, i - n * lines, bytes + padded, bytes + padded + aligned(spare));
      }
    });
  };
}

}  // namespace

Launch prepare_conv(const ConvGeometry& g, const Attrs& attrs, const Images& x, const View& w,
                    const View* bias, const View& y) {
  if (x.view() != nullptr && takes_winograd(g, y.dtype))
    return prepare_winograd(g, attrs, *x.view(), w, bias, y);
  const std::int64_t width = g.out[2] * g.filters;
  return over_lines(
      std::make_shared<const Forward>(g, attrs, x, w, bias), g.out[0] * g.out[1], 1, g.out[2], 0,
      [](std::int64_t line) { return std::pair(line, line + 1); },
      [to = y.data, width](const Forward& f, const void* image, std::int64_t at, std::int64_t line,
                           void*, void* workspace) {
        f.row(image, line, f.g.out[2], moved(to, at * width, f.item), workspace);
      });
}

// A line of windows at a time: the rows that they cover never leave the cache.
Launch prepare_conv_pooled(const ConvGeometry& g, const Attrs& attrs, const View& x, const View& w,
                           const View* bias, const View& y, const View& winners) {
  if (takes_winograd_pooled(g, attrs, y.dtype))
    return prepare_winograd(g, attrs, x, w, bias, y, &winners);
  const kernels::Pool all = merged_pool(attrs, g.filters);
  kernels::Pool line = all;
  line.out[0] = line.out[1] = 1;
  line.in[0] = all.window[0];
  line.in[1] = all.window[1];
  line.in[2] = all.out[2] * all.window[2];
  const std::int64_t size = line.out[2] * g.filters, row = line.in[2] * g.filters;
  const std::size_t item = item_size(y.dtype), winner_item = item_size(winners.dtype);
  const auto first_row = [all](std::int64_t i, std::int64_t d, std::int64_t h) {
    return (i / all.out[1] * all.window[0] + d) * all.in[1] + i % all.out[1] * all.window[1] + h;
  };
  return over_lines(
      std::make_shared<const Forward>(g, attrs, Images(x), w, bias), all.out[0] * all.out[1],
      line.in[0] * line.in[1], line.in[2],
      static_cast<std::size_t>(line.in[0] * line.in[1] * row) * item,
      [=](std::int64_t i) {
        return std::pair(first_row(i, 0, 0), first_row(i, line.in[0] - 1, line.in[1] - 1) + 1);
      },
      [=, pool = kernels::table().max_pool[winner_item == 1 ? 0 : 1][index(y.dtype)], to = y.data,
       won = winners.data](const Forward& f, const void* image, std::int64_t at, std::int64_t i,
                           void* rows, void* workspace) {
        for (std::int64_t d = 0; d < line.in[0]; ++d)
          for (std::int64_t h = 0; h < line.in[1]; ++h)
            f.row(image, first_row(i, d, h), line.in[2],
                  moved(rows, (d * line.in[1] + h) * row, item), workspace);
        pool(line, 0, 1, rows, moved(to, at * size, item), moved(won, at * size, winner_item));
      });
}

}  // namespace pynn
