#pragma once

#include "ops/tensor.h"

namespace pynn::ops {

// Affine sampling of images: x (n, rows, columns, channels), matrix (n, 6). Pixel (i, j) of
// the result is x at row m0 i + m1 j + m2 and column m3 i + m4 j + m5. Beyond its border the image
// is `outside`, goes on with its last pixel, is mirrored, or begins again.
enum class Interpolation : std::uint8_t { nearest, bilinear };
enum class Border : std::uint8_t { constant, nearest, reflect, wrap };
Tensor warp(const Tensor& x, const Tensor& matrix, Interpolation interpolation, Border border,
            double outside);

}  // namespace pynn::ops
