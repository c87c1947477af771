#include "program/gradient_tape.h"

#include <algorithm>
#include <mutex>

#include "ops/chain.h"
#include "ops/ops.h"

namespace pynn {

namespace {

thread_local std::vector<std::shared_ptr<GradientTape>> started_here;  // or were stopped elsewhere

// The tapes of all threads that remember something.
struct Holders {
  std::mutex mutex;
  std::vector<GradientTape*> tapes;
  std::atomic<std::size_t> count{0};  // read without the lock
};
Holders& holders() {
  static Holders instance;
  return instance;
}

}  // namespace

class GradientTape::Calls : public History {
 public:
  explicit Calls(GradientTape& tape) : tape_(tape) {}
  std::size_t calls() const override { return tape_.calls_.size(); }
  std::size_t nodes() const override { return tape_.nodes_.size(); }
  std::span<const NodeId> from(std::size_t i) const override { return tape_.calls_[i].from; }
  std::span<const NodeId> to(std::size_t i) const override { return tape_.calls_[i].to; }
  bool carries(NodeId) const override { return true; }
  Call call(std::size_t i) override { return tape_.calls_[i]; }

 private:
  GradientTape& tape_;
};

GradientTape::~GradientTape() { clear(); }

void GradientTape::start() {
  recorder_ = active_recorder();
  thread_ = std::this_thread::get_id();
  running_ = true;
  started_here.push_back(shared_from_this());
  set_observer(observe);
}

void GradientTape::stop() {
  running_ = false;
  std::erase_if(started_here, [](const auto& tape) { return !tape->running_; });
  if (started_here.empty()) set_observer(nullptr);
}

void GradientTape::clear() {
  {
    const std::lock_guard lock(holders().mutex);
    std::erase(holders().tapes, this);
    holders().count = holders().tapes.size();
  }
  calls_.clear();
  nodes_.clear();
  watched_.clear();
  variables_.clear();
}

bool GradientTape::active() {
  return std::any_of(started_here.begin(), started_here.end(),
                     [](const auto& tape) { return tape->follows(active_recorder()); });
}

NodeId GradientTape::add_node(const Tensor& x) {
  return nodes_.try_emplace(x.id(), static_cast<NodeId>(nodes_.size())).first->second;
}

NodeId GradientTape::node(const Tensor& x) {
  if (x.id() == 0) return -1;
  const auto found = nodes_.find(x.id());
  if (found != nodes_.end()) return found->second;
  if (!follows_variables_ || !x.trainable() || !is_float(x.dtype())) return -1;
  variables_.push_back(x.id());
  return add_node(x);
}

void GradientTape::watch(const Tensor& x) {
  add_node(x);
  if (!x.symbolic()) watched_.push_back(x);
}

void GradientTape::recognize(Tensor& x) const {
  const auto same = [&](const Tensor& y) {
    return x.type() == y.type() && x.array().data == y.array().data &&
           x.array().strides == y.array().strides;
  };
  const auto found = std::find_if(watched_.begin(), watched_.end(), same);
  if (found != watched_.end()) x.identify(found->id());
}

std::vector<char> GradientTape::followed(std::span<Tensor> values) {
  std::vector<char> flags(values.size(), 0);
  for (const std::shared_ptr<GradientTape>& tape : started_here) {
    if (!tape->follows(active_recorder())) continue;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i].id() == 0 && !values[i].symbolic()) tape->recognize(values[i]);
      flags[i] |= tape->node(values[i]) >= 0;
    }
  }
  return flags;
}

void GradientTape::observe(const Op& op, const Attrs& attrs, std::span<const Tensor> inputs,
                           std::span<Tensor> outputs) {
  for (const std::shared_ptr<GradientTape>& tape : started_here)
    if (tape->follows(active_recorder())) tape->remember(op, attrs, inputs, outputs);
}

