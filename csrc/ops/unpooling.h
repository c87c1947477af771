// The gradient of max pooling as its windows' winners: an image that is zero
// elsewhere, built one at a time where it is needed.
#pragma once

#include <memory>

#include "ops/op.h"

namespace pynn {

// Adds to a product's attributes the windows of a pool over images like
// `image`: more gets the windows, steps the image's extents. False where
// windows overlap or have padding.
bool merge_windows(Attrs& product, const Attrs& pool, const Shape& image);

// The pool that a row's merged attributes describe, for images with `channels`.
kernels::Pool merged_pool(const Attrs& attrs, std::int64_t channels);

// The shape of the image of which `values` are the winners.
Shape unpooled_shape(const Attrs& attrs, const Shape& values);

// Images (n, spatial..., channels): those of a view, or built from winners.
class Images {
 public:
  explicit Images(const View& images);
  Images(const Attrs& attrs, const View& values, const View& winners);

  // Of the memory that image() needs.
  std::size_t bytes() const;
  const void* image(std::int64_t n, void* memory) const;
  const Shape& shape() const { return shape_; }
  DType dtype() const { return view_.dtype; }
  const View* view() const { return winners_ == nullptr ? &view_ : nullptr; }  // of them

 private:
  View view_;
  Shape shape_;
  std::int64_t elements_;  // of one image
  const void* winners_ = nullptr;
  std::int64_t winner_bytes_ = 0, pooled_ = 0;
  kernels::MaxPoolGradFn unpool_ = nullptr;
  kernels::Pool pool_{};
};

}  // namespace pynn
