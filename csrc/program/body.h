// Recorded programs as bodies of steps.
#pragma once

#include <memory>
#include <span>

#include "ops/body.h"
#include "program/program.h"

namespace pynn {

// What was recorded, with these outputs. Its inputs are those of the recorder, whose closures come
// last.
std::shared_ptr<const Body> make_body(ProgramRecorder& recorder, std::span<const Tensor> outputs);

// The body with inputs that it does not read: `before` of its own, then others of these types, then
// the rest of its own.
std::shared_ptr<const Body> widened(const Body& body, std::size_t before,
                                    std::span<const TensorType> types);

}  // namespace pynn
