// What functions with sliding windows are given for each spatial axis.
#pragma once

#include "bindings/python.h"
#include "runtime/shape.h"

namespace pynn::bindings {

// One number for all of `axes`, or one for each, each at least `least`. Throws naming `argument`.
Dims parse_per_axis(PyObject* o, const char* argument, int axes, std::int64_t least = 1);

struct Padding {
  Dims before, after;
  bool same = false;  // the widths follow from what they are for
};
// padding=: 'valid', 'same', a number, or a number or a pair for each axis (for one axis also the
// pair itself). Null is 'valid'.
Padding parse_padding(PyObject* o, int axes);

// How much 'same' adds to an axis of `extent` whose windows reach over `reach` pixels, so that
// there are ceil(extent / stride) of them; the odd pixel goes behind.
std::int64_t same_padding(std::int64_t extent, std::int64_t reach, std::int64_t stride);

}  // namespace pynn::bindings
