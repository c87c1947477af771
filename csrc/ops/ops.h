// The ops as C++ functions on tensors: what gradient rules, bindings and tests call. Each runs at
// once on concrete tensors and is recorded while a recording is active on this thread.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "ops/op.h"

namespace pynn::ops {

// --- pointwise (pointwise.cpp). Operands broadcast and are promoted to a common dtype:
// bool < uint8 < int32 < int64 < bfloat16 < float32 < float64.
#define PYNN_ROW(name, ...)                                        \
  Tensor name(const Tensor& x, double alpha = 0, double beta = 0); \
  Tensor name##_grad(const Tensor& dy, const Tensor& saved, double alpha = 0, double beta = 0);
PYNN_DIFFERENTIABLE_UNARY(PYNN_ROW)
#undef PYNN_ROW
#define PYNN_ROW(name) Tensor name(const Tensor& x);
PYNN_PLAIN_UNARY(PYNN_ROW)
PYNN_TEST_UNARY(PYNN_ROW)
#undef PYNN_ROW
#define PYNN_ROW(name) Tensor name(const Tensor& a, const Tensor& b);
PYNN_BINARY(PYNN_ROW)
PYNN_COMPARE(PYNN_ROW)
#undef PYNN_ROW
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor cast(const Tensor& x, DType dtype);
DType promote(DType a, DType b);

// --- constants (tensor.cpp)
Tensor scalar(double value, DType dtype);  // rank 0
Tensor full(const Shape& shape, double value, DType dtype);
Tensor zeros_like(const Tensor& x);

// --- views and movement (shape_ops.cpp)
Tensor reshape(const Tensor& x, const Shape& shape);       // one extent may be -1
Tensor transpose(const Tensor& x, const Dims& axes = {});  // empty: reversed
Tensor swap_last(const Tensor& x);                         // the matrix transpose
Tensor broadcast_to(const Tensor& x, const Shape& shape);
Tensor expand_dims(const Tensor& x, std::int64_t axis);
Tensor squeeze(const Tensor& x, std::int64_t axis);
Tensor slice(const Tensor& x, const Dims& start, const Dims& stop,
             const Dims& step);      // NumPy's, step != 0, normalised by the caller
Tensor contiguous(const Tensor& x);  // x itself where it already is
Tensor copy(const Tensor& x);        // always new memory
Tensor concatenate(std::span<const Tensor> xs, std::int64_t axis);
Tensor pad(const Tensor& x, const Dims& before, const Dims& after, double value = 0);
// Sums `x` over what broadcasting to x.shape() stretched: the gradient of broadcasting.
Tensor sum_to(const Tensor& x, const Shape& shape);

// --- reductions (reduction.cpp). Empty axes: all.
Tensor sum(const Tensor& x, const Dims& axes = {}, bool keepdims = false);
Tensor prod(const Tensor& x, const Dims& axes = {}, bool keepdims = false);
Tensor max(const Tensor& x, const Dims& axes = {}, bool keepdims = false);
Tensor min(const Tensor& x, const Dims& axes = {}, bool keepdims = false);
Tensor mean(const Tensor& x, const Dims& axes = {},
            bool keepdims = false);                                        // emits sum and multiply
Tensor argmax(const Tensor& x, std::int64_t axis, bool keepdims = false);  // int64
Tensor argmin(const Tensor& x, std::int64_t axis, bool keepdims = false);

// --- products (matmul.cpp): NumPy's matmul (rank 1, 2, batched).
Tensor matmul(const Tensor& a, const Tensor& b);
// activation(a b + bias), a (m, k), b (k, n), bias (n,) or undefined: one fused kernel.
Tensor dense(const Tensor& a, const Tensor& b, const Tensor& bias, kernels::Activation activation,
             double alpha = 0);

// --- convolutions (conv.cpp), channels-last. Options have one entry for each spatial axis.
struct ConvOptions {
  Dims strides, dilation, before, after;  // padding with zeros, not negative
  std::int64_t groups = 1;
};
// x (n, spatial..., channels), kernel (taps..., channels / groups, filters)
Tensor conv(const Tensor& x, const Tensor& kernel, const ConvOptions& options);
// The gradient of conv by x as an op of its own: x (n, spatial..., channels), kernel (taps...,
// filters / groups, channels). `after` may be negative.
Tensor conv_transpose(const Tensor& x, const Tensor& kernel, const ConvOptions& options,
                      const Dims& output_padding);

// --- along the last axis (softmax.cpp)
Tensor softmax(const Tensor& x, std::int64_t axis = -1);
Tensor log_softmax(const Tensor& x, std::int64_t axis = -1);
Tensor logsumexp(const Tensor& x, std::int64_t axis = -1, bool keepdims = false);

// (x - mean) / sqrt(variance + epsilon) along an axis (norm.cpp); without `center` the mean counts
// as 0: x / sqrt(mean(x^2) + epsilon). Where they are defined, times gamma and plus beta, which go
// along the axis.
Tensor standardize(const Tensor& x, std::int64_t axis, double epsilon, bool center = true,
                   const Tensor& gamma = {}, const Tensor& beta = {});

// The same of each column, over all axes but the last: y, the means and the variances, of which
// there is one a column. At least float32.
std::vector<Tensor> batch_standardize(const Tensor& x, double epsilon, const Tensor& gamma = {},
                                      const Tensor& beta = {});

// --- indexing (gather.cpp, along.cpp; by NumPy's keys: indexing.h)
Tensor take(const Tensor& x, const Tensor& indices, std::int64_t axis = 0);
// x (n, ...), indices (i..., k) -> (i..., ...): the sums of k rows of x each.
Tensor take_sum(const Tensor& x, const Tensor& indices);
// Values (outer..., i..., inner...) added up at indices (i...) of `axis` into zeros of `shape`.
Tensor scatter_add(const Tensor& values, const Tensor& indices, std::int64_t axis,
                   const Shape& shape);
Tensor take_along_axis(const Tensor& x, const Tensor& indices, std::int64_t axis);
Tensor put_along_axis(const Tensor& x, const Tensor& indices, const Tensor& values,
                      std::int64_t axis);
// The indices that sort x, int64; of the first k only where k >= 0. NaN counts as the greatest.
Tensor argsort(const Tensor& x, std::int64_t axis = -1, bool descending = false,
               std::int64_t k = -1);
Tensor sort(const Tensor& x, std::int64_t axis = -1, bool descending = false);
Tensor take_along_last(const Tensor& x,
                       const Tensor& indices);  // x (..., n), indices (...) -> (...)
Tensor one_hot(const Tensor& indices, std::int64_t depth, DType dtype);

// --- pooling (pool.cpp): x (batch, spatial..., channels) with one to three spatial axes. For each
// of them the window's extent, its stride, and the padding before and after, which is less than the
// window and doesn't count.
struct Windows {
  Dims size, strides, before, after;
};
Tensor max_pool(const Tensor& x, const Windows& windows);
Tensor avg_pool(const Tensor& x, const Windows& windows);

// --- along an axis, one element from the last (recurrence.cpp): h[t] = a[t] h[t - 1] + b[t]
Tensor linear_recurrence(const Tensor& a, const Tensor& b, std::int64_t axis, bool reverse);
Tensor cumsum(const Tensor& x, std::int64_t axis);
Tensor cumprod(const Tensor& x, std::int64_t axis);

// --- made of other ops (composed.cpp). Empty axes: all.
Tensor clip(const Tensor& x, const Tensor& low, const Tensor& high);  // a bound may be undefined
Tensor any(const Tensor& x, const Dims& axes = {}, bool keepdims = false);
Tensor all(const Tensor& x, const Dims& axes = {}, bool keepdims = false);
Tensor var(const Tensor& x, const Dims& axes = {}, bool keepdims = false, double ddof = 0);
Tensor floor_divide(const Tensor& a, const Tensor& b);  // a / b, rounded down
Tensor mod(const Tensor& a, const Tensor& b);           // the rest of that: the sign of b
Tensor swapaxes(const Tensor& x, std::int64_t a, std::int64_t b);
Tensor flip(const Tensor& x, const Dims& axes = {});
Tensor repeat(const Tensor& x, std::int64_t times, std::int64_t axis);  // each element, in place
Tensor stack(std::span<const Tensor> xs, std::int64_t axis);

// --- random numbers (random.cpp): a fresh stream each call, or each replay of a recorded step.
// With a seed they depend on it and the replay's number alone; eager calls draw the same each time.
Tensor random_uniform(const Shape& shape, double low, double high, DType dtype,
                      std::optional<std::int64_t> seed = {});
Tensor random_normal(const Shape& shape, double mean, double stddev, DType dtype,
                     std::optional<std::int64_t> seed = {});

// --- outside code (host.cpp)
std::vector<Tensor> host_call(std::shared_ptr<const HostFunction> function,
                              std::span<const Tensor> inputs);

// --- programs inside a step (call.cpp, control.cpp)
// The outputs of `body` for these inputs, of which those from `varying` on are seldom others. Where
// gradients of `followed` inputs may be asked for, keeps what they will need.
std::vector<Tensor> call(std::shared_ptr<const Body> body, std::span<const Tensor> inputs,
                         std::size_t varying, std::span<const char> followed = {});
// Those of `body` where `condition`, one bool, is true; of `otherwise` where it is not.
std::vector<Tensor> cond(const Tensor& condition, std::shared_ptr<const Body> body,
                         std::shared_ptr<const Body> otherwise, std::span<const Tensor> inputs);
// Runs body(carries..., one row of each of xs..., shared...) -> (carries..., ys...) for each row,
// in order or from the last to the first; gives the last carries and the ys, stacked. A conditional
// one ends where the first carry, a bool, is false; its second, int64, counts the runs.
constexpr std::int64_t kUnbounded = std::int64_t{1} << 48;  // a length that no loop reaches
std::vector<Tensor> scan(std::shared_ptr<const Body> body, std::span<const Tensor> carries,
                         std::span<const Tensor> xs, std::span<const Tensor> shared,
                         std::int64_t length, bool reverse, bool conditional = false);

}  // namespace pynn::ops
