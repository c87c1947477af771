// Convolutions whose groups have one channel and one filter each: no product of matrices, but a
// loop over channels for each tap.
#pragma once

#include "ops/conv.h"

namespace pynn {

inline bool is_depthwise(const ConvGeometry& g) {
  return g.groups > 1 && g.groups == g.channels && g.groups == g.filters;
}

// The taps that pixels of a line see: those of a result, or (`transposed`) those of an image, which
// see the results that they reached. Where strides skip pixels, those of an image fall into phases
// that see taps of their own; pixel p of a phase is pixel p * stride + phase of the line.
class DepthwiseTaps {
 public:
  explicit DepthwiseTaps(const ConvGeometry& g, bool transposed = false, std::int64_t phase = 0);

  std::size_t bytes() const;  // of the memory that line() needs
  // The line at (slice, row) of an image, with its taps in `taps`.
  kernels::Depthwise line(std::int64_t slice, std::int64_t row, kernels::DepthwiseTap* taps) const;

 private:
  // The index, on the other side, at which pixel i meets tap k along an axis, or -1.
  std::int64_t meets(std::size_t axis, std::int64_t i, std::int64_t k) const;

  ConvGeometry g_;
  bool transposed_;
  std::int64_t pixels_ = 0;
  std::vector<kernels::DepthwiseTap> along_;  // those of a row, from the row's first pixel on
};

// Launches as prepare_conv_input and prepare_conv_kernel make them.
Launch prepare_depthwise_input(const ConvGeometry& g, const Images& y, const View& w,
                               const View& x);
Launch prepare_depthwise_kernel(const ConvGeometry& g, const View& x, const Images& y,
                                const View& w);

}  // namespace pynn
