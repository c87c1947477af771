// Matrix products in bfloat16: the operands, float32 or bfloat16, are rounded while they are
// packed, once for all threads; sums and results are float32.
#pragma once

#include <vector>

#include "ops/product.h"

namespace pynn {

class PairProduct {
 public:
  // As `Product`: c = activation(a b + bias), bias float32, c too. A matrix c may also be bfloat16.
  PairProduct(const View& a, const View& b, const View& c, const View* bias, const Attrs& attrs,
              std::shared_ptr<const BlockConsumer> consumer = nullptr);

  void run() const;

 private:
  // A part of an operand to be packed: offsets in elements of the operand and in pairs.
  struct Part {
    bool right;
    std::int64_t from, to, k, n;
  };
  void plan_packing();
  void pack(const Part& part, std::int64_t product, std::uint32_t* pairs) const;
  void multiply(std::int64_t block, std::int64_t product, const std::uint32_t* pairs,
                float* piece) const;
  void finish(const kernels::Gemm& g) const;

  kernels::Gemm whole_;
  std::int64_t depth_ = 0;  // k in elements; whole_.k counts pairs
  View a_, b_;
  std::vector<std::int64_t> a_at_, b_at_;
  std::vector<Part> parts_;
  bool in_place_ = false;     // A is read where it lies
  double packing_ = 0;        // work of all parts
  std::int64_t b_pairs_ = 0;  // where B begins among the pairs
  std::size_t pair_bytes_ = 0, piece_bytes_ = 0;
  Extent block_{}, piece_{};
  std::int64_t down_ = 0, across_ = 0;
  Chunks chunks_;
  bfloat16* rounded_ = nullptr;                // where a bfloat16 c lies
  kernels::PointwiseFn activation_ = nullptr;  // what the kernel does not apply itself
  std::array<double, 2> parameters_;
  std::shared_ptr<const BlockConsumer> consumer_;
};

}  // namespace pynn
