// The Tensor type: construction, attributes, values.
#include "bindings/tensor.h"

#include <structmember.h>

#include <new>

#include "bindings/arguments.h"
#include "bindings/convert.h"
#include "bindings/dlpack.h"
#include "bindings/index_key.h"
#include "ops/ops.h"
#include "program/gradient_tape.h"

namespace pynn::bindings {

PyTypeObject* tensor_type = nullptr;

namespace {

PyObject* allocate_tensor(PyTypeObject* type, Tensor value) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self == nullptr) throw py::error_already_set();
  auto* object = reinterpret_cast<TensorObject*>(self);
  new (&object->value) Tensor(std::move(value));
  object->weak_references = nullptr;
  return self;
}

PyObject* new_tensor(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    static const char* const names[] = {"data", "dtype", "copy", nullptr};
    PyObject* data = nullptr;
    PyObject* dtype = nullptr;
    int copy = 0;
    if (PyArg_ParseTupleAndKeywords(args, keywords, "O|O$p:Tensor", const_cast<char**>(names),
                                    &data, &dtype, &copy) == 0)
      return nullptr;
    Tensor value = to_tensor(data, parse_optional_dtype(dtype));
    if (copy != 0) {
      const Array fresh = Array::empty(value.dtype(), value.shape());
      copy_into(fresh, value.array());
      value = fresh;
    }
    return allocate_tensor(type, std::move(value));
  });
}

void free_tensor(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  auto* object = reinterpret_cast<TensorObject*>(self);
  if (object->weak_references != nullptr) PyObject_ClearWeakRefs(self);
  object->value.~Tensor();
  type->tp_free(self);
  Py_DECREF(type);
}

// --- attributes

using Getter = py::object (*)(const Tensor&);

template <Getter get>
PyObject* getter(PyObject* self, void*) {
  return guarded([&] { return get(tensor_of(self)).release().ptr(); });
}

py::object get_shape(const Tensor& x) { return to_tuple(x.shape()); }
py::object get_dtype(const Tensor& x) {
  static const std::array<PyObject*, kDTypes> names = [] {
    std::array<PyObject*, kDTypes> out;
    for (std::size_t i = 0; i < kDTypes; ++i)
      out[i] = PyUnicode_InternFromString(std::string(kDTypeName[i]).c_str());
    return out;
  }();
  return py::reinterpret_borrow<py::object>(names[index(x.dtype())]);
}
py::object get_ndim(const Tensor& x) { return py::int_(x.rank()); }
py::object get_size(const Tensor& x) { return py::int_(x.size()); }
py::object get_nbytes(const Tensor& x) {
  return py::int_(static_cast<std::size_t>(x.size()) * item_size(x.dtype()));
}
py::object get_symbolic(const Tensor& x) { return py::bool_(x.symbolic()); }
py::object get_transposed(const Tensor& x) { return checked(wrap(ops::transpose(x))); }

