// Which pixels meet in a window that slides along one axis: the arithmetic that all pooling shares.
#pragma once

#include "kernels/table.h"
#include "runtime/inline.h"

namespace pynn::kernels::PYNN_ISA {
namespace {

struct Span {
  std::int64_t begin, end;
  PYNN_INLINE std::int64_t size() const { return end - begin; }
};

// The pixels of the image in the window of output `o`.
PYNN_INLINE Span pixels_of(const Pool& p, int axis, std::int64_t o) {
  const std::int64_t first = o * p.stride[axis] - p.before[axis], end = first + p.window[axis];
  return {first > 0 ? first : 0, end < p.in[axis] ? end : p.in[axis]};
}

// The outputs whose windows have pixel `i`.
PYNN_INLINE Span outputs_of(const Pool& p, int axis, std::int64_t i) {
  const std::int64_t at = i + p.before[axis], missed = at - p.window[axis];
  const std::int64_t end = at / p.stride[axis] + 1;
  return {missed < 0 ? 0 : missed / p.stride[axis] + 1, end < p.out[axis] ? end : p.out[axis]};
}

// The place of pixel `i` in the window of output `o`.
PYNN_INLINE std::int64_t place(const Pool& p, int axis, std::int64_t o, std::int64_t i) {
  return i + p.before[axis] - o * p.stride[axis];
}

// Calls f(image, index, box, offset of its first channel) for every pixel of some lines of images
// of `extent`. `box` is what `span` says for each axis: the pixels of the other side that belong to
// it.
template <class SpanOf, class F>
PYNN_INLINE void for_each_pixel(const Pool& p, const std::int64_t* extent, Span lines,
                                const SpanOf& span, const F& f) {
  for (std::int64_t line = lines.begin; line < lines.end; ++line) {
    const std::int64_t i1 = line % extent[1], i0 = line / extent[1] % extent[0];
    const std::int64_t image = line / (extent[0] * extent[1]);
    const Span a = span(p, 0, i0), b = span(p, 1, i1);
    for (std::int64_t i2 = 0; i2 < extent[2]; ++i2) {
      const std::int64_t at[3] = {i0, i1, i2};
      const Span box[3] = {a, b, span(p, 2, i2)};
      f(image, at, box, (line * extent[2] + i2) * p.channels);
    }
  }
}

// Calls f(index, offset of its first channel) for every pixel of a box of image `image`.
template <class F>
PYNN_INLINE void for_each_in(const Pool& p, const std::int64_t* extent, std::int64_t image,
                             const Span* box, const F& f) {
  for (std::int64_t i0 = box[0].begin; i0 < box[0].end; ++i0)
    for (std::int64_t i1 = box[1].begin; i1 < box[1].end; ++i1) {
      const std::int64_t line = ((image * extent[0] + i0) * extent[1] + i1) * extent[2];
      for (std::int64_t i2 = box[2].begin; i2 < box[2].end; ++i2) {
        const std::int64_t at[3] = {i0, i1, i2};
        f(at, (line + i2) * p.channels);
      }
    }
}

// The number of pixel `i` in the window of output `o`, counted in C order.
PYNN_INLINE std::int64_t tap(const Pool& p, const std::int64_t* o, const std::int64_t* i) {
  return (place(p, 0, o[0], i[0]) * p.window[1] + place(p, 1, o[1], i[1])) * p.window[2] +
         place(p, 2, o[2], i[2]);
}

// How many pixels the window of output `o` has within the image.
PYNN_INLINE std::int64_t window_size(const Pool& p, const std::int64_t* o) {
  return pixels_of(p, 0, o[0]).size() * pixels_of(p, 1, o[1]).size() * pixels_of(p, 2, o[2]).size();
}

}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
