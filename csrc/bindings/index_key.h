// NumPy's keys as an Index.
#pragma once

#include "bindings/python.h"
#include "ops/indexing.h"

namespace pynn::bindings {

// What `key`, as in x[key], says of a tensor of `shape`: an int, a slice, None, an ellipsis, an
// array (or list) of ints or bools, or a tuple of those. Throws IndexError for what lies outside
// and TypeError for what is no key.
Index parse_key(const Shape& shape, PyObject* key);

// The indices of the elements that are not zero, an int64 tensor for each axis, in C order. Throws
// TypeError for a value that is being recorded: how many there are is not known then.
std::vector<Tensor> nonzero(const Tensor& x);

}  // namespace pynn::bindings
