// Affine sampling of images: turned, shifted, scaled.
//
// warp: x (n, rows, columns, channels), matrix (n, 6) -> y of x's shape. Pixel (i, j) of image k is
// x at row m0 i + m1 j + m2 and column m3 i + m4 j + m5 of matrix[k]. dims = {interpolation,
// border}, reals[0] = what is outside. warp_grad: (dy, matrix) -> dx, its transpose in x.
#include "ops/warp.h"

#include <utility>

#include "ops/launch.h"
#include "ops/ops.h"

namespace pynn {
namespace {

using ops::Border;
using ops::Interpolation;

constexpr double kPixelWork = 24;  // a place and four weights, and as much for each channel

// Where pixel i of an axis with n pixels lies under the border's rule; -1: nowhere.
std::int64_t pixel(std::int64_t i, std::int64_t n, Border border) {
  if (i >= 0 && i < n) return i;
  const auto modulo = [i](std::int64_t m) { return ((i % m) + m) % m; };
  switch (border) {
    case Border::constant:
      return -1;
    case Border::nearest:
      return i < 0 ? 0 : n - 1;
    case Border::reflect:
      return std::min(modulo(2 * n), 2 * n - 1 - modulo(2 * n));
    case Border::wrap:
      return modulo(n);
  }
  return -1;
}

template <class T>
struct Sampler {
  std::int64_t rows, columns, channels;
  Interpolation interpolation;
  Border border;
  const T* matrix;

  // Calls f(offset in image k of a source pixel's first channel, its weight), with -1 for a place
  // outside, for the one or four sources of pixel (i, j).
  template <class F>
  void sources(std::int64_t k, std::int64_t i, std::int64_t j, const F& f) const {
    const T* const m = matrix + 6 * k;
    const T row = place(m[0] * static_cast<T>(i) + m[1] * static_cast<T>(j) + m[2]);
    const T column = place(m[3] * static_cast<T>(i) + m[4] * static_cast<T>(j) + m[5]);
    if (interpolation == Interpolation::nearest) {
      f(offset(std::floor(row + T(0.5)), std::floor(column + T(0.5))), T(1));
      return;
    }
    const T top = std::floor(row), left = std::floor(column);
    const T down = row - top, right = column - left;
    f(offset(top, left), (1 - down) * (1 - right));
    if (right > 0) f(offset(top, left + 1), (1 - down) * right);
    if (down > 0) f(offset(top + 1, left), down * (1 - right));
    if (down > 0 && right > 0) f(offset(top + 1, left + 1), down * right);
  }

 private:
  // What integers can count; NaN is far away.
  static T place(T v) { return v > T(-1e6) ? std::min(v, T(1e6)) : T(-1e6); }

  std::int64_t offset(T row, T column) const {
    const std::int64_t i = pixel(static_cast<std::int64_t>(row), rows, border);
    const std::int64_t j = pixel(static_cast<std::int64_t>(column), columns, border);
    return i < 0 || j < 0 ? -1 : (i * columns + j) * channels;
  }
};

template <class T>
Sampler<T> sampler(const Attrs& a, const Shape& image, const View& matrix) {
  return {image[1],
          image[2],
          image[3],
          static_cast<Interpolation>(a.dims[0]),
          static_cast<Border>(a.dims[1]),
          matrix.as<const T>()};
}

template <class T>
Launch prepare_warp(const Attrs& a, const View& x, const View& matrix, const View& y) {
  const double work = kPixelWork * static_cast<double>(x.shape[2] * (1 + x.shape[3]));
  return [from = x.as<const T>(), to = y.as<T>(), s = sampler<T>(a, x.shape, matrix),
          outside = static_cast<T>(a.reals[0]),
          chunks = Chunks(x.shape[0] * x.shape[1], work)](const RunState&) {
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t line = begin; line < end; ++line) {
        const std::int64_t k = line / s.rows;
        const T* const image = from + k * s.rows * s.columns * s.channels;
        T* pixel = to + line * s.columns * s.channels;
        for (std::int64_t j = 0; j < s.columns; ++j, pixel += s.channels) {
          std::fill_n(pixel, s.channels, T{0});
          s.sources(k, line % s.rows, j, [&](std::int64_t source, T weight) {
            for (std::int64_t c = 0; c < s.channels; ++c)
              pixel[c] += weight * (source < 0 ? outside : image[source + c]);
          });
        }
      }
    });
  };
}

