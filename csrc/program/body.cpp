#include "program/body.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "ops/chain.h"
#include "ops/ops.h"
#include "program/instances.h"
#include "program/loop.h"
#include "program/passes.h"

namespace pynn {

namespace {

constexpr std::size_t at(SlotId slot) { return static_cast<std::size_t>(slot); }

class ProgramBody : public Body {
 public:
  explicit ProgramBody(Program program, std::weak_ptr<Recorder> origin = {})
      : program_(std::move(program)), origin_(std::move(origin)) {
    const auto type = [&](SlotId slot) { return program_.slots[at(slot)].type; };
    for (const SlotId in : program_.inputs) inputs_.push_back(type(in));
    for (const SlotId out : program_.outputs) outputs_.push_back(type(out));
    for (const Step& step : program_.steps)
      traits_ |= traits_of(*step.op, step.attrs) & (kRandom | kEffect);
  }

  const std::vector<TensorType>& inputs() const override { return inputs_; }
  const std::vector<TensorType>& outputs() const override { return outputs_; }
  std::uint32_t traits() const override { return traits_; }
  std::unique_ptr<Instance> instance(std::span<const View> bound) const override {
    return std::make_unique<BodyInstance>(with_memory(program_, bound));
  }
  std::unique_ptr<Loop> loop(std::span<const View> in, std::span<const View> out,
                             std::size_t carries, std::size_t shared_from,
                             std::int64_t length) const override {
    return make_loop(program_, {in, out, carries, shared_from, length});
  }
  std::vector<Tensor> run(std::span<const Tensor> inputs, std::size_t varying, std::size_t visible,
                          const RunState& state) const override;
  BodyGradient differentiate(const BodyGradientArgs& args) const override;

  const Program& program() const { return program_; }
  const std::weak_ptr<Recorder>& origin() const { return origin_; }

 private:
  Program program_;
  std::weak_ptr<Recorder> origin_;  // whose tensors are the first slots
  std::shared_ptr<Instances> instances_ = std::make_shared<Instances>();
  mutable std::mutex mutex_;
  mutable std::vector<std::pair<BodyGradientArgs, BodyGradient>> gradients_;  // that were asked for
  std::vector<TensorType> inputs_, outputs_;
  std::uint32_t traits_ = 0;
};

// The gradient of a body while it is being made: its program with the gradient's steps behind it,
// from which the part is cut that runs backwards.
class Differentiation {
 public:
  Differentiation(const ProgramBody& body, const BodyGradientArgs& args)
      : program_(body.program()),
        args_(args),
        origin_(body.origin()),
        recorder_(std::make_shared<ProgramRecorder>(program_, origin_)),
        forward_steps_(program_.steps.size()) {}

  BodyGradient run() {
    const ProgramRecorder::Scope scope(*recorder_);
    record();
    collect();
    Program joint = recorder_->program();
    find_reads(joint);
    for (const Cut& operand : operands_) place(joint, operand);

    BodyGradient result = std::move(result_);
    if (!saved_.empty()) result.forward = std::make_shared<ProgramBody>(forward(joint), origin_);
    result.backward = std::make_shared<ProgramBody>(backward(std::move(joint), result), origin_);
    return result;
  }

 private:
  using Operand = BodyGradient::Operand;
  struct Cut {
    SlotId slot;
    std::size_t total, operand;
  };

  SlotId input_slot(std::size_t i) const { return program_.inputs[i]; }
  bool seed_is_replaced(std::size_t output) const { return output < args_.replaced; }

  void record() {
    std::vector<Tensor> targets, seeds, sources;
    for (std::size_t i = 0; i < program_.outputs.size(); ++i) {
      if (!args_.seeded[i]) continue;
      targets.push_back(recorder_->tensor(program_.outputs[i]));
      seeds.push_back(recorder_->input(targets.back().type()));
      (seed_is_replaced(i) ? first_seeds_ : seeds_).push_back(seeds.back().slot());
    }
    for (std::size_t i = 0; i < program_.inputs.size(); ++i)
      if (args_.wanted[i]) sources.push_back(recorder_->tensor(input_slot(i)));
    gradients_ = recorder_->gradient(targets, seeds, sources);
  }

