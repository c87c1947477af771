// The rows of lists.h as stages of threaded code. The accumulator is four vectors that a stage
// takes as arguments and hands on to the next one in a tail call: so it stays in registers, and the
// processor works on several blocks at a time.
#include "kernels/cpu/vec.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/formulas_plain.h"
#include "kernels/table.h"

namespace pynn::kernels::PYNN_ISA {

void fill_stages(Table& t);

namespace {

template <class T>
using Code = void (*)(const Stage*, std::size_t, Vec<T>, Vec<T>, Vec<T>, Vec<T>);

template <class T>
PYNN_INLINE void enter(const Stage* s, std::size_t i, Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d) {
  reinterpret_cast<Code<T>>(s->code)(s, i, a, b, c, d);
}

// Formulas of so many instructions that four copies of them side by side are no faster than a loop.
template <class F>
constexpr bool kLong = false;
template <class T, template <class, class> class Form, class F>
constexpr bool kLong<Form<T, F>> = kLong<F>;
#define PYNN_LONG(name) \
  template <>           \
  constexpr bool kLong<formula::name> = true;
PYNN_LONG(power)
PYNN_LONG(sin)
PYNN_LONG(cos)
PYNN_LONG(erf)
#undef PYNN_LONG

// The stage acc = f(acc, x) with x = operand(k) for its k-th vector.
template <class T, class Operand, class F>
PYNN_INLINE void advance(const Stage* s, std::size_t i, const Operand& operand, const F& f,
                         Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d) {
  if constexpr (kLong<F>) {
    Vec<T> acc[4] = {a, b, c, d};
#pragma GCC unroll 1
    for (int k = 0; k < 4; ++k) acc[k] = f(acc[k], operand(k));
    enter<T>(s + 1, i, acc[0], acc[1], acc[2], acc[3]);
  } else {
    enter<T>(s + 1, i, f(a, operand(0)), f(b, operand(1)), f(c, operand(2)), f(d, operand(3)));
  }
}

// Memory beyond the caches takes longer than a few blocks in flight can hide, so what comes some
// blocks later is asked for ahead.
template <class T>
struct Array {
  static constexpr std::size_t kAhead = 2560, kLine = 64;  // bytes
  const T* at;
  PYNN_INLINE Array(const Stage* s, std::size_t i) : at(static_cast<const T*>(s->data) + i) {
#pragma GCC unroll 4
    for (std::size_t b = 0; b < 4 * kVectorBytes; b += kLine)
      __builtin_prefetch(reinterpret_cast<const char*>(at) + kAhead + b);
  }
  PYNN_INLINE Vec<T> operator()(int k) const { return load(at + k * kLanes<T>); }
};
template <class T>
struct Scalar {
  Vec<T> value;
  PYNN_INLINE Scalar(const Stage* s, std::size_t)
      : value(broadcast<Vec<T>>(*static_cast<const T*>(s->data))) {}
  PYNN_INLINE Vec<T> operator()(int) const { return value; }
};
struct Nothing {
  PYNN_INLINE Nothing(const Stage*, std::size_t) {}
  PYNN_INLINE int operator()(int) const { return 0; }
};

// What a row computes: f(acc, x) or, swapped, f(x, acc).
template <class T>
struct Parameters {
  const double* attr;
  PYNN_INLINE Vec<T> operator[](int i) const { return broadcast<Vec<T>>(static_cast<T>(attr[i])); }
};
template <class T, class F>
struct Unary {
  Parameters<T> p;
  PYNN_INLINE Vec<T> operator()(Vec<T> a, int) const { return F::f(a, p); }
};
template <class T, class F>
struct Plain {
  Parameters<T> p;
  PYNN_INLINE Vec<T> operator()(Vec<T> a, int) const { return F::f(a); }
};
template <class T, class F>
struct Gradient {
  Parameters<T> p;
  PYNN_INLINE Vec<T> operator()(Vec<T> dy, Vec<T> s) const { return dy * F::df(s, p); }
};
template <class T, class F>
struct Binary {
  Parameters<T> p;
  PYNN_INLINE Vec<T> operator()(Vec<T> a, Vec<T> x) const { return F::f(a, x); }
};
template <class T, class F>
struct Swapped {
  F f;
  PYNN_INLINE explicit Swapped(Parameters<T> p) : f{p} {}
  PYNN_INLINE Vec<T> operator()(Vec<T> a, Vec<T> x) const { return f(x, a); }
};
// F of the operand times the factor and the accumulator, or of the accumulator times the factor and
// the operand.
template <class T>
PYNN_INLINE Vec<T> factor(const Stage* s) {
  return broadcast<Vec<T>>(*static_cast<const T*>(s->factor));
}
template <class T, class F>
struct OperandScaled {
  Vec<T> s;
  PYNN_INLINE Vec<T> operator()(Vec<T> a, Vec<T> x) const {
    return F{Parameters<T>{}}(a, math::rounded(Vec<T>(x * s)));
  }
};
template <class T, class F>
struct AccumulatorScaled {
  Vec<T> s;
  PYNN_INLINE Vec<T> operator()(Vec<T> a, Vec<T> x) const {
    return F{Parameters<T>{}}(math::rounded(Vec<T>(a * s)), x);
  }
};
template <class T>
struct Scale {
  Vec<T> s;
  PYNN_INLINE Vec<T> operator()(Vec<T>, Vec<T> x) const { return x * s; }
};
struct Take {
  template <class V>
  PYNN_INLINE V operator()(V, V x) const {
    return x;
  }
};

template <class T, class F, class Operand>
void compute(const Stage* s, std::size_t i, Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d) {
  advance<T>(s, i, Operand(s, i), F{Parameters<T>{s->attr}}, a, b, c, d);
}

template <class T, class F, class Operand = Array<T>>
void scaled(const Stage* s, std::size_t i, Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d) {
  advance<T>(s, i, Operand(s, i), F{factor<T>(s)}, a, b, c, d);
}

template <class T, class Operand>
void take(const Stage* s, std::size_t i, Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d) {
  advance<T>(s, i, Operand(s, i), Take{}, a, b, c, d);
}

template <class T>
void put(const Stage* s, std::size_t i, Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d) {
  T* const at = static_cast<T*>(s->data) + i;
  store(at, a);
  store(at + kLanes<T>, b);
  store(at + 2 * kLanes<T>, c);
  store(at + 3 * kLanes<T>, d);
  enter<T>(s + 1, i, a, b, c, d);
}

template <class T>
void finish(const Stage*, std::size_t, Vec<T>, Vec<T>, Vec<T>, Vec<T>) {}

template <class T>
void run(const Stage* stages, std::size_t n) {
  const Vec<T> zero{};
  for (std::size_t i = 0; i < n; i += 4 * kLanes<T>) enter<T>(stages, i, zero, zero, zero, zero);
}

template <class T>
struct Rows {
  Stages& stages;

