import os

import numpy as np

from deepsvdd_core import products

ARRAYS = {"values": np.arange(6.0).reshape(2, 3)}


def test_what_is_put_is_got_whatever_the_order_of_the_parameters():
    products.put("view", {"a": 1, "b": "x"}, ARRAYS)
    assert np.array_equal(products.get("view", {"b": "x", "a": 1})["values"], ARRAYS["values"])
    assert products.get("view", {"a": 2, "b": "x"}) is None
    assert products.get("explain", {"a": 1, "b": "x"}) is None


def test_a_damaged_file_counts_as_missing():
    products.put("view", {"a": 1}, ARRAYS)
    path = products.folder() / products.file_name("view", {"a": 1})
    path.write_bytes(path.read_bytes()[:-5])
    assert products.get("view", {"a": 1}) is None


def test_those_used_last_stay_when_room_is_short(monkeypatch):
    for number in range(3):
        products.put("view", {"a": number}, ARRAYS)
        path = products.folder() / products.file_name("view", {"a": number})
        os.utime(path, (number, number))
    monkeypatch.setattr(products, "LARGEST_TOTAL", 3 * path.stat().st_size)
    products.get("view", {"a": 0})
    products.put("view", {"a": 3}, ARRAYS)
    assert [products.get("view", {"a": n}) is not None for n in range(4)] == [
        True,
        False,
        True,
        True,
    ]
