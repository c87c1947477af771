// The device runtime: devices, streams, memory, and the errors of CUDA's calls.
#include <new>
#include <utility>

#include "runtime/cuda.h"
#include "runtime/cuda/error.h"
#include "runtime/errors.h"
#include "tests/cuda/device.h"

using namespace pynn;
using namespace pynn::test;

namespace {

template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a failed call is an error that names it and says what CUDA says") {
  CHECK_NOTHROW(cuda::check(cudaSuccess, "cudaFoo"));
  const auto failed = [] { cuda::check(cudaErrorInvalidValue, "cudaFoo"); };
  CHECK_THROWS_AS(failed(), RuntimeError);
  CHECK(message_of(failed) == "cudaFoo: invalid argument (cudaErrorInvalidValue)");
  CHECK_THROWS_AS(cuda::check(cudaErrorMemoryAllocation, "cudaFoo"), std::bad_alloc);
}

TEST_CASE("a device that is not there is an index error") {
  CHECK(cuda::built());
  CHECK_THROWS_AS(cuda::device(-1), IndexError);
  const auto missing = [] { cuda::device(cuda::device_count()); };
  CHECK_THROWS_AS(missing(), IndexError);
  CHECK(message_of(missing) == "there is no CUDA device " + std::to_string(cuda::device_count()) +
                                   ": this machine has " + std::to_string(cuda::device_count()));
}

TEST_SUITE_BEGIN("device");

TEST_CASE("every device says what it is") {
  for (int i = 0; i < cuda::device_count(); ++i) {
    const cuda::Device device = cuda::device(i);
    CHECK(!device.name.empty());
    CHECK(device.memory > std::size_t{1} << 20);
    CHECK(device.major >= 5);
  }
}

TEST_CASE("copies go there, across and back") {
  for (const std::size_t n : device_sizes()) {
    const auto x = random_array<float>(n, -1, 1, 30);
    const std::size_t bytes = n * sizeof(float);
    const cuda::DeviceMemory a(bytes, stream()), b(bytes, stream());
    CHECK((a.data() == nullptr) == (n == 0));
    Array<float> y(n);
    cuda::copy_to_device(a.data(), x.data(), bytes, stream());
    cuda::copy_on_device(b.data(), a.data(), bytes, stream());
    cuda::copy_to_host(y.data(), b.data(), bytes, stream());
    stream().synchronize();
    CHECK(same_bits(x, y));
  }
}

TEST_CASE("memory can be handed on, and is used again once it was freed") {
  constexpr std::size_t kBytes = 1 << 20;
  void* first = nullptr;
  {
    cuda::DeviceMemory a(kBytes, stream());
    first = a.data();
    const cuda::DeviceMemory b(std::move(a));
    CHECK(b.data() == first);
    CHECK(b.bytes() == kBytes);
  }
  const cuda::DeviceMemory again(kBytes, stream());
  CHECK(again.data() == first);
}

TEST_CASE("more memory than there is does not harm what comes after") {
  CHECK_THROWS_AS(cuda::DeviceMemory(std::size_t{1} << 50, stream()), std::bad_alloc);
  const cuda::DeviceMemory little(1024, stream());
  CHECK(little.data() != nullptr);
  CHECK_NOTHROW(stream().synchronize());
}

TEST_CASE("the current device goes back to what it was") {
  int before = -1, inside = -1, after = -1;
  cuda::check(cudaGetDevice(&before), "cudaGetDevice");
  const int last = cuda::device_count() - 1;
  {
    const cuda::OnDevice current(last);
    cuda::check(cudaGetDevice(&inside), "cudaGetDevice");
  }
  cuda::check(cudaGetDevice(&after), "cudaGetDevice");
  CHECK(inside == last);
  CHECK(after == before);
}

TEST_SUITE_END();
