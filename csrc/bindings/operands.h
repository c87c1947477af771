// The tensors of one op call: converts arguments, remembers whether a Tensor was among them, and
// returns the result in kind (NumPy in, NumPy out).
#pragma once

#include "bindings/arguments.h"
#include "bindings/convert.h"
#include "bindings/tensor.h"

namespace pynn::bindings {

// Throws ValueError for whole numbers to negative powers, where the exponents are known.
void check_power(const Tensor& base, const Tensor& exponent);

class Operands {
 public:
  // `o` as a tensor; the reference holds as long as this object and `o`. At most kOperands times.
  const Tensor& take(PyObject* o) {
    native_ = native_ || is_tensor(o);
    const Tensor& x = is_tensor(o) ? tensor_of(o) : keep(to_tensor(o));
    operands_[taken_++] = &x;
    return count_work(x);
  }

  // Every item of a list or tuple.
  std::vector<Tensor> take_all(PyObject* sequence);

  // An operand beside x: a scalar takes the dtype of x.
  const Tensor& take_beside(const Tensor& x, PyObject* o);

  // Two operands, of which a scalar takes the dtype of the other.
  std::pair<const Tensor&, const Tensor&> take_pair(PyObject* a, PyObject* b);

  // `compute()`, without the GIL when its work, in operations or equivalent, is worth that. By
  // default the work is estimated from the operands' elements.
  template <class Compute>
  auto run(double work, Compute&& compute) const {
    const ReleaseGil release(work > kReleaseWork && active_recorder() == nullptr);
    return compute();
  }
  template <class Compute>
  auto run(Compute&& compute) const {
    return run(work_, std::forward<Compute>(compute));
  }

  // The Python result: a Tensor if an operand was one, else an array. bfloat16, which NumPy does
  // not have, stays a Tensor.
  PyObject* result(Tensor value) const {
    if (native_ || value.symbolic() || value.dtype() == DType::bf16) return wrap(std::move(value));
    return to_numpy(std::move(value)).release().ptr();
  }
  // The result of `compute()`, or `out` filled with it where that is given.
  template <class Compute>
  PyObject* result(PyObject* out, double work, Compute&& compute) const {
    if (out == nullptr || out == Py_None) return result(run(work, compute));
    const Tensor target = destination(out);
    const Destination guard(apart(target.array()) ? &target.array() : nullptr);
    return filled(out, target, run(work, compute));
  }
  template <class Compute>
  PyObject* result(PyObject* out, Compute&& compute) const {
    return result(out, work_, std::forward<Compute>(compute));
  }

  // `out` as a tensor over its memory. Throws where that cannot be written.
  static Tensor destination(PyObject* out);

 private:
  static constexpr double kElementWork = 16;  // a pointwise function, in floating-point operations

  const Tensor& keep(Tensor x) { return kept_[count_++].emplace(std::move(x)); }
  static PyObject* filled(PyObject* out, const Tensor& target, const Tensor& value);
  // Whether a computation on the operands may write to `memory` before it has read all of them.
  bool apart(const Array& memory) const {
    if (active_recorder() != nullptr || !memory.contiguous()) return false;
    for (std::size_t i = 0; i < taken_; ++i)
      if (operands_[i]->symbolic() || overlaps(operands_[i]->array(), memory)) return false;
    return true;
  }

  const Tensor& count_work(const Tensor& x) {
    work_ += kElementWork * static_cast<double>(x.size());
    return x;
  }

  static constexpr std::size_t kOperands = 3;

  std::array<std::optional<Tensor>, kOperands> kept_;
  std::size_t count_ = 0;
  std::array<const Tensor*, kOperands> operands_;  // all that were taken, one by one
  std::size_t taken_ = 0;
  bool native_ = false;
  double work_ = 0;
};

}  // namespace pynn::bindings