  // A slot with memory of its own, in order, that can be copied out: for what a loop carries not an
  // input, because another carry may be copied there first.
  SlotId outcome(const Tensor& x, bool carried) {
    const Tensor own = recorder_->symbol(x);
    const Slot& slot = recorder_->program().slots[at(own.slot())];
    const bool whole = slot.root == own.slot() && slot.layout.contiguous();
    const bool taken = carried && slot.role == Slot::Role::input;
    return whole && !taken ? own.slot() : ops::copy(own).slot();
  }
  Tensor zeros_of(std::size_t input) {
    const TensorType& type = program_.slots[at(input_slot(input))].type;
    return ops::full(type.shape, 0, type.dtype);
  }

  void collect() {
    std::size_t next = 0;
    result_.reaches.assign(program_.inputs.size(), 0);
    for (std::size_t i = 0; i < program_.inputs.size(); ++i) {
      if (!args_.wanted[i]) continue;
      const Tensor gradient = gradients_[next++];
      result_.reaches[i] = gradient.defined();
      if (args_.once) {
        if (gradient.defined()) others_.push_back(outcome(gradient, false));
      } else if (i < args_.shared) {
        const bool carried = i < args_.replaced;
        (carried ? first_ : others_)
            .push_back(outcome(gradient.defined() ? gradient : zeros_of(i), carried));
      } else if (!gradient.defined() || !defer(i, gradient)) {
        const Tensor so_far = recorder_->input(program_.slots[at(input_slot(i))].type);
        so_far_.push_back(so_far.slot());
        sums_.push_back(outcome(gradient.defined() ? ops::add(so_far, gradient) : so_far, true));
        result_.sums.push_back(i);
      }
    }
  }

  // Notes the operands of a gradient that is the product of two matrices or a sum over leading
  // axes.
  bool defer(std::size_t input, const Tensor& gradient) {
    const Step* found = recorder_->producer(gradient);
    if (found == nullptr) return false;
    const Step step = *found;  // emitting steps moves it
    std::vector<Tensor> operands;
    for (const SlotId in : step.inputs) operands.push_back(recorder_->tensor(in));
    const Dims& axes = step.attrs.dims;
    bool leading = step.op->is(kSum) && !axes.empty() && !step.attrs.flag;
    for (int i = 0; leading && i < axes.rank(); ++i) leading = axes[i] == i;
    const bool matrices = step.op->is(kProduct) && operands.size() == 2 &&
                          step.attrs.activation == kernels::Activation::linear &&
                          operands[0].rank() == 2 && operands[1].rank() == 2;
    if (!leading && !matrices) return false;
    if (matrices) operands[0] = ops::swap_last(operands[0]);
    BodyGradient::Total total{input, step.op, step.attrs, {}};
    for (const Tensor& x : operands) {
      operands_.push_back({base(x), result_.totals.size(), total.operands.size()});
      total.operands.push_back({Operand::From::backward, 0, x.shape()});
    }
    result_.totals.push_back(std::move(total));
    return true;
  }

  // The slot whose memory is that of x in order, whatever its shape: the root, where x is all of
  // it.
  SlotId base(const Tensor& x) {
    const std::vector<Slot>& slots = recorder_->program().slots;
    const Slot& slot = slots[at(x.slot())];
    const bool whole = slot.layout.contiguous() && slot.offset_bytes() == 0 &&
                       element_count(slots[at(slot.root)].type.shape) == x.size();
    return whole ? slot.root : ops::copy(x).slot();
  }

  std::size_t input_index(SlotId slot) const {
    const auto found = std::find(program_.inputs.begin(), program_.inputs.end(), slot);
    return static_cast<std::size_t>(found - program_.inputs.begin());
  }

