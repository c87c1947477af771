#include "bindings/arguments.h"

#include <deque>

#include "bindings/convert.h"

namespace pynn::bindings {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Position of the comma that ends the first parameter: not one inside a default such as (0, 1).
std::size_t parameter_end(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')') --depth;
    if (text[i] == ',' && depth == 0) return i;
  }
  return text.size();
}

std::string text_of(PyObject* o) { return py::str(py::handle(o)).cast<std::string>(); }

}  // namespace

std::vector<Signature::Parameter> Signature::parse(std::string_view text) {
  std::vector<Parameter> parameters;
  while (!text.empty()) {
    const std::size_t end = parameter_end(text);
    const std::string_view parameter = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = std::min(parameter.find('='), parameter.size());
    const std::size_t value = std::min(equals + 1, parameter.size());
    parameters.push_back(
        {std::string(parameter.substr(0, equals)), std::string(parameter.substr(value))});
  }
  return parameters;
}

Signature::Signature(const char* function, std::string_view text) : function_(function) {
  bool keyword_only = false;
  for (const Parameter& parameter : parse(text)) {
    if (parameter.name == "*") {
      keyword_only = true;
      continue;
    }
    names_.push_back(PyUnicode_InternFromString(parameter.name.c_str()));
    if (parameter.otherwise.empty()) required_ = names_.size();
    if (!keyword_only) positional_ = names_.size();
  }
}

std::size_t Signature::position(PyObject* keyword) const {
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (names_[i] == keyword) return i;
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (PyUnicode_Compare(names_[i], keyword) == 0) return i;
  fail<TypeError>(function_, "() got an unexpected keyword argument '", text_of(keyword), "'");
}

void Signature::bind(PyObject* const* args, Py_ssize_t count, PyObject* keywords,
                     std::array<PyObject*, kMaxParameters>& bound) const {
  const auto given = static_cast<std::size_t>(count);
  if (given > positional_)
    fail<TypeError>(function_, "() takes at most ", positional_, " positional arguments, got ",
                    given);
  std::copy(args, args + count, bound.begin());
  if (keywords != nullptr) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(keywords); ++i) {
      const std::size_t at = position(PyTuple_GET_ITEM(keywords, i));
      if (bound[at] != nullptr)
        fail<TypeError>(function_, "() got multiple values for argument '", text_of(names_[at]),
                        "'");
      bound[at] = args[count + i];
    }
  }
  for (std::size_t i = given; i < required_; ++i)
    if (bound[i] == nullptr)
      fail<TypeError>(function_, "() is missing the argument '", text_of(names_[i]), "'");
}

void Signature::refuse(std::size_t i, const char* what, PyObject* given) const {
  fail<TypeError>(function_, ": ", text_of(names_[i]), " expects ", what, ", got ",
                  py::repr(given).cast<std::string>());
}

double Call::real(std::size_t i, double otherwise) const {
  if (!given(i)) return otherwise;
  if (PyNumber_Check(bound_[i]) == 0) signature_.refuse(i, "a number", bound_[i]);
  const double value = PyFloat_AsDouble(bound_[i]);
  if (value == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return value;
}

std::int64_t Call::integer(std::size_t i) const {
  if (PyIndex_Check(bound_[i]) == 0) signature_.refuse(i, "an integer", bound_[i]);
  return parse_int(bound_[i]);
}

std::int64_t Call::integer(std::size_t i, std::int64_t otherwise) const {
  return given(i) ? integer(i) : otherwise;
}

std::uint64_t Call::bits(std::size_t i) const {
  if (PyIndex_Check(bound_[i]) == 0) signature_.refuse(i, "an integer", bound_[i]);
  return PyLong_AsUnsignedLongLongMask(checked(PyNumber_Index(bound_[i])).ptr());
}

bool Call::flag(std::size_t i, bool otherwise) const {
  if (!given(i)) return otherwise;
  const int value = PyObject_IsTrue(bound_[i]);
  checked(value);
  return value != 0;
}

PyMethodDef definition(const Function& function, PyCFunction entry, bool method) {
  static std::deque<std::string> docstrings;  // CPython keeps the pointers
  const std::string self = !method ? "" : *function.signature == '\0' ? "$self" : "$self, ";
  docstrings.push_back(std::string(function.name) + "(" + self + function.signature + ")\n--\n\n" +
                       function.text);
  return {function.name, entry, METH_FASTCALL | METH_KEYWORDS, docstrings.back().c_str()};
}

void add_functions(py::module_& m, const char* home, const std::vector<PyMethodDef>& rows) {
  static std::deque<PyMethodDef> definitions;  // CPython keeps the pointers
  const py::str module_name(home);
  for (const PyMethodDef& row : rows) {
    definitions.push_back(row);
    m.add_object(row.ml_name,
                 checked(PyCFunction_NewEx(&definitions.back(), m.ptr(), module_name.ptr())));
  }
}

}  // namespace pynn::bindings
