import os

import numpy as np
import pytest

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


def test_a_file_is_found_by_its_name_but_no_name_leaves_the_folders(tmp_path):
    products.put("view", {"a": 1}, {"x": np.ones(2)})
    name = products.file_name("view", {"a": 1})
    assert products.find(name).name == name
    (products.folder().parent / "secret").write_text("no")
    for bad in ("../secret", "nothing", "", "..", "/etc/passwd"):
        assert products.find(bad) is None


def test_what_is_read_cannot_be_changed():
    products.put("view", {"a": 1}, {"x": np.ones(2)})
    with pytest.raises(ValueError, match="read-only"):
        products.get("view", {"a": 1})["x"][0] = 2
