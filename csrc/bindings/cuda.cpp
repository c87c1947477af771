// The CUDA devices of this machine.
#include "runtime/cuda.h"

#include "bindings/python.h"

namespace pynn::bindings {

void add_cuda(py::module_& m) {
  m.def("cuda_built", &cuda::built, "cuda_built()\n--\n\nWhether this build was made with CUDA.");
  m.def("cuda_device_count", &cuda::device_count,
        "cuda_device_count()\n--\n\nCUDA devices of this machine; 0 without driver or CUDA.");
  m.def(
      "cuda_device",
      [](int index) {
        const cuda::Device device = cuda::device(index);
        return py::make_tuple(device.name, device.memory,
                              py::make_tuple(device.major, device.minor));
      },
      py::arg("index"),
      "cuda_device(index)\n--\n\nName, memory in bytes and compute capability of a device.");
}

}  // namespace pynn::bindings
