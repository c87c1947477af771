#include <algorithm>

#include "ops/ops.h"
#include "program/program.h"

namespace pynn {

SlotId ProgramRecorder::add_slot(Slot slot) {
  const auto id = static_cast<SlotId>(program_.slots.size());
  if (slot.root < 0) slot.root = id;
  program_.slots.push_back(std::move(slot));
  return id;
}

Tensor ProgramRecorder::tensor(SlotId slot) {
  return {shared_from_this(), slot, program_.slots[static_cast<std::size_t>(slot)].type};
}

Tensor ProgramRecorder::input(const TensorType& type) {
  Slot slot;
  slot.type = type;
  slot.role = Slot::Role::input;
  slot.layout = contiguous_view(Slot::origin(), type.dtype, type.shape);
  const SlotId id = add_slot(std::move(slot));
  program_.inputs.push_back(id);
  return tensor(id);
}

SlotId ProgramRecorder::capture(const Array& array) {
  std::vector<SlotId>& here = captures_[array.data];
  for (const SlotId id : here) {
    const Array& known = program_.slots[static_cast<std::size_t>(id)].captured;
    if (known.dtype == array.dtype && known.shape == array.shape && known.strides == array.strides)
      return id;
  }
  Slot slot;
  slot.type = {array.dtype, array.shape};
  slot.role = Slot::Role::capture;
  slot.captured = array;
  slot.layout = {Slot::origin(), array.dtype, array.shape, array.strides};
  here.push_back(add_slot(std::move(slot)));
  return here.back();
}

SlotId ProgramRecorder::closure(const Tensor& x) {
  const auto same = [&](const Tensor& y) {
    if (x.symbolic() || y.symbolic()) return x.recorder() == y.recorder() && x.slot() == y.slot();
    const Array &a = x.array(), &b = y.array();
    return a.data == b.data && x.type() == y.type() && a.strides == b.strides;
  };
  const auto known = std::find_if(closures_.begin(), closures_.end(), same);
  const auto i = static_cast<std::size_t>(known - closures_.begin());
  if (known == closures_.end()) {
    closures_.push_back(x);
    closure_inputs_.push_back(input(x.type()).slot());
  }
  return closure_inputs_[i];
}

SlotId ProgramRecorder::outside(const Tensor& x) {
  if (kind_ != Kind::program) return closure(x);
  if (x.symbolic()) fail<RuntimeError>("a tensor of another recording cannot be used in this one");
  return capture(x.array());
}

Tensor ProgramRecorder::symbol(const Tensor& x) {
  if (x.symbolic() && x.recorder().get() == this) return x;
  if (x.symbolic() && x.recorder() == origin_.lock()) return tensor(x.slot());
  const SlotId id = outside(x);
  const auto current = assigned_.find(id);
  return tensor(current == assigned_.end() ? id : current->second);
}

std::vector<Tensor> ProgramRecorder::record(const Op& op, const Attrs& attrs,
                                            std::span<const Tensor> inputs) {
  Step step{&op, attrs, {}, {}};
  std::vector<TensorType> types;
  for (const Tensor& x : inputs) {
    step.inputs.push_back(symbol(x).slot());
    types.push_back(x.type());
  }
  if ((traits_of(op, attrs) & kRandom) != 0) step.attrs.stream = random_steps_++;
  if (op.is(kProduct) && rounds_products_) step.attrs.dtype = DType::bf16;

  std::vector<Tensor> results;
  for (const TensorType& type : op.infer(step.attrs, types)) {
    Slot slot;
    slot.type = type;
    slot.step = static_cast<std::int32_t>(program_.steps.size());
    if (op.is(kView)) {
      const Slot& source = program_.slots[static_cast<std::size_t>(step.inputs[0])];
      slot.root = source.root;
      slot.layout = op.view(attrs, source.layout);
    } else {
      slot.layout = contiguous_view(Slot::origin(), type.dtype, type.shape);
    }
    step.outputs.push_back(add_slot(std::move(slot)));
    results.push_back(tensor(step.outputs.back()));
  }
  program_.steps.push_back(std::move(step));
  return results;
}

bool ProgramRecorder::contiguous(const Tensor& x) const {
  return program_.slots[static_cast<std::size_t>(x.slot())].layout.contiguous();
}

bool ProgramRecorder::owns_memory(const Tensor& x) const {
  const Slot& slot = program_.slots[static_cast<std::size_t>(x.slot())];
  return slot.role == Slot::Role::value && slot.root == x.slot();
}

void ProgramRecorder::assign(const Tensor& target, const Tensor& value) {
  const Scope scope(*this);
  if (target.symbolic() || !target.array().contiguous())
    fail<TypeError>("only a variable can be assigned to");
  if (kind_ == Kind::body)
    fail<RuntimeError>(
        "a variable cannot be assigned inside scan or cond: return its new value and assign that "
        "outside");
  if (value.shape() != target.shape())
    fail<ValueError>("a variable of shape ", target.shape(),
                     " cannot be assigned a value of shape ", value.shape());
  Tensor stored = symbol(ops::cast(value, target.dtype()));
  // A store may run before another capture changes: it must not read one.
  if (!owns_memory(stored)) stored = ops::copy(stored);
  const SlotId id = outside(target);
  assigned_[id] = stored.slot();
  for (Store& store : program_.stores) {
    if (store.target != id) continue;
    store.value = stored.slot();
    return;
  }
  program_.stores.push_back({id, stored.slot()});
}

std::vector<std::pair<Tensor, Tensor>> ProgramRecorder::assigned() {
  std::vector<std::pair<Tensor, Tensor>> pairs;
  for (std::size_t i = 0; i < closures_.size(); ++i)
    if (const auto found = assigned_.find(closure_inputs_[i]); found != assigned_.end())
      pairs.emplace_back(closures_[i], tensor(found->second));
  return pairs;
}

const Step* ProgramRecorder::producer(const Tensor& x) const {
  const std::int32_t step = program_.slots[static_cast<std::size_t>(x.slot())].step;
  return step < 0 ? nullptr : &program_.steps[static_cast<std::size_t>(step)];
}

Program ProgramRecorder::finish(std::span<const Tensor> outputs, bool stores) {
  const Scope scope(*this);
  std::vector<SlotId> ids;
  for (const Tensor& x : outputs) {
    Tensor own = symbol(x);
    const bool repeated = std::find(ids.begin(), ids.end(), own.slot()) != ids.end();
    if (repeated || !owns_memory(own)) own = ops::copy(own);
    ids.push_back(own.slot());
  }
  Program program = program_;
  program.outputs = std::move(ids);
  if (!stores) program.stores.clear();
  return program;
}

}  // namespace pynn
