// Bodies made ready to run many times.
#pragma once

#include <memory>
#include <span>

#include "ops/body.h"
#include "program/program.h"

namespace pynn {

// The arguments of Body::loop.
struct LoopArgs {
  std::span<const View> in, out;
  std::size_t carries, shared_from;
  std::int64_t length;
};
std::unique_ptr<Body::Loop> make_loop(const Program& body, const LoopArgs& args);

}  // namespace pynn
