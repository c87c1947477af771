// Matrix products: NumPy's matmul, and the dense kernel activation(a b + bias) that it fuses into.
#include <limits>

#include "ops/launch.h"
#include "ops/ops.h"

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

Shape batch_of(const Shape& shape) {
  return Shape(std::span(shape.begin(), static_cast<std::size_t>(shape.rank() - 2)));
}

// (..., m, k) (..., k, n) -> (..., m, n), of one dtype.
TensorType product_type(const char* op, const TensorType& a, const TensorType& b) {
  if (a.shape.rank() < 2 || b.shape.rank() < 2)
    fail<ValueError>(op, ": expected matrices, got shapes ", a.shape, " and ", b.shape);
  check_inner(op, a.shape, b.shape);
  if (a.dtype != b.dtype || a.dtype == DType::bf16 || a.dtype == DType::boolean)
    fail<TypeError>(op, ": expected two tensors of one of float32, float64, int32, int64 and ",
                    "uint8, got ", name(a.dtype), " and ", name(b.dtype));
  Shape out = broadcast_shapes(batch_of(a.shape), batch_of(b.shape));
  out.push_back(a.shape[a.shape.rank() - 2]);
  out.push_back(b.shape.back());
  return {a.dtype, out};
}

// Where the matrices of a batch begin in `x`, in elements from its start.
std::vector<std::int64_t> matrix_offsets(const View& x, const Shape& batch) {
  View matrices{x.data, x.dtype, batch_of(x.shape), batch_of(x.strides)};
  matrices = broadcast_view(matrices, batch);
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(element_count(batch)));
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    auto rest = static_cast<std::int64_t>(i);
    for (int axis = batch.rank() - 1; axis >= 0; rest /= batch[axis--])
      offsets[i] += rest % batch[axis] * matrices.strides[axis];
  }
  return offsets;
}

// Sizes and strides of the first product of a batch.
Gemm first_product(const View& a, const View& b, const View& c) {
  const int i = a.shape.rank() - 2, j = b.shape.rank() - 2;
  Gemm g{};
  g.m = a.shape[i];
  g.k = a.shape[i + 1];
  g.n = b.shape[j + 1];
  g.a = a.data;
  g.a_row = a.strides[i];
  g.a_col = a.strides[i + 1];
  g.b = b.data;
  g.b_row = b.strides[j];
  g.b_col = b.strides[j + 1];
  g.c = c.data;
  g.c_row = g.n;
  return g;
}

struct Extent {
  std::int64_t rows, columns;
};

// The blocks in which threads share `products` products: those that take the least time by a count
// of multiply-adds. A block also reads its rows and columns once, at some 8 multiply-adds an
// element, and must be handed out. The bits of a product do not depend on its blocks.
Extent choose_block(const Gemm& g, std::int64_t products, std::size_t item) {
  const int threads = num_threads();
  const auto m = static_cast<double>(g.m), n = static_cast<double>(g.n),
             k = static_cast<double>(g.k);
  Extent best{g.m, g.n};
  if (threads == 1 || products >= 4 * threads ||
      2 * m * n * k * static_cast<double>(products) <= kParallelWork)
    return best;
  constexpr double kHandOut = 1e4;
  const auto unit = static_cast<std::int64_t>(256 / item);  // the widest kernel tile
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t down = 1; down <= 2 * threads; ++down) {
    for (std::int64_t across = 1; down * across <= 2 * threads; ++across) {
      const std::int64_t rows = (g.m + down - 1) / down;
      const std::int64_t columns =
          std::min(((g.n + across - 1) / across + unit - 1) / unit * unit, g.n);
      const std::int64_t blocks =
          ((g.m + rows - 1) / rows) * ((g.n + columns - 1) / columns) * products;
      const auto r = static_cast<double>(rows), c = static_cast<double>(columns);
      const double cost = static_cast<double>((blocks + threads - 1) / threads) *
                          (r * c + 8 * (r + c) + kHandOut / k);
      if (cost < least) {
        least = cost;
        best = {rows, columns};
      }
    }
  }
  return best;
}

// Products of a batch, each cut into blocks of its output.
class Product {
 public:
  Product(const View& a, const View& b, const View& c, const View* bias, const Attrs& attrs)
      : item_(static_cast<std::int64_t>(item_size(c.dtype))),
        gemm_(kernels::table().gemm[index(c.dtype)]),
        whole_(first_product(a, b, c)),
        parameters_(attrs.reals) {
    const Shape batch = batch_of(c.shape);
    a_at_ = matrix_offsets(a, batch);
    b_at_ = matrix_offsets(b, batch);
    const auto products = static_cast<std::int64_t>(a_at_.size());
    whole_.bias = bias == nullptr ? nullptr : bias->data;
    whole_.activation = attrs.activation;
    whole_.attr = parameters_.data();
    if (c.size() == 0) return;
    block_ = choose_block(whole_, products, item_size(c.dtype));
    down_ = (whole_.m + block_.rows - 1) / block_.rows;
    across_ = (whole_.n + block_.columns - 1) / block_.columns;
    chunks_ = Chunks(products * down_ * across_, 2.0 * static_cast<double>(block_.rows) *
                                                     static_cast<double>(block_.columns) *
                                                     static_cast<double>(whole_.k));
    for (std::int64_t i = 0; i < down_ * across_; ++i)
      workspace_bytes_ =
          std::max(workspace_bytes_, kernels::table().gemm_workspace[index(c.dtype)](block(i)));
    workspace_bytes_ = (workspace_bytes_ + kAlignment - 1) / kAlignment * kAlignment;
    workspace_ = scratch(workspace_bytes_ * static_cast<std::size_t>(chunks_.count()));
    whole_.workspace = workspace_.get();
  }
  Product(const Product&) = delete;  // whole_.attr points into this object
  Product& operator=(const Product&) = delete;

