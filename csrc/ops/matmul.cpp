// Matrix products: NumPy's matmul, and the dense kernel activation(a b + bias) that it fuses into.
#include "ops/ops.h"
#include "ops/product.h"
#include "ops/product_bf16.h"

namespace pynn {
namespace {

using kernels::Activation;
using kernels::Gemm;

void check_inner(const char* op, const Shape& a, const Shape& b) {
  if (a.empty() || b.empty())
    fail<ValueError>(op, ": expected tensors with at least one axis, got shapes ", a, " and ", b);
  if (a.back() != b[std::max(b.rank() - 2, 0)])
    fail<ValueError>(op, ": shapes ", a, " and ", b, " do not match: the last axis of the first ",
                     "must equal the ", b.rank() == 1 ? "axis" : "last but one", " of the second");
}

bool can_round(DType d) { return d == DType::f32 || d == DType::bf16; }

// (..., m, k) (..., k, n) -> (..., m, n), of one dtype, or of two that are rounded to bfloat16.
TensorType product_type(const char* op, const Attrs& attrs, const TensorType& a,
                        const TensorType& b) {
  if (a.shape.rank() < 2 || b.shape.rank() < 2)
    fail<ValueError>(op, ": expected matrices, got shapes ", a.shape, " and ", b.shape);
  check_inner(op, a.shape, b.shape);
  const bool rounds = attrs.dtype == DType::bf16 && can_round(a.dtype) && can_round(b.dtype);
  if (!rounds && (a.dtype != b.dtype || a.dtype == DType::bf16 || a.dtype == DType::boolean))
    fail<TypeError>(op, ": expected two tensors of one of float32, float64, int32, int64 and ",
                    "uint8, got ", name(a.dtype), " and ", name(b.dtype));
  Shape out = broadcast_shapes(batch_of(a.shape), batch_of(b.shape));
  out.push_back(a.shape[a.shape.rank() - 2]);
  out.push_back(b.shape.back());
  return {!rounds ? a.dtype : attrs.flag2 ? DType::bf16 : DType::f32, out};
}

// Integers have no kernel: they are for counting and indexing, not for speed. Sums wrap around.
template <class T>
void integer_product(const Gemm& g, const T* a, const T* b, T* c) {
  using Wide = std::uint64_t;
  for (std::int64_t i = 0; i < g.m; ++i)
    for (std::int64_t j = 0; j < g.n; ++j) {
      Wide sum = 0;
      for (std::int64_t p = 0; p < g.k; ++p)
        sum += static_cast<Wide>(a[i * g.a_row + p * g.a_col]) *
               static_cast<Wide>(b[p * g.b_row + j * g.b_col]);
      c[i * g.c_row + j] = static_cast<T>(sum);
    }
}

template <class T>
Launch prepare_integers(const View& a, const View& b, const View& c) {
  const Shape batch = batch_of(c.shape);
  return [g = first_product(a, b, c), a_at = matrix_offsets(a, batch),
          b_at = matrix_offsets(b, batch)](const RunState&) {
    for (std::size_t i = 0; i < a_at.size(); ++i)
      integer_product(g, static_cast<const T*>(g.a) + a_at[i], static_cast<const T*>(g.b) + b_at[i],
                      static_cast<T*>(g.c) + static_cast<std::int64_t>(i) * g.m * g.n);
  };
}

bool rounds(const Attrs& attrs, const View& out) {
  return attrs.dtype == DType::bf16 && can_round(out.dtype);
}

template <class Kind>
Launch prepare_kind(const Attrs& attrs, std::span<const View> in, std::span<const View> out,
                    std::shared_ptr<const BlockConsumer> consumer = nullptr) {
  const View* bias = in.size() > 2 ? &in[2] : nullptr;
  auto product =
      std::make_shared<const Kind>(in[0], in[1], out[0], bias, attrs, std::move(consumer));
  return [product = std::move(product)](const RunState&) { product->run(); };
}

Launch prepare_product(const Attrs& attrs, std::span<const View> in, std::span<const View> out) {
  switch (out[0].dtype) {
    case DType::i32:
      return prepare_integers<std::int32_t>(in[0], in[1], out[0]);
    case DType::i64:
      return prepare_integers<std::int64_t>(in[0], in[1], out[0]);
    case DType::u8:
      return prepare_integers<std::uint8_t>(in[0], in[1], out[0]);
    default:
      break;
  }
  return rounds(attrs, out[0]) ? prepare_kind<PairProduct>(attrs, in, out)
                               : prepare_kind<Product>(attrs, in, out);
}

Launch prepare_product_blocks(const Attrs& attrs, std::span<const View> in,
                              std::span<const View> out,
                              std::shared_ptr<const BlockConsumer> consumer) {
  return rounds(attrs, out[0]) ? prepare_kind<PairProduct>(attrs, in, out, std::move(consumer))
                               : prepare_kind<Product>(attrs, in, out, std::move(consumer));
}

// The parameters of a product without bias or activation in the precision of `attrs`.
Attrs precision(const Attrs& attrs) {
  Attrs plain;
  plain.dtype = attrs.dtype;
  return plain;
}

// (..., m, k) as (M, k), so that a product with one matrix is one product.
Tensor flattened(const Tensor& a) {
  if (a.rank() <= 2) return a;
  const std::int64_t rows = element_count(batch_of(a.shape())) * a.shape()[a.rank() - 2];
  return ops::reshape(a, {rows, a.shape().back()});
}

Tensor unflattened(const Tensor& y, const Shape& a) {
  Shape shape = a;
  shape.back() = y.shape().back();
  return ops::reshape(y, shape);
}

// Of matrices of types that the row takes.
Tensor product_of(const Attrs& attrs, const Tensor& a, const Tensor& b) {
  static const Op& row = op("matmul");
  const bool flat = a.rank() > 2 && b.rank() == 2;
  const Tensor y = apply1(row, attrs, {flat ? flattened(a) : a, b});
  return flat ? unflattened(y, a.shape()) : y;
}

// da = dy b^T, db = a^T dy, summed over what broadcasting the batch stretched.
std::vector<Tensor> product_gradients(const GradientArgs& g, const Tensor& dy) {
  std::vector<Tensor> out(g.inputs.size());
  const Tensor &a = g.inputs[0], &b = g.inputs[1];
  const Attrs attrs = precision(g.attrs);
  const auto gradient = [&](const Tensor& x, const Tensor& left, const Tensor& right) {
    return ops::cast(ops::sum_to(product_of(attrs, left, right), x.shape()), x.dtype());
  };
  if (g.wanted[0]) out[0] = gradient(a, dy, ops::swap_last(b));
  if (g.wanted[1]) out[1] = gradient(b, ops::swap_last(a), dy);
  return out;
}

constexpr bool saves_output(Activation activation) {
  constexpr bool Output = true, Input = false;
  switch (activation) {
#define PYNN_ROW(name, saved, ...) \
  case Activation::name:           \
    return saved;
    PYNN_ACTIVATIONS(PYNN_ROW)
#undef PYNN_ROW
    default:
      return Output;
  }
}

Tensor activation_gradient(const Attrs& a, const Tensor& dy, const Tensor& saved) {
  switch (a.activation) {
#define PYNN_ROW(name, ...) \
  case Activation::name:    \
    return ops::name##_grad(dy, saved, a.reals[0], a.reals[1]);
    PYNN_ACTIVATIONS(PYNN_ROW)
#undef PYNN_ROW
    default:
      return dy;
  }
}

std::vector<TensorType> infer_dense(const Attrs& attrs, std::span<const TensorType> in) {
  const TensorType out = product_type("dense", attrs, in[0], in[1]);
  if (!is_float(out.dtype))
    fail<TypeError>("dense: expected float32 or float64, got ", name(out.dtype));
  if (in.size() > 2 && !(in[2] == TensorType{out.dtype, {out.shape.back()}}))
    fail<ValueError>("dense: expected a ", name(out.dtype), " bias of shape (", out.shape.back(),
                     ",), got a ", name(in[2].dtype), " one of shape ", in[2].shape);
  return {out};
}

// An activation whose derivative needs its input has it computed again.
std::vector<Tensor> gradient_dense(const GradientArgs& g) {
  Tensor saved = g.outputs[0];
  if (!saves_output(g.attrs.activation))
    saved = apply(op("dense"), precision(g.attrs), g.inputs)[0];
  const Tensor dz = activation_gradient(g.attrs, g.doutputs[0], saved);
  std::vector<Tensor> out = product_gradients(g, dz);
  if (g.inputs.size() > 2 && g.wanted[2]) out[2] = ops::sum_to(dz, g.inputs[2].shape());
  return out;
}

}  // namespace

void register_matmul(OpTable& table) {
  // attrs.dtype: bfloat16 rounds float32 operands to it; sums and result are float32. So it does
  // with bfloat16 operands, which no other precision takes. flag2: the result is rounded too.
  Op matmul;
  matmul.name = "matmul";
  matmul.traits = kProduct;
  matmul.arity = 2;
  matmul.fused = "dense";  // flag: sums may run in any order, where there is one row
  matmul.infer = [](const Attrs& attrs, std::span<const TensorType> in) {
    return std::vector<TensorType>{product_type("matmul", attrs, in[0], in[1])};
  };
  matmul.prepare = prepare_product;
  matmul.prepare_blocks = prepare_product_blocks;
  matmul.gradient = [](const GradientArgs& g) { return product_gradients(g, g.doutputs[0]); };
  table.add(std::move(matmul));

  Op dense;
  dense.name = "dense";  // activation and its parameters in reals; the bias is contiguous; flag
  dense.traits = kProduct;
  dense.arity = -1;
  dense.fused = "dense";
  dense.infer = infer_dense;
  dense.prepare = prepare_product;
  dense.prepare_blocks = prepare_product_blocks;
  dense.gradient = gradient_dense;
  table.add(std::move(dense));
}

namespace ops {

Tensor matmul(const Tensor& a, const Tensor& b) {
  check_inner("matmul", a.shape(), b.shape());
  const DType dtype = promote(a.dtype(), b.dtype());
  Attrs attrs;
  if (dtype == DType::bf16) attrs.dtype = dtype;
  const Tensor left = cast(a.rank() == 1 ? expand_dims(a, 0) : a, dtype);
  const Tensor right = cast(b.rank() == 1 ? expand_dims(b, 1) : b, dtype);
  // At once, blocks of a result are rounded while they are in cache; in a program a chain does it.
  attrs.flag2 =
      dtype == DType::bf16 && left.rank() == 2 && right.rank() == 2 && active_recorder() == nullptr;
  Tensor y = cast(product_of(attrs, left, right), dtype);
  if (a.rank() == 1) y = squeeze(y, -2);
  return b.rank() == 1 ? squeeze(y, -1) : y;
}

Tensor dense(const Tensor& a, const Tensor& b, const Tensor& bias, Activation activation,
             double alpha) {
  static const Op& row = op("dense");
  check_inner("dense", a.shape(), b.shape());
  if (b.rank() != 2) fail<ValueError>("dense: expected a matrix to multiply by, got ", b.shape());
  DType dtype = promote(a.dtype(), b.dtype());
  if (bias.defined()) dtype = promote(dtype, bias.dtype());
  if (!is_float(dtype)) dtype = DType::f32;
  Attrs attrs;
  if (dtype == DType::bf16) attrs.dtype = dtype;
  attrs.activation = activation;
  attrs.reals[0] = alpha;
  std::vector<Tensor> inputs = {cast(flattened(a), dtype), cast(b, dtype)};
  if (bias.defined())
    inputs.push_back(contiguous(cast(bias, dtype == DType::bf16 ? DType::f32 : dtype)));
  return cast(unflattened(apply(row, attrs, inputs)[0], a.shape()), dtype);
}

}  // namespace ops
}  // namespace pynn
