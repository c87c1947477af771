#include "bindings/windows.h"

#include "bindings/convert.h"

namespace pynn::bindings {

Dims parse_per_axis(PyObject* o, const char* argument, int axes, std::int64_t least) {
  Dims values = parse_dims(o);
  if (values.rank() == 1) values = Dims::filled(axes, values[0]);
  if (values.rank() != axes)
    fail<ValueError>(argument, ": expected a number or one for each of ", axes, " axes, got ",
                     values);
  for (const std::int64_t v : values)
    if (v < least) fail<ValueError>(argument, ": expected at least ", least, ", got ", values);
  return values;
}

Padding parse_padding(PyObject* o, int axes) {
  Padding out{Dims::filled(axes, 0), Dims::filled(axes, 0)};
  if (o == nullptr || o == Py_None) return out;
  if (PyUnicode_Check(o)) {
    out.same = PyUnicode_CompareWithASCIIString(o, "same") == 0;
    if (!out.same && PyUnicode_CompareWithASCIIString(o, "valid") != 0)
      fail<ValueError>("padding: expected 'valid', 'same', or widths, got '",
                       py::str(py::handle(o)).cast<std::string>(), "'");
    return out;
  }
  const auto set = [&](int axis, const Dims& pair) {
    if (pair.rank() < 1 || pair.rank() > 2)
      fail<ValueError>("padding: expected a width or a pair for each axis, got ", pair);
    out.before[axis] = pair[0];
    out.after[axis] = pair.back();
  };
  if (PyIndex_Check(o)) {
    for (int axis = 0; axis < axes; ++axis) set(axis, parse_dims(o));
  } else {
    const py::object items = checked(PySequence_Fast(o, "padding: expected a name or widths"));
    const Py_ssize_t count = PySequence_Fast_GET_SIZE(items.ptr());
    if (axes == 1 && count == 2) {
      set(0, parse_dims(o));
    } else if (count != axes) {
      fail<ValueError>("padding: expected a width or a pair for each of ", axes, " axes, got ",
                       count);
    } else {
      for (int axis = 0; axis < axes; ++axis)
        set(axis, parse_dims(PySequence_Fast_GET_ITEM(items.ptr(), axis)));
    }
  }
  for (int axis = 0; axis < axes; ++axis)
    if (out.before[axis] < 0 || out.after[axis] < 0)
      fail<ValueError>("padding must not be negative, got ", out.before, " before and ", out.after,
                       " after");
  return out;
}

std::int64_t same_padding(std::int64_t extent, std::int64_t reach, std::int64_t stride) {
  const std::int64_t covered = ((extent + stride - 1) / stride - 1) * stride + reach;
  return std::max<std::int64_t>(covered - extent, 0);
}

}  // namespace pynn::bindings
