#include "ops/tensor.h"

#include <atomic>

#include "ops/chain.h"
#include "ops/op.h"
#include "ops/ops.h"
#include "runtime/rng.h"

namespace pynn {

namespace {

thread_local Recorder* g_recorder = nullptr;
thread_local const Array* g_destination = nullptr;
thread_local Observer g_observer = nullptr;

Tensor result_of(const TensorType& type, std::span<const View> in) {
  const Array* memory = g_destination;
  if (memory == nullptr || g_observer != nullptr || memory->dtype != type.dtype ||
      memory->shape != type.shape)
    return Tensor(Array::empty(type.dtype, type.shape));
  // An earlier op of the computation may have left its result there (which a tape would keep).
  for (const View& x : in)
    if (overlaps(x, *memory)) return Tensor(Array::empty(type.dtype, type.shape));
  return Tensor(*memory);
}

// Items of the inputs of an op, without an allocation where there are few.
template <class T>
class PerInput {
 public:
  explicit PerInput(std::size_t count) : many_(count > kFew ? count : 0), count_(count) {}
  std::span<T> span() { return {count_ > kFew ? many_.data() : few_.data(), count_}; }

 private:
  static constexpr std::size_t kFew = 3;
  std::array<T, kFew> few_;
  std::vector<T> many_;
  std::size_t count_;
};

std::vector<Tensor> run_now(const Op& op, const Attrs& attrs, std::span<const Tensor> inputs) {
  PerInput<TensorType> type_memory(inputs.size());
  const std::span<TensorType> types = type_memory.span();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    inputs[i].array();  // throws for what has no values
    types[i] = inputs[i].type();
  }
  const std::vector<TensorType> results = op.infer(attrs, types);
  if (op.is(kView)) {
    const Array& source = inputs[0].array();
    return {Tensor(Array(op.view(attrs, source), source.owner))};
  }
  PerInput<View> view_memory(inputs.size());
  const std::span<View> in = view_memory.span();
  for (std::size_t i = 0; i < inputs.size(); ++i) in[i] = inputs[i].array();
  std::vector<Tensor> tensors;
  std::vector<View> out;
  for (const TensorType& t : results) {
    tensors.push_back(results.size() == 1 ? result_of(t, in)
                                          : Tensor(Array::empty(t.dtype, t.shape)));
    out.push_back(tensors.back().array());
  }
  if (op.is(kPointwise)) {
    run_pointwise(op, attrs, in, out[0]);
    return tensors;
  }
  RunState state;
  if (op.is(kRandom) && attrs.more.empty()) {  // `more` would be a seed of its own
    const auto [key, stream] = next_stream();
    state = {key, stream};
  }
  op.prepare(attrs, in, out)(state);
  return tensors;
}

}  // namespace

const Array& Tensor::array() const {
  if (symbolic())
    fail<TypeError>(
        "this tensor has no values yet: it is being recorded. Write the computation with tensor "
        "operations instead of asking for its numbers");
  if (!defined()) fail<RuntimeError>("an undefined tensor has no values");
  return array_;
}

bool Tensor::contiguous() const {
  return symbolic() ? recorder_->contiguous(*this) : array_.contiguous();
}

Destination::Destination(const Array* memory) : previous_(g_destination) { g_destination = memory; }
Destination::~Destination() { g_destination = previous_; }

ValueId new_value_id() {
  static std::atomic<ValueId> last{0};
  return ++last;
}

void set_observer(Observer observer) { g_observer = observer; }

void observe(const Op& op, const Attrs& attrs, std::span<const Tensor> inputs,
             std::span<Tensor> outputs) {
  if (g_observer != nullptr) g_observer(op, attrs, inputs, outputs);
}

Recorder* active_recorder() { return g_recorder; }
void set_active_recorder(Recorder* recorder) { g_recorder = recorder; }

std::vector<Tensor> apply(const Op& op, const Attrs& attrs, std::span<const Tensor> inputs) {
  if (op.arity >= 0 && static_cast<std::size_t>(op.arity) != inputs.size())
    fail<TypeError>(op.name, " takes ", op.arity, " tensors, got ", inputs.size());
  std::vector<Tensor> straightened;
  if (op.is(kContiguous)) {
    for (const Tensor& x : inputs) {
      if (x.contiguous()) continue;
      straightened.assign(inputs.begin(), inputs.end());
      for (Tensor& y : straightened) y = ops::contiguous(y);
      inputs = straightened;
      break;
    }
  }
  std::vector<Tensor> outputs =
      g_recorder != nullptr ? g_recorder->record(op, attrs, inputs) : run_now(op, attrs, inputs);
  observe(op, attrs, inputs, outputs);
  return outputs;
}

Tensor apply1(const Op& op, const Attrs& attrs, std::initializer_list<Tensor> inputs) {
  std::vector<Tensor> outputs = apply(op, attrs, std::span(inputs.begin(), inputs.size()));
  return std::move(outputs[0]);
}

namespace ops {

Tensor full(const Shape& shape, double value, DType dtype) {
  const Array out = Array::empty(dtype, shape);
  if (out.size() == 1) {
    kernels::table().cast[index(dtype)][index(DType::f64)](1, out.data, &value);
    return out;
  }
  const Array one = Array::empty(DType::f64, {});
  *one.as<double>() = value;
  copy_view(one, out);
  return out;
}

Tensor scalar(double value, DType dtype) { return full({}, value, dtype); }

Tensor zeros_like(const Tensor& x) { return full(x.shape(), 0, x.dtype()); }

}  // namespace ops
}  // namespace pynn
