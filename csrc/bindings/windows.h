// What functions with sliding windows are given for each spatial axis.
#pragma once

#include "bindings/python.h"
#include "runtime/shape.h"

namespace pynn::bindings {

// `axes` positive integers from one for all of them or a sequence. Throws naming `argument`.
Dims parse_per_axis(PyObject* o, const char* argument, int axes);

struct Padding {
  Dims before, after;
};
// padding= for windows that reach over `size` pixels of `extents`: 'valid' is none and 'same' what
// gives ceil(extent / stride) windows, the odd pixel behind; else an int, or for each axis an int
// or a pair.
Padding parse_padding(PyObject* o, const Dims& extents, const Dims& size, const Dims& strides);

}  // namespace pynn::bindings