  // What the gradient needs: its own steps, views of what came before, and values from before.
  void find_reads(const Program& joint) {
    keep_.assign(joint.steps.size(), 0);
    std::vector<SlotId> pending;
    for (const std::vector<SlotId>* group : {&first_, &sums_, &others_})
      pending.insert(pending.end(), group->begin(), group->end());
    for (const Cut& operand : operands_)
      if (!available(joint, operand.slot)) pending.push_back(operand.slot);
    while (!pending.empty()) {
      const SlotId slot = pending.back();
      pending.pop_back();
      const std::int32_t step = joint.slots[at(slot)].step;
      if (joint.slots[at(slot)].role == Slot::Role::input) {
        if (const std::size_t i = input_index(slot); i < program_.inputs.size()) read(slot, i);
      } else if (step >= 0 && is_saved(joint, slot)) {
        save(slot);
      } else if (step >= 0 && keep_[static_cast<std::size_t>(step)] == 0) {
        keep_[static_cast<std::size_t>(step)] = 1;
        const std::vector<SlotId>& in = joint.steps[static_cast<std::size_t>(step)].inputs;
        pending.insert(pending.end(), in.begin(), in.end());
      }
    }
    std::sort(result_.read.begin(), result_.read.end());
  }

  // Whether the forward run computes the slot, and it is worth keeping.
  bool is_saved(const Program& joint, SlotId slot) const {
    const std::int32_t step = joint.slots[at(slot)].step;
    return args_.save && static_cast<std::size_t>(step) < forward_steps_ &&
           !joint.steps[static_cast<std::size_t>(step)].op->is(kView);
  }
  // Whether the slot's values of all runs will be there without the backward run.
  bool available(const Program& joint, SlotId slot) const {
    if (joint.slots[at(slot)].role == Slot::Role::input) return input_index(slot) < args_.shared;
    return joint.slots[at(slot)].step >= 0 && is_saved(joint, slot);
  }

  void read(SlotId slot, std::size_t input) {
    if (args_.save && input < args_.replaced) return save(slot);
    if (std::find(result_.read.begin(), result_.read.end(), input) == result_.read.end())
      result_.read.push_back(input);
  }
  void save(SlotId slot) {
    if (std::find(read_saved_.begin(), read_saved_.end(), slot) != read_saved_.end()) return;
    read_saved_.push_back(slot);
    result_.saved.push_back(stacked_output(slot));
  }
  // Which output of the forward body keeps this slot's value of each run; a new one if need be.
  std::size_t stacked_output(SlotId slot) {
    const std::vector<SlotId>& own = program_.outputs;
    const auto known =
        std::find(own.begin() + static_cast<std::ptrdiff_t>(args_.replaced), own.end(), slot);
    if (known != own.end()) return static_cast<std::size_t>(known - own.begin());
    const auto more = std::find(saved_.begin(), saved_.end(), slot);
    const auto i = static_cast<std::size_t>(more - saved_.begin());
    if (more == saved_.end()) saved_.push_back(slot);
    return own.size() + i;
  }

  void place(const Program& joint, const Cut& cut) {
    Operand& operand = result_.totals[cut.total].operands[cut.operand];
    if (!available(joint, cut.slot)) {
      std::vector<SlotId> stacked = others_;  // may have it already
      stacked.insert(stacked.end(), outputs_.begin(), outputs_.end());
      const auto known = std::find(stacked.begin(), stacked.end(), cut.slot);
      if (known == stacked.end()) outputs_.push_back(cut.slot);
      operand.index =
          first_.size() + sums_.size() + static_cast<std::size_t>(known - stacked.begin());
    } else if (joint.slots[at(cut.slot)].role == Slot::Role::input &&
               input_index(cut.slot) >= args_.replaced) {
      operand.from = Operand::From::input;
      operand.index = input_index(cut.slot);
    } else {
      operand.from = Operand::From::forward;
      operand.index = stacked_output(cut.slot);
    }
  }

  // The steps that there were, some of which give more now, and the saved values.
  Program forward(Program joint) const {
    for (const SlotId in : joint.inputs)
      if (input_index(in) == program_.inputs.size()) forget(joint.slots[at(in)]);
    joint.inputs = program_.inputs;
    joint.outputs = program_.outputs;
    joint.outputs.insert(joint.outputs.end(), saved_.begin(), saved_.end());
    joint.steps.resize(forward_steps_);
    return joint;
  }