PyGetSetDef attributes[] = {
    {"shape", getter<get_shape>, nullptr, "Extents, a tuple of ints.", nullptr},
    {"dtype", getter<get_dtype>, nullptr, "Element type, a string such as 'float32'.", nullptr},
    {"ndim", getter<get_ndim>, nullptr, "Number of dimensions.", nullptr},
    {"size", getter<get_size>, nullptr, "Number of elements.", nullptr},
    {"nbytes", getter<get_nbytes>, nullptr, "Bytes of the elements.", nullptr},
    {"symbolic", getter<get_symbolic>, nullptr,
     "True for a value of a recording, which has no numbers yet.", nullptr},
    {"T", getter<get_transposed>, nullptr, "The tensor with its axes reversed.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

// --- values

py::object single_value(PyObject* self) {
  const Tensor& x = tensor_of(self);
  if (!x.symbolic() && x.size() != 1)
    fail<ValueError>("only a tensor of one element is a Python number, got shape ", x.shape());
  return to_numpy(self).attr("item")();
}

int truth(PyObject* self) {
  return guarded(-1, [&] { return PyObject_IsTrue(single_value(self).ptr()); });
}

constexpr Function numpy_function{
    "numpy", "",
    "The values as a NumPy array that shares the tensor's memory (bfloat16: a float32 copy).",
    [](Call& call) { return to_numpy(call.self()).release().ptr(); }};

constexpr Function array_function{
    "__array__", "dtype=None, copy=None", "What numpy.asarray(tensor) gives.",
    [](Call& call) -> PyObject* {
      const py::object array = to_numpy(call.self());
      const py::object dtype =
          py::reinterpret_borrow<py::object>(call.given(0) ? call[0] : Py_None);
      const bool same = dtype.is_none() || py::dtype::from_args(dtype).equal(array.attr("dtype"));
      if (call.given(1) && !call.flag(1, true)) {
        if (!same || tensor_of(call.self()).dtype() == DType::bf16)
          fail<ValueError>("this conversion to NumPy needs a copy");
        return py::object(array).release().ptr();
      }
      if (same && !call.flag(1, false)) return py::object(array).release().ptr();
      return array.attr("astype")(same ? array.attr("dtype") : dtype).release().ptr();
    }};

constexpr Function item_function{
    "item", "", "The value of a one-element tensor as a Python number.",
    [](Call& call) { return single_value(call.self()).release().ptr(); }};

constexpr Function tolist_function{
    "tolist", "", "The values as nested lists of Python numbers.",
    [](Call& call) { return to_numpy(call.self()).attr("tolist")().release().ptr(); }};

PyObject* fresh_copy(const Tensor& x) {
  if (x.symbolic()) return wrap(x);  // values of a recording never change
  const Eager eager;
  return wrap(ops::copy(x));
}

constexpr Function copy_function{"copy", "", "A contiguous tensor with memory of its own.",
                                 [](Call& call) { return fresh_copy(tensor_of(call.self())); }};

constexpr Function copy_from_function{
    "copy_from", "value, at=None, add=False",
    "Overwrites the values in place.\n\n"
    "Parameters\n----------\nvalue : array_like\n    Of the tensor's shape; cast to its dtype.\n"
    "at : key, optional\n    Overwrites ``x[at]`` only, to whose shape the value broadcasts.\n"
    "add : bool\n    Adds to ``x[at]`` instead, once for each time that it names an element.\n\n"
    "Raises\n------\nValueError\n    If the shape differs or the memory is a read-only array.\n"
    "TypeError\n    If the tensor is being recorded.",
    [](Call& call) -> PyObject* {
      const Tensor& x = tensor_of(call.self());
      const Array& target = x.array();
      if (!writable(target)) fail<ValueError>("this tensor shares the memory of a read-only array");
      GradientTape::before_store(target);
      if (call[1] == nullptr)
        copy_into(target, call[0]);
      else
        ops::store(x, parse_key(x.shape(), call[1]), to_tensor(call[0], x.dtype()),
                   call.flag(2, false));
      Py_RETURN_NONE;
    }};

constexpr Function reduce_function{
    "__reduce__", "", "Pickles the values.", [](Call& call) -> PyObject* {
      const py::object self = py::reinterpret_borrow<py::object>(call.self());
      const py::object values = to_numpy(call.self());
      return py::make_tuple(py::type::of(self), py::make_tuple(values, self.attr("dtype")))
          .release()
          .ptr();
    }};

// NumPy's protocols for functions of its own, which are called with what they were called with.
PyObject* array_ufunc(PyObject*, PyObject* args, PyObject* options) {
  return guarded([&] {
    const auto given = py::reinterpret_borrow<py::tuple>(args);
    const py::dict named =
        options == nullptr ? py::dict() : py::reinterpret_borrow<py::dict>(options);
    const py::object compute = py::module_::import("pynn.interop").attr("array_ufunc");
    const py::object inputs = given[py::slice(2, static_cast<py::ssize_t>(given.size()), 1)];
    return compute(given[0], given[1], inputs, named).release().ptr();
  });
}

constexpr Function array_function_function{
    "__array_function__", "func, types, args, kwargs", "NumPy's functions on tensors.",
    [](Call& call) {
      const py::object compute = py::module_::import("pynn.interop").attr("array_function");
      return compute(py::handle(call[0]), py::handle(call[2]), py::handle(call[3])).release().ptr();
    }};

constexpr Function dlpack_function{
    "__dlpack__", "*, stream=None, max_version=None, dl_device=None, copy=None",
    "A DLPack capsule with the tensor's memory.", [](Call& call) -> PyObject* {
      const bool versioned = call.given(1) && py::handle(call[1])[py::int_(0)].cast<int>() >= 1;
      if (call.given(2)) {
        const py::handle device(call[2]);
        if (device[py::int_(0)].cast<int>() != kDLCpu)
          raise(PyExc_BufferError, "this tensor lives in CPU memory");
      }
      if (!call.flag(3, false)) return to_dlpack(tensor_of(call.self()), versioned).release().ptr();
      const py::object copy = checked(fresh_copy(tensor_of(call.self())));
      return to_dlpack(tensor_of(copy.ptr()), versioned).release().ptr();
    }};

constexpr Function dlpack_device_function{
    "__dlpack_device__", "", "The DLPack device: the CPU.",
    [](Call&) { return py::make_tuple(kDLCpu, 0).release().ptr(); }};

Py_ssize_t length(PyObject* self) {
  return guarded(Py_ssize_t{-1}, [&]() -> Py_ssize_t {
    const Tensor& x = tensor_of(self);
    if (x.rank() == 0) fail<TypeError>("a tensor without dimensions has no length");
    return x.shape()[0];
  });
}

PyObject* iterate(PyObject* self) { return length(self) < 0 ? nullptr : PySeqIter_New(self); }

PyObject* represent(PyObject* self) {
  return guarded([&]() -> PyObject* {
    const Tensor& x = tensor_of(self);
    const auto dtype = py::str(std::string(name(x.dtype())));
    if (x.symbolic())
      return py::str("Tensor(shape={}, dtype={}, recording)")
          .format(to_tuple(x.shape()), dtype)
          .release()
          .ptr();
    const py::object values = py::module_::import("numpy").attr("array2string")(
        to_numpy(self), py::arg("prefix") = "Tensor(");
    return py::str("Tensor({}, dtype={})").format(values, dtype).release().ptr();
  });
}

PyMethodDef* methods() {
  static std::vector<PyMethodDef> rows = [] {
    std::vector<PyMethodDef> all = {
        method_row<numpy_function>(),
        method_row<array_function>(),
        method_row<item_function>(),
        method_row<tolist_function>(),
        method_row<copy_function>(),
        method_row<copy_from_function>(),
        method_row<reduce_function>(),
        method_row<dlpack_function>(),
        method_row<dlpack_device_function>(),
        method_row<array_function_function>(),
        {"__array_ufunc__", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(array_ufunc)),
         METH_VARARGS | METH_KEYWORDS,
         "__array_ufunc__($self, ufunc, method, *inputs, **kwargs)\n--\n\n"
         "NumPy's ufuncs on tensors."}};
    const std::vector<PyMethodDef> ops = tensor_op_methods();
    all.insert(all.end(), ops.begin(), ops.end());
    all.push_back({nullptr, nullptr, 0, nullptr});
    return all;
  }();
  return rows.data();
}

constexpr const char* kDoc =
    "Tensor(data, dtype=None, *, copy=False)\n--\n\n"
    "An N-dimensional array of numbers, or a value of the program being recorded.\n\n"
    "Shares memory with the NumPy array or DLPack object it is made of where dtype and layout\n"
    "allow. NumPy arrays and Python numbers mix with tensors in every operator; a Python number\n"
    "takes the dtype of the tensor it meets.\n\n"
    "Parameters\n----------\n"
    "data : array_like\n    A number, nested lists, a NumPy array, a tensor or an object with\n"
    "    ``__dlpack__``. float16 becomes float32; int8, int16 and uint16 become int32.\n"
    "dtype : str or numpy.dtype, optional\n    float32, float64, bfloat16, int32, int64, uint8 or\n"
    "    bool. Default: that of the data; Python floats are float32.\n"
    "copy : bool\n    Take a copy even where memory could be shared.\n\n"
    "Raises\n------\nTypeError\n    For objects, strings, complex numbers and dates.\n\n"
    "Examples\n--------\n"
    ">>> from pynn import Tensor\n"
    ">>> Tensor([[1.0, 2.0]]) * 2\nTensor([[2. 4.]], dtype=float32)";

}  // namespace

