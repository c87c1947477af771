// The kernel lists: one row makes the formula's kernel for every instruction set, its dispatch,
// the eager function, the recorded op, its gradient, its test and its benchmark.
#pragma once

// ROW(name, saved, domain)
//   `name` is a struct in formulas.h with `f(x, p)` and `df(s, p)`. The list yields two kernels:
//     name        y  = f(x)
//     name_grad   dx = dy * df(s)         inputs (dy, s)
//   `saved` says what s is: Output (s = y) or Input (s = x).
//   `domain` is the interval on which tests and benchmarks draw x.
#define PYNN_ACTIVATIONS(ROW)     \
  ROW(relu, Output, -3, 3)        \
  ROW(leaky_relu, Input, -3, 3)   \
  ROW(elu, Input, -3, 3)          \
  ROW(selu, Input, -3, 3)         \
  ROW(gelu, Input, -5, 5)         \
  ROW(gelu_tanh, Input, -5, 5)    \
  ROW(sigmoid, Output, -8, 8)     \
  ROW(tanh, Output, -4, 4)        \
  ROW(softplus, Input, -8, 8)     \
  ROW(softsign, Input, -4, 4)     \
  ROW(silu, Input, -6, 6)         \
  ROW(mish, Input, -6, 6)         \
  ROW(hard_sigmoid, Input, -5, 5) \
  ROW(relu6, Input, -2, 8)        \
  ROW(hard_tanh, Input, -3, 3)    \
  ROW(hard_silu, Input, -5, 5)    \
  ROW(log_sigmoid, Input, -8, 8)

#define PYNN_DIFFERENTIABLE_MATH(ROW) \
  ROW(exp, Output, -4, 4)             \
  ROW(expm1, Output, -2, 2)           \
  ROW(log, Input, 0.05, 8)            \
  ROW(log1p, Input, -0.9, 8)          \
  ROW(sqrt, Output, 0.05, 9)          \
  ROW(rsqrt, Output, 0.05, 9)         \
  ROW(reciprocal, Output, 0.2, 4)     \
  ROW(square, Input, -3, 3)           \
  ROW(abs, Input, -3, 3)              \
  ROW(sin, Input, -6, 6)              \
  ROW(cos, Input, -6, 6)              \
  ROW(erf, Input, -3, 3)

#define PYNN_DIFFERENTIABLE_UNARY(ROW) PYNN_ACTIVATIONS(ROW) PYNN_DIFFERENTIABLE_MATH(ROW)

// ROW(name): y = f(x), any numeric type to the same type; the gradient rule is written in ops/.
#define PYNN_PLAIN_UNARY(ROW) ROW(negative) ROW(sign) ROW(floor) ROW(ceil) ROW(round)

// ROW(name): y = f(x), any type to bool.
#define PYNN_TEST_UNARY(ROW) ROW(logical_not) ROW(isfinite) ROW(isnan)

// ROW(name): z = f(a, b), any numeric type to the same type.
#define PYNN_BINARY(ROW) \
  ROW(add) ROW(subtract) ROW(multiply) ROW(divide) ROW(power) ROW(maximum) ROW(minimum)

// ROW(name): z = f(a, b), any type to bool.
// One idea a line:
// clang-format off
#define PYNN_COMPARE(ROW)                             \
  ROW(equal) ROW(not_equal)                           \
  ROW(less) ROW(less_equal)                           \
  ROW(greater) ROW(greater_equal)                     \
  ROW(logical_and) ROW(logical_or) ROW(logical_xor)
// clang-format on

// ROW(name): reduction of a run to one value.
#define PYNN_REDUCTIONS(ROW) ROW(sum) ROW(prod) ROW(max) ROW(min)
