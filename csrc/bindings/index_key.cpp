#include "bindings/index_key.h"

#include <algorithm>
#include <array>
#include <span>

#include "bindings/convert.h"
#include "bindings/tensor.h"

namespace pynn::bindings {
namespace {

bool is_array(PyObject* o) { return is_tensor(o) || is_ndarray(o) || PyList_Check(o); }

bool is_integer(PyObject* o) { return PyIndex_Check(o) && !PyBool_Check(o) && !is_array(o); }

// An array of a key. An empty list has no type that says it means indices.
Tensor key_array(PyObject* o) {
  const Tensor x = to_tensor(o);
  if (!is_float(x.dtype())) return x;
  if (PyList_Check(o) && x.size() == 0) return Array::empty(DType::i64, x.shape());
  fail<TypeError>("tensors are indexed by arrays of ints or bools, got dtype ", name(x.dtype()));
}

// Reads a key's items from left to right.
class KeyReader {
 public:
  KeyReader(const Shape& shape, std::span<PyObject* const> items) : shape_(shape) {
    std::vector<Tensor> arrays;  // converted once, in order
    int named = 0;
    for (PyObject* item : items) {
      if (is_array(item)) {
        const Tensor& x = arrays.emplace_back(key_array(item));
        named += x.dtype() == DType::boolean ? x.rank() : 1;
      } else {
        named += item != Py_None && item != Py_Ellipsis;
      }
    }
    if (named > shape.rank())
      fail<IndexError>("too many indices: a tensor of shape ", shape, " was given ", named);
    std::size_t array = 0;
    for (PyObject* item : items) {
      if (is_array(item))
        take_array(arrays[array++]);
      else if (item == Py_Ellipsis)
        take_rest(shape.rank() - named);
      else
        take_item(item);
    }
    while (axis() < shape.rank()) take_whole();
    key_.in_front = !key_.arrays.empty() && picking_ == Picking::again;
  }

  Index key() && { return std::move(key_); }

 private:
  // Ints beside arrays count as arrays: apart from each other, they bring the axes to the front.
  enum class Picking : std::uint8_t { not_yet, now, over, again };

  int axis() const { return key_.start.rank(); }  // of x, the next one
  std::int64_t extent() const { return shape_[axis()]; }

  void add(std::int64_t start, std::int64_t stop, std::int64_t step) {
    key_.start.push_back(start);
    key_.stop.push_back(stop);
    key_.step.push_back(step);
  }
  void picks() {
    picking_ =
        picking_ == Picking::over || picking_ == Picking::again ? Picking::again : Picking::now;
  }
  void keeps() {
    if (picking_ == Picking::now) picking_ = Picking::over;
  }

  void take_whole() {
    keeps();
    add(0, extent(), 1);
    ++left_;
  }

  void take_rest(int axes) {
    if (ellipsis_) fail<IndexError>("an index can have one ellipsis ('...')");
    ellipsis_ = true;
    keeps();
    for (int i = 0; i < axes; ++i) take_whole();
  }

  void take_item(PyObject* item) {
    if (item == Py_None) {
      keeps();
      key_.inserted.push_back(left_++);
    } else if (PySlice_Check(item)) {
      keeps();
      take_slice(item);
    } else if (is_integer(item)) {
      picks();
      take_int(parse_int(item));
    } else {
      fail<TypeError>("tensors are indexed by ints, slices, None, '...' and arrays of ints or ",
                      "bools, got ", Py_TYPE(item)->tp_name);
    }
  }

  void take_slice(PyObject* slice) {
    Py_ssize_t start = 0, stop = 0, step = 0;
    checked(PySlice_Unpack(slice, &start, &stop, &step));
    const Py_ssize_t length = PySlice_AdjustIndices(extent(), &start, &stop, step);
    key_.partial = key_.partial || length != extent() || step != 1;
    add(start, stop, step);
    ++left_;
  }

  void take_int(std::int64_t i) {
    if (i < -extent() || i >= extent())
      fail<IndexError>("index ", i, " is out of range for axis ", axis(), " with ", extent(),
                       " elements");
    i = i < 0 ? i + extent() : i;
    key_.squeezed.push_back(axis());
    key_.partial = true;
    add(i, i + 1, 1);
  }

  void take_indices(Tensor indices) {
    key_.arrays.emplace_back(left_++, std::move(indices));
    add(0, extent(), 1);
  }

  void take_array(const Tensor& x) {
    if (x.dtype() != DType::boolean) {
      picks();
      return take_indices(x);
    }
    if (x.rank() == 0) fail<TypeError>("a tensor cannot be indexed by a single bool");
    for (int i = 0; i < x.rank(); ++i)
      if (x.shape()[i] != shape_[axis() + i])
        fail<IndexError>("a bool index of shape ", x.shape(), " does not fit axes ", axis(),
                         " and on of shape ", shape_);
    picks();
    for (Tensor& indices : nonzero(x)) take_indices(std::move(indices));
  }

  const Shape& shape_;
  Index key_;
  int left_ = 0;  // axes that ints and slices leave, and those that None adds, so far
  bool ellipsis_ = false;
  Picking picking_ = Picking::not_yet;
};

}  // namespace

Index parse_key(const Shape& shape, PyObject* key) {
  if (!PyTuple_Check(key)) return KeyReader(shape, {&key, 1}).key();
  const auto count = static_cast<std::size_t>(PyTuple_GET_SIZE(key));
  return KeyReader(shape, {PySequence_Fast_ITEMS(key), count}).key();
}

std::vector<Tensor> nonzero(const Tensor& x) {
  if (x.symbolic())
    fail<TypeError>(
        "how many elements a mask picks is not known while it is being recorded: use where(), or "
        "multiply by the mask");
  const Eager eager;
  const Tensor flags = ops::contiguous(ops::cast(x, DType::boolean));
  const bool* const flag = flags.array().as<const bool>();
  const std::int64_t count = std::count(flag, flag + flags.size(), true);
  std::vector<Tensor> indices;
  std::array<std::int64_t*, kMaxRank> to{};
  for (int axis = 0; axis < x.rank(); ++axis) {
    const Array found = Array::empty(DType::i64, {count});
    to[static_cast<std::size_t>(axis)] = found.as<std::int64_t>();
    indices.emplace_back(found);
  }
  Dims at = Dims::filled(x.rank(), 0);
  for (std::int64_t i = 0; i < flags.size(); ++i) {
    if (flag[i])
      for (int axis = 0; axis < x.rank(); ++axis) *to[static_cast<std::size_t>(axis)]++ = at[axis];
    for (int axis = x.rank() - 1; axis >= 0 && ++at[axis] == x.shape()[axis]; --axis) at[axis] = 0;
  }
  return indices;
}

}  // namespace pynn::bindings
