// Convolutions, channels-last, over one to three spatial axes: how images,
// kernels and results lie to each other, and the launches of the three linear
// maps that belong to one another.
#pragma once

#include <array>

#include "ops/op.h"
#include "ops/unpooling.h"

namespace pynn {

// y(n, o, f) = sum over taps t and channels c of x(n, o * stride + t * dilation
// - before, c) w(t, c, f), where x is zero outside. With groups, filter f sees
// the channels of its own group only. All extents in the order depth, height,
// width; axes that are missing have extent 1.
struct ConvGeometry {
  using Extents = std::array<std::int64_t, 3>;
  Extents in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1};
  Extents stride{1, 1, 1}, dilation{1, 1, 1}, before{0, 0, 0};
  std::int64_t batch = 0, groups = 1;
  std::int64_t channels = 0, filters = 0;  // of all groups

  // From the shapes x (n, spatial..., channels), w (taps..., channels / groups,
  // filters) and y (n, spatial..., filters) and a row's attributes.
  ConvGeometry(const Attrs& attrs, const Shape& x, const Shape& w, const Shape& y);

  std::int64_t pixels() const { return out[0] * out[1] * out[2]; }  // of a result's image
  std::int64_t image() const { return in[0] * in[1] * in[2] * channels; }
  std::int64_t group_channels() const { return channels / groups; }
  std::int64_t group_filters() const { return filters / groups; }
  std::int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  std::int64_t depth() const { return taps() * group_channels(); }  // elements of a patch
};

// y = activation(conv(x, w) + bias); the bias may be null.
Launch prepare_conv(const ConvGeometry& g, const Attrs& attrs, const Images& x, const View& w,
                    const View* bias, const View& y);
// The same, of which only the max pool that the attributes describe is stored,
// with its winners.
Launch prepare_conv_pooled(const ConvGeometry& g, const Attrs& attrs, const View& x, const View& w,
                           const View* bias, const View& y, const View& winners);
// x = the sum of what each y contributes to it: the gradient of conv by x.
Launch prepare_conv_input(const ConvGeometry& g, const Images& y, const View& w, const View& x);
// w = the gradient of conv by w.
Launch prepare_conv_kernel(const ConvGeometry& g, const View& x, const Images& y, const View& w);

// The gradients of one group's convolution by way of what a max pool picked of y: `values` and
// `winners`, as the merged attributes say; for what has_winner_launches.
bool has_winner_launches(const ConvGeometry& g, const View& winners);
Launch prepare_conv_input_winners(const ConvGeometry& g, const Attrs& attrs, const View& values,
                                  const View& winners, const View& w, const View& x);
Launch prepare_conv_kernel_winners(const ConvGeometry& g, const Attrs& attrs, const View& x,
                                   const View& values, const View& winners, const View& w);

}  // namespace pynn
