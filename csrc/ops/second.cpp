#include "ops/second.h"

#include "ops/ops.h"

namespace pynn {

namespace {

using Parameters = std::array<double, 2>;

// A tensor in a formula: operators emit ops, numbers take the tensor's dtype.
class Term {
 public:
  Term(Tensor x) : x_(std::move(x)) {}  // NOLINT: formulas read better so
  const Tensor& tensor() const { return x_; }
  Term like(double value) const { return ops::scalar(value, x_.dtype()); }

  friend Term operator+(const Term& a, const Term& b) { return ops::add(a.x_, b.x_); }
  friend Term operator-(const Term& a, const Term& b) { return ops::subtract(a.x_, b.x_); }
  friend Term operator*(const Term& a, const Term& b) { return ops::multiply(a.x_, b.x_); }
  friend Term operator/(const Term& a, const Term& b) { return ops::divide(a.x_, b.x_); }
  friend Term operator+(double a, const Term& b) { return b.like(a) + b; }
  friend Term operator-(double a, const Term& b) { return b.like(a) - b; }
  friend Term operator*(double a, const Term& b) { return b.like(a) * b; }
  friend Term operator/(double a, const Term& b) { return b.like(a) / b; }
  friend Term operator-(const Term& a) { return ops::negative(a.x_); }

 private:
  Tensor x_;
};

Term square(const Term& x) { return ops::square(x.tensor()); }
Term exp(const Term& x) { return ops::exp(x.tensor()); }
Term tanh(const Term& x) { return ops::tanh(x.tensor()); }
Term sigmoid(const Term& x) { return ops::sigmoid(x.tensor()); }
Term abs(const Term& x) { return ops::abs(x.tensor()); }

// x within [-limit, limit]: beyond it the other factor of a product is 0, and x may be infinite.
Term clamp(const Term& x, double limit) {
  return ops::maximum(ops::minimum(x.tensor(), x.like(limit).tensor()), x.like(-limit).tensor());
}
// `value` where low < x < high, else 0.
Term inside(const Term& x, double low, double high, const Term& value) {
  const Tensor within = ops::logical_and(ops::greater(x.tensor(), x.like(low).tensor()),
                                         ops::less(x.tensor(), x.like(high).tensor()));
  return ops::where(within, value.tensor(), x.like(0).tensor());
}
// scale e^x for x <= 0, else 0.
Term decaying(const Term& x, double scale) {
  const Tensor below = ops::minimum(x.tensor(), x.like(0).tensor());
  return ops::where(ops::greater(x.tensor(), x.like(0).tensor()), x.like(0).tensor(),
                    (scale * exp(below)).tensor());
}
// sigmoid'(x) and sigmoid''(x).
Term logistic_slope(const Term& x) { return sigmoid(x) * sigmoid(-x); }
Term logistic_bend(const Term& x) { return logistic_slope(x) * (1 - 2 * sigmoid(x)); }

using Rule = Term (*)(const Term& s, const Parameters& p);
constexpr Rule kFlat = nullptr;

// One for each row of the list: a missing one does not compile. s is y where the row saves its
// output, else x.
namespace slope_of {
constexpr Rule relu = kFlat;
constexpr Rule leaky_relu = kFlat;
constexpr Rule hard_sigmoid = kFlat;
constexpr Rule relu6 = kFlat;
constexpr Rule hard_tanh = kFlat;
constexpr Rule abs = kFlat;

Term elu(const Term& x, const Parameters& p) { return decaying(x, p[0]); }
Term selu(const Term& x, const Parameters&) {
  return decaying(x, 1.0507009873554804934193349852946 * 1.6732632423543772848170429916717);
}
// (Phi + x phi)' = (2 - x^2) phi
Term gelu(const Term& x, const Parameters&) {
  const Term c = clamp(x, 100);
  return 0.39894228040143267794 * (2 - square(c)) * exp(-0.5 * square(c));
}
// (s(u) + s'(u) u' x)' with u = a x + b x^3
Term gelu_tanh(const Term& x, const Parameters&) {
  constexpr double a = 1.5957691216057307117597842397375, b = a * 0.044715;
  const Term c = clamp(x, 100);
  const Term xx = square(c);
  const Term u = c * (a + b * xx), du = a + 3 * b * xx;
  return logistic_slope(u) * (2 * du + 6 * b * xx) + logistic_bend(u) * square(du) * c;
}
Term sigmoid(const Term& y, const Parameters&) { return 1 - 2 * y; }
Term tanh(const Term& y, const Parameters&) { return -2 * y; }
Term softplus(const Term& x, const Parameters&) { return logistic_slope(x); }
Term softsign(const Term& x, const Parameters&) {
  const Term q = 1 / (1 + pynn::abs(x));
  return -2 * Term(ops::sign(x.tensor())) * q * q * q;
}
Term silu(const Term& x, const Parameters&) {
  const Term c = clamp(x, 1000);
  return 2 * logistic_slope(c) + c * logistic_bend(c);
}
// (t + x t')' with t = tanh(softplus(x)), t' = (1 - t^2) s(x)
Term mish(const Term& x, const Parameters&) {
  const Term c = clamp(x, 1000);
  const Term s = pynn::sigmoid(c), t = pynn::tanh(Term(ops::softplus(c.tensor())));
  const Term rest = 1 - square(t), dt = rest * s;
  return 2 * dt + c * (rest * logistic_slope(c) - 2 * t * dt * s);
}
Term hard_silu(const Term& x, const Parameters&) { return inside(x, -3, 3, x.like(1.0 / 3)); }
Term log_sigmoid(const Term& x, const Parameters&) { return -logistic_slope(x); }
Term exp(const Term& y, const Parameters&) { return y.like(1); }
Term expm1(const Term& y, const Parameters&) { return y.like(1); }
Term log(const Term& x, const Parameters&) { return -1 / square(x); }
Term log1p(const Term& x, const Parameters&) { return -1 / square(1 + x); }
Term sqrt(const Term& y, const Parameters&) { return -0.5 / square(y); }
Term rsqrt(const Term& y, const Parameters&) { return -1.5 * square(y); }
Term reciprocal(const Term& y, const Parameters&) { return -2 * y; }
Term square(const Term& x, const Parameters&) { return x.like(2); }
Term sin(const Term& x, const Parameters&) { return -Term(ops::sin(x.tensor())); }
Term cos(const Term& x, const Parameters&) { return -Term(ops::cos(x.tensor())); }
Term erf(const Term& x, const Parameters&) {
  const Term c = clamp(x, 100);
  return -2 * 1.1283791670955125739 * c * pynn::exp(-pynn::square(c));
}
}  // namespace slope_of

Rule rule_of(kernels::Pointwise f) {
  switch (f) {
#define PYNN_ROW(name, ...)      \
  case kernels::Pointwise::name: \
    return slope_of::name;
    PYNN_DIFFERENTIABLE_UNARY(PYNN_ROW)
#undef PYNN_ROW
    default:
      return kFlat;
  }
}

}  // namespace

Tensor derivative_of_slope(kernels::Pointwise f, const Tensor& s, const Parameters& p) {
  const Rule rule = rule_of(f);
  return rule == kFlat ? Tensor() : rule(s, p).tensor();
}

}  // namespace pynn
