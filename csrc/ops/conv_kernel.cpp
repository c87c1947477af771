// The gradient of a convolution by its kernel: products of transposed patches
// with the result's gradient, summed over images in fixed parts that are added
// up in order.
#include "ops/conv_depthwise.h"
#include "ops/conv_images.h"
#include "ops/conv_sums.h"
#include "ops/conv_winograd.h"

namespace pynn {
namespace {

class KernelSum {
 public:
  KernelSum(const ConvGeometry& g, const View& x, const Images& y, const View& w)
      : g_(g),
        dtype_(w.dtype),
        item_(item_size(w.dtype)),
        images_(g, Images(x)),
        taps_(g, images_.strides()),
        y_(y),
        w_(w.data),
        size_(w.size()),
        parts_(image_parts(g.batch, 2 * static_cast<double>(g.pixels() * w.size()))) {}

  void run() const {
    const std::size_t padded = aligned(images_.bytes()), unpooled = aligned(y_.bytes());
    const std::size_t workspace = kernels::table().gemm_workspace[index(dtype_)](product());
    sum_over_images(
        parts_, dtype_, size_, padded + unpooled + workspace,
        [&](std::int64_t begin, std::int64_t end, void* sum, void* memory) {
          char* const bytes = static_cast<char*>(memory);
          for (std::int64_t n = begin; n < end; ++n)
            add_image(images_.image(n, 0, g_.out[0] * g_.out[1], bytes),
                      y_.image(n, bytes + padded), sum, bytes + padded + unpooled);
        },
        w_);
  }

 private:
  // Of a run of taps: (run, pixels of a slice) times (pixels, filters).
  kernels::Gemm product() const {
    kernels::Gemm p{};
    p.m = taps_.run;
    p.n = g_.group_filters();
    p.k = g_.out[2];
    p.a_row = p.b_col = 1;
    p.a_col = g_.stride[2] * images_.strides().pixel;
    p.b_row = p.c_row = g_.filters;
    p.stretches = g_.out[1];
    p.a_stretch = g_.stride[1] * images_.strides().row;
    return p;
  }

  void add_image(const void* image, const void* y, void* sum, void* workspace) const {
    kernels::Gemm p = product();
    p.accumulate = true;
    p.workspace = workspace;
    for (std::int64_t d = 0; d < g_.out[0]; ++d) {
      const void* const from = moved(image, d * g_.stride[0] * images_.strides().slice, item_);
      const void* const dy = moved(y, d * g_.out[1] * g_.out[2] * g_.filters, item_);
      std::int64_t tap = 0;
      for (const std::int64_t outer : taps_.outer)
        for (std::int64_t i = 0; i < taps_.stretches; ++i, tap += taps_.run)
          for (std::int64_t group = 0; group < g_.groups; ++group) {
            const std::int64_t column = group * p.n;
            p.a = moved(from, outer + i * taps_.distance + group * g_.group_channels(), item_);
            p.b = moved(dy, column, item_);
            p.c = moved(sum, tap * g_.filters + column, item_);
            kernels::table().gemm[index(dtype_)](p);
          }
    }
  }

  ConvGeometry g_;
  DType dtype_;
  std::size_t item_;
  PaddedImages images_;
  Taps taps_;
  Images y_;
  void* w_;
  std::int64_t size_;
  Chunks parts_;
};

}  // namespace

Launch prepare_conv_kernel(const ConvGeometry& g, const View& x, const Images& y, const View& w) {
  if (is_depthwise(g)) return prepare_depthwise_kernel(g, x, y, w);
  if (y.view() != nullptr && takes_winograd(g, w.dtype))
    return prepare_winograd_kernel(g, x, *y.view(), w);
  return [sum = std::make_shared<const KernelSum>(g, x, y, w)](const RunState&) { sum->run(); };
}

}  // namespace pynn
