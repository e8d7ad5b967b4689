import os
from collections import OrderedDict

import numpy as np
import pytest
from safetensors.numpy import load

from deepsvdd_core import library, products

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
    for bad in ("../secret", "nothing", "", "..", "/etc/passwd", "a" * 5000, f"\0{name}"):
        assert products.find(bad) is None


def test_what_is_read_cannot_be_changed():
    products.put("view", {"a": 1}, {"x": np.ones(2)})
    with pytest.raises(ValueError, match="read-only"):
        products.get("view", {"a": 1})["x"][0] = 2


def test_a_disk_that_takes_nothing_leaves_the_last_results_in_memory(monkeypatch):
    def full(path, content):
        raise OSError("no space; free some")

    monkeypatch.setattr(products, "_kept", OrderedDict())
    with monkeypatch.context() as patch:
        patch.setattr(library, "write_atomically", full)
        patch.setattr(products, "MOST_KEPT", 40)
        for number in range(3):
            products.put("view", {"a": number}, {"x": np.full(2, float(number))})
        assert products.trouble() == "no space; free some"
    assert products.get("view", {"a": 0}) is None  # the oldest has given way
    name = products.file_name("view", {"a": 2})
    assert products.exists(name) and products.find(name) is None
    assert products.load(name)["x"].tolist() == [2, 2]
    assert load(products.content(name))["x"].tolist() == [2, 2]
    with pytest.raises(ValueError, match="read-only"):
        products.load(name)["x"][0] = 1
    products.put("view", {"a": 4}, {"x": np.zeros(1)})
    assert products.trouble() is None
