"""Getting data ready: one-hot labels, scaling of features, and splitting into parts."""

from pynn.preprocessing.encoding import one_hot
from pynn.preprocessing.scaling import MinMaxScaler, StandardScaler
from pynn.preprocessing.splitting import train_test_split, train_validation_test_split

__all__ = [
    "MinMaxScaler",
    "StandardScaler",
    "one_hot",
    "train_test_split",
    "train_validation_test_split",
]