void GradientTape::remember(const Op& op, const Attrs& attrs, std::span<const Tensor> inputs,
                            std::span<Tensor> outputs) {
  std::vector<NodeId> from;
  for (const Tensor& x : inputs) from.push_back(node(x));
  const auto followed = [](NodeId n) { return n >= 0; };
  const auto carries = [](const Tensor& y) { return is_float(y.dtype()); };
  if (std::none_of(from.begin(), from.end(), followed) ||
      std::none_of(outputs.begin(), outputs.end(), carries))
    return;
  Call call{&op, attrs, {inputs.begin(), inputs.end()}, {}, std::move(from), {}};
  if (Recorder* recorder = active_recorder(); recorder != nullptr)
    for (Tensor& x : call.inputs) x = x.held_by(recorder->symbol(x));
  for (Tensor& y : outputs) {
    if (carries(y) && y.id() == 0) y.identify(new_value_id());
    call.outputs.push_back(y);
    call.to.push_back(carries(y) ? add_node(y) : -1);
  }
  if (calls_.empty()) {
    const std::lock_guard lock(holders().mutex);
    holders().tapes.push_back(this);
    holders().count = holders().tapes.size();
  }
  calls_.push_back(std::move(call));
}

void GradientTape::before_store(const View& memory) {
  if (holders().count.load(std::memory_order_relaxed) == 0) return;
  const std::lock_guard lock(holders().mutex);
  for (GradientTape* tape : holders().tapes)
    if (tape->thread_ == std::this_thread::get_id()) tape->keep_values(memory);
}

void GradientTape::keep_values(const View& memory) {
  std::vector<std::pair<View, Tensor>> kept;  // views of `memory` with copies of their values
  const auto keep = [&](Tensor& x) {
    if (x.symbolic() || !overlaps(x.array(), memory)) return;
    const View& view = x.array();
    auto known = std::find_if(kept.begin(), kept.end(), [&](const auto& pair) {
      return pair.first.data == view.data && pair.first.dtype == view.dtype &&
             pair.first.shape == view.shape && pair.first.strides == view.strides;
    });
    if (known == kept.end()) {
      const Array copy = Array::empty(view.dtype, view.shape);
      copy_view(view, copy);
      known = kept.emplace(kept.end(), view, Tensor(copy));
    }
    x = x.held_by(known->second);
  };
  for (Call& call : calls_) {
    for (Tensor& x : call.inputs) keep(x);
    for (Tensor& y : call.outputs) keep(y);
  }
}

std::vector<Tensor> GradientTape::gradient(std::span<const Tensor> targets,
                                           std::span<const Tensor> seeds,
                                           std::span<const Tensor> sources) {
  const auto known = [&](const Tensor& x) {
    const auto found = nodes_.find(x.id());
    return x.id() == 0 || found == nodes_.end() ? -1 : found->second;
  };
  std::vector<std::pair<NodeId, Tensor>> starts;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Tensor& y = targets[i];
    const Tensor& seed = seeds[i];
    if (!is_float(y.dtype()))
      fail<TypeError>("gradients are taken of floating-point tensors, got ", name(y.dtype()));
    if (seed.defined() && seed.shape() != y.shape())
      fail<ValueError>("the output gradient has shape ", seed.shape(), ", its target ", y.shape());
    if (const NodeId node = known(y); node >= 0)
      starts.emplace_back(
          node, seed.defined() ? ops::cast(seed, y.dtype()) : ops::full(y.shape(), 1, y.dtype()));
  }
  std::vector<NodeId> ids;
  for (const Tensor& x : sources) {
    if (!is_float(x.dtype()))
      fail<TypeError>("gradients are taken with respect to floating-point tensors, got ",
                      name(x.dtype()));
    ids.push_back(known(x));
  }
  Calls calls(*this);
  std::vector<Tensor> found = backward(calls, starts, ids);
  for (Tensor& x : found)
    if (x.defined()) x = ops::contiguous(x);
  return found;
}

}  // namespace pynn
