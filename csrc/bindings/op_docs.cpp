// What help() says of the op functions: one row each, the rest follows from the signature.
#include <algorithm>

#include "bindings/ops.h"

namespace pynn::bindings {
namespace {

struct OpDoc {
  std::string_view name;
  std::string_view summary;  // with the equation
  std::string_view example;  // a call, without "pynn.ops."
  std::string_view result;   // what the interpreter prints for it
};

constexpr OpDoc kDocs[] = {
    {"relu", "``max(x, 0)``.", "relu([-1.0, 2.0])", "array([0., 2.], dtype=float32)"},
    {"leaky_relu", "``x`` where x > 0, else ``alpha * x`` (Maas et al. 2013).",
     "leaky_relu([-1.0, 2.0], alpha=0.1)", "array([-0.1,  2. ], dtype=float32)"},
    {"elu", "``x`` where x > 0, else ``alpha * (exp(x) - 1)`` (Clevert et al. 2015).",
     "elu([-1.0, 2.0]).round(4)", "array([-0.6321,  2.    ], dtype=float32)"},
    {"selu", "``1.0507 * (x if x > 0 else 1.6733 * (exp(x) - 1))`` (Klambauer et al. 2017).",
     "selu([-1.0, 2.0]).round(4)", "array([-1.1113,  2.1014], dtype=float32)"},
    {"gelu",
     "``x * Phi(x)``, with the standard normal distribution ``Phi`` (Hendrycks and Gimpel 2016).",
     "gelu([-1.0, 2.0]).round(4)", "array([-0.1587,  1.9545], dtype=float32)"},
    {"gelu_tanh",
     "``x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2``, an approximation of `gelu`.",
     "gelu_tanh([-1.0, 2.0]).round(4)", "array([-0.1588,  1.9546], dtype=float32)"},
    {"sigmoid", "``1 / (1 + exp(-x))``.", "sigmoid([-1.0, 0.0, 2.0]).round(4)",
     "array([0.2689, 0.5   , 0.8808], dtype=float32)"},
    {"tanh", "``(exp(x) - exp(-x)) / (exp(x) + exp(-x))``.", "tanh([-1.0, 0.0, 2.0]).round(4)",
     "array([-0.7616,  0.    ,  0.964 ], dtype=float32)"},
    {"softplus", "``log(1 + exp(x))``.", "softplus([-1.0, 0.0, 2.0]).round(4)",
     "array([0.3133, 0.6931, 2.1269], dtype=float32)"},
    {"softsign", "``x / (1 + abs(x))``.", "softsign([-1.0, 0.0, 3.0])",
     "array([-0.5 ,  0.  ,  0.75], dtype=float32)"},
    {"silu", "``x * sigmoid(x)``, also called swish (Elfwing et al. 2017).",
     "silu([-1.0, 0.0, 2.0]).round(4)", "array([-0.2689,  0.    ,  1.7616], dtype=float32)"},
    {"mish", "``x * tanh(softplus(x))`` (Misra 2019).", "mish([-1.0, 0.0, 2.0]).round(4)",
     "array([-0.3034,  0.    ,  1.944 ], dtype=float32)"},
    {"hard_sigmoid", "``min(max(x + 3, 0), 6) / 6``.", "hard_sigmoid([-4.0, 0.0, 1.5])",
     "array([0.  , 0.5 , 0.75], dtype=float32)"},
    {"relu6", "``min(max(x, 0), 6)``.", "relu6([-1.0, 2.0, 8.0])",
     "array([0., 2., 6.], dtype=float32)"},
    {"hard_tanh", "``min(max(x, -1), 1)``.", "hard_tanh([-3.0, 0.5, 2.0])",
     "array([-1. ,  0.5,  1. ], dtype=float32)"},
    {"hard_silu", "``x * min(max(x + 3, 0), 6) / 6`` (Howard et al. 2019).",
     "hard_silu([-4.0, 0.0, 3.0])", "array([-0.,  0.,  3.], dtype=float32)"},
    {"log_sigmoid", "``log(1 / (1 + exp(-x)))``, which does not overflow.",
     "log_sigmoid([-1.0, 0.0, 2.0]).round(4)", "array([-1.3133, -0.6931, -0.1269], dtype=float32)"},
    {"exp", "``e**x``.", "exp([0.0, 1.0]).round(4)", "array([1.    , 2.7183], dtype=float32)"},
    {"expm1", "``exp(x) - 1``, exact near 0.", "expm1([0.0, 1.0]).round(4)",
     "array([0.    , 1.7183], dtype=float32)"},
    {"log", "The natural logarithm.", "log([1.0, 10.0]).round(4)",
     "array([0.    , 2.3026], dtype=float32)"},
    {"log1p", "``log(1 + x)``, exact near 0.", "log1p([0.0, 9.0]).round(4)",
     "array([0.    , 2.3026], dtype=float32)"},
    {"sqrt", "The square root.", "sqrt([4.0, 9.0])", "array([2., 3.], dtype=float32)"},
    {"rsqrt", "``1 / sqrt(x)``.", "rsqrt([4.0, 16.0])", "array([0.5 , 0.25], dtype=float32)"},
    {"reciprocal", "``1 / x``.", "reciprocal([4.0, 0.5])", "array([0.25, 2.  ], dtype=float32)"},
    {"square", "``x * x``.", "square([-3.0, 4.0])", "array([ 9., 16.], dtype=float32)"},
    {"abs", "The absolute value. Its gradient at 0 is 0.", "abs([-3.0, 4.0])",
     "array([3., 4.], dtype=float32)"},
    {"sin", "The sine of an angle in radians.", "sin([0.0, 1.0]).round(4)",
     "array([0.    , 0.8415], dtype=float32)"},
    {"cos", "The cosine of an angle in radians.", "cos([0.0, 1.0]).round(4)",
     "array([1.    , 0.5403], dtype=float32)"},
    {"erf",
     "The error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t**2)`` from 0 to x.",
     "erf([0.0, 1.0]).round(4)", "array([0.    , 0.8427], dtype=float32)"},
    {"negative", "``-x``.", "negative([-3.0, 4.0])", "array([ 3., -4.], dtype=float32)"},
    {"sign", "-1, 0 or 1, by the sign.", "sign([-3.0, 0.0, 4.0])",
     "array([-1.,  0.,  1.], dtype=float32)"},
    {"floor", "The greatest whole number that is not above x.", "floor([-1.5, 1.5])",
     "array([-2.,  1.], dtype=float32)"},
    {"ceil", "The least whole number that is not below x.", "ceil([-1.5, 1.5])",
     "array([-1.,  2.], dtype=float32)"},
    {"round", "The nearest whole number; halves go to the even one.", "round([0.5, 1.5, 2.6])",
     "array([0., 2., 3.], dtype=float32)"},
    {"logical_not", "Whether x is zero.", "logical_not([True, False])", "array([False,  True])"},
    {"isfinite", "Whether x is neither NaN nor infinite.", "isfinite([1.0, float('inf')])",
     "array([ True, False])"},
    {"isnan", "Whether x is NaN.", "isnan([1.0, float('nan')])", "array([False,  True])"},
    {"add", "``a + b``.", "add([1.0, 2.0], 10)", "array([11., 12.], dtype=float32)"},
    {"subtract", "``a - b``.", "subtract([1.0, 2.0], 10)", "array([-9., -8.], dtype=float32)"},
    {"multiply", "``a * b``.", "multiply([1.0, 2.0], 10)", "array([10., 20.], dtype=float32)"},
    {"divide", "``a / b``; whole numbers give float32.", "divide([1.0, 2.0], 4)",
     "array([0.25, 0.5 ], dtype=float32)"},
    {"power", "``a ** b``; whole numbers take no negative exponents.", "power([2.0, 3.0], 2)",
     "array([4., 9.], dtype=float32)"},
    {"maximum", "The greater one; NaN if one is.", "maximum([1.0, 5.0], 3)",
     "array([3., 5.], dtype=float32)"},
    {"minimum", "The smaller one; NaN if one is.", "minimum([1.0, 5.0], 3)",
     "array([1., 3.], dtype=float32)"},
    {"equal", "Whether ``a == b``.", "equal([1, 2], [1, 3])", "array([ True, False])"},
    {"not_equal", "Whether ``a != b``.", "not_equal([1, 2], [1, 3])", "array([False,  True])"},
    {"less", "Whether ``a < b``.", "less([1, 2], 2)", "array([ True, False])"},
    {"less_equal", "Whether ``a <= b``.", "less_equal([1, 2], 2)", "array([ True,  True])"},
    {"greater", "Whether ``a > b``.", "greater([1, 2], 1)", "array([False,  True])"},
    {"greater_equal", "Whether ``a >= b``.", "greater_equal([1, 2], 2)", "array([False,  True])"},
    {"logical_and", "Whether neither is zero.", "logical_and([True, True], [True, False])",
     "array([ True, False])"},
    {"logical_or", "Whether one is not zero.", "logical_or([False, True], [False, False])",
     "array([False,  True])"},
    {"logical_xor", "Whether exactly one is not zero.", "logical_xor([True, True], [True, False])",
     "array([False,  True])"},
    {"where", "``a`` where the condition holds, else ``b``; the three broadcast.",
     "where([True, False], [1, 2], [10, 20])", "array([ 1, 20])"},
    {"cast",
     "``x`` with elements of another type: floats are truncated to whole numbers, and bool is ``x "
     "!= 0``.",
     "cast([1.5, -1.5], 'int32')", "array([ 1, -1], dtype=int32)"},
    {"matmul",
     "The matrix product ``a @ b`` of (..., m, k) and (..., k, n), with NumPy's rules for vectors "
     "and batches.",
     "matmul([[1.0, 2.0]], [[3.0], [4.0]])", "array([[11.]], dtype=float32)"},
    {"dense", "``activation(x @ kernel + bias)`` of x (..., k), in one pass over the result.",
     "dense([[1.0, -3.0]], [[1.0], [1.0]], [0.5], 'relu')", "array([[0.]], dtype=float32)"},
    {"conv",
     "The convolution ``y[n, o, f] = sum(x[n, o * strides + t * dilation_rate - before, c] * "
     "kernel[t, c, f])`` over taps t and channels c, x being zero outside. Images are "
     "channels-last, "
     "over one to three spatial axes: x (n, spatial..., channels), kernel (taps..., channels / "
     "groups, filters).",
     "conv([[[1.0], [2.0], [3.0]]], [[[1.0]], [[10.0]]])[0, :, 0]",
     "array([21., 32.], dtype=float32)"},
    {"conv_transpose",
     "The transpose of `conv`, which is its gradient: each pixel of x (n, spatial..., channels) "
     "adds "
     "``kernel`` (taps..., filters / groups, channels) times its value to the result.",
     "conv_transpose([[[1.0], [2.0]]], [[[1.0]], [[10.0]]], strides=2)[0, :, 0]",
     "array([ 1., 10.,  2., 20.], dtype=float32)"},
    {"softmax", "``exp(x) / sum(exp(x))`` along an axis, computed from ``x - max(x)``.",
     "softmax([0.0, 0.0])", "array([0.5, 0.5], dtype=float32)"},
    {"standardize",
     "``(x - mean(x)) / sqrt(var(x) + epsilon)`` along an axis, or ``x / sqrt(mean(x**2) + "
     "epsilon)``; times ``gamma``, plus ``beta``.",
     "standardize([1.0, 3.0]).round(2)", "array([-1.,  1.], dtype=float32)"},
    {"batch_standardize",
     "``gamma (x - mean) / sqrt(variance + epsilon) + beta`` with the mean and the variance over "
     "all "
     "axes but the last; returns it with both.",
     "batch_standardize([[1.0], [3.0]])[1]", "array([2.], dtype=float32)"},
    {"log_softmax", "``x - log(sum(exp(x)))`` along an axis, computed from ``x - max(x)``.",
     "log_softmax([0.0, 0.0]).round(4)", "array([-0.6931, -0.6931], dtype=float32)"},
    {"logsumexp", "``log(sum(exp(x)))`` along an axis, computed from ``x - max(x)``.",
     "logsumexp([[1000.0, 1000.0]]).round(2)", "array([1000.69], dtype=float32)"},
    {"argmax",
     "The index of the first greatest value along an axis, of the first NaN if there is one.",
     "argmax([[1.0, 9.0], [5.0, 2.0]])", "array([1, 0])"},
    {"argmin",
     "The index of the first least value along an axis, of the first NaN if there is one.",
     "argmin([[1.0, 9.0], [5.0, 2.0]])", "array([0, 1])"},
    {"sum", "The sum over axes, in an order that does not depend on the number of threads.",
     "sum([[1.0, 2.0], [3.0, 4.0]], axis=0)", "array([4., 6.], dtype=float32)"},
    {"mean", "The arithmetic mean over axes.", "mean([[1.0, 2.0], [3.0, 4.0]], axis=1)",
     "array([1.5, 3.5], dtype=float32)"},
    {"prod", "The product over axes.", "prod([[1.0, 2.0], [3.0, 4.0]], axis=1)",
     "array([ 2., 12.], dtype=float32)"},
    {"max", "The greatest value over axes; NaN if there is one.",
     "max([[1.0, 2.0], [3.0, 4.0]], axis=0)", "array([3., 4.], dtype=float32)"},
    {"min", "The least value over axes; NaN if there is one.",
     "min([[1.0, 2.0], [3.0, 4.0]], axis=0)", "array([1., 2.], dtype=float32)"},
    {"reshape", "The same elements in another shape, of which one extent may be -1.",
     "reshape([1, 2, 3, 4], (2, -1))", "array([[1, 2],\n       [3, 4]])"},
    {"transpose", "``x`` with its axes permuted.", "transpose([[1, 2], [3, 4]])",
     "array([[1, 3],\n       [2, 4]])"},
    {"broadcast_to", "``x`` repeated to a shape, by NumPy's rules.", "broadcast_to([1, 2], (2, 2))",
     "array([[1, 2],\n       [1, 2]])"},
    {"expand_dims", "``x`` with a new axis of extent 1.", "expand_dims([1, 2], 1)",
     "array([[1],\n       [2]])"},
    {"squeeze", "``x`` without an axis of extent 1.", "squeeze([[1, 2]], 0)", "array([1, 2])"},
    {"concatenate", "Tensors joined along an axis.", "concatenate([[1, 2], [3]])",
     "array([1, 2, 3])"},
    {"pad", "``x`` with elements added at the ends of its axes.", "pad([1, 2], (1, 2))",
     "array([0, 1, 2, 0, 0])"},
    {"take", "The elements of ``x`` at ``indices`` along an axis.", "take([10, 20, 30], [2, 0])",
     "array([30, 10])"},
    {"take_sum",
     "``x[indices].sum(-2)`` without the rows in between: of each last axis of indices.",
     "take_sum([[1.0, 2.0], [3.0, 4.0]], [[0, 1], [1, 1]])",
     "array([[4., 6.],\n       [6., 8.]], dtype=float32)"},
    {"take_along_last",
     "``x[..., indices[...]]``: one element of each row of x (..., n), at indices (...).",
     "take_along_last([[10, 20], [30, 40]], [1, 0])", "array([20, 30])"},
    {"clip",
     "``min`` where x is below it, ``max`` where x is above it, else x, whose gradient flows "
     "there.",
     "clip([-1.0, 0.5, 3.0], 0, 1)", "array([0. , 0.5, 1. ], dtype=float32)"},
    {"floor_divide", "``floor(a / b)``; whole numbers divided by zero give zero.",
     "floor_divide([7, -7], 2)", "array([ 3, -4])"},
    {"mod", "``a - b * floor(a / b)``, which has the sign of b.", "mod([7, -7], 3)",
     "array([1, 2])"},
    {"any", "Whether one element over axes is not zero.", "any([[1, 0], [0, 0]], axis=1)",
     "array([ True, False])"},
    {"all", "Whether no element over axes is zero.", "all([[1, 0], [1, 1]], axis=1)",
     "array([False,  True])"},
    {"var", "The variance over axes, ``sum((x - mean(x))**2) / (n - ddof)``.",
     "var([1.0, 2.0, 3.0, 4.0])", "array(1.25, dtype=float32)"},
    {"std", "The standard deviation over axes, the square root of `var`.",
     "std([1.0, 1.0, 3.0, 3.0])", "array(1., dtype=float32)"},
    {"swapaxes", "``x`` with two axes exchanged.", "swapaxes([[1, 2, 3]], 0, 1)",
     "array([[1],\n       [2],\n       [3]])"},
    {"flip", "``x`` with the elements along axes in the opposite order.", "flip([1, 2, 3])",
     "array([3, 2, 1])"},
    {"repeat", "Each element so many times, along an axis or in C order.", "repeat([1, 2], 2)",
     "array([1, 1, 2, 2])"},
    {"stack", "Tensors of one shape joined along a new axis.", "stack([[1, 2], [3, 4]], axis=1)",
     "array([[1, 3],\n       [2, 4]])"},
    {"take_along_axis",
     "One element of ``x`` for each index: ``y[i, j, k] = x[i, indices[i, j, k], k]`` for axis 1; "
     "the other axes broadcast.",
     "take_along_axis([[10, 20], [30, 40]], [[1, 0], [0, 0]])",
     "array([[20, 10],\n       [30, 30]])"},
    {"put_along_axis",
     "``x`` with ``values`` at the elements that `take_along_axis` would pick; of equal indices "
     "the "
     "last one counts.",
     "put_along_axis([[10, 20], [30, 40]], [[1], [0]], 0)", "array([[10,  0],\n       [ 0, 40]])"},
    {"index_put",
     "``x`` with ``x[key] = values``: the values broadcast; of equal indices the last one counts.",
     "index_put([1, 2, 3], slice(1, None), 0)", "array([1, 0, 0])"},
    {"index_add",
     "``x`` with ``x[key] += values``: the values broadcast; at equal indices all are added.",
     "index_add([1, 2, 3], [0, 0, 2], 10)", "array([21,  2, 13])"},
    {"nonzero",
     "The indices of the elements that are not zero, an array for each axis. Their number is not "
     "known while recording.",
     "nonzero([0, 5, 6])", "(array([1, 2]),)"},
    {"sort", "The elements in order along an axis, NaN last.", "sort([3, 1, 2], descending=True)",
     "array([3, 2, 1])"},
    {"argsort", "The indices that sort along an axis; equal elements keep their order.",
     "argsort([3, 1, 2])", "array([1, 2, 0])"},
    {"topk", "The ``k`` greatest elements along an axis, greatest first, and their indices.",
     "topk([3, 1, 2], 2)", "(array([3, 2]), array([0, 2]))"},
    {"cumsum", "Sums of the elements up to each one, along an axis or in C order.",
     "cumsum([1, 2, 3])", "array([1, 3, 6])"},
    {"cumprod", "Products of the elements up to each one, along an axis or in C order.",
     "cumprod([1, 2, 3])", "array([1, 2, 6])"},
    {"linear_recurrence",
     "``h[t] = a[t] * h[t - 1] + b[t]`` along an axis of b, from ``h[-1] = 0``; ``a`` broadcasts "
     "to "
     "b. With `reverse` from the end, ``h[t] = a[t] * h[t + 1] + b[t]``.",
     "linear_recurrence(0.5, [1.0, 1.0, 1.0])", "array([1.  , 1.5 , 1.75], dtype=float32)"},
    {"one_hot", "Rows of zeros with a one at the index.", "one_hot([1, 0], 3)",
     "array([[0., 1., 0.],\n       [1., 0., 0.]], dtype=float32)"},
    {"checked_indices",
     "``x`` as integers, where all of it is whole and from 0 to ``extent - 1``; else IndexError, "
     "in "
     "which ``label`` says who asks.",
     "checked_indices([1.0, 0.0], 3)", "array([1, 0])"},
    {"max_pool",
     "The greatest value in each window, for each channel of x (batch, spatial..., channels).",
     "max_pool([[[1.0], [4.0], [2.0], [3.0]]], 2)",
     "array([[[4.],\n        [3.]]], dtype=float32)"},
    {"avg_pool",
     "The mean of each window without its padding, for each channel of x (batch, spatial..., "
     "channels).",
     "avg_pool([[[1.0], [4.0], [2.0], [4.0]]], 2)",
     "array([[[2.5],\n        [3. ]]], dtype=float32)"},
    {"stop_gradient", "``x``, as a constant for gradients: none passes.",
     "stop_gradient([1.0, 2.0])", "array([1., 2.], dtype=float32)"},
    {"warp",
     "Images sampled at other places: pixel (i, j) of an image is x (n, rows, columns, channels) "
     "at "
     "row ``m[0] i + m[1] j + m[2]`` and column ``m[3] i + m[4] j + m[5]``, m being its row of "
     "``matrix`` (n, 6). Gradients go to x only.",
     "warp([[[[1.0], [3.0]]]], [[1, 0, 0, 0, 1, 0.5]])[0, 0, :, 0]",
     "array([2. , 1.5], dtype=float32)"},
    {"zeros", "An array of zeros.", "zeros((2,))", "array([0., 0.], dtype=float32)"},
    {"ones", "An array of ones.", "ones((2,))", "array([1., 1.], dtype=float32)"},
    {"full", "An array of one value.", "full((2,), 7)", "array([7, 7])"},
    {"zeros_like", "Zeros of the shape and dtype of ``x``.", "zeros_like([1.0, 2.0])",
     "array([0., 0.], dtype=float32)"},
    {"ones_like", "Ones of the shape and dtype of ``x``.", "ones_like([1.0, 2.0])",
     "array([1., 1.], dtype=float32)"},
    {"random_uniform", "Random numbers, each as likely in [low, high).",
     "random_uniform((2, 3)).shape", "(2, 3)"},
    {"random_normal", "Random numbers of the normal distribution.", "random_normal((2, 3)).shape",
     "(2, 3)"},
};

struct ParameterDoc {
  std::string_view name;
  std::string_view type;
  std::string_view text;
};

constexpr ParameterDoc kParameters[] = {
    {"x", "array_like", ""},
    {"a", "array_like", "The operands broadcast and are promoted to a common dtype."},
    {"b", "array_like", ""},
    {"condition", "array_like", "Taken as bool."},
    {"kernel", "array_like", "`dense` takes shape (k, n)."},
    {"bias", "array_like, optional", "Of shape (n,)."},
    {"gamma", "array_like, optional", "A factor for each element along the axis."},
    {"beta", "array_like, optional", "A summand for each element along the axis."},
    {"activation", "str", "'linear' or the name of an activation of this module."},
    {"alpha", "float", "The formula's parameter; an activation without one ignores it."},
    {"axis", "int or tuple of ints", "Counted from the end when negative; None: all axes."},
    {"axes", "tuple of ints, optional", "The new order of the axes; default: reversed."},
    {"keepdims", "bool", "Keep the reduced axes, with extent 1."},
    {"shape", "int or tuple of ints", ""},
    {"dtype", "str or numpy.dtype", "float32, float64, bfloat16, int32, int64, uint8 or bool."},
    {"tensors", "sequence of array_like", "Of equal dtype and, but for `axis`, equal shape."},
    {"pad_width", "int, pair or sequence of pairs", "Elements before and after, for every axis."},
    {"value", "float", "What the new elements are."},
    {"indices", "array_like of ints", ""},
    {"extent", "int", "How many whole numbers there are, from 0."},
    {"label", "str", "Who asks, in errors."},
    {"depth", "int", "The number of classes."},
    {"strides", "int or tuple of ints",
     "Of each spatial axis; of pooling, by default the window's."},
    {"padding", "str, int or sequence of pairs",
     "'valid': none; 'same': results have ceil(size / stride) pixels (`conv`) or size * stride "
     "(`conv_transpose`); or pixels before and after, as a number, one number or one pair for each "
     "axis. They are zeros; pooling leaves them out."},
    {"output_padding", "int or tuple of ints, optional",
     "Pixels more at the end of each axis than the least that fit; default: as Keras has it."},
    {"dilation_rate", "int or tuple of ints", "Distance between taps."},
    {"groups", "int", "Channels and filters fall into so many groups that do not see each other."},
    {"key", "int, slice, None, ..., array_like or a tuple of these", "As in ``x[key]``."},
    {"values", "array_like", "Cast to the dtype of ``x``."},
    {"min", "array_like, optional", "The lower bound; default: none."},
    {"max", "array_like, optional", "The upper bound; default: none."},
    {"ddof", "float", "Degrees of freedom that the mean used up."},
    {"axis1", "int", ""},
    {"axis2", "int", ""},
    {"repeats", "int", ""},
    {"descending", "bool", "The greatest first."},
    {"k", "int", "How many."},
    {"reverse", "bool", "From the end to the start."},
    {"low", "float", "Lower bound, included."},
    {"high", "float", "Upper bound, excluded."},
    {"mean", "float", "Mean of the distribution."},
    {"stddev", "float", "Its standard deviation."},
    {"epsilon", "float", "Added to the variance."},
    {"center", "bool", "Whether the mean is subtracted."},
    {"seed", "int, optional", "Draws by itself, whatever `pynn.seed` says: the same in each call."},
    {"matrix", "array_like", "Of shape (n, 6): six numbers for each image."},
    {"interpolation", "{'bilinear', 'nearest'}", "Between the four pixels around, or the nearest."},
    {"fill_mode", "{'constant', 'nearest', 'reflect', 'wrap'}",
     "How images go on beyond their borders: with `fill_value`, their last pixel, their mirror "
     "image, or from their other end."},
    {"fill_value", "float", ""},
    {"pool_size", "int or tuple of ints", "The window, of one to three spatial axes."},
    {"out", "ndarray or Tensor, optional", "Of the result's shape and dtype; filled and returned."},
};

template <class Row, std::size_t N>
const Row* find(const Row (&rows)[N], std::string_view name) {
  const auto* row =
      std::find_if(std::begin(rows), std::end(rows), [&](const Row& r) { return r.name == name; });
  return row == std::end(rows) ? nullptr : row;
}

std::string parameter_text(const Signature::Parameter& parameter) {
  constexpr ParameterDoc kMissing{"", "undocumented", ""};
  const ParameterDoc* doc = find(kParameters, parameter.name);
  if (doc == nullptr) doc = &kMissing;
  std::string text = parameter.name + " : " + std::string(doc->type);
  if (!parameter.otherwise.empty() && parameter.otherwise != "None")
    text += ", default " + parameter.otherwise;
  if (!doc->text.empty()) text += "\n    " + std::string(doc->text);
  return text + "\n";
}

}  // namespace

std::string op_text(std::string_view name, std::string_view signature) {
  const OpDoc* doc = find(kDocs, name);
  std::string text = doc != nullptr ? std::string(doc->summary)
                                    : "The function '" + std::string(name) + "', elementwise.";
  text += "\n\nParameters\n----------\n";
  for (const Signature::Parameter& parameter : Signature::parse(signature))
    text += parameter_text(parameter);
  text +=
      "\nReturns\n-------\nndarray or Tensor\n"
      "    A Tensor where an argument is one, where the dtype is bfloat16, and while recording.\n";
  if (doc != nullptr)
    text += "\nExamples\n--------\n>>> import pynn\n>>> pynn.ops." + std::string(doc->example) +
            "\n" + std::string(doc->result);
  return text;
}

}  // namespace pynn::bindings
