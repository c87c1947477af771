// The numbers behind vec_math.h. The polynomials are minimax fits (Remez) on the intervals stated,
// each coefficient rounded before the next ones were fitted.
#pragma once

namespace pynn::kernels::PYNN_ISA {
namespace {
namespace math {

template <class T>
struct Constants;

template <>
struct Constants<float> {
  // ln 2 in two parts; n * kLn2Hi is exact for every exponent n.
  static constexpr float kLn2Hi = 0.693359375f, kLn2Lo = -2.12194440e-4f;
  // exp(x) is 0 below and infinite above.
  static constexpr float kExpMin = -104, kExpMax = 89;
  // erf(x) and tanh(x) round to 1 from here
  static constexpr float kErfOne = 3.95f, kTanhOne = 9.02f;
  // (e^r - 1 - r) / r^2, |r| <= ln(2)/2
  static constexpr float kExp[] = {5.e-01f, 1.6666538e-01f, 4.1666612e-02f, 8.367301e-03f,
                                   1.391755e-03f};
  // (2 artanh(s) - 2 s) / s^3 in s^2, |s| <= (sqrt(2) - 1) / (sqrt(2) + 1)
  static constexpr float kLog[] = {6.666666e-01f, 4.0000972e-01f, 2.8498793e-01f, 2.4278814e-01f};
  // The same for 0 <= s <= 1/3
  static constexpr float kLogOnePlus[] = {6.6666675e-01f, 3.9998946e-01f, 2.8615355e-01f,
                                          2.144178e-01f, 2.4254964e-01f};
  // erf(x) / x - 1 in x^2, |x| <= 0.95
  static constexpr float kErf[] = {1.2837914e-01f, -3.7612408e-01f, 1.128095e-01f,
                                   -2.673623e-02f, 4.9501136e-03f,  -5.779039e-04f};
  // log(1 - erf(x)), 0.9 <= x <= kErfOne
  static constexpr float kLogErfc[] = {1.6920349e-04f,  -1.1294883e+00f, -6.334011e-01f,
                                       -1.0821994e-01f, 2.5080187e-02f,  -4.1560302e-03f,
                                       4.3133335e-04f,  -2.0822212e-05f};
  // ((2 - 2 Phi(x))^(-1/8) - 1) / x, 0 <= x <= 6.2, weighted by max(x, 1/2) (1 - Phi(x))
  static constexpr float kNormalTail[] = {9.973583e-02f,  4.475855e-02f,   8.693575e-03f,
                                          8.084692e-04f,  2.7433818e-04f,  7.6253605e-06f,
                                          1.1870128e-05f, -1.9107197e-06f, 3.363947e-07f};
  // (sin(r) - r) / r^3 and (cos(r) - 1 + r^2/2) / r^4 in r^2, |r| <= pi/4
  static constexpr float kSin[] = {-1.6666655e-01f, 8.332187e-03f, -1.9517897e-04f};
  static constexpr float kCos[] = {4.1666653e-02f, -1.3887618e-03f, 2.4463176e-05f};
};

template <>
struct Constants<double> {
  static constexpr double kLn2Hi = 0x1.62e42feep-1, kLn2Lo = 0x1.a39ef35793c76p-33;
  static constexpr double kExpMin = -746, kExpMax = 710;
  static constexpr double kErfOne = 5.95, kTanhOne = 19.07;
  static constexpr double kExp[] = {0.5,
                                    0.16666666666666677,
                                    0.04166666666666667,
                                    0.00833333333332148,
                                    0.0013888888888878724,
                                    0.00019841269886299842,
                                    2.4801587349741443e-05,
                                    2.7557243867899754e-06,
                                    2.755723964863165e-07,
                                    2.510928764341075e-08,
                                    2.092906024603759e-09};
  static constexpr double kLog[] = {0.6666666666666735,  0.3999999999940875, 0.285714287439105,
                                    0.22222198398973228, 0.181835742158689,  0.15313777863656972,
                                    0.14798861950015302};
  static constexpr double kLogOnePlus[] = {
      0.666666666666663,   0.40000000000160146, 0.285714285474592,   0.22222223995745094,
      0.1818174296232164,  0.15386581310673197, 0.13300682235293548, 0.12108468027160821,
      0.08329380266132201, 0.17038995437312035};
  static constexpr double kErf[] = {
      0.12837916709551256,     -0.3761263890318333,    0.11283791670935962,
      -0.026866170641703435,   0.005223977593734103,   -0.000854832529307747,
      0.00012055273178981129,  -1.492429196881511e-05, 1.644156360987423e-06,
      -1.6160489935506375e-07, 1.349776583346466e-08,  -7.3509154432387e-10};
  static constexpr double kLogErfc[] = {
      3.6651804783850784e-09,  -1.128379242483236,      -0.6366191478122071,
      -0.10277560074572126,    0.0191380962528762,      0.00018668402857152194,
      -0.001656343489264574,   0.0005349365360022414,   3.4992506772907926e-05,
      -0.00011855675740075132, 6.851440321101169e-05,   -2.574192441536342e-05,
      7.2413404206070915e-06,  -1.5835586823995137e-06, 2.703830092302593e-07,
      -3.552666199769729e-08,  3.477180477868691e-09,   -2.3896404233132116e-10,
      1.0289279544687337e-11,  -2.0878547152705324e-13};
  // (2 artanh(s) - 2 s - 2/3 s^3) / s^5 in s^2, for the logarithm in two doubles
  static constexpr double kLogTail[] = {
      0.39999999999999997, 0.28571428571438207, 0.22222222217617876, 0.18181819036702096,
      0.15384535569811592, 0.13337442920859152, 0.11647087856726251, 0.1225161687915623};
  static constexpr double kSin[] = {-0.1666666666666663,     0.00833333333332184,
                                    -0.00019841269829358525, 2.755731353851132e-06,
                                    -2.505073438843021e-08,  1.5895433219160633e-10};
  static constexpr double kCos[] = {0.04166666666666597,    -0.001388888888887825,
                                    2.4801587346020177e-05, -2.7557342364894715e-07,
                                    2.0880718584739533e-09, -1.1664422680508974e-11};
};

}  // namespace math
}  // namespace
}  // namespace pynn::kernels::PYNN_ISA
