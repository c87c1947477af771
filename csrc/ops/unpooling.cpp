#include "ops/unpooling.h"

namespace pynn {

// A pool has dims = windows, more = strides, steps = padding before, then the
// result's extents.
bool merge_windows(Attrs& product, const Attrs& pool, const Shape& image) {
  const int axes = pool.dims.rank();
  if (pool.dims != pool.more || product.dims.rank() != 2 * axes) return false;
  for (int i = 0; i < axes; ++i)
    if (pool.steps[i] != 0 || pool.steps[axes + i] * pool.dims[i] > image[i + 1]) return false;
  for (int i = 0; i < axes; ++i) product.more.push_back(pool.dims[i]);
  for (int i = 0; i < axes; ++i) product.steps.push_back(image[i + 1]);
  return true;
}

kernels::Pool merged_pool(const Attrs& attrs, std::int64_t channels) {
  kernels::Pool p{{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, channels};
  const int axes = attrs.dims.rank() / 2;
  for (int i = 0; i < axes; ++i) {
    const int to = 3 - axes + i;
    p.in[to] = attrs.steps[1 + axes + i];
    p.window[to] = p.stride[to] = attrs.more[axes + i];
    p.out[to] = p.in[to] / p.window[to];
  }
  return p;
}

Shape unpooled_shape(const Attrs& attrs, const Shape& values) {
  Shape shape = values;
  const int axes = attrs.dims.rank() / 2;
  for (int i = 0; i < axes; ++i) shape[1 + i] = attrs.steps[1 + axes + i];
  return shape;
}

Images::Images(const View& images)
    : view_(images),
      shape_(images.shape),
      elements_(element_count(shape_) / std::max<std::int64_t>(shape_[0], 1)) {}

Images::Images(const Attrs& attrs, const View& values, const View& winners) : Images(values) {
  pooled_ = elements_;
  shape_ = unpooled_shape(attrs, values.shape);
  elements_ = element_count(shape_) / std::max<std::int64_t>(shape_[0], 1);
  winners_ = winners.data;
  winner_bytes_ = static_cast<std::int64_t>(item_size(winners.dtype));
  unpool_ = kernels::table().max_pool_grad[winner_bytes_ == 1 ? 0 : 1][index(values.dtype)];
  pool_ = merged_pool(attrs, shape_.back());
}

std::size_t Images::bytes() const {
  return winners_ == nullptr ? 0 : static_cast<std::size_t>(elements_) * item_size(view_.dtype);
}

const void* Images::image(std::int64_t n, void* memory) const {
  if (winners_ == nullptr) return view_.at(n * elements_);
  unpool_(pool_, 0, pool_.in[0] * pool_.in[1], view_.at(n * pooled_),
          static_cast<const char*>(winners_) + n * pooled_ * winner_bytes_, memory);
  return memory;
}

}  // namespace pynn
