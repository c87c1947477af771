// Convolutions of images by kernels of 3 x 3 taps with fewer products (kernels::WinogradResult).
#pragma once

#include "ops/conv.h"

namespace pynn {

// Whether that takes less time than products of patches, whatever the batch.
bool takes_winograd(const ConvGeometry& g, DType dtype);
// The same where the pool that the attributes describe follows.
bool takes_winograd_pooled(const ConvGeometry& g, const Attrs& attrs, DType dtype);

// As prepare_conv or, with winners, prepare_conv_pooled.
Launch prepare_winograd(const ConvGeometry& g, const Attrs& attrs, const View& x, const View& w,
                        const View* bias, const View& y, const View* winners = nullptr);
// As prepare_conv_kernel.
Launch prepare_winograd_kernel(const ConvGeometry& g, const View& x, const View& y, const View& w);

}  // namespace pynn
