// The op table: its families in one list.
#include <unordered_map>

#include "ops/op.h"

namespace pynn {

#define PYNN_FAMILIES(ROW) \
  ROW(pointwise)           \
  ROW(shape_ops)           \
  ROW(reduction)           \
  ROW(matmul)              \
  ROW(conv)                \
  ROW(softmax)             \
  ROW(norm)                \
  ROW(gather)              \
  ROW(equal_rows)          \
  ROW(along)               \
  ROW(indexing)            \
  ROW(recurrence)          \
  ROW(random)              \
  ROW(host)                \
  ROW(custom)              \
  ROW(pool)                \
  ROW(warp)                \
  ROW(call)                \
  ROW(control)

#define ROW(family) void register_##family(OpTable& table);
PYNN_FAMILIES(ROW)
#undef ROW

Op& OpTable::add(Op row) { return rows.emplace_back(std::move(row)); }

namespace {

struct Registry {
  OpTable table;
  std::unordered_map<std::string_view, const Op*> by_name;

  Registry() {
#define ROW(family) register_##family(table);
    PYNN_FAMILIES(ROW)
#undef ROW
    for (const Op& row : table.rows) by_name.emplace(row.name, &row);
  }
};

const Registry& registry() {
  static const Registry instance;
  return instance;
}

}  // namespace

const Op& op(std::string_view name) {
  const auto found = registry().by_name.find(name);
  if (found == registry().by_name.end()) fail<ValueError>("there is no op named '", name, "'");
  return *found->second;
}

std::span<const Op> all_ops() { return registry().table.rows; }

}  // namespace pynn
