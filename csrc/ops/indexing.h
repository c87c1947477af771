// NumPy's indexing: what a key says, and the tensor operations it comes down to.
#pragma once

#include <utility>
#include <vector>

#include "ops/ops.h"

namespace pynn {

// A key brought into order. First ints, slices and None are done: a slice of x, of which ints
// remove axes and None adds some. Then arrays of ints pick from axes of what that left.
struct Index {
  Dims start, stop, step;                      // of every axis of x
  bool partial = false;                        // some axis is cut
  Dims squeezed;                               // axes of the slice, ascending, that an int removes
  Dims inserted;                               // axes of what is left, ascending, that None adds
  std::vector<std::pair<int, Tensor>> arrays;  // ascending axes behind those steps, their indices
  bool in_front = false;  // arrays apart from each other: their axes come first in the result
};

namespace ops {

Tensor index(const Tensor& x, const Index& key);
// x with x[key] = values, or x[key] += values, where indices that come twice count twice. Of equal
// indices the last is put. The values broadcast and are cast to the dtype of x.
Tensor index_put(const Tensor& x, const Index& key, const Tensor& values);
Tensor index_add(const Tensor& x, const Index& key, const Tensor& values);
// The same at once in the memory of x, all of it or, where an index is out of range, nothing.
void store(const Tensor& x, const Index& key, const Tensor& values, bool adds);

}  // namespace ops
}  // namespace pynn