  static StageCode code(Code<T> f) { return reinterpret_cast<StageCode>(f); }
  StageCode& at(Pointwise row, StageForm form) const {
    return stages.rows[static_cast<std::size_t>(row)][static_cast<std::size_t>(form)];
  }
  template <class F>
  void unary(Pointwise row) const {
    at(row, StageForm::array) = code(compute<T, F, Nothing>);
  }
  // dy is what comes out of the stage before, s lies in memory: one form will do.
  template <class F>
  void gradient(Pointwise row) const {
    at(row, StageForm::array) = code(compute<T, F, Array<T>>);
  }
  template <class F>
  void binary(Pointwise row) const {
    at(row, StageForm::array) = code(compute<T, F, Array<T>>);
    at(row, StageForm::array_first) = code(compute<T, Swapped<T, F>, Array<T>>);
    at(row, StageForm::scalar) = code(compute<T, F, Scalar<T>>);
    at(row, StageForm::scalar_first) = code(compute<T, Swapped<T, F>, Scalar<T>>);
  }

  template <class F>
  void scaled_forms(Scaled row) const {
    using Plain = Binary<T, F>;
    using Reversed = Swapped<T, Plain>;
    const auto r = static_cast<std::size_t>(row);
    stages.operand_scaled[r][0] = code(scaled<T, OperandScaled<T, Plain>>);
    stages.operand_scaled[r][1] = code(scaled<T, OperandScaled<T, Reversed>>);
    StageCode* const forms = stages.scaled[r];
    const auto at_form = [forms](StageForm f) -> StageCode& {
      return forms[static_cast<std::size_t>(f)];
    };
    at_form(StageForm::array) = code(scaled<T, AccumulatorScaled<T, Plain>>);
    at_form(StageForm::array_first) = code(scaled<T, AccumulatorScaled<T, Reversed>>);
    at_form(StageForm::scalar) = code(scaled<T, AccumulatorScaled<T, Plain>, Scalar<T>>);
    at_form(StageForm::scalar_first) = code(scaled<T, AccumulatorScaled<T, Reversed>, Scalar<T>>);
  }

  void fill() const {
    stages.block = 4 * kLanes<T>;
    stages.run = run<T>;
    stages.load = code(take<T, Array<T>>);
    stages.load_scalar = code(take<T, Scalar<T>>);
    stages.store = code(put<T>);
    stages.finish = code(finish<T>);
#define PYNN_ROW(name, ...)                        \
  unary<Unary<T, formula::name>>(Pointwise::name); \
  gradient<Gradient<T, formula::name>>(Pointwise::name##_grad);
    PYNN_DIFFERENTIABLE_UNARY(PYNN_ROW)
#undef PYNN_ROW
#define PYNN_ROW(name) unary<Plain<T, formula::name>>(Pointwise::name);
    PYNN_PLAIN_UNARY(PYNN_ROW)
#undef PYNN_ROW
#define PYNN_ROW(name) binary<Binary<T, formula::name>>(Pointwise::name);
    PYNN_BINARY(PYNN_ROW)
#undef PYNN_ROW
    stages.scale = code(scaled<T, Scale<T>>);
    scaled_forms<formula::add>(Scaled::add);
    scaled_forms<formula::subtract>(Scaled::subtract);
  }
};

}  // namespace

void fill_stages(Table& t) {
  Rows<float>{t.stages[index(DType::f32)]}.fill();
  Rows<double>{t.stages[index(DType::f64)]}.fill();
}

}  // namespace pynn::kernels::PYNN_ISA
