#include "bindings/convert.h"

#include <cstring>
#include <string>
#include <utility>

#include "bindings/dlpack.h"
#include "bindings/tensor.h"
#include "ops/chain.h"
#include "ops/ops.h"
#include "ops/strided_copy.h"

namespace pynn::bindings {
namespace {

using Npy = py::detail::npy_api;

constexpr int kNpyHalf = 23;  // not among the numbers that pybind11 names
constexpr int kNpyNotSwapped = 0x0200;

PyObject* numpy_descr(DType d) {  // a new reference; bfloat16 as the float32 that carries it
  static constexpr int kNumbers[kDTypes] = {Npy::NPY_FLOAT_, Npy::NPY_DOUBLE_, Npy::NPY_FLOAT_,
                                            Npy::NPY_INT32_, Npy::NPY_INT64_,  Npy::NPY_UBYTE_,
                                            Npy::NPY_BOOL_};
  return Npy::get().PyArray_DescrFromType_(kNumbers[index(d)]);
}

const py::detail::PyArrayDescr_Proxy* descr_of(PyObject* array) {
  return py::detail::array_descriptor_proxy(py::detail::array_proxy(array)->descr);
}

// How tensors hold a NumPy type: `exact` where its memory can be shared.
struct Held {
  DType dtype;
  bool exact;
};

std::optional<Held> held(int type_number) {
  constexpr bool kLongIs64 = sizeof(long) == 8;
  switch (type_number) {
    case Npy::NPY_BOOL_:
      return Held{DType::boolean, true};
    case Npy::NPY_UBYTE_:
      return Held{DType::u8, true};
    case Npy::NPY_BYTE_:
    case Npy::NPY_SHORT_:
    case Npy::NPY_USHORT_:
      return Held{DType::i32, false};
    case Npy::NPY_INT_:
      return Held{DType::i32, true};
    case Npy::NPY_UINT_:
      return Held{DType::i64, false};
    case Npy::NPY_LONG_:
      return Held{kLongIs64 ? DType::i64 : DType::i32, true};
    case Npy::NPY_ULONG_:
    case Npy::NPY_ULONGLONG_:
      return Held{DType::i64, false};
    case Npy::NPY_LONGLONG_:
      return Held{DType::i64, true};
    case kNpyHalf:
      return Held{DType::f32, false};
    case Npy::NPY_FLOAT_:
      return Held{DType::f32, true};
    case Npy::NPY_DOUBLE_:
      return Held{DType::f64, true};
    case Npy::NPY_LONGDOUBLE_:
      return Held{DType::f64, false};
    default:
      return {};
  }
}

[[noreturn]] void refuse_dtype(const std::string& dtype) {
  fail<TypeError>("dtype ", dtype,
                  " is not supported; tensors hold float32, float64, bfloat16, int32, int64, uint8 "
                  "and bool");
}

std::string dtype_name(PyObject* dtype) {
  return py::str(py::handle(dtype).attr("name")).cast<std::string>();
}

// bfloat16 of the ml_dtypes package, which has no type number of its own.
bool is_bfloat16(PyObject* array) {
  const auto* descr = descr_of(array);
  return descr->type_num > kNpyHalf && descr->kind == 'V' &&
         dtype_name(py::detail::array_proxy(array)->descr) == "bfloat16";
}

py::object converted_ndarray(PyObject* o, DType dtype) {
  return checked(Npy::get().PyArray_FromAny_(o, numpy_descr(dtype), 0, 0,
                                             Npy::NPY_ARRAY_C_CONTIGUOUS_ |
                                                 Npy::NPY_ARRAY_ALIGNED_ |
                                                 Npy::NPY_ARRAY_FORCECAST_ | kNpyNotSwapped,
                                             nullptr));
}

// The memory of `o`, or nothing where NumPy has it in a layout that strides cannot say.
std::optional<Array> shared_ndarray(PyObject* o, DType dtype) {
  const auto* a = py::detail::array_proxy(o);
  const auto item = static_cast<Py_ssize_t>(item_size(dtype));
  if ((a->flags & Npy::NPY_ARRAY_ALIGNED_) == 0) return {};
  Array array;
  array.data = a->data;
  array.dtype = dtype;
  for (int i = 0; i < a->nd; ++i) {
    if (a->strides[i] % item != 0) return {};
    array.shape.push_back(a->dimensions[i]);
    array.strides.push_back(a->strides[i] / item);
  }
  array.owner = shared_reference(o, (a->flags & Npy::NPY_ARRAY_WRITEABLE_) != 0);
  return array;
}

Tensor cast_now(Tensor x, DType dtype) {
  if (x.dtype() == dtype) return x;
  const Eager eager;
  return ops::cast(x, dtype);
}

Tensor from_ndarray(PyObject* o, std::optional<DType> dtype) {
  const auto* descr = descr_of(o);
  std::optional<Held> type = held(descr->type_num);
  if (!type) {
    if (!is_bfloat16(o)) refuse_dtype(dtype_name(py::detail::array_proxy(o)->descr));
    type = Held{DType::bf16, true};
  }
  const bool native = descr->byteorder != '>' || item_size(type->dtype) == 1;
  if (type->exact && native && dtype.value_or(type->dtype) == type->dtype)
    if (std::optional<Array> shared = shared_ndarray(o, type->dtype)) return *shared;

  const DType target = dtype.value_or(type->dtype);
  const py::object copy = converted_ndarray(o, target);
  return cast_now(*shared_ndarray(copy.ptr(), target == DType::bf16 ? DType::f32 : target), target);
}

PyTypeObject* numpy_scalar_type() {
  static PyTypeObject* const type = reinterpret_cast<PyTypeObject*>(
      py::object(py::module_::import("numpy").attr("generic")).release().ptr());
  return type;
}

std::optional<Scalar> numpy_scalar(PyObject* o) {
  const py::object descr = checked(Npy::get().PyArray_DescrFromScalar_(o));
  const std::optional<Held> type = held(py::detail::array_descriptor_proxy(descr.ptr())->type_num);
  if (!type) refuse_dtype(dtype_name(descr.ptr()));
  if (is_float(type->dtype)) {
    const double value = PyFloat_AsDouble(o);
    if (value == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
    return Scalar{Scalar::Kind::real, value, 0, type->dtype};
  }
  if (type->dtype == DType::boolean) {
    const int value = PyObject_IsTrue(o);
    checked(value);
    return Scalar{Scalar::Kind::boolean, static_cast<double>(value), value, DType::boolean};
  }
  const std::int64_t value = parse_int(o);
  return Scalar{Scalar::Kind::integer, static_cast<double>(value), value, type->dtype};
}

// Nested lists and tuples, and whatever else NumPy understands. Python floats are float32 here.
Tensor from_sequence(PyObject* o, std::optional<DType> dtype, bool weak) {
  const py::object array =
      checked(Npy::get().PyArray_FromAny_(o, nullptr, 0, 0, Npy::NPY_ARRAY_ENSUREARRAY_, nullptr));
  if (weak && !dtype && descr_of(array.ptr())->type_num == Npy::NPY_DOUBLE_) dtype = DType::f32;
  return from_ndarray(array.ptr(), dtype);
}

}  // namespace

bool is_ndarray(PyObject* o) { return Npy::get().PyArray_Check_(o); }

DType parse_dtype(PyObject* o) {
  if (PyUnicode_Check(o)) {
    Py_ssize_t size = 0;
    const char* text = PyUnicode_AsUTF8AndSize(o, &size);
    if (text == nullptr) throw py::error_already_set();
    const std::string_view wanted(text, static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < kDTypes; ++i)
      if (kDTypeName[i] == wanted) return static_cast<DType>(i);
  }
  PyObject* descr = nullptr;
  if (Npy::get().PyArray_DescrConverter_(o, &descr) == 0) {
    PyErr_Clear();
    refuse_dtype(py::repr(o).cast<std::string>());
  }
  const py::object owned = checked(descr);
  const std::optional<Held> type = held(py::detail::array_descriptor_proxy(descr)->type_num);
  if (type && type->exact) return type->dtype;
  if (dtype_name(descr) != "bfloat16") refuse_dtype(dtype_name(descr));
  return DType::bf16;
}

std::optional<DType> parse_optional_dtype(PyObject* o) {
  if (o == nullptr || o == Py_None) return {};
  return parse_dtype(o);
}

std::int64_t parse_int(PyObject* o) {
  const py::object integer = checked(PyNumber_Index(o));
  const long long value = PyLong_AsLongLong(integer.ptr());
  if (value == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return value;
}

Dims parse_dims(PyObject* o) {
  if (PyIndex_Check(o) && !is_ndarray(o)) return Dims{parse_int(o)};
  const py::object items = checked(PySequence_Fast(o, "expected an int or a sequence of ints"));
  Dims dims;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.ptr()); ++i)
    dims.push_back(parse_int(PySequence_Fast_GET_ITEM(items.ptr(), i)));
  return dims;
}

Shape parse_shape(PyObject* o) {
  const Shape shape = parse_dims(o);
  std::int64_t bytes = 8;
  bool empty = false;
  for (const std::int64_t d : shape) {
    if (d < 0) fail<ValueError>("negative extents are not allowed, got shape ", shape);
    empty = empty || d == 0;
  }
  for (const std::int64_t d : shape)
    if (!empty && __builtin_mul_overflow(bytes, d, &bytes)) throw std::bad_alloc();
  return shape;
}

Dims parse_axes(PyObject* o) {
  if (o == nullptr || o == Py_None) return {};
  return parse_dims(o);
}

py::tuple to_tuple(const Dims& dims) {
  py::tuple out(dims.rank());
  for (int i = 0; i < dims.rank(); ++i)
    PyTuple_SET_ITEM(out.ptr(), i, checked(PyLong_FromLongLong(dims[i])).release().ptr());
  return out;
}

std::optional<Scalar> parse_scalar(PyObject* o) {
  if (PyFloat_CheckExact(o)) return Scalar{Scalar::Kind::real, PyFloat_AS_DOUBLE(o), 0, DType::f32};
  if (PyBool_Check(o)) {
    const bool value = o == Py_True;
    return Scalar{Scalar::Kind::boolean, static_cast<double>(value), value, DType::boolean};
  }
  if (PyLong_Check(o)) {
    const std::int64_t value = parse_int(o);
    return Scalar{Scalar::Kind::integer, static_cast<double>(value), value, DType::i64};
  }
  if (PyObject_TypeCheck(o, numpy_scalar_type())) return numpy_scalar(o);
  if (PyFloat_Check(o)) return Scalar{Scalar::Kind::real, PyFloat_AS_DOUBLE(o), 0, DType::f32};
  return {};
}

DType meet(const Scalar& scalar, DType other) {
  if (scalar.kind == Scalar::Kind::real && !is_float(other)) return DType::f32;
  if (scalar.kind == Scalar::Kind::integer && other == DType::boolean) return DType::i64;
  return other;
}

Tensor scalar_tensor(const Scalar& scalar, DType dtype) {
  const Array array = Array::empty(dtype, {});
  const bool real = scalar.kind == Scalar::Kind::real;
  const auto store = [&]<class T>(T*) {
    if constexpr (std::is_same_v<T, bool>) {
      *array.as<T>() = real ? scalar.real != 0 : scalar.integer != 0;
    } else if constexpr (std::is_integral_v<T>) {
      if (!real && !std::in_range<T>(scalar.integer))
        raise(PyExc_OverflowError, scalar.integer, " does not fit in ", name(dtype));
      *array.as<T>() =
          static_cast<T>(real ? static_cast<std::int64_t>(scalar.real) : scalar.integer);
    } else {
      *array.as<T>() = T(scalar.real);
    }
  };
  switch (dtype) {
    case DType::f32:
      store(static_cast<float*>(nullptr));
      break;
    case DType::f64:
      store(static_cast<double*>(nullptr));
      break;
    case DType::bf16:
      store(static_cast<bfloat16*>(nullptr));
      break;
    case DType::i32:
      store(static_cast<std::int32_t*>(nullptr));
      break;
    case DType::i64:
      store(static_cast<std::int64_t*>(nullptr));
      break;
    case DType::u8:
      store(static_cast<std::uint8_t*>(nullptr));
      break;
    case DType::boolean:
      store(static_cast<bool*>(nullptr));
      break;
  }
  return array;
}

Tensor to_tensor(PyObject* o, std::optional<DType> dtype) {
  if (is_tensor(o)) {
    const Tensor& x = tensor_of(o);
    return dtype && *dtype != x.dtype() ? ops::cast(x, *dtype) : x;
  }
  if (is_ndarray(o)) return from_ndarray(o, dtype);
  if (const std::optional<Scalar> scalar = parse_scalar(o))
    return scalar_tensor(*scalar, dtype.value_or(scalar->own));
  if (PyList_Check(o) || PyTuple_Check(o)) return from_sequence(o, dtype, true);
  if (PyObject_HasAttrString(o, "__dlpack__")) return from_dlpack(o, dtype);
  return from_sequence(o, dtype, false);
}

bool writable(const Array& array) {
  const auto* reference = std::get_deleter<DropReference>(array.owner);
  return reference == nullptr || reference->writable;
}

py::object to_numpy(PyObject* owner) {
  const Array& x = tensor_of(owner).array();
  if (x.dtype == DType::bf16) return copy_to_numpy(x);
  std::array<Py_intptr_t, kMaxRank> strides;
  const auto item = static_cast<Py_intptr_t>(item_size(x.dtype));
  for (int i = 0; i < x.shape.rank(); ++i)
    strides[static_cast<std::size_t>(i)] = x.strides[i] * item;
  const Npy& npy = Npy::get();
  py::object array = checked(npy.PyArray_NewFromDescr_(
      npy.PyArray_Type_, numpy_descr(x.dtype), x.shape.rank(), x.shape.begin(), strides.data(),
      x.data, writable(x) ? Npy::NPY_ARRAY_WRITEABLE_ : 0, nullptr));
  Py_INCREF(owner);
  checked(npy.PyArray_SetBaseObject_(array.ptr(), owner));
  return array;
}

py::object to_numpy(Tensor tensor) {
  const py::object owner = checked(wrap(std::move(tensor)));
  return to_numpy(owner.ptr());
}

py::object empty_array(DType dtype, const Shape& shape) {
  const Npy& npy = Npy::get();
  return checked(npy.PyArray_NewFromDescr_(npy.PyArray_Type_, numpy_descr(dtype), shape.rank(),
                                           shape.begin(), nullptr, nullptr, 0, nullptr));
}

// Many bytes on all threads: one alone does not use up the bandwidth of the memory.
static void move_bytes(void* to, const void* from, std::size_t bytes) {
  constexpr std::size_t kMany = 512 * 1024;
  const auto* source = static_cast<const char*>(from);
  const auto* target = static_cast<const char*>(to);
  const bool apart = source + bytes <= target || target + bytes <= source;
  if (bytes < kMany || !apart) {
    if (bytes != 0) std::memmove(to, from, bytes);
    return;
  }
  const Shape shape{static_cast<std::int64_t>(bytes)};
  strided_copy(contiguous_view(const_cast<void*>(from), DType::u8, shape),
               contiguous_view(to, DType::u8, shape))({});
}

py::object copy_to_numpy(const View& view) {
  py::object array = empty_array(view.dtype, view.shape);
  const DType carrier = view.dtype == DType::bf16 ? DType::f32 : view.dtype;
  copy_into(contiguous_view(py::detail::array_proxy(array.ptr())->data, carrier, view.shape), view);
  return array;
}

void copy_into(const View& target, const View& source) {
  if (target.dtype == source.dtype && target.contiguous() && source.contiguous()) {
    move_bytes(target.data, source.data, target.bytes());
  } else if (target.contiguous()) {
    copy_view(source, target);
  } else {
    const Array straight = Array::empty(target.dtype, target.shape);
    copy_view(source, straight);
    strided_copy(straight, target)({});
  }
}

std::optional<PlainArray> plain_array(PyObject* value, DType dtype) {
  if (!is_ndarray(value)) return {};
  const auto* a = py::detail::array_proxy(value);
  constexpr int kPlain = Npy::NPY_ARRAY_C_CONTIGUOUS_ | Npy::NPY_ARRAY_ALIGNED_;
  const auto* descr = descr_of(value);
  if ((a->flags & kPlain) != kPlain || descr->byteorder == '>') return {};
  const std::optional<Held> type = held(descr->type_num);
  if (!type || !type->exact || type->dtype != dtype) return {};
  return PlainArray{a->data, a->nd, a->dimensions, (a->flags & Npy::NPY_ARRAY_WRITEABLE_) != 0};
}

bool copy_plain(const View& target, PyObject* value) {
  const std::optional<PlainArray> plain = plain_array(value, target.dtype);
  if (!plain || !std::equal(plain->shape, plain->shape + plain->rank, target.shape.begin(),
                            target.shape.end()))
    return false;
  move_bytes(target.data, plain->data, target.bytes());
  return true;
}

py::object numpy_dtype(DType dtype) { return checked(numpy_descr(dtype)); }

void copy_into(const View& target, PyObject* value) {
  if (target.contiguous() && copy_plain(target, value)) return;
  const Tensor source =
      to_tensor(value, target.dtype);  // a Python number goes in at full precision
  if (source.shape() != target.shape)
    fail<ValueError>("expected shape ", target.shape, ", got ", source.shape());
  copy_into(target, source.array());
}

}  // namespace pynn::bindings
