// The scalar kernels, computed in double: they fill every row before an instruction set overrides
// what it does better, and the tests hold every instruction set against them.
#pragma once

#include "kernels/table.h"

namespace pynn::kernels::reference {

void fill(Table& table);
void fill_pool(Table& table);  // the parts of it that reference_<name>.cpp hold
void fill_depthwise(Table& table);
void fill_norm(Table& table);
void fill_winners(Table& table);
void fill_winograd(Table& table);

}  // namespace pynn::kernels::reference