PyObject* wrap(Tensor value) { return allocate_tensor(tensor_type, std::move(value)); }

void add_tensor(py::module_& m) {
  static PyMemberDef members[] = {
      {"__weaklistoffset__", T_PYSSIZET, offsetof(TensorHead, weak_references), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  const auto slot = [](auto function) { return reinterpret_cast<void*>(function); };
  std::vector<PyType_Slot> slots = {
      {Py_tp_doc, const_cast<char*>(kDoc)},
      {Py_tp_new, slot(new_tensor)},
      {Py_tp_dealloc, slot(free_tensor)},
      {Py_tp_getset, attributes},
      {Py_tp_members, members},
      {Py_tp_methods, methods()},
      {Py_tp_repr, slot(represent)},
      {Py_tp_iter, slot(iterate)},
      {Py_tp_hash, slot(PyBaseObject_Type.tp_hash)},
      {Py_mp_length, slot(length)},
      {Py_sq_length, slot(length)},
      {Py_nb_bool, slot(truth)},
      {Py_nb_float, slot(+[](PyObject* o) {
         return guarded([&] { return PyNumber_Float(single_value(o).ptr()); });
       })},
      {Py_nb_int, slot(+[](PyObject* o) {
         return guarded([&] { return PyNumber_Long(single_value(o).ptr()); });
       })},
      {Py_nb_index, slot(+[](PyObject* o) {
         return guarded([&] { return PyNumber_Index(single_value(o).ptr()); });
       })},
  };
  const std::vector<PyType_Slot> operators = tensor_operator_slots();
  slots.insert(slots.end(), operators.begin(), operators.end());
  const std::vector<PyType_Slot> indexing = tensor_index_slots();
  slots.insert(slots.end(), indexing.begin(), indexing.end());
  slots.push_back({0, nullptr});
  PyType_Spec spec = {"pynn._native.Tensor", sizeof(TensorObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots.data()};
  const py::object type = checked(PyType_FromSpec(&spec));
  type.attr("__array_priority__") = 1000.0;
  tensor_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  m.add_object("Tensor", type);
}

}  // namespace pynn::bindings
