// Frozen: a network without training as a Python callable, one array in and one out. Calls run at
// the same time: each borrows an executable, with its arena, that no other call has.
#include "bindings/program.h"

#include <structmember.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <optional>

#include "bindings/operands.h"

namespace pynn::bindings {
namespace {

using Npy = py::detail::npy_api;

constexpr std::size_t kSizes = 16;             // numbers of rows that are kept ready
constexpr std::size_t kSizesBytes = 64 << 20;  // their arenas, beyond the last two
constexpr std::size_t kIdle = 8;               // executables of each that wait for a call
constexpr std::size_t kIdleBytes = 16 << 20;   // their arenas, beyond the first
constexpr std::int64_t kMostRows = 1024;       // at once: what they compute stays in cache

// All that a number of rows needs. Guarded by the GIL.
struct Size {
  std::int64_t rows;
  Program program;
  Workload load;
  std::size_t bytes;  // of an executable's arena
  bool keeps_gil;     // throughout a replay
  std::vector<std::shared_ptr<Executable>> idle;

  bool wants_more() const {
    return idle.empty() || (idle.size() < kIdle && idle.size() * bytes < kIdleBytes);
  }
};

struct FrozenHead {
  PyObject ob_base;
  vectorcallfunc call;
};
struct FrozenObject : FrozenHead {
  struct Parts {
    py::object record;                         // rows -> Executable
    std::vector<std::unique_ptr<Size>> sizes;  // the last one used first
    TensorType x, y;                           // of one sample
    std::size_t x_bytes = 0, y_bytes = 0;
    py::object y_descr;
  };
  Parts parts;
};

PyTypeObject* frozen_type = nullptr;

FrozenObject::Parts& parts_of(PyObject* o) { return reinterpret_cast<FrozenObject*>(o)->parts; }

std::string name_of(const FrozenObject::Parts& f) { return py::str(f.record).cast<std::string>(); }

std::unique_ptr<Size> record(const FrozenObject::Parts& f, std::int64_t rows) {
  const py::object made = f.record(rows);
  std::shared_ptr<Executable> executable = executable_of(made);
  if (!executable) fail<TypeError>("expected an Executable, got None");
  if (executable->input_count() != 1 || executable->output_count() != 1)
    fail<ValueError>("a frozen network has one input and one output");
  for (const View* v : {&executable->input(0), &executable->output(0)})
    if (v->shape.empty() || v->shape[0] != rows || v->dtype == DType::bf16)
      fail<ValueError>("a frozen network takes and gives arrays of ", rows, " rows here, got ",
                       v->shape);
  auto size = std::make_unique<Size>(Size{rows,
                                          executable->program(),
                                          workload_of(executable->program()),
                                          executable->arena_bytes(),
                                          !executable->calls_out(),
                                          {}});
  size->keeps_gil &= size->load.work <= kReleaseWork;
  size->idle.push_back(std::move(executable));
  return size;
}

Size* known(FrozenObject::Parts& f, std::int64_t rows) {
  for (std::size_t i = 0; i < f.sizes.size(); ++i) {
    if (f.sizes[i]->rows != rows) continue;
    if (i > 0) std::rotate(f.sizes.begin(), f.sizes.begin() + i, f.sizes.begin() + i + 1);
    return f.sizes[0].get();
  }
  return nullptr;
}

Size& size_for(FrozenObject::Parts& f, std::int64_t rows) {
  if (Size* size = known(f, rows)) return *size;
  std::unique_ptr<Size> made = record(f, rows);
  if (Size* size = known(f, rows)) return *size;  // another thread was faster
  f.sizes.insert(f.sizes.begin(), std::move(made));
  std::size_t bytes = 0, kept = 0;
  for (; kept < f.sizes.size() && kept < kSizes; ++kept) {
    bytes += f.sizes[kept]->bytes;
    if (kept >= 2 && bytes > kSizesBytes) break;
  }
  f.sizes.resize(kept);
  return *f.sizes[0];
}

// An executable for so many rows, for one call alone. Made and given back under the GIL.
class Borrowed {
 public:
  Borrowed(FrozenObject::Parts& frozen, Size& size) : frozen_(frozen), rows_(size.rows) {
    if (size.idle.empty()) {
      executable = std::make_shared<Executable>(size.program);
    } else {
      executable = std::move(size.idle.back());
      size.idle.pop_back();
    }
  }
  ~Borrowed() {
    Size* size = known(frozen_, rows_);
    if (size != nullptr && size->wants_more()) size->idle.push_back(std::move(executable));
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

  std::shared_ptr<Executable> executable;

 private:
  FrozenObject::Parts& frozen_;
  std::int64_t rows_;
};

void compute(FrozenObject::Parts& f, std::int64_t rows, const char* x, char* y) {
  while (rows > 0) {
    const std::int64_t now = std::min(rows, kMostRows);
    const std::size_t x_bytes = static_cast<std::size_t>(now) * f.x_bytes;
    const std::size_t y_bytes = static_cast<std::size_t>(now) * f.y_bytes;
    Size& size = size_for(f, now);
    const RunState state = size.load.fresh_state();
    const auto run = [&](Executable& executable) {
      std::memcpy(executable.input(0).data, x, x_bytes);
      executable.run(state);
      std::memcpy(y, executable.output(0).data, y_bytes);
    };
    if (size.keeps_gil && !size.idle.empty()) {  // nobody else comes in between
      run(*size.idle.back());
    } else {
      const bool releases = size.load.work > kReleaseWork;
      const Borrowed borrowed(f, size);
      const ReleaseGil release(releases);
      run(*borrowed.executable);
    }
    rows -= now;
    x += x_bytes;
    y += y_bytes;
  }
}

// The argument of a call, in C order and the network's dtype.
struct Rows {
  const char* data = nullptr;
  std::int64_t count = 1;
  bool single = false;        // one sample, without a batch axis
  std::optional<Array> kept;  // what was converted
};

// Whether `shape` is that of a sample, or of a batch of them. Sets the rest of `rows`.
template <class Extent>
bool fits(const Shape& sample, const Extent* shape, int rank, Rows& rows) {
  rows.single = rank == sample.rank();
  if (!rows.single) {
    if (rank != sample.rank() + 1) return false;
    rows.count = *shape++;
  }
  for (int i = 0; i < sample.rank(); ++i)  // std::equal would call memcmp for two numbers
    if (shape[i] != sample[i]) return false;
  return true;
}

Rows rows_of(const FrozenObject::Parts& f, PyObject* value) {
  Rows rows;
  const auto expected = [&](const Shape& got) {
    fail<ValueError>(name_of(f), " expects one sample of shape ", f.x.shape,
                     " or a batch of them, got an array of shape ", got);
  };
  if (const std::optional<PlainArray> plain = plain_array(value, f.x.dtype)) {
    if (!fits(f.x.shape, plain->shape, plain->rank, rows)) expected(plain->dims());
    rows.data = plain->data;
  } else {
    const Tensor tensor = to_tensor(value, f.x.dtype);
    if (!fits(f.x.shape, tensor.shape().begin(), tensor.rank(), rows)) expected(tensor.shape());
    rows.kept = tensor.array();
    if (!rows.kept->contiguous()) {
      rows.kept = Array::empty(f.x.dtype, tensor.shape());
      copy_into(*rows.kept, tensor.array());
    }
    rows.data = rows.kept->as<char>();
  }
  if (rows.count == 0) fail<ValueError>(name_of(f), " got no rows");
  return rows;
}

Shape result_shape(const FrozenObject::Parts& f, const Rows& rows) {
  Shape shape = f.y.shape;
  if (!rows.single) shape.insert(0, rows.count);
  return shape;
}

PyObject* fresh_result(FrozenObject::Parts& f, const Rows& rows) {
  std::array<Py_intptr_t, kMaxRank + 1> extents;
  extents[0] = rows.count;
  std::copy(f.y.shape.begin(), f.y.shape.end(), extents.begin() + 1);
  const Npy& npy = Npy::get();
  const int skipped = rows.single ? 1 : 0;
  py::object array = checked(npy.PyArray_NewFromDescr_(
      npy.PyArray_Type_, f.y_descr.inc_ref().ptr(), f.y.shape.rank() + 1 - skipped,
      extents.data() + skipped, nullptr, nullptr, 0, nullptr));
  compute(f, rows.count, rows.data, py::detail::array_proxy(array.ptr())->data);
  return array.release().ptr();
}

// Whether the results can be written straight into `out`.
bool plain_out(const FrozenObject::Parts& f, const Rows& rows, const PlainArray& out) {
  Rows to;
  if (!out.writable || !fits(f.y.shape, out.shape, out.rank, to) || to.single != rows.single ||
      to.count != rows.count)
    return false;
  if (rows.count <= kMostRows) return true;  // all of them are read before one is written
  const std::size_t count = static_cast<std::size_t>(rows.count);
  return out.data + count * f.y_bytes <= rows.data || rows.data + count * f.x_bytes <= out.data;
}

PyObject* into(FrozenObject::Parts& f, const Rows& rows, PyObject* out) {
  Py_INCREF(out);
  const auto held = py::reinterpret_steal<py::object>(out);
  const std::optional<PlainArray> plain = plain_array(out, f.y.dtype);
  if (plain && plain_out(f, rows, *plain)) {
    compute(f, rows.count, rows.data, plain->data);
  } else {
    const Tensor target = Operands::destination(out);
    const TensorType type{f.y.dtype, result_shape(f, rows)};
    if (target.type() != type)
      fail<ValueError>("out= must have shape ", type.shape, " and dtype ", name(type.dtype),
                       ", got shape ", target.shape(), " and dtype ", name(target.dtype()));
    const Array result = Array::empty(type.dtype, type.shape);
    compute(f, rows.count, rows.data, result.as<char>());
    const Eager eager;
    copy_into(target.array(), result);
  }
  return py::object(held).release().ptr();
}

PyObject* call(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    FrozenObject::Parts& f = parts_of(self);
    const Py_ssize_t count = PyVectorcall_NARGS(flags);
    const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
    static PyObject* const out_name = PyUnicode_InternFromString("out");  // as keywords are
    if (count < 1 || count + named > 2 ||
        (named == 1 && PyTuple_GET_ITEM(keywords, 0) != out_name &&
         PyUnicode_Compare(PyTuple_GET_ITEM(keywords, 0), out_name) != 0))
      fail<TypeError>(name_of(f), ", frozen, takes one array and out=");
    PyObject* const out = count + named == 2 ? args[1] : Py_None;
    const Rows rows = rows_of(f, args[0]);
    return out == Py_None ? fresh_result(f, rows) : into(f, rows, out);
  });
}

TensorType sample(const View& batch) {
  TensorType type{batch.dtype, batch.shape};
  type.shape.erase(0);
  return type;
}

PyObject* create(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* source = nullptr;
    static const char* names[] = {"record", nullptr};
    if (PyArg_ParseTupleAndKeywords(args, keywords, "O", const_cast<char**>(names), &source) == 0)
      return nullptr;
    FrozenObject::Parts parts;
    parts.record = py::reinterpret_borrow<py::object>(source);
    const Executable& first = *size_for(parts, 1).idle[0];
    parts.x = sample(first.input(0));
    parts.y = sample(first.output(0));
    parts.x_bytes = first.input(0).bytes();
    parts.y_bytes = first.output(0).bytes();
    parts.y_descr = numpy_dtype(parts.y.dtype);
    const py::object self = checked(type->tp_alloc(type, 0));
    reinterpret_cast<FrozenObject*>(self.ptr())->call = call;
    new (&parts_of(self.ptr())) FrozenObject::Parts(std::move(parts));
    return py::object(self).release().ptr();
  });
}