  void run() const {
    if (down_ * across_ == 1 && a_at_.size() == 1) return gemm_(whole_);
    chunks_.run([&](std::size_t chunk, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        Gemm g = block(i);
        g.workspace = static_cast<char*>(workspace_.get()) + chunk * workspace_bytes_;
        gemm_(g);
      }
    });
  }

 private:
  // Block i counted through every product, along its columns last.
  Gemm block(std::int64_t i) const {
    const std::int64_t product = i / (down_ * across_);
    const std::int64_t row = i / across_ % down_ * block_.rows;
    const std::int64_t column = i % across_ * block_.columns;
    const auto at = static_cast<std::size_t>(product);
    Gemm g = whole_;
    g.m = std::min(block_.rows, whole_.m - row);
    g.n = std::min(block_.columns, whole_.n - column);
    g.a = moved(g.a, a_at_[at] + row * g.a_row);
    g.b = moved(g.b, b_at_[at] + column * g.b_col);
    g.c = const_cast<void*>(moved(g.c, (product * whole_.m + row) * g.c_row + column));
    if (g.bias != nullptr) g.bias = moved(g.bias, column);
    return g;
  }
  const void* moved(const void* p, std::int64_t elements) const {
    return static_cast<const char*>(p) + elements * item_;
  }

  std::int64_t item_;
  kernels::GemmFn gemm_;
  Gemm whole_;
  std::array<double, 2> parameters_;
  std::vector<std::int64_t> a_at_, b_at_;
  Extent block_{};
  std::int64_t down_ = 0, across_ = 0;
  Chunks chunks_;
  std::size_t workspace_bytes_ = 0;
  std::shared_ptr<void> workspace_;
};

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

Launch prepare_product(const Attrs& attrs, std::span<const View> in, std::span<const View> out) {
  const View* bias = in.size() > 2 ? &in[2] : nullptr;
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
  auto product = std::make_shared<const Product>(in[0], in[1], out[0], bias, attrs);
  return [product = std::move(product)](const RunState&) { product->run(); };
}

// da = dy b^T, db = a^T dy, summed over what broadcasting the batch stretched.
std::vector<Tensor> product_gradients(const GradientArgs& g, const Tensor& dy) {
  std::vector<Tensor> out(g.inputs.size());
  const Tensor &a = g.inputs[0], &b = g.inputs[1];
  if (g.wanted[0]) out[0] = ops::sum_to(ops::matmul(dy, ops::swap_last(b)), a.shape());
  if (g.wanted[1]) out[1] = ops::sum_to(ops::matmul(ops::swap_last(a), dy), b.shape());
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

std::vector<TensorType> infer_dense(const Attrs&, std::span<const TensorType> in) {
  const TensorType out = product_type("dense", in[0], in[1]);
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
    saved = ops::dense(g.inputs[0], g.inputs[1], g.inputs.size() > 2 ? g.inputs[2] : Tensor(),
                       Activation::linear);
  const Tensor dz = activation_gradient(g.attrs, g.doutputs[0], saved);
  std::vector<Tensor> out = product_gradients(g, dz);
  if (g.inputs.size() > 2 && g.wanted[2]) out[2] = ops::sum_to(dz, g.inputs[2].shape());
  return out;
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

}  // namespace

void register_matmul(OpTable& table) {
  Op matmul;
  matmul.name = "matmul";
  matmul.traits = kProduct;
  matmul.arity = 2;
  matmul.fused = "dense";
  matmul.infer = [](const Attrs&, std::span<const TensorType> in) {
    return std::vector<TensorType>{product_type("matmul", in[0], in[1])};
  };
  matmul.prepare = prepare_product;
  matmul.gradient = [](const GradientArgs& g) { return product_gradients(g, g.doutputs[0]); };
  table.add(std::move(matmul));

  Op dense;
  dense.name = "dense";  // activation and its parameters in reals; the bias is contiguous
  dense.traits = kProduct;
  dense.arity = -1;
  dense.fused = "dense";
  dense.infer = infer_dense;
  dense.prepare = prepare_product;
  dense.gradient = gradient_dense;
  table.add(std::move(dense));
}

namespace ops {

Tensor matmul(const Tensor& a, const Tensor& b) {
  static const Op& row = op("matmul");
  check_inner("matmul", a.shape(), b.shape());
  const DType dtype = promote(a.dtype(), b.dtype());
  if (dtype == DType::bf16)
    return cast(matmul(cast(a, DType::f32), cast(b, DType::f32)), DType::bf16);
  Tensor left = cast(a.rank() == 1 ? expand_dims(a, 0) : a, dtype);
  const Tensor right = cast(b.rank() == 1 ? expand_dims(b, 1) : b, dtype);
  const bool flat = left.rank() > 2 && right.rank() == 2;
  Tensor y = apply1(row, {}, {flat ? flattened(left) : left, right});
  if (flat) y = unflattened(y, left.shape());
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
  const DType computed = dtype == DType::bf16 ? DType::f32 : dtype;
  Attrs attrs;
  attrs.activation = activation;
  attrs.reals[0] = alpha;
  std::vector<Tensor> inputs = {cast(flattened(a), computed), cast(b, computed)};
  if (bias.defined()) inputs.push_back(contiguous(cast(bias, computed)));
  return cast(unflattened(apply(row, attrs, inputs)[0], a.shape()), dtype);
}

}  // namespace ops
}  // namespace pynn
