#include "program/instances.h"

#include <algorithm>

namespace pynn {

namespace {

constexpr std::size_t kIdle = 4;

}  // namespace

Program with_memory(Program program, std::span<const View> bound) {
  for (std::size_t i = 0; i < bound.size(); ++i) {
    if (bound[i].data == nullptr) {
      // As an output it has its memory to itself for the whole run: a loop fills it from others.
      program.outputs.push_back(program.inputs[i]);
      continue;
    }
    Slot& slot = program.slots[static_cast<std::size_t>(program.inputs[i])];
    slot.role = Slot::Role::capture;
    slot.captured = Array(bound[i], nullptr);
  }
  return program;
}

std::shared_ptr<BodyInstance> Instances::lend(const Program& program, std::span<const View> bound) {
  Key key;
  for (const View& view : bound) key.push_back(view.data);
  std::unique_ptr<BodyInstance> instance = take(key);
  if (instance == nullptr) instance = std::make_unique<BodyInstance>(with_memory(program, bound));
  return {instance.release(), [pool = weak_from_this(), key](BodyInstance* used) {
            std::unique_ptr<BodyInstance> back(used);
            if (const auto alive = pool.lock()) alive->keep(key, std::move(back));
          }};
}

std::unique_ptr<BodyInstance> Instances::take(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(idle_.begin(), idle_.end(), [&](const auto& pair) { return pair.first == key; });
  if (found == idle_.end()) return nullptr;
  std::unique_ptr<BodyInstance> instance = std::move(found->second);
  idle_.erase(found);
  return instance;
}

void Instances::keep(const Key& key, std::unique_ptr<BodyInstance> instance) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() == kIdle) idle_.erase(idle_.begin());
  idle_.emplace_back(key, std::move(instance));
}

}  // namespace pynn