void destroy(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  parts_of(self).~Parts();
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* represent(PyObject* self) {
  return guarded([&] {
    const FrozenObject::Parts& f = parts_of(self);
    std::ostringstream text;
    text << "<frozen " << name_of(f) << ": " << f.x.shape << " -> " << f.y.shape << ", "
         << name(f.x.dtype) << '>';
    return py::str(text.str()).release().ptr();
  });
}

constexpr Function reduce_function{
    "__reduce__", "", "What pickle stores: what records the network.", [](Call& call) {
      return py::make_tuple(py::handle(reinterpret_cast<PyObject*>(frozen_type)),
                            py::make_tuple(parts_of(call.self()).record))
          .release()
          .ptr();
    }};

template <TensorType FrozenObject::Parts::*type>
PyObject* shape(PyObject* self, void*) {
  return guarded([&] { return to_tuple((parts_of(self).*type).shape).release().ptr(); });
}
PyObject* dtype(PyObject* self, void*) {
  return guarded(
      [&] { return py::str(std::string(name(parts_of(self).x.dtype))).release().ptr(); });
}

PyGetSetDef attributes[] = {
    {"input_shape", shape<&FrozenObject::Parts::x>, nullptr, "Shape of one sample.", nullptr},
    {"output_shape", shape<&FrozenObject::Parts::y>, nullptr, "Shape of the output for one sample.",
     nullptr},
    {"dtype", dtype, nullptr, "Type of the inputs; other numbers are converted to it.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

constexpr const char* kDoc =
    "Frozen(record)\n--\n\n"
    "A network without training, from `Network.freeze`.\n\n"
    "``run(x, out=None)`` takes one sample or a batch, array_like of `input_shape` or\n"
    "(n, \\*`input_shape`), and returns a new array of `output_shape` or (n, \\*`output_shape`).\n"
    "With `out`, a writable array of that shape and of the network's type, it writes there and\n"
    "returns `out`. Threads may call it at the same time.\n\n"
    "Parameters\n----------\n"
    "record : callable\n"
    "    ``record(rows)`` gives the executable for so many rows, compiled with constant captures.\n"
    "    Asked once for each number of rows, of which the last 16 are kept.\n\n"
    "Raises\n------\n"
    "ValueError\n    If the shape of `x`, or the shape or dtype of `out`, is another.\n"
    "TypeError\n    If `x` are no numbers, or `out` is no array.";

}  // namespace

void add_frozen(py::module_& m) {
  static PyMethodDef methods[] = {method_row<reduce_function>(), {nullptr, nullptr, 0, nullptr}};
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(FrozenHead, call), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  const auto slot = [](auto function) { return reinterpret_cast<void*>(function); };
  PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>(kDoc)},
                         {Py_tp_new, slot(create)},
                         {Py_tp_dealloc, slot(destroy)},
                         {Py_tp_call, slot(PyVectorcall_Call)},
                         {Py_tp_repr, slot(represent)},
                         {Py_tp_getset, attributes},
                         {Py_tp_members, members},
                         {Py_tp_methods, methods},
                         {0, nullptr}};
  PyType_Spec spec = {"pynn._native.Frozen", sizeof(FrozenObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL, slots};
  const py::object type = checked(PyType_FromSpec(&spec));
  frozen_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  m.add_object("Frozen", type);
}

}  // namespace pynn::bindings
