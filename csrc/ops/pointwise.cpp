// Pointwise ops: a row for every formula of the kernel lists. They run as chains (chain.h).
#include <algorithm>

#include "ops/ops.h"
#include "ops/second.h"

namespace pynn {

namespace {

using kernels::Activation;
using kernels::Pointwise;

// Where a differentiable function's derivative finds its argument.
enum class Saved : std::uint8_t { Output, Input };

Shape broadcast_all(std::span<const TensorType> in) {
  Shape shape;
  for (const TensorType& t : in) shape = broadcast_shapes(shape, t.shape);
  return shape;
}

// The type of operands that share one; `first` skips a condition.
DType common_dtype(const std::string& name, std::span<const TensorType> in, std::size_t first = 0) {
  for (std::size_t i = first + 1; i < in.size(); ++i)
    if (in[i].dtype != in[first].dtype)
      fail<TypeError>(name, " takes operands of one dtype, got ", pynn::name(in[first].dtype),
                      " and ", pynn::name(in[i].dtype));
  return in[first].dtype;
}

Op row(std::string_view name, Pointwise kernel, int arity) {
  Op r;
  r.name = name;
  r.arity = arity;
  r.traits = kPointwise;
  r.pointwise = kernel;
  r.infer = [n = r.name](const Attrs&, std::span<const TensorType> in) {
    return std::vector<TensorType>{{common_dtype(n, in), broadcast_all(in)}};
  };
  return r;
}

Op boolean_row(std::string_view name, Pointwise kernel, int arity) {
  Op r = row(name, kernel, arity);
  r.traits |= kBoolean;
  r.infer = [n = r.name](const Attrs&, std::span<const TensorType> in) {
    common_dtype(n, in);
    return std::vector<TensorType>{{DType::boolean, broadcast_all(in)}};
  };
  return r;
}

void require_float(Op& r) {
  r.infer = [n = r.name](const Attrs&, std::span<const TensorType> in) {
    const DType dtype = common_dtype(n, in);
    if (!is_float(dtype)) fail<TypeError>(n, " takes floating-point tensors, got ", name(dtype));
    return std::vector<TensorType>{{dtype, broadcast_all(in)}};
  };
}

// Adds y = f(x) and dx = dy * df(saved).
void add_differentiable(OpTable& table, std::string_view name, Pointwise f, Pointwise df,
                        Saved saved) {
  const std::string grad_name = std::string(name) + "_grad";
  Op forward = row(name, f, 1);
  require_float(forward);
  forward.gradient = [grad_name, saved](const GradientArgs& g) {
    const Tensor& s = saved == Saved::Output ? g.outputs[0] : g.inputs[0];
    return std::vector<Tensor>{apply1(op(grad_name), g.attrs, {g.doutputs[0], s})};
  };
  table.add(std::move(forward));

  Op backward = row(grad_name, df, 2);
  require_float(backward);
  backward.traits |= kLinear;
  backward.gradient = [grad_name, f](const GradientArgs& g) {
    const Tensor &u = g.doutputs[0], &dy = g.inputs[0], &s = g.inputs[1];
    std::vector<Tensor> out(2);
    if (g.wanted[0]) out[0] = ops::sum_to(apply1(op(grad_name), g.attrs, {u, s}), dy.shape());
    const Tensor bend = g.wanted[1] ? derivative_of_slope(f, s, g.attrs.reals) : Tensor();
    if (bend.defined()) out[1] = ops::sum_to(ops::multiply(ops::multiply(u, dy), bend), s.shape());
    return out;
  };
  table.add(std::move(backward));
}

// A gradient rule for a binary op: `left` and `right` give d out / d operand times dout, which is
// summed over what broadcasting stretched.
using Rule = Tensor (*)(const GradientArgs&);
void add_binary(OpTable& table, std::string_view name, Pointwise kernel, Rule left, Rule right) {
  Op r = row(name, kernel, 2);
  r.gradient = [left, right](const GradientArgs& g) {
    std::vector<Tensor> out(2);
    if (g.wanted[0]) out[0] = ops::sum_to(left(g), g.inputs[0].shape());
    if (g.wanted[1]) out[1] = ops::sum_to(right(g), g.inputs[1].shape());
    return out;
  };
  table.add(std::move(r));
}

Tensor constant(const GradientArgs& g, double value) {
  return ops::scalar(value, g.doutputs[0].dtype());
}

// dout where `a` wins over `b`, half of it where they tie.
Tensor winner(const GradientArgs& g, Tensor (*wins)(const Tensor&, const Tensor&), int self) {
  const Tensor& a = g.inputs[static_cast<std::size_t>(self)];
  const Tensor& b = g.inputs[static_cast<std::size_t>(1 - self)];
  const Tensor& dy = g.doutputs[0];
  const Tensor tied =
      ops::where(ops::equal(a, b), ops::multiply(dy, constant(g, 0.5)), constant(g, 0));
  return ops::where(wins(a, b), dy, tied);
}

void add_arithmetic(OpTable& table) {
  const Rule pass = [](const GradientArgs& g) { return g.doutputs[0]; };
  add_binary(table, "add", Pointwise::add, pass, pass);
  table.rows.back().traits |= kAddition | kNeutral;
  add_binary(table, "subtract", Pointwise::subtract, pass,
             [](const GradientArgs& g) { return ops::negative(g.doutputs[0]); });
  table.rows.back().traits |= kNeutral;
  add_binary(
      table, "multiply", Pointwise::multiply,
      [](const GradientArgs& g) { return ops::multiply(g.doutputs[0], g.inputs[1]); },
      [](const GradientArgs& g) { return ops::multiply(g.doutputs[0], g.inputs[0]); });
  table.rows.back().traits |= kZero;
  add_binary(
      table, "divide", Pointwise::divide,
      [](const GradientArgs& g) { return ops::divide(g.doutputs[0], g.inputs[1]); },
      [](const GradientArgs& g) {
        return ops::negative(ops::divide(ops::multiply(g.doutputs[0], g.outputs[0]), g.inputs[1]));
      });
  require_float(table.rows.back());
  add_binary(
      table, "power", Pointwise::power,
      [](const GradientArgs& g) {
        const Tensor& b = g.inputs[1];
        const Tensor slope =
            ops::multiply(b, ops::power(g.inputs[0], ops::subtract(b, constant(g, 1))));
        return ops::multiply(g.doutputs[0],
                             ops::where(ops::equal(b, constant(g, 0)), constant(g, 0), slope));
      },
      [](const GradientArgs& g) {
        // y log a, with the limit 0 at a = 0.
        const Tensor& a = g.inputs[0];
        const Tensor zero = ops::equal(a, constant(g, 0));
        const Tensor safe = ops::where(zero, constant(g, 1), a);
        return ops::multiply(g.doutputs[0], ops::multiply(g.outputs[0], ops::log(safe)));
      });
  add_binary(
      table, "maximum", Pointwise::maximum,
      [](const GradientArgs& g) { return winner(g, ops::greater, 0); },
      [](const GradientArgs& g) { return winner(g, ops::greater, 1); });
  add_binary(
      table, "minimum", Pointwise::minimum,
      [](const GradientArgs& g) { return winner(g, ops::less, 0); },
      [](const GradientArgs& g) { return winner(g, ops::less, 1); });
}

void add_where(OpTable& table) {
  Op r = row("where", Pointwise::where, 3);
  r.infer = [](const Attrs&, std::span<const TensorType> in) {
    if (in[0].dtype != DType::boolean)
      fail<TypeError>("where takes a bool condition, got ", name(in[0].dtype));
    return std::vector<TensorType>{{common_dtype("where", in, 1), broadcast_all(in)}};
  };
  r.gradient = [](const GradientArgs& g) {
    std::vector<Tensor> out(3);
    const Tensor& dy = g.doutputs[0];
    const Tensor zero = constant(g, 0);
    if (g.wanted[1]) out[1] = ops::sum_to(ops::where(g.inputs[0], dy, zero), g.inputs[1].shape());
    if (g.wanted[2]) out[2] = ops::sum_to(ops::where(g.inputs[0], zero, dy), g.inputs[2].shape());
    return out;
  };
  table.add(std::move(r));
}

// attrs.dtype: the target.
void add_cast(OpTable& table) {
  Op r = row("cast", Pointwise::count, 1);
  r.infer = [](const Attrs& attrs, std::span<const TensorType> in) {
    return std::vector<TensorType>{{attrs.dtype, in[0].shape}};
  };
  r.gradient = [](const GradientArgs& g) {
    const DType from = g.inputs[0].dtype();
    return std::vector<Tensor>{is_float(from) ? ops::cast(g.doutputs[0], from) : Tensor()};
  };
  table.add(std::move(r));
}

Op& named(OpTable& table, std::string_view name) {
  return *std::find_if(table.rows.begin(), table.rows.end(),
                       [&](const Op& r) { return r.name == name; });
}

void mark_activation(OpTable& table, std::string_view name, Activation activation) {
  Op& r = named(table, name);
  r.traits |= kActivation;
  r.activation = activation;
}

}  // namespace

void register_pointwise(OpTable& table) {
#define PYNN_ROW(name, saved, ...) \
  add_differentiable(table, #name, Pointwise::name, Pointwise::name##_grad, Saved::saved);
  PYNN_DIFFERENTIABLE_UNARY(PYNN_ROW)
#undef PYNN_ROW
#define PYNN_ROW(name, ...) mark_activation(table, #name, Activation::name);
  PYNN_ACTIVATIONS(PYNN_ROW)
#undef PYNN_ROW
  // Plain unary functions are flat between their jumps, but for the sign change.
#define PYNN_ROW(name)                                                           \
  table.add(row(#name, Pointwise::name, 1)).gradient = [](const GradientArgs&) { \
    return std::vector<Tensor>(1);                                               \
  };
  PYNN_PLAIN_UNARY(PYNN_ROW)
#undef PYNN_ROW
  named(table, "negative").gradient = [](const GradientArgs& g) {
    return std::vector<Tensor>{ops::negative(g.doutputs[0])};
  };
#define PYNN_ROW(name) table.add(boolean_row(#name, Pointwise::name, 1));
  PYNN_TEST_UNARY(PYNN_ROW)
#undef PYNN_ROW
#define PYNN_ROW(name) table.add(boolean_row(#name, Pointwise::name, 2));
  PYNN_COMPARE(PYNN_ROW)
#undef PYNN_ROW
  add_arithmetic(table);
  add_where(table);
  add_cast(table);
}

namespace ops {

namespace {

const Op& row_of(Pointwise kernel) {
  static const auto rows = [] {
    std::array<const Op*, kernels::kPointwise + 1> by_kernel{};
    for (const Op& r : all_ops())
      if (r.is(kPointwise)) by_kernel[static_cast<std::size_t>(r.pointwise)] = &r;
    return by_kernel;
  }();
  return *rows[static_cast<std::size_t>(kernel)];
}

Tensor to_float(const Tensor& x) { return is_float(x.dtype()) ? x : cast(x, DType::f32); }

Tensor binary(Pointwise kernel, const Tensor& a, const Tensor& b, bool floating = false) {
  DType dtype = promote(a.dtype(), b.dtype());
  if (floating && !is_float(dtype)) dtype = DType::f32;
  return apply1(row_of(kernel), {}, {cast(a, dtype), cast(b, dtype)});
}

Attrs parameters(double alpha, double beta) {
  Attrs attrs;
  attrs.reals = {alpha, beta};
  return attrs;
}

}  // namespace

DType promote(DType a, DType b) {
  constexpr std::array<int, kDTypes> rank = {5, 6, 4, 2, 3, 1, 0};
  return rank[index(a)] >= rank[index(b)] ? a : b;
}

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Attrs attrs;
  attrs.dtype = dtype;
  return apply1(row_of(Pointwise::count), attrs, {x});
}

#define PYNN_ROW(name, ...)                                                              \
  Tensor name(const Tensor& x, double alpha, double beta) {                              \
    return apply1(row_of(Pointwise::name), parameters(alpha, beta), {to_float(x)});      \
  }                                                                                      \
  Tensor name##_grad(const Tensor& dy, const Tensor& saved, double alpha, double beta) { \
    return apply1(row_of(Pointwise::name##_grad), parameters(alpha, beta), {dy, saved}); \
  }
PYNN_DIFFERENTIABLE_UNARY(PYNN_ROW)
#undef PYNN_ROW

#define PYNN_ROW(name) \
  Tensor name(const Tensor& x) { return apply1(row_of(Pointwise::name), {}, {x}); }
PYNN_PLAIN_UNARY(PYNN_ROW)
PYNN_TEST_UNARY(PYNN_ROW)
#undef PYNN_ROW

#define PYNN_ROW(name)                                                          \
  Tensor name(const Tensor& a, const Tensor& b) {                               \
    return binary(Pointwise::name, a, b, Pointwise::name == Pointwise::divide); \
  }
PYNN_BINARY(PYNN_ROW)
PYNN_COMPARE(PYNN_ROW)
#undef PYNN_ROW

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  const DType dtype = promote(a.dtype(), b.dtype());
  return apply1(row_of(Pointwise::where), {},
                {cast(condition, DType::boolean), cast(a, dtype), cast(b, dtype)});
}

}  // namespace ops
}  // namespace pynn
