// Executable: a compiled program as a Python callable, by CPython's vectorcall protocol.
#include "bindings/program.h"

#include <structmember.h>

#include <algorithm>
#include <new>

#include "bindings/arguments.h"
#include "program/gradient_tape.h"
#include "runtime/rng.h"

namespace pynn::bindings {
namespace {

struct ExecutableHead {
  PyObject ob_base;
  vectorcallfunc call;
};
struct ExecutableObject : ExecutableHead {
  std::shared_ptr<Executable> executable;
  Workload load;
};

PyTypeObject* executable_type = nullptr;

ExecutableObject& object_of(PyObject* o) { return *reinterpret_cast<ExecutableObject*>(o); }

// The executable's lock, waited for without the GIL.
class Locked {
 public:
  explicit Locked(Executable& executable) : executable_(executable), inside_(&executable) {
    if (executable.lock().try_lock()) return;
    const ReleaseGil release(true);
    executable.lock().lock();
  }
  ~Locked() { executable_.lock().unlock(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  Executable& executable_;
  Inside inside_;
};

// The state that key= and call= ask for, or a fresh one.
RunState run_state(const ExecutableObject& object, PyObject* const* args, Py_ssize_t count,
                   PyObject* keywords) {
  RunState state;
  bool keyed = false;
  for (Py_ssize_t i = 0; keywords != nullptr && i < PyTuple_GET_SIZE(keywords); ++i) {
    PyObject* const word = PyTuple_GET_ITEM(keywords, i);
    const bool key = PyUnicode_CompareWithASCIIString(word, "key") == 0;
    if (!key && PyUnicode_CompareWithASCIIString(word, "call") != 0)
      fail<TypeError>("Executable() takes arrays, key= and call=");
    PyObject* const value = args[count + i];
    if (value == Py_None) continue;
    keyed = keyed || key;
    (key ? state.key : state.call) = static_cast<std::uint64_t>(
        PyLong_AsUnsignedLongLongMask(checked(PyNumber_Index(value)).ptr()));
  }
  return keyed ? state : object.load.fresh_state();
}

// The inputs of a replay: copied into the arena, or read where they lie for as long as this lives.
class Inputs {
 public:
  explicit Inputs(Executable& executable) : executable_(executable) {}
  ~Inputs() {
    for (const auto& [i, tensor] : lent_) executable_.read_at(i, nullptr);
  }
  Inputs(const Inputs&) = delete;
  Inputs& operator=(const Inputs&) = delete;

  void set(std::size_t i, PyObject* value) {
    const View& input = executable_.input(i);
    if (!executable_.reads_anywhere(i) && copy_plain(input, value)) return;
    Tensor x = to_tensor(value);
    if (x.shape() != input.shape)
      fail<ValueError>("input ", i, " of this program has shape ", input.shape, ", got ",
                       x.shape());
    if (x.dtype() == input.dtype && x.contiguous() && executable_.read_at(i, x.array().data))
      lent_.emplace_back(i, std::move(x));
    else
      copy_into(input, x.array());
  }

 private:
  Executable& executable_;
  std::vector<std::pair<std::size_t, Tensor>> lent_;
};

PyObject* call(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    ExecutableObject& object = object_of(self);
    Executable& executable = *object.executable;
    const Py_ssize_t count = PyVectorcall_NARGS(flags);
    const RunState state = run_state(object, args, count, keywords);
    if (static_cast<std::size_t>(count) != executable.input_count())
      fail<ValueError>("this program has ", executable.input_count(), " inputs, got ", count);

    const Locked locked(executable);
    Inputs inputs(executable);
    for (std::size_t i = 0; i < executable.input_count(); ++i) inputs.set(i, args[i]);
    for (const View& target : executable.written()) GradientTape::before_store(target);
    {
      const ReleaseGil release(object.load.work > kReleaseWork);
      executable.run(state);
    }
    py::list outputs(executable.output_count());
    for (std::size_t i = 0; i < executable.output_count(); ++i)
      PyList_SET_ITEM(outputs.ptr(), static_cast<Py_ssize_t>(i),
                      copy_to_numpy(executable.output(i)).release().ptr());
    return outputs.release().ptr();
  });
}

// For callers to whom a tenth of a microsecond counts: checks no more than whether it can answer.
PyObject* answer(PyObject* self, PyObject* array) {
  return guarded([&]() -> PyObject* {
    ExecutableObject& object = object_of(self);
    Executable& executable = *object.executable;
    const bool idle = active_recorder() == nullptr && !GradientTape::active();
    if (idle && executable.input_count() == 1 && executable.output_count() == 1 &&
        executable.program().stores.empty()) {
      const Locked locked(executable);
      if (copy_plain(executable.input(0), array)) {
        {
          const ReleaseGil release(object.load.work > kReleaseWork);
          executable.run(object.load.fresh_state());
        }
        return copy_to_numpy(executable.output(0)).release().ptr();
      }
    }
    Py_RETURN_NONE;
  });
}

void free_executable(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  object_of(self).executable.~shared_ptr();
  type->tp_free(self);
  Py_DECREF(type);
}

constexpr Function listing_function{
    "listing", "", "One line for each launch of a replay.", [](Call& call) {
      std::string text;
      for (const std::string& line : object_of(call.self()).executable->launches())
        text += line + '\n';
      return py::str(text).release().ptr();
    }};

constexpr Function profile_function{
    "profile", "arrays, repeats=100",
    "Time each launch of a replay.\n\n"
    "Parameters\n----------\narrays : sequence of array_like\n    The inputs.\n"
    "repeats : int\n    How many replays are averaged. Their stores happen.\n\n"
    "Returns\n-------\nlist of (str, float)\n    The launch as in `listing`, and its mean seconds.",
    [](Call& call) {
      ExecutableObject& object = object_of(call.self());
      Executable& executable = *object.executable;
      const auto arrays = py::reinterpret_steal<py::list>(PySequence_List(call[0]));
      if (!arrays) throw py::error_already_set();
      if (arrays.size() != executable.input_count())
        fail<ValueError>("this program has ", executable.input_count(), " inputs, got ",
                         arrays.size());
      const std::int64_t repeats = call.integer(1, 100);
      if (repeats < 1) fail<ValueError>("profile: repeats must be at least 1, got ", repeats);
      const RunState state = object.load.fresh_state();
      const Locked locked(executable);
      std::vector<double> seconds(executable.step_count(), 0.0);
      for (std::int64_t r = 0; r < repeats; ++r) {
        Inputs inputs(executable);
        for (std::size_t i = 0; i < arrays.size(); ++i) inputs.set(i, arrays[i].ptr());
        const ReleaseGil release;
        executable.profile(state, seconds);
      }
      py::list rows;
      for (std::size_t i = 0; i < seconds.size(); ++i)
        rows.append(
            py::make_tuple(executable.launches()[i], seconds[i] / static_cast<double>(repeats)));
      return rows.release().ptr();
    }};

using Described = const View& (Executable::*)(std::size_t) const;

template <Described view, std::size_t (Executable::*count)() const>
PyObject* types(PyObject* self, void*) {
  return guarded([&] {
    const Executable& executable = *object_of(self).executable;
    py::list out;
    for (std::size_t i = 0; i < (executable.*count)(); ++i) {
      const View& v = (executable.*view)(i);
      out.append(py::make_tuple(to_tuple(v.shape), std::string(name(v.dtype))));
    }
    return out.release().ptr();
  });
}

template <std::size_t (Executable::*number)() const>
PyObject* counter(PyObject* self, void*) {
  return PyLong_FromSize_t(((*object_of(self).executable).*number)());
}

PyObject* is_random(PyObject* self, void*) { return PyBool_FromLong(object_of(self).load.random); }

PyGetSetDef attributes[] = {
    {"input_types", types<&Executable::input, &Executable::input_count>, nullptr,
     "(shape, dtype) of each input.", nullptr},
    {"output_types", types<&Executable::output, &Executable::output_count>, nullptr,
     "(shape, dtype) of each output.", nullptr},
    {"arena_bytes", counter<&Executable::arena_bytes>, nullptr,
     "Bytes of the memory that a replay works in.", nullptr},
    {"step_count", counter<&Executable::step_count>, nullptr, "Launches of a replay.", nullptr},
    {"random", is_random, nullptr, "Whether a replay draws random numbers.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

constexpr const char* kDoc =
    "A compiled program, from `Recorder.compile`.\n\n"
    "``executable(*arrays, key=None, call=0)`` copies the arrays in, replays the program and "
    "returns\n"
    "its outputs as a list of new arrays. The same `key` draws the same random numbers; without\n"
    "one they are fresh. Steps with a seed of their own draw what that and `call` say. Calls from\n"
    "several threads take turns.\n\n"
    "Raises\n------\nValueError\n    If the number or the shapes of the arrays differ from the "
    "program's.";

// The executables that this thread is inside of.
thread_local std::vector<const Executable*> running;

}  // namespace

Inside::Inside(const Executable* executable) {
  if (executable != nullptr &&
      std::find(running.begin(), running.end(), executable) != running.end())
    fail<RuntimeError>("an executable cannot be called from within its own replay");
  running.push_back(executable);
}
Inside::~Inside() { running.pop_back(); }

RunState Workload::fresh_state() const {
  if (!random) return {};
  const auto [fresh, stream] = next_stream();
  return {fresh, stream};
}

Workload workload_of(const Program& program) {
  Workload load;
  for (const Step& step : program.steps) {
    const auto shape = [&](SlotId slot) -> const Shape& {
      return program.slots[static_cast<std::size_t>(slot)].type.shape;
    };
    double elements = 0;
    for (const SlotId out : step.outputs)
      elements += static_cast<double>(element_count(shape(out)));
    const Shape& first = shape(step.inputs.empty() ? step.outputs[0] : step.inputs[0]);
    const double depth =
        step.op->is(kProduct) && !first.empty() ? 2 * static_cast<double>(first.back()) : 16;
    load.work += elements * depth;
    load.random = load.random || (traits_of(*step.op, step.attrs) & kRandom) != 0;
  }
  return load;
}

PyObject* wrap_executable(Program program, Executable::Captures captures) {
  const Workload load = workload_of(program);
  auto executable = std::make_shared<Executable>(std::move(program), captures);
  PyObject* self = executable_type->tp_alloc(executable_type, 0);
  if (self == nullptr) throw py::error_already_set();
  ExecutableObject& object = object_of(self);
  object.call = call;
  new (&object.executable) std::shared_ptr<Executable>(std::move(executable));
  object.load = load;
  return self;
}

std::shared_ptr<Executable> executable_of(py::handle object) {
  if (object.is_none()) return nullptr;
  if (Py_TYPE(object.ptr()) != executable_type)
    fail<TypeError>("expected an Executable, got ", Py_TYPE(object.ptr())->tp_name);
  return object_of(object.ptr()).executable;
}

void add_executable(py::module_& m) {
  static PyMethodDef methods[] = {method_row<listing_function>(),
                                  method_row<profile_function>(),
                                  {"answer", answer, METH_O,
                                   "answer($self, array)\n--\n\n"
                                   "The output of a program of one input and one output, or None "
                                   "where the array is not of\nthe input's shape, dtype and "
                                   "layout, the program stores, or this thread records."},
                                  {nullptr, nullptr, 0, nullptr}};
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(ExecutableHead, call), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  const auto slot = [](auto function) { return reinterpret_cast<void*>(function); };
  PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>(kDoc)},
                         {Py_tp_dealloc, slot(free_executable)},
                         {Py_tp_call, slot(PyVectorcall_Call)},
                         {Py_tp_getset, attributes},
                         {Py_tp_members, members},
                         {Py_tp_methods, methods},
                         {0, nullptr}};
  PyType_Spec spec = {
      "pynn._native.Executable", sizeof(ExecutableObject), 0,
      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  const py::object type = checked(PyType_FromSpec(&spec));
  executable_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  m.add_object("Executable", type);
}

}  // namespace pynn::bindings
