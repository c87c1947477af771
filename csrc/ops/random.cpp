// Random tensors. A launch draws from the stream that its step and the replay's number make.
#include <cmath>
#include <optional>
#include <utility>

#include "ops/launch.h"
#include "ops/ops.h"

namespace pynn {
namespace {

constexpr double kElementWork = 32;  // Philox's ten rounds, a quarter each

// x = shift + scale x
template <class T>
void transform(std::int64_t n, T* x, double scale, double shift) {
  const T a = static_cast<T>(scale), b = static_cast<T>(shift);
  for (std::int64_t i = 0; i < n; ++i) x[i] = b + a * x[i];
}

// A seed's key, far from those of other seeds (an odd multiplier of good spectrum: Steele, Vigna,
// "Computationally easy, spectrally good multipliers", 2021).
std::uint64_t seed_key(std::int64_t seed) {
  return static_cast<std::uint64_t>(seed) * 0xD1342543DE82EF95 + 0x8CB92BA72F3D8DD7;
}

// dims = shape, dtype, reals = {scale, shift} of the kernel's standard distribution, stream, more =
// {seed} or none: with a seed of its own a step draws what depends on that and the replay alone.
void add_random(OpTable& table, const char* name, kernels::RandomFn (*kernel)(DType)) {
  Op row;
  row.name = name;
  row.traits = kRandom;
  row.arity = 0;
  row.infer = [name](const Attrs& a, std::span<const TensorType>) {
    if (a.dtype != DType::f32 && a.dtype != DType::f64)
      fail<TypeError>(name, ": expected float32 or float64, got ", pynn::name(a.dtype));
    return std::vector<TensorType>{{a.dtype, a.dims}};
  };
  row.prepare = [kernel](const Attrs& a, std::span<const View>,
                         std::span<const View> out) -> Launch {
    return [draw = kernel(a.dtype), y = out[0], step = a.stream, seed = a.more, scale = a.reals[0],
            shift = a.reals[1],
            chunks = Chunks(out[0].size(), kElementWork, 4)](const RunState& state) {
      const std::uint64_t key = seed.empty() ? state.key : seed_key(seed[0]);
      const std::uint64_t stream = seed.empty() ? (step << 40) + state.run : state.run + state.call;
      chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
        draw(key, stream, static_cast<std::uint64_t>(begin), static_cast<std::size_t>(end - begin),
             y.at(begin));
        if (scale == 1 && shift == 0) return;
        if (y.dtype == DType::f64)
          transform(end - begin, static_cast<double*>(y.at(begin)), scale, shift);
        else
          transform(end - begin, static_cast<float*>(y.at(begin)), scale, shift);
      });
    };
  };
  table.add(std::move(row));
}

}  // namespace

void register_random(OpTable& table) {
  add_random(table, "random_uniform",
             [](DType d) { return kernels::table().random_uniform[index(d)]; });
  add_random(table, "random_normal",
             [](DType d) { return kernels::table().random_normal[index(d)]; });
}

namespace ops {
namespace {

Tensor draw(const Op& row, const Shape& shape, double scale, double shift, DType dtype,
            std::optional<std::int64_t> seed) {
  for (const std::int64_t extent : shape)
    if (extent < 0) fail<ValueError>(row.name, ": shape ", shape, " has a negative extent");
  if (!is_float(dtype))
    fail<TypeError>(row.name, ": expected a floating-point type, got ", name(dtype));
  Attrs attrs;
  attrs.dims = shape;
  attrs.dtype = dtype == DType::bf16 ? DType::f32 : dtype;
  attrs.reals = {scale, shift};
  if (seed) attrs.more = {*seed};
  return cast(apply1(row, attrs, {}), dtype);
}

}  // namespace

Tensor random_uniform(const Shape& shape, double low, double high, DType dtype,
                      std::optional<std::int64_t> seed) {
  static const Op& row = op("random_uniform");
  if (!(low <= high))
    fail<ValueError>("random_uniform: expected low <= high, got ", low, " and ", high);
  return draw(row, shape, high - low, low, dtype, seed);
}

Tensor random_normal(const Shape& shape, double mean, double stddev, DType dtype,
                     std::optional<std::int64_t> seed) {
  static const Op& row = op("random_normal");
  if (!(stddev >= 0))
    fail<ValueError>("random_normal: the standard deviation must not be negative, got ", stddev);
  return draw(row, shape, stddev, mean, dtype, seed);
}

}  // namespace ops
}  // namespace pynn