// Threads share images, so that each is added up in one order.
template <class T>
Launch prepare_grad(const Attrs& a, const View& dy, const View& matrix, const View& dx) {
  const std::int64_t size = dx.shape[1] * dx.shape[2] * dx.shape[3];
  return
      [from = dy.as<const T>(), to = dx.as<T>(), s = sampler<T>(a, dx.shape, matrix), size,
       chunks = Chunks(dx.shape[0], kPixelWork * static_cast<double>(2 * size))](const RunState&) {
        chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
          for (std::int64_t k = begin; k < end; ++k) {
            T* const image = to + k * size;
            const T* pixel = from + k * size;
            std::fill_n(image, size, T{0});
            for (std::int64_t i = 0; i < s.rows; ++i)
              for (std::int64_t j = 0; j < s.columns; ++j, pixel += s.channels)
                s.sources(k, i, j, [&](std::int64_t source, T weight) {
                  if (source < 0) return;
                  for (std::int64_t c = 0; c < s.channels; ++c)
                    image[source + c] += weight * pixel[c];
                });
          }
        });
      };
}

// What is outside adds the same to y whatever x is: the transpose knows only of zeros there.
Tensor apply_warp(const char* name, const Attrs& attrs, double outside, const Tensor& x,
                  const Tensor& matrix) {
  Attrs own = attrs;
  own.reals[0] = outside;
  return apply1(op(name), own, {x, matrix});
}

void add(OpTable& table, bool back) {
  Op row;
  row.name = back ? "warp_grad" : "warp";
  row.traits = kContiguous;
  row.arity = 2;
  row.infer = [](const Attrs&, std::span<const TensorType> in) {
    return std::vector<TensorType>{in[0]};
  };
  row.prepare = [back](const Attrs& a, std::span<const View> in, std::span<const View> out) {
    if (in[0].dtype == DType::f64)
      return back ? prepare_grad<double>(a, in[0], in[1], out[0])
                  : prepare_warp<double>(a, in[0], in[1], out[0]);
    return back ? prepare_grad<float>(a, in[0], in[1], out[0])
                : prepare_warp<float>(a, in[0], in[1], out[0]);
  };
  row.gradient = [back](const GradientArgs& g) {
    if (g.wanted[1])
      fail<RuntimeError>("warp has no gradient with respect to its matrix, which is needed here");
    return std::vector<Tensor>{
        apply_warp(back ? "warp" : "warp_grad", g.attrs, 0, g.doutputs[0], g.inputs[1]), Tensor()};
  };
  table.add(std::move(row));
}

}  // namespace

void register_warp(OpTable& table) {
  add(table, false);
  add(table, true);
}

namespace ops {

Tensor warp(const Tensor& x, const Tensor& matrix, Interpolation interpolation, Border border,
            double outside) {
  if (x.rank() != 4)
    fail<ValueError>("warp: expected images (n, rows, columns, channels), got shape ", x.shape());
  if (!(matrix.shape() == Shape{x.shape()[0], 6}))
    fail<ValueError>("warp: expected a matrix of shape ", Shape{x.shape()[0], 6},
                     " for images of shape ", x.shape(), ", got ", matrix.shape());
  Attrs attrs;
  attrs.dims = {static_cast<std::int64_t>(interpolation), static_cast<std::int64_t>(border)};
  const DType dtype = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const Tensor y = apply_warp("warp", attrs, outside, cast(x, dtype), cast(matrix, dtype));
  return x.dtype() == DType::bf16 ? cast(y, DType::bf16) : y;
}

}  // namespace ops
}  // namespace pynn
