// What the binding files of programs share.
#pragma once

#include <memory>

#include "bindings/convert.h"
#include "bindings/tensor.h"
#include "program/executable.h"

namespace pynn::bindings {

// What a call must know of a program beside its types.
struct Workload {
  double work = 0;      // of one replay, in operations
  bool random = false;  // whether some step draws random numbers

  RunState fresh_state() const;
};
Workload workload_of(const Program& program);

// A new Executable object.
PyObject* wrap_executable(Program program, Executable::Captures captures);

// The executable of an Executable object; throws TypeError for anything else but None, which is
// null.
std::shared_ptr<Executable> executable_of(py::handle object);

// Marks `executable` (null: none) as running on this thread: a Python function that it calls and
// that calls it again gets a RuntimeError instead of waiting for itself.
class Inside {
 public:
  explicit Inside(const Executable* executable);
  ~Inside();
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
};

// The recording of a Recorder object.
const std::shared_ptr<ProgramRecorder>& recorder_of(py::handle object);

// The items of a sequence of Tensors.
std::vector<Tensor> tensors_of(py::handle sequence);

// A (shape, dtype) pair.
TensorType parse_type(py::handle pair);

}  // namespace pynn::bindings
