// Functions on whole arrays: products, softmax, reductions, movement, indexing.
#include "bindings/operands.h"
#include "bindings/ops.h"
#include "ops/indices.h"
#include "ops/ops.h"
#include "ops/product.h"

namespace pynn::bindings {
namespace {

// Operations of (..., m, k) times (..., k, n).
double product_work(const Tensor& a, const Tensor& b) {
  const double columns = b.rank() > 1 ? static_cast<double>(b.shape().back()) : 1;
  return 2 * static_cast<double>(a.size()) * columns;
}

kernels::Activation parse_activation(PyObject* o) {
  constexpr const char* kNames[] = {"linear",
#define PYNN_ROW(name, ...) #name,
                                    PYNN_ACTIVATIONS(PYNN_ROW)
#undef PYNN_ROW
  };
  if (!PyUnicode_Check(o)) fail<TypeError>("activation= takes a name, got ", Py_TYPE(o)->tp_name);
  for (std::size_t i = 0; i < std::size(kNames); ++i)
    if (PyUnicode_CompareWithASCIIString(o, kNames[i]) == 0)
      return static_cast<kernels::Activation>(i);
  fail<ValueError>("unknown activation '", py::str(py::handle(o)).cast<std::string>(),
                   "'; dense knows linear and the pointwise activations of pynn.ops");
}

// The short way for two matrices that lie in NumPy arrays of one type in C order: a small product
// takes less time than the making of tensors. Null, and nothing done, for anything else.
PyObject* plain_product(PyObject* left, PyObject* right, PyObject* out) {
  if (active_recorder() != nullptr) return nullptr;
  DType dtype = DType::f32;
  std::optional<PlainArray> a = plain_array(left, dtype);
  if (!a) a = plain_array(left, dtype = DType::f64);
  if (!a || a->rank != 2) return nullptr;
  const std::optional<PlainArray> b = plain_array(right, dtype);
  if (!b || b->rank != 2 || a->shape[1] != b->shape[0]) return nullptr;
  kernels::Gemm g{};
  g.m = a->shape[0];
  g.k = g.a_row = a->shape[1];
  g.n = g.b_row = g.c_row = b->shape[1];
  g.a_col = g.b_col = 1;
  g.a = a->data;
  g.b = b->data;

  py::object result;
  if (out == nullptr || out == Py_None) {
    constexpr std::int64_t kSmall = 16 * 1024;  // NumPy's memory is not reused beyond that
    if (g.m * g.n > kSmall) return nullptr;
    result = empty_array(dtype, {g.m, g.n});
    g.c = py::detail::array_proxy(result.ptr())->data;
  } else {
    const std::optional<PlainArray> c = plain_array(out, dtype);
    if (!c || !c->writable || c->rank != 2 || c->shape[0] != g.m || c->shape[1] != g.n ||
        c->overlaps(*a, dtype) || c->overlaps(*b, dtype))
      return nullptr;
    result = py::reinterpret_borrow<py::object>(out);
    g.c = c->data;
  }
  const double work =
      2.0 * static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(g.k);
  const ReleaseGil release(work > kReleaseWork);
  multiply_now(g, dtype);
  return result.release().ptr();
}

constexpr Function matmul_function{"matmul", "a, b, out=None", nullptr, [](Call& call) {
                                     if (PyObject* done = plain_product(call[0], call[1], call[2]))
                                       return done;
                                     Operands operands;
                                     const auto [a, b] = operands.take_pair(call[0], call[1]);
                                     return operands.result(
                                         call[2], product_work(a, b),
                                         [&a = a, &b = b] { return ops::matmul(a, b); });
                                   }};

constexpr Function dense_function{
    "dense", "x, kernel, bias=None, activation='linear', alpha=0.0, out=None", nullptr,
    [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const Tensor& kernel = operands.take(call[1]);
      const Tensor none;
      const Tensor& bias = call.given(2) ? operands.take(call[2]) : none;
      const auto activation =
          call.given(3) ? parse_activation(call[3]) : kernels::Activation::linear;
      const double alpha = call.real(4, 0);
      return operands.result(call[5], product_work(x, kernel),
                             [&] { return ops::dense(x, kernel, bias, activation, alpha); });
    }};

// op(x, axis=-1, keepdims=False)
template <class Compute>
PyObject* along_axis(Call& call, Compute compute) {
  Operands operands;
  const Tensor& x = operands.take(call[0]);
  const std::int64_t axis = call.integer(1, -1);
  const bool keepdims = call.flag(2, false);
  return operands.result(operands.run([&] { return compute(x, axis, keepdims); }));
}

constexpr Function softmax_function{
    "softmax", "x, axis=-1", nullptr, [](Call& call) {
      return along_axis(call, [](auto& x, auto axis, bool) { return ops::softmax(x, axis); });
    }};
constexpr Function log_softmax_function{
    "log_softmax", "x, axis=-1", nullptr, [](Call& call) {
      return along_axis(call, [](auto& x, auto axis, bool) { return ops::log_softmax(x, axis); });
    }};
constexpr Function logsumexp_function{
    "logsumexp", "x, axis=-1, keepdims=False", nullptr, [](Call& call) {
      return along_axis(call, [](auto& x, auto axis, bool keepdims) {
        return ops::logsumexp(x, axis, keepdims);
      });
    }};
constexpr Function argmax_function{"argmax", "x, axis=-1, keepdims=False", nullptr, [](Call& call) {
                                     return along_axis(call, [](auto& x, auto axis, bool keepdims) {
                                       return ops::argmax(x, axis, keepdims);
                                     });
                                   }};
constexpr Function argmin_function{"argmin", "x, axis=-1, keepdims=False", nullptr, [](Call& call) {
                                     return along_axis(call, [](auto& x, auto axis, bool keepdims) {
                                       return ops::argmin(x, axis, keepdims);
                                     });
                                   }};

using Reduction = Tensor (*)(const Tensor&, const Dims&, bool);

template <Reduction reduce>
PyObject* reduction(Call& call) {
  Operands operands;
  const Tensor& x = operands.take(call[0]);
  const Dims axes = parse_axes(call[1]);
  const bool keepdims = call.flag(2, false);
  return operands.result(operands.run([&] { return reduce(x, axes, keepdims); }));
}
constexpr const char* kReduction = "x, axis=None, keepdims=False";
constexpr Function sum_function{"sum", kReduction, nullptr, reduction<ops::sum>};
constexpr Function mean_function{"mean", kReduction, nullptr, reduction<ops::mean>};
constexpr Function prod_function{"prod", kReduction, nullptr, reduction<ops::prod>};
constexpr Function max_function{"max", kReduction, nullptr, reduction<ops::max>};
constexpr Function min_function{"min", kReduction, nullptr, reduction<ops::min>};

constexpr Function reshape_function{
    "reshape", "x, shape", nullptr, [](Call& call) {
      Operands operands;
      return operands.result(ops::reshape(operands.take(call[0]), parse_dims(call[1])));
    }};
constexpr Function transpose_function{
    "transpose", "x, axes=None", nullptr, [](Call& call) {
      Operands operands;
      return operands.result(ops::transpose(operands.take(call[0]), parse_axes(call[1])));
    }};
constexpr Function broadcast_to_function{
    "broadcast_to", "x, shape", nullptr, [](Call& call) {
      Operands operands;
      return operands.result(ops::broadcast_to(operands.take(call[0]), parse_shape(call[1])));
    }};
constexpr Function expand_dims_function{
    "expand_dims", "x, axis", nullptr, [](Call& call) {
      Operands operands;
      return operands.result(ops::expand_dims(operands.take(call[0]), call.integer(1)));
    }};
constexpr Function squeeze_function{
    "squeeze", "x, axis", nullptr, [](Call& call) {
      Operands operands;
      return operands.result(ops::squeeze(operands.take(call[0]), call.integer(1)));
    }};

constexpr Function concatenate_function{
    "concatenate", "tensors, axis=0", nullptr, [](Call& call) {
      Operands operands;
      const std::vector<Tensor> tensors = operands.take_all(call[0]);
      if (tensors.empty()) fail<ValueError>("concatenate needs at least one tensor");
      const std::int64_t axis = call.integer(1, 0);
      return operands.result(operands.run([&] { return ops::concatenate(tensors, axis); }));
    }};

// NumPy's pad widths: an int, (before, after), or a pair for every axis.
std::pair<Dims, Dims> parse_pad_width(PyObject* o, int rank) {
  const py::array_t<std::int64_t> widths =
      py::module_::import("numpy").attr("broadcast_to")(py::handle(o), py::make_tuple(rank, 2));
  Dims before, after;
  for (int i = 0; i < rank; ++i) {
    before.push_back(widths.at(i, 0));
    after.push_back(widths.at(i, 1));
    if (before.back() < 0 || after.back() < 0)
      fail<ValueError>("pad_width must not be negative, got ", before.back(), " and ",
                       after.back());
  }
  return {before, after};
}

constexpr Function pad_function{
    "pad", "x, pad_width, value=0.0", nullptr, [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const auto [before, after] = parse_pad_width(call[1], x.rank());
      const double value = call.real(2, 0);
      return operands.result(operands.run(
          [&, &before = before, &after = after] { return ops::pad(x, before, after, value); }));
    }};

constexpr Function take_function{
    "take", "x, indices, axis=0", nullptr, [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const Tensor& indices = operands.take(call[1]);
      const std::int64_t axis = call.integer(2, 0);
      return operands.result(operands.run([&] { return ops::take(x, indices, axis); }));
    }};
constexpr Function take_along_last_function{
    "take_along_last", "x, indices", nullptr, [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const Tensor& indices = operands.take(call[1]);
      return operands.result(operands.run([&] { return ops::take_along_last(x, indices); }));
    }};
constexpr Function one_hot_function{
    "one_hot", "indices, depth, dtype='float32'", nullptr, [](Call& call) {
      const DType dtype = parse_optional_dtype(call[2]).value_or(DType::f32);
      const std::int64_t depth = call.integer(1);
      if (depth < 0) fail<ValueError>("depth must not be negative, got ", depth);
      Operands operands;
      const Tensor& indices = operands.take(call[0]);
      return operands.result(operands.run([&] { return ops::one_hot(indices, depth, dtype); }));
    }};
constexpr Function checked_indices_function{
    "checked_indices", "x, extent, label='checked_indices'", nullptr, [](Call& call) {
      const std::int64_t extent = call.integer(1);
      const std::string label = call.given(2) ? py::cast<std::string>(py::handle(call[2]))
                                              : std::string("checked_indices");
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      return operands.result(operands.run([&] { return ops::checked_indices(x, extent, label); }));
    }};

}  // namespace

void add_array_functions(std::vector<PyMethodDef>& rows) {
  rows.insert(rows.end(), {op_row<matmul_function>(),
                           op_row<dense_function>(),
                           op_row<softmax_function>(),
                           op_row<log_softmax_function>(),
                           op_row<logsumexp_function>(),
                           op_row<argmax_function>(),
                           op_row<argmin_function>(),
                           op_row<sum_function>(),
                           op_row<mean_function>(),
                           op_row<prod_function>(),
                           op_row<max_function>(),
                           op_row<min_function>(),
                           op_row<reshape_function>(),
                           op_row<transpose_function>(),
                           op_row<broadcast_to_function>(),
                           op_row<expand_dims_function>(),
                           op_row<squeeze_function>(),
                           op_row<concatenate_function>(),
                           op_row<pad_function>(),
                           op_row<take_function>(),
                           op_row<take_along_last_function>(),
                           op_row<one_hot_function>(),
                           op_row<checked_indices_function>()});
}

}  // namespace pynn::bindings
