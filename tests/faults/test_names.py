"""Names that become paths, numbers that become memory, and YAML that is more than it seems."""

import pytest
from pydantic import TypeAdapter, ValidationError

from magan.config.names import (
    MOST_SEEDS,
    ArmName,
    Device,
    MinibatchSize,
    Name,
    ReplicateCount,
    Steps,
    StoreAddress,
    bounded_seeds,
)
from magan.config.yaml_file import parse_yaml, read_yaml
from magan.errors import InputError


def accepts(kind, value) -> bool:
    try:
        return TypeAdapter(kind).validate_python(value) == value
    except ValidationError:
        return False


@pytest.mark.parametrize("name", ["a", "krieg", "panel-2", "v1.2", "_x", "CD4_T", "3", "a" * 100])
def test_names_of_folders_are_accepted(name):
    assert accepts(Name, name) and accepts(ArmName, name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "/etc", ".hidden", "a.", "-rf", "a b", "a\n", "a\0", "é", "{x}", "*",
     "a" * 101],
)  # fmt: skip
def test_whatever_could_leave_the_folder_or_be_no_name_is_refused(name):
    assert not accepts(Name, name) and not accepts(ArmName, name)


@pytest.mark.parametrize("name", ["baseline", "floor", "ceiling", "control", "all", "Baseline", "ALL"])
def test_an_arm_is_not_called_like_a_row_of_the_tables(name):
    assert accepts(Name, name) and not accepts(ArmName, name)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1", "mps"])
def test_devices_are_accepted(device):
    assert accepts(Device, device)


@pytest.mark.parametrize("device", ["banana", "", "cuda:", "cuda:x", "cpu:0\n", "CUDA"])
def test_what_is_no_device_is_refused(device):
    assert not accepts(Device, device)


@pytest.mark.parametrize(
    "address",
    ["sqlite:///results/mlflow.db", "sqlite:////tmp/a.db", "postgresql://me:x@host/db", "postgresql+psycopg2://host/db",
     "http://localhost:5000", "https://host/mlflow"],
)  # fmt: skip
def test_addresses_of_stores_are_accepted(address):
    assert accepts(StoreAddress, address)


@pytest.mark.parametrize(
    "address", ["foo://", "foo://x", "", "results", "sqlite://", "sqlite:///", "sqlite://x.db", "file:x"]
)
def test_what_is_no_address_of_a_store_is_refused(address):
    assert not accepts(StoreAddress, address)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(Steps, True), (Steps, 0), (Steps, 10**12), (MinibatchSize, 1), (MinibatchSize, 10**12), (ReplicateCount, True)],
)
def test_numbers_out_of_bounds_and_truths_are_refused(kind, value):
    assert not accepts(kind, value)
    assert accepts(kind, 100)


@pytest.mark.parametrize("seeds", [10**9, True, [0, True], [2**63], [0] * (MOST_SEEDS + 1)])
def test_seeds_are_bounded_before_any_is_made(seeds):
    with pytest.raises(ValueError, match="give"):
        bounded_seeds(seeds)
    assert bounded_seeds(MOST_SEEDS) == MOST_SEEDS and bounded_seeds([0, 7]) == [0, 7]


REFUSED_YAML = {
    "key 'seeds' stands twice": "seeds: 3\nname: a\nseeds: 4\n",
    "key '1' stands twice": "{1: a, 1: b}",
    "key 'lr' stands twice": "arms: {a: {lr: 1, lr: 2}}",
    "nested too deeply": "[" * 5000 + "]" * 5000,
    "aliases make more than": "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)),
    "holds itself": "&a [1, *a]",
    "could not determine a constructor": "!!python/object/apply:os.system ['true']",
    "not YAML": "{a: [",
}


@pytest.mark.parametrize("sentence", REFUSED_YAML)
def test_yaml_that_is_wrong_is_one_sentence(sentence):
    with pytest.raises(InputError) as said:
        parse_yaml(REFUSED_YAML[sentence], "study.yaml")
    assert sentence in str(said.value) and "\n" not in str(said.value) and str(said.value).startswith("study.yaml: ")


def test_yaml_that_is_right_is_what_the_safe_loader_reads():
    text = "a: &x {k: 1, l: [1, 2]}\nb: {<<: *x, k: 2}\nc: [*x, *x]\nd: 2020-01-01\ne: 1.5\n"
    import yaml

    assert parse_yaml(text, "study.yaml") == yaml.safe_load(text)
    assert parse_yaml("", "study.yaml") is None


@pytest.mark.parametrize("content", ["é".encode("latin-1"), bytes(range(256)), "a: 1".encode("utf-16")])
def test_a_file_that_is_not_utf8_is_one_sentence(content, tmp_path):
    (tmp_path / "study.yaml").write_bytes(content)
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_yaml(tmp_path / "study.yaml")


def test_a_folder_and_a_missing_file_are_sentences(tmp_path):
    for path in (tmp_path, tmp_path / "absent.yaml"):
        with pytest.raises(InputError, match="there is no such file"):
            read_yaml(path)
