#include "bindings/operands.h"

#include "ops/ops.h"
#include "program/gradient_tape.h"

namespace pynn::bindings {

std::vector<Tensor> Operands::take_all(PyObject* sequence) {
  const py::object items =
      checked(PySequence_Fast(sequence, "expected a list or tuple of tensors"));
  std::vector<Tensor> tensors;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.ptr()); ++i) {
    PyObject* item = PySequence_Fast_GET_ITEM(items.ptr(), i);
    native_ = native_ || is_tensor(item);
    count_work(tensors.emplace_back(to_tensor(item)));
  }
  return tensors;
}

static std::optional<Scalar> scalar_of(PyObject* o) {
  return is_tensor(o) || is_ndarray(o) ? std::optional<Scalar>() : parse_scalar(o);
}

const Tensor& Operands::take_beside(const Tensor& x, PyObject* o) {
  const std::optional<Scalar> scalar = scalar_of(o);
  return scalar ? keep(scalar_tensor(*scalar, meet(*scalar, x.dtype()))) : take(o);
}

std::pair<const Tensor&, const Tensor&> Operands::take_pair(PyObject* a, PyObject* b) {
  const std::optional<Scalar> sa = scalar_of(a);
  if (const std::optional<Scalar> sb = sa ? scalar_of(b) : std::nullopt) {
    const DType common = ops::promote(sa->own, sb->own);
    const Tensor& ta = keep(scalar_tensor(*sa, common));
    return {ta, keep(scalar_tensor(*sb, common))};
  }
  if (sa) {
    const Tensor& tb = take(b);
    return {keep(scalar_tensor(*sa, meet(*sa, tb.dtype()))), tb};
  }
  const Tensor& ta = take(a);
  return {ta, take_beside(ta, b)};
}

void check_power(const Tensor& base, const Tensor& exponent) {
  const DType dtype = exponent.dtype();
  if (is_float(base.dtype()) || exponent.symbolic() || exponent.size() == 0) return;
  if (dtype != DType::i32 && dtype != DType::i64) return;
  const Eager eager;
  const Tensor least = ops::cast(ops::min(exponent), DType::i64);
  if (*least.array().as<std::int64_t>() < 0)
    fail<ValueError>("whole numbers cannot be raised to negative powers; cast them to float");
}

Tensor Operands::destination(PyObject* out) {
  if (!is_tensor(out) && !is_ndarray(out))
    fail<TypeError>("out= must be a NumPy array or a Tensor, got ", Py_TYPE(out)->tp_name);
  Tensor target = to_tensor(out);
  const bool shared = is_tensor(out) || target.array().data == py::detail::array_proxy(out)->data;
  if (!shared || !writable(target.array()))
    fail<ValueError>("out= must be a writable array of a dtype that tensors hold");
  GradientTape::before_store(target.array());
  return target;
}

PyObject* Operands::filled(PyObject* out, const Tensor& target, const Tensor& value) {
  if (value.symbolic()) fail<TypeError>("out= cannot be filled while recording");
  if (target.type() != value.type())
    fail<ValueError>("out= must have shape ", value.shape(), " and dtype ", name(value.dtype()),
                     ", got shape ", target.shape(), " and dtype ", name(target.dtype()));
  const Array& to = target.array();
  const Array& from = value.array();
  if (from.data != to.data || from.strides != to.strides) {
    const Eager eager;
    copy_into(to, overlaps(from, to) ? ops::copy(value).array() : from);
  }
  // `out` is now what tapes know the result as; a variable stays itself, as when it is assigned to.
  if (Py_TYPE(out) == tensor_type) reinterpret_cast<TensorObject*>(out)->value.identify(value.id());
  Py_INCREF(out);
  return out;
}

}  // namespace pynn::bindings
