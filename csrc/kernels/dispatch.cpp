// Builds the kernel tables of every instruction set this library was compiled for, and picks one.
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

#include "kernels/reference.h"
#include "kernels/table.h"
#include "runtime/cpu.h"
#include "runtime/errors.h"

// One row per file of kernels/cpu: its kernels enter a table through fill_<name>.
// clang-format off
#define PYNN_FAMILIES(ROW, isa)                                                     \
  ROW(isa, pointwise) ROW(isa, stages) ROW(isa, reduce) ROW(isa, softmax) ROW(isa, norm)           \
  ROW(isa, random) ROW(isa, move) ROW(isa, gemm) ROW(isa, gemv) ROW(isa, gemm_bf16) \
  ROW(isa, pool) ROW(isa, depthwise) ROW(isa, winners) ROW(isa, winograd)
// clang-format on

// PYNN_ISAS has a ROW for a set with every file, and a PART for one that differs from `base` in a
// file.
#define PYNN_DECLARE(isa, family) void fill_##family(Table&);
#define ROW(isa)                   \
  namespace pynn::kernels::isa {   \
  PYNN_FAMILIES(PYNN_DECLARE, isa) \
  }
#define PART(isa, base, family)  \
  namespace pynn::kernels::isa { \
  PYNN_DECLARE(isa, family)      \
  }
PYNN_ISAS
#undef PART
#undef ROW
#undef PYNN_DECLARE

namespace pynn::kernels {
namespace {

bool runs_here(std::string_view isa) {
  const CpuFeatures& cpu = cpu_features();
  if (isa == "avx2") return cpu.avx2;
  if (isa == "avx512") return cpu.avx512;
  if (isa == "avx512_bf16") return cpu.avx512_bf16;
  if (isa == "neon") return cpu.neon;
  return true;  // reference, and what the compiler targets by default
}

struct Tables {
  static constexpr std::size_t kMost = 8;
  std::array<Table, kMost> tables{};
  std::array<const char*, kMost + 1> names{};  // null-terminated, best last
  std::size_t count = 0;

  // A new table with the rows of `base`, by default the reference's, or null where this CPU cannot
  // run the set.
  Table* add(const char* isa, const char* base = nullptr) {
    if (!runs_here(isa)) return nullptr;
    Table& table = tables[count];
    reference::fill(table);
    for (std::size_t i = 0; base != nullptr && i < count; ++i)
      if (std::string_view(base) == names[i]) table = tables[i];
    table.isa = names[count] = isa;
    ++count;
    return &table;
  }

  Tables() {
    add("reference");
#define PYNN_FILL(isa, family) isa::fill_##family(*table);
#define ROW(isa)                  \
  if (Table* table = add(#isa)) { \
    PYNN_FAMILIES(PYNN_FILL, isa) \
  }
#define PART(isa, base, family) \
  if (Table* table = add(#isa, #base)) PYNN_FILL(isa, family)
    PYNN_ISAS
#undef PART
#undef ROW
#undef PYNN_FILL
  }
};

const Tables& tables() {
  static const Tables all;
  return all;
}

const Table& choose() {
  const Tables& all = tables();
  const char* wanted = std::getenv("PYNN_ISA");
  if (wanted == nullptr || *wanted == '\0') return all.tables[all.count - 1];
  if (const Table* table = table_for(wanted)) return *table;
  std::string available;
  for (std::size_t i = 0; i < all.count; ++i) {
    available += (i == 0 ? "'" : ", '") + std::string(all.names[i]) + "'";
  }
  fail<ValueError>("PYNN_ISA is '", wanted, "', but this build on this CPU has ", available);
}

}  // namespace

const Table& table() {
  static const Table& chosen = choose();
  return chosen;
}

const Table* table_for(const char* isa) {
  const Tables& all = tables();
  for (std::size_t i = 0; i < all.count; ++i) {
    if (std::string_view(isa) == all.names[i]) return &all.tables[i];
  }
  return nullptr;
}

const char* const* available_isas() { return tables().names.data(); }

}  // namespace pynn::kernels