  Program backward(Program joint, BodyGradient& result) {
    if (!args_.save) {
      result.read.clear();
      for (std::size_t i = 0; i < program_.inputs.size(); ++i) result.read.push_back(i);
    }
    for (const SlotId in : joint.inputs) forget(joint.slots[at(in)]);
    joint.inputs.clear();
    const auto take = [&](SlotId slot) {
      Slot& s = joint.slots[at(slot)];
      s.role = Slot::Role::input;
      s.step = -1;
      joint.inputs.push_back(slot);
    };
    const auto take_all = [&](const std::vector<SlotId>& slots) {
      for (const SlotId slot : slots) take(slot);
    };
    take_all(first_seeds_);
    take_all(so_far_);
    take_all(seeds_);
    for (const std::size_t i : result.read)
      if (i < args_.shared) take(input_slot(i));
    take_all(read_saved_);
    for (const std::size_t i : result.read)
      if (i >= args_.shared) take(input_slot(i));
    joint.outputs.clear();
    for (const std::vector<SlotId>* group : {&first_, &sums_, &others_, &outputs_})
      joint.outputs.insert(joint.outputs.end(), group->begin(), group->end());
    drop_steps(joint, keep_);
    for (const SlotId slot : read_saved_) joint.slots[at(slot)].step = -1;
    return joint;
  }
  static void forget(Slot& slot) {
    slot.role = Slot::Role::value;
    slot.step = -1;
  }

  const Program& program_;
  const BodyGradientArgs& args_;
  std::weak_ptr<Recorder> origin_;
  std::shared_ptr<ProgramRecorder> recorder_;
  std::size_t forward_steps_;
  std::vector<Tensor> gradients_;
  std::vector<SlotId> first_seeds_, seeds_, so_far_;     // inputs of the gradient
  std::vector<SlotId> first_, sums_, others_, outputs_;  // its outputs; the last are operands
  std::vector<SlotId> saved_, read_saved_;               // kept by the forward run
  std::vector<Cut> operands_;                            // of totals
  std::vector<char> keep_;
  BodyGradient result_;
};

std::vector<Tensor> ProgramBody::run(std::span<const Tensor> inputs, std::size_t varying,
                                     std::size_t visible, const RunState& state) const {
  std::vector<View> bound(inputs.size());
  for (std::size_t i = varying; i < inputs.size(); ++i)
    if (inputs[i].contiguous()) bound[i] = inputs[i].array();
  const std::shared_ptr<BodyInstance> instance = instances_->lend(program_, bound);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (bound[i].data == nullptr) copy_view(inputs[i].array(), instance->input(i));
  instance->run(state);
  std::vector<Tensor> results;
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    Array result(instance->output(i), instance);
    if (i < visible) {
      result = Array::empty(result.dtype, result.shape);
      copy_view(instance->output(i), result);
    }
    results.emplace_back(std::move(result));
  }
  return results;
}

BodyGradient ProgramBody::differentiate(const BodyGradientArgs& args) const {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [known, gradient] : gradients_)
      if (known == args) return gradient;
  }
  BodyGradient gradient = Differentiation(*this, args).run();  // may call Python: without the lock
  const std::lock_guard lock(mutex_);
  return gradients_.emplace_back(args, std::move(gradient)).second;
}

}  // namespace

std::shared_ptr<const Body> make_body(ProgramRecorder& recorder, std::span<const Tensor> outputs) {
  return std::make_shared<ProgramBody>(recorder.finish(outputs, false), recorder.weak_from_this());
}

std::shared_ptr<const Body> widened(const Body& body, std::size_t before,
                                    std::span<const TensorType> types) {
  const auto& narrow = static_cast<const ProgramBody&>(body);
  Program program = narrow.program();
  std::vector<SlotId> more;
  for (const TensorType& type : types) {
    Slot slot;
    slot.type = type;
    slot.role = Slot::Role::input;
    slot.layout = contiguous_view(Slot::origin(), type.dtype, type.shape);
    slot.root = static_cast<SlotId>(program.slots.size());
    more.push_back(slot.root);
    program.slots.push_back(std::move(slot));
  }
  program.inputs.insert(program.inputs.begin() + static_cast<std::ptrdiff_t>(before), more.begin(),
                        more.end());
  return std::make_shared<ProgramBody>(std::move(program), narrow.origin());
}

}  // namespace pynn
