#include "bindings/windows.h"

#include "bindings/convert.h"

namespace pynn::bindings {

Dims parse_per_axis(PyObject* o, const char* argument, int axes) {
  Dims out = parse_dims(o);
  if (!PySequence_Check(o)) out = Dims::filled(axes, out[0]);
  if (out.rank() != axes)
    fail<ValueError>(argument, ": expected one value for each of ", axes, " spatial axes, got ",
                     out);
  for (const std::int64_t v : out)
    if (v < 1) fail<ValueError>(argument, ": expected positive integers, got ", out);
  return out;
}

namespace {

Padding same_padding(const Dims& extents, const Dims& size, const Dims& strides) {
  Padding out;
  for (int i = 0; i < size.rank(); ++i) {
    const std::int64_t windows = (extents[i] + strides[i] - 1) / strides[i];
    const std::int64_t total =
        std::max<std::int64_t>((windows - 1) * strides[i] + size[i] - extents[i], 0);
    out.before.push_back(total / 2);
    out.after.push_back(total - total / 2);
  }
  return out;
}

}  // namespace

Padding parse_padding(PyObject* o, const Dims& extents, const Dims& size, const Dims& strides) {
  const int axes = size.rank();
  if (o == nullptr || o == Py_None) return {Dims::filled(axes, 0), Dims::filled(axes, 0)};
  if (PyUnicode_Check(o)) {
    if (PyUnicode_CompareWithASCIIString(o, "valid") == 0)
      return {Dims::filled(axes, 0), Dims::filled(axes, 0)};
    if (PyUnicode_CompareWithASCIIString(o, "same") == 0)
      return same_padding(extents, size, strides);
    fail<ValueError>("padding: expected 'valid', 'same', an int or one or two for each axis, got '",
                     py::str(py::handle(o)).cast<std::string>(), "'");
  }
  Padding out;
  const auto add = [&](const Dims& pair) {
    if (pair.rank() == 0 || pair.rank() > 2)
      fail<ValueError>("padding: expected an int or a pair for each axis, got ", pair);
    out.before.push_back(pair[0]);
    out.after.push_back(pair.back());
  };
  if (!PySequence_Check(o)) {
    for (int i = 0; i < axes; ++i) add(parse_dims(o));
    return out;
  }
  const py::sequence items = py::reinterpret_borrow<py::sequence>(o);
  // For one axis a flat pair is meant as before and after.
  if (axes == 1 && items.size() == 2) {
    add(parse_dims(o));
    return out;
  }
  if (static_cast<int>(items.size()) != axes)
    fail<ValueError>("padding: expected an int or a pair for each of ", axes, " spatial axes, got ",
                     items.size(), " of them");
  for (const py::handle item : items) add(parse_dims(item.ptr()));
  return out;
}

}  // namespace pynn::bindings
