// x[key], functions that take keys, and others that pick or sort elements.
#include "bindings/index_key.h"
#include "bindings/operands.h"
#include "bindings/ops.h"

namespace pynn::bindings {
namespace {

PyObject* subscript(PyObject* self, PyObject* key) {
  return guarded([&] {
    const Tensor& x = tensor_of(self);
    return wrap(ops::index(x, parse_key(x.shape(), key)));
  });
}

PyObject* item(PyObject* self, Py_ssize_t i) {
  return guarded([&] {
    const py::int_ key(i);
    const Tensor& x = tensor_of(self);
    return wrap(ops::index(x, parse_key(x.shape(), key.ptr())));
  });
}

using Update = Tensor (*)(const Tensor&, const Index&, const Tensor&);

template <Update update>
PyObject* updated(Call& call) {
  Operands operands;
  const Tensor& x = operands.take(call[0]);
  const Index key = parse_key(x.shape(), call[1]);
  const Tensor values = to_tensor(call[2], x.dtype());
  return operands.result(operands.run([&] { return update(x, key, values); }));
}
constexpr Function index_put_function{"index_put", "x, key, values", nullptr,
                                      updated<ops::index_put>};
constexpr Function index_add_function{"index_add", "x, key, values", nullptr,
                                      updated<ops::index_add>};

constexpr Function take_sum_function{
    "take_sum", "x, indices", nullptr, [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const Tensor& indices = operands.take(call[1]);
      return operands.result(operands.run([&] { return ops::take_sum(x, indices); }));
    }};
constexpr Function take_along_axis_function{
    "take_along_axis", "x, indices, axis=-1", nullptr, [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const Tensor& indices = operands.take(call[1]);
      const std::int64_t axis = call.integer(2, -1);
      return operands.result(operands.run([&] { return ops::take_along_axis(x, indices, axis); }));
    }};
constexpr Function put_along_axis_function{
    "put_along_axis", "x, indices, values, axis=-1", nullptr, [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const Tensor& indices = operands.take(call[1]);
      const Tensor& values = operands.take(call[2]);
      const std::int64_t axis = call.integer(3, -1);
      return operands.result(
          operands.run([&] { return ops::put_along_axis(x, indices, values, axis); }));
    }};

constexpr Function sort_function{
    "sort", "x, axis=-1, descending=False", nullptr, [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const std::int64_t axis = call.integer(1, -1);
      const bool down = call.flag(2, false);
      return operands.result(operands.run([&] { return ops::sort(x, axis, down); }));
    }};
constexpr Function argsort_function{
    "argsort", "x, axis=-1, descending=False", nullptr, [](Call& call) {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const std::int64_t axis = call.integer(1, -1);
      const bool down = call.flag(2, false);
      return operands.result(operands.run([&] { return ops::argsort(x, axis, down); }));
    }};
constexpr Function topk_function{
    "topk", "x, k, axis=-1", nullptr, [](Call& call) -> PyObject* {
      Operands operands;
      const Tensor& x = operands.take(call[0]);
      const std::int64_t k = call.integer(1), axis = call.integer(2, -1);
      if (k < 0) fail<ValueError>("topk: k must not be negative, got ", k);
      const Tensor at = operands.run([&] { return ops::argsort(x, axis, true, k); });
      const py::object values = checked(operands.result(ops::take_along_axis(x, at, axis)));
      const py::object indices = checked(operands.result(at));
      return py::make_tuple(values, indices).release().ptr();
    }};
constexpr Function nonzero_function{"nonzero", "x", nullptr, [](Call& call) -> PyObject* {
                                      Operands operands;
                                      py::list found;
                                      for (Tensor& indices : nonzero(operands.take(call[0])))
                                        found.append(checked(operands.result(std::move(indices))));
                                      return py::tuple(found).release().ptr();
                                    }};

constexpr Function linear_recurrence_function{
    "linear_recurrence", "a, b, axis=0, reverse=False", nullptr, [](Call& call) {
      Operands operands;
      const auto [a, b] = operands.take_pair(call[0], call[1]);
      const std::int64_t axis = call.integer(2, 0);
      const bool reverse = call.flag(3, false);
      return operands.result(operands.run(
          [&, &a = a, &b = b] { return ops::linear_recurrence(a, b, axis, reverse); }));
    }};

using Cumulative = Tensor (*)(const Tensor&, std::int64_t);

// Along an axis, or of all elements in C order.
template <Cumulative cumulate>
PyObject* cumulative(Call& call) {
  Operands operands;
  const Tensor& x = operands.take(call[0]);
  return operands.result(operands.run([&] {
    return call.given(1) ? cumulate(x, call.integer(1)) : cumulate(ops::reshape(x, Shape{-1}), 0);
  }));
}
constexpr Function cumsum_function{"cumsum", "x, axis=None", nullptr, cumulative<ops::cumsum>};
constexpr Function cumprod_function{"cumprod", "x, axis=None", nullptr, cumulative<ops::cumprod>};

}  // namespace

std::vector<PyType_Slot> tensor_index_slots() {
  const auto slot = [](auto function) { return reinterpret_cast<void*>(function); };
  return {{Py_mp_subscript, slot(subscript)}, {Py_sq_item, slot(item)}};
}

void add_index_functions(std::vector<PyMethodDef>& rows) {
  rows.insert(rows.end(), {op_row<index_put_function>(), op_row<index_add_function>(),
                           op_row<take_sum_function>(), op_row<take_along_axis_function>(),
                           op_row<put_along_axis_function>(), op_row<sort_function>(),
                           op_row<argsort_function>(), op_row<topk_function>(),
                           op_row<nonzero_function>(), op_row<linear_recurrence_function>(),
                           op_row<cumsum_function>(), op_row<cumprod_function>()});
}

void add_index_methods(std::vector<PyMethodDef>& rows) {
  rows.insert(rows.end(), {op_method<argsort_function>(), op_method<nonzero_function>(),
                           op_method<cumsum_function>(), op_method<cumprod_function>()});
}

}  // namespace pynn::bindings
