// Bodies made ready to run many times.
#pragma once

#include <memory>
#include <span>

#include "ops/body.h"
#include "program/program.h"

namespace pynn {

// See Body::loop. The captures of `program` are the inputs that are bound.
std::unique_ptr<Body::Loop> make_loop(Program program, std::span<const View> bound,
                                      std::size_t carries, std::int64_t length);

}  // namespace pynn
