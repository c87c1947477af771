#include "bindings/dlpack.h"

#include <memory>

#include "bindings/convert.h"
#include "ops/ops.h"

namespace pynn::bindings {
namespace {

struct DLDevice {
  std::int32_t device_type;
  std::int32_t device_id;
};

struct DLDataType {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};

struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null means C order
  std::uint64_t byte_offset;
};

struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor*);
};

struct DLManagedTensorVersioned {
  std::uint32_t major, minor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned*);
  std::uint64_t flags;
  DLTensor dl_tensor;
};

constexpr std::uint64_t kReadOnly = 1;
constexpr std::uint8_t kInt = 0, kUInt = 1, kFloat = 2, kBfloat = 4, kBool = 6;

constexpr DLDataType kTypes[kDTypes] = {{kFloat, 32, 1}, {kFloat, 64, 1}, {kBfloat, 16, 1},
                                        {kInt, 32, 1},   {kInt, 64, 1},   {kUInt, 8, 1},
                                        {kBool, 8, 1}};

std::optional<DType> native_dtype(DLDataType type) {
  for (std::size_t i = 0; i < kDTypes; ++i)
    if (kTypes[i].code == type.code && kTypes[i].bits == type.bits && type.lanes == 1)
      return static_cast<DType>(i);
  return {};
}

// Both kinds of capsule, by their names before and after somebody has taken them.
template <class Managed>
struct Names;
template <>
struct Names<DLManagedTensor> {
  static constexpr const char* fresh = "dltensor";
  static constexpr const char* used = "used_dltensor";
};
template <>
struct Names<DLManagedTensorVersioned> {
  static constexpr const char* fresh = "dltensor_versioned";
  static constexpr const char* used = "used_dltensor_versioned";
};

// The flag lies in the deleter, as that of NumPy memory does.
template <class Managed>
std::shared_ptr<void> take(PyObject* capsule, bool writable) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, Names<Managed>::fresh));
  if (managed == nullptr) throw py::error_already_set();
  checked(PyCapsule_SetName(capsule, Names<Managed>::used));
  // A capsule of our own keeps the memory, so that a tensor's owner is always a Python object and
  // the producer's deleter runs under the GIL.
  const py::object keeper = checked(PyCapsule_New(managed, nullptr, [](PyObject* c) {
    auto* m = static_cast<Managed*>(PyCapsule_GetPointer(c, nullptr));
    if (m->deleter != nullptr) m->deleter(m);
  }));
  return shared_reference(keeper.ptr(), writable);
}

Array to_array(const DLTensor& t, DType dtype, std::shared_ptr<void> owner) {
  Array array;
  array.dtype = dtype;
  array.data = static_cast<char*>(t.data) + t.byte_offset;
  array.shape = Shape(std::span(t.shape, static_cast<std::size_t>(t.ndim)));
  array.strides = t.strides == nullptr
                      ? contiguous_strides(array.shape)
                      : Strides(std::span(t.strides, static_cast<std::size_t>(t.ndim)));
  array.owner = std::move(owner);
  return array;
}

template <class Managed>
std::optional<Array> import_capsule(PyObject* capsule) {
  const auto* managed =
      static_cast<const Managed*>(PyCapsule_GetPointer(capsule, Names<Managed>::fresh));
  if (managed == nullptr) throw py::error_already_set();
  bool writable = false;  // before version 1 nobody said so; JAX lends constant memory
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    if (managed->major != 1)
      raise(PyExc_BufferError, "DLPack version ", managed->major, ".", managed->minor,
            " is not supported");
    writable = (managed->flags & kReadOnly) == 0;
  }
  const DLTensor& t = managed->dl_tensor;
  const std::optional<DType> dtype = native_dtype(t.dtype);
  const auto misaligned = reinterpret_cast<std::uintptr_t>(t.data) + t.byte_offset;
  if (!dtype || misaligned % item_size(*dtype) != 0) return {};
  return to_array(t, *dtype, take<Managed>(capsule, writable));
}

// What an exported capsule holds on to.
template <class Managed>
struct Export {
  Managed managed{};
  Array array;
};

template <class Managed>
py::object export_capsule(const Array& array) {
  auto exported = std::make_unique<Export<Managed>>();
  exported->array = array;
  Array& kept = exported->array;
  Managed& managed = exported->managed;
  managed.dl_tensor = {kept.data,
                       {kDLCpu, 0},
                       kept.shape.rank(),
                       kTypes[index(kept.dtype)],
                       kept.shape.begin(),
                       kept.strides.begin(),
                       0};
  managed.manager_ctx = exported.get();
  managed.deleter = [](Managed* m) {
    const std::unique_ptr<Export<Managed>> dropped(static_cast<Export<Managed>*>(m->manager_ctx));
  };
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    managed.major = 1;
    managed.flags = writable(array) ? 0 : kReadOnly;
  }
  py::object capsule = checked(PyCapsule_New(&managed, Names<Managed>::fresh, [](PyObject* c) {
    if (PyCapsule_IsValid(c, Names<Managed>::fresh) == 0) return;  // taken: not ours any more
    auto* m = static_cast<Managed*>(PyCapsule_GetPointer(c, Names<Managed>::fresh));
    m->deleter(m);
  }));
  static_cast<void>(exported.release());
  return capsule;
}

py::object call_dlpack(py::handle object) {
  try {
    return object.attr("__dlpack__")(py::arg("max_version") = py::make_tuple(1, 0));
  } catch (py::error_already_set& e) {
    if (!e.matches(PyExc_TypeError)) throw;  // TypeError: from before max_version
  }
  return object.attr("__dlpack__")();
}

}  // namespace

Tensor from_dlpack(PyObject* o, std::optional<DType> dtype) {
  const py::handle object(o);
  const py::tuple device = object.attr("__dlpack_device__")();
  if (device[0].cast<int>() != kDLCpu)
    fail<TypeError>("tensors live in CPU memory, got an object on DLPack device ",
                    device[0].cast<int>(), "; copy it to the CPU first");
  const py::object capsule = call_dlpack(object);
  const std::optional<Array> array =
      PyCapsule_IsValid(capsule.ptr(), Names<DLManagedTensorVersioned>::fresh) != 0
          ? import_capsule<DLManagedTensorVersioned>(capsule.ptr())
          : import_capsule<DLManagedTensor>(capsule.ptr());
  // Types that tensors do not have (float16, int8, ...) go the way of NumPy arrays.
  if (!array)
    return to_tensor(py::module_::import("numpy").attr("from_dlpack")(object).ptr(), dtype);
  if (dtype.value_or(array->dtype) == array->dtype) return *array;
  const Eager eager;
  return ops::cast(*array, *dtype);
}

py::object to_dlpack(const Tensor& tensor, bool versioned) {
  const Array& array = tensor.array();
  if (versioned) return export_capsule<DLManagedTensorVersioned>(array);
  if (!writable(array))
    raise(PyExc_BufferError, "read-only memory needs DLPack 1.0: pass max_version=(1, 0)");
  return export_capsule<DLManagedTensor>(array);
}

}  // namespace pynn::bindings
