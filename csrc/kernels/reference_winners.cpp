// The reference of products with what max pooling picks.
#include "kernels/reference.h"

namespace pynn::kernels::reference {
namespace {

template <class T>
void row_sums(const RowSums& s) {
  const auto x = static_cast<const T*>(s.x), values = static_cast<const T*>(s.values);
  for (std::int64_t i = 0; i < s.sums; ++i)
    for (std::int64_t j = 0; j < s.columns * s.stretches; ++j) {
      const std::int64_t stretch = j / s.columns, column = j % s.columns;
      double sum = 0;
      for (std::int64_t t = i * s.capacity; t < i * s.capacity + s.terms[i]; ++t)
        sum += static_cast<double>(values[t]) *
               static_cast<double>(x[s.at[t] + stretch * s.x_stretch + column]);
      T& c = static_cast<T*>(s.c)[s.to[i] + stretch * s.c_stretch + column];
      c = static_cast<T>(static_cast<double>(c) + sum);
    }
}

template <class T>
std::int32_t pack_terms(const PackTerms& p) {
  std::int32_t count = 0;
  for (std::int64_t i = 0; i < p.count; ++i) {
    const T value = static_cast<const T*>(p.values)[i];
    if (value == 0 || p.keys[i] < p.begin || p.keys[i] >= p.end) continue;
    static_cast<T*>(p.packed)[count] = value;
    p.packed_at[count++] = p.at[i] + p.key_at[p.keys[i] - p.begin];
  }
  return count;
}

void winner_product(const WinnerProduct& p) {
  const auto x = static_cast<const float*>(p.x), values = static_cast<const float*>(p.values);
  for (std::int64_t r = 0; r < p.rows; ++r)
    for (std::int64_t f = 0; f < p.filters; ++f) {
      double sum = 0;
      for (std::int64_t i = 0; i < p.windows; ++i) {
        const std::int64_t at = i * p.filters + f;
        sum += static_cast<double>(values[at]) *
               static_cast<double>(x[p.window_at[i] + p.pixel_at[p.winners[at]] + p.row_at[r]]);
      }
      float& c = static_cast<float*>(p.c)[r * p.filters + f];
      c = static_cast<float>(static_cast<double>(c) + sum);
    }
}

}  // namespace

void fill_winners(Table& table) {
  table.row_sums[index(DType::f32)] = row_sums<float>;
  table.row_sums[index(DType::f64)] = row_sums<double>;
  table.pack_terms[index(DType::f32)] = pack_terms<float>;
  table.pack_terms[index(DType::f64)] = pack_terms<double>;
  table.winner_product = winner_product;
}

}  // namespace pynn::kernels::reference
