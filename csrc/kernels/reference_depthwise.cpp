// The reference of convolution channel by channel.
#include <algorithm>

#include "kernels/reference.h"

namespace pynn::kernels::reference {
namespace {

template <class T>
void depthwise(const Depthwise& d, const void* x, const void* w, void* y) {
  for (std::int64_t p = 0; p < d.pixels; ++p)
    for (std::int64_t c = 0; c < d.channels; ++c) {
      double sum = d.bias == nullptr ? 0 : static_cast<double>(static_cast<const T*>(d.bias)[c]);
      for (const DepthwiseTap* tap = d.taps; tap != d.taps + d.count; ++tap)
        if (p >= tap->begin && p < tap->end)
          sum += static_cast<double>(static_cast<const T*>(x)[tap->x + p * d.x_step + c]) *
                 static_cast<double>(static_cast<const T*>(w)[tap->w + c]);
      static_cast<T*>(y)[p * d.y_step + c] = static_cast<T>(d.relu && sum < 0 ? 0 : sum);
    }
}

template <class T>
void depthwise_grad(const Depthwise& d, const void* x, const void* y, void* w) {
  for (const DepthwiseTap* tap = d.taps; tap != d.taps + d.count; ++tap)
    for (std::int64_t c = 0; c < d.channels; ++c) {
      T& weight = static_cast<T*>(w)[tap->w + c];
      double sum = static_cast<double>(weight);
      for (std::int64_t p = tap->begin; p < tap->end; ++p)
        sum += static_cast<double>(static_cast<const T*>(x)[tap->x + p * d.x_step + c]) *
               static_cast<double>(static_cast<const T*>(y)[p * d.y_step + c]);
      weight = static_cast<T>(sum);
    }
}

template <class T>
void fill(Table& t) {
  constexpr std::size_t d = index(dtype_of<T>);
  t.depthwise[d] = depthwise<T>;
  t.depthwise_grad[d] = depthwise_grad<T>;
}

}  // namespace

void fill_depthwise(Table& table) {
  fill<float>(table);
  fill<double>(table);
}

}  // namespace pynn::kernels::reference
