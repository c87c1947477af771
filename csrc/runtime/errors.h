// Exceptions that bindings translate to Python's own types, with a printf-free message builder.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace pynn {

struct ValueError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};
struct TypeError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};
struct IndexError : std::out_of_range {
  using std::out_of_range::out_of_range;
};
struct RuntimeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// fail<ValueError>("Dense '", name, "' expects ", n, " features") throws with the pieces joined.
template <class E, class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw E(text.str());
}

}  // namespace pynn
