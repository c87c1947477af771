// The extension module: registration only.
#include "bindings/python.h"
#include "kernels/table.h"

PYBIND11_MODULE(_native, m) {
  namespace bindings = pynn::bindings;
  pybind11::options options;
  options.disable_function_signatures();  // the docstrings have them
  m.doc() = "The native engine of pynn.";
  pynn::kernels::table();  // an unusable PYNN_ISA is an ImportError
  bindings::add_errors(m);
  bindings::add_tensor(m);
  bindings::add_ops(m);
  bindings::add_recorder(m);
  bindings::add_executable(m);
  bindings::add_tape(m);
  bindings::add_custom_gradient(m);
  bindings::add_frozen(m);
  bindings::add_training(m);
  bindings::add_host_call(m);
  bindings::add_control(m);
  bindings::add_runtime(m);
  bindings::add_cuda(m);
}
