"""Targets: shipped files are valid, every rule has a file that breaks it, only UsageError leaves the reader."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from edgekit.cli.targets import _detail
from edgekit.errors import UsageError
from edgekit.strict_toml import Document, Table, load
from edgekit.target import Target, all_targets, board, facts, load_target, read_targets, reading
from edgekit.target.reading import ISA, read_core

ROOT = Path(__file__).resolve().parents[1]
TARGETS = ROOT / "targets"
FILES = sorted(TARGETS.glob("*.toml"))
INVALID = sorted((ROOT / "tests" / "invalid_targets").glob("*.toml"))

# What issue 2 asks for; a board that disappears breaks somebody's edgekit.toml.
PROMISED = [
    "rpi-zero-w",
    "rpi-zero-2w",
    "rpi3b-plus",
    "rpi4",
    "rpi4-bullseye",
    "rpi4-32bit",
    "rpi5",
    "jetson-nano",
    "orin-nano",
    "coral-dev",
    "imx8mp",
    "rk3588",
    "beagleplay",
    "uno-q",
    "uno-q-mcu",
    "pico",
    "pico2",
    "nrf52840",
    "nano33ble",
    "stm32f411",
    "stm32f746",
    "stm32h743",
    "stm32l476",
    "stm32u575",
    "stm32n657",
    "esp32",
    "esp32-s3",
    "esp32-c3",
    "teensy41",
    "alif-e7",
    "mps2-an385",
    "mps2-an386",
    "mps2-an500",
    "mps2-an505",
    "mps3-an547",
]


def edgekit(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edgekit", *args], capture_output=True, text=True, timeout=60)


# ---- shipped files


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_shipped_file_is_valid_and_named_after_its_id(path: Path) -> None:
    target = read_targets(path)[0]
    assert target.id == path.stem or path.stem == "TEMPLATE"
    assert target.ram_bytes >= target.usable_ram_bytes > 0


def test_every_promised_target_is_there() -> None:
    assert {target.id for target in all_targets()} >= set(PROMISED)


@pytest.mark.parametrize("path", sorted((TARGETS / "cores").glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_core_is_valid_and_used(path: Path) -> None:
    core = read_core(path)
    assert any(cluster.core.id == core.id for target in all_targets() for cluster in target.clusters)


def test_no_name_means_two_targets() -> None:
    names = [
        name
        for t in all_targets()
        for v in (t.id, *t.variants)
        for name in (load_target(v).id, *load_target(v).aliases)
    ]
    assert sorted(names) == sorted(set(names))


def test_every_known_fact_has_a_source_and_every_unknown_one_is_listed() -> None:
    for target in all_targets():
        for entry in target.evidence():
            if entry["value"] is None:
                assert entry["field"] in target.unknown and entry["basis"] == "unknown", (target.id, entry)
            else:
                assert entry["basis"] in ("measured", "datasheet", "derived") and entry["source"], (target.id, entry)
                assert re.fullmatch(r"20\d\d-\d\d-\d\d", entry["date"]), (target.id, entry)


def test_a_profile_names_no_place_of_this_project() -> None:
    for path in [*FILES, *(TARGETS / "cores").glob("*.toml")]:
        assert not re.search(r"/(work|home|tmp|root)/|\[k\]|\[2nd\]", path.read_text(encoding="utf-8")), path


# ---- what targets say


def test_rpi4_is_what_the_deployment_needs_to_know() -> None:
    target = load_target("rpi4")
    abi = target.abi
    assert (abi.arch, abi.bits, abi.libc, abi.libc_version, abi.pythons) == ("aarch64", 64, "glibc", "2.36", ("3.11",))
    assert abi.libstdcxx == "GLIBCXX_3.4.30"
    assert target.clusters[0].core.qemu_cpu == "cortex-a72"
    assert target.clusters[0].count == 4
    assert target.runtimes[0] == "onnxruntime"
    assert target.page_size_bytes == 4096
    assert "neon" in target.isa and not target.isa & {"dotprod", "aes", "lse", "i8mm"}


def test_no_shipped_board_has_i8mm_and_only_newer_cores_have_dotprod() -> None:
    assert not any("i8mm" in target.isa for target in all_targets())
    assert {t.id for t in all_targets() if "dotprod" in t.isa} == {"rpi5", "orin-nano", "rk3588"}


def test_the_bare_id_stands_for_the_smallest_memory() -> None:
    target = load_target("rpi4")
    assert target.variants == ("rpi4-1gb", "rpi4-2gb", "rpi4-4gb", "rpi4-8gb")
    sizes = [load_target(variant).ram_bytes for variant in target.variants]
    assert sizes == [1 << 30, 2 << 30, 4 << 30, 8 << 30]
    assert target.ram_bytes == min(sizes)
    assert load_target("rpi4b-4gb") == load_target("rpi4-4gb")
    for base in all_targets():
        assert all(load_target(variant).ram_bytes >= base.ram_bytes for variant in base.variants)


def test_a_variant_can_add_a_region() -> None:
    assert not any(region.kind == "psram" for region in load_target("esp32-s3").regions)
    assert load_target("esp32-s3-psram-8mb").ram_bytes == load_target("esp32-s3").ram_bytes + (8 << 20)


def test_a_variant_can_have_sources_of_its_own() -> None:
    base, larger = load_target("uno-q"), load_target("uno-q-4gb")
    field = "regions.dram.reserved_bytes"
    assert [t.provenance_of(field).basis for t in (base, larger)] == ["measured", "derived"]  # type: ignore[union-attr]


def test_a_target_is_a_value() -> None:
    target = load_target("rpi4")
    assert pickle.loads(pickle.dumps(target)) == target
    assert len({target, load_target("rpi4b"), load_target("rpi5")}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        target.id = "other"  # type: ignore[misc]


def test_extends_overrides_only_what_it_names() -> None:
    new, old = load_target("rpi4"), load_target("rpi4-bullseye")
    assert (old.abi.libc_version, old.abi.libstdcxx) == ("2.31", "GLIBCXX_3.4.28")
    assert old.abi.pythons == ("3.9",) and old.runtimes == new.runtimes
    assert (old.clusters, old.regions, old.thermal) == (new.clusters, new.regions, new.thermal)
    assert "rpi4b" not in old.aliases
    assert load_target("rpi4-bullseye-8gb").abi == old.abi


def test_usable_ram_is_total_minus_reserved_and_says_when_that_is_unknown() -> None:
    nano = load_target("nano33ble")
    assert (nano.ram_bytes, nano.usable_ram_bytes) == (262144, 208000)
    assert nano.storage_bytes == (1 << 20) - 85 * 1024
    assert "usable_ram_bytes" not in nano.unknown
    pi = load_target("rpi4")
    assert pi.usable_ram_bytes == pi.ram_bytes and "usable_ram_bytes" in pi.unknown
    assert pi.storage_bytes is None and "storage_bytes" in pi.unknown


def test_arm32_linux_runs_natively_and_microcontrollers_run_c() -> None:
    assert load_target("rpi-zero-w").runtimes == ("native",)
    assert load_target("rpi-zero-w").clusters[0].core.qemu_cpu == "arm1176"
    for target in all_targets():
        assert target.kind != "mcu" or target.runtimes[0] == "c"


def test_emulated_machines_say_so_and_have_addresses() -> None:
    emulated = [target for target in all_targets() if target.emulated]
    assert {target.id for target in emulated} == {name for name in PROMISED if name.startswith("mps")}
    for target in emulated:
        assert target.emulator is not None and target.emulator.machine == target.id
        assert target.emulator.cpu == target.clusters[0].core.qemu_cpu
        assert all(region.address is not None for region in target.regions)
    assert {"mve-int", "mve-float"} <= load_target("mps3-an547").isa


def test_split_memory_is_not_one_number() -> None:
    regions = load_target("stm32h743").regions
    assert max(region.usable_bytes for region in regions if region.is_ram) == 512 * 1024


# ---- references


def test_a_path_is_read_and_its_cores_may_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "cores").mkdir()
    core = (TARGETS / "cores" / "cortex-a72.toml").read_text(encoding="utf-8")
    (tmp_path / "cores" / "my-core.toml").write_text(core.replace('["neon", "crc32"]', '["neon"]'), encoding="utf-8")
    text = (TARGETS / "rpi4.toml").read_text(encoding="utf-8")
    file = tmp_path / "mine.toml"
    file.write_text(text.replace('"rpi4"', '"mine"').replace('"cortex-a72"', '"my-core"'), encoding="utf-8")
    assert load_target(str(file)).clusters[0].core.isa == {"neon"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bits = 64", "bits = 48", ":3: bits is 48; allowed: 32, 64"),
        ('"neon", ', '"noen", ', ":4: isa holds 'noen'"),
        ('["neon", "crc32"]', '["dotprod"]', ':4: isa "dotprod" needs "neon"'),
        ('"datasheet"', '"guess"', "provenance.basis is 'guess'"),
        ("qemu_cpu", "qemu_cpus", ":5: unknown key 'qemu_cpus'"),
        ("architecture", "#", "architecture is missing"),
    ],
)
def test_invalid_core_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (TARGETS / "cores" / "cortex-a72.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "some-core.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_core(path)
    assert message in caught.value.message and str(path) in caught.value.message


@pytest.mark.parametrize(
    ("ref", "hint"),
    [
        ("rpi44", 'did you mean "rpi4"?'),
        ("RPI5", 'did you mean "rpi5"?'),
        ("qqqqqqq", "`edgekit targets`"),
        ("", "targets"),
    ],
)
def test_unknown_reference(ref: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_target(ref)
    assert hint in caught.value.hint


@pytest.mark.parametrize("ref", ["./no-such.toml", "/", "a/\0.toml", "TEMPLATE", "../rpi4"])
def test_no_way_around_the_list(ref: str) -> None:
    with pytest.raises(UsageError):
        load_target(ref)


# ---- one file per rule


@pytest.mark.parametrize("path", INVALID, ids=lambda p: p.stem)
def test_invalid_file_is_refused_with_what_its_first_line_says(path: Path) -> None:
    expected = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    with pytest.raises(UsageError) as caught:
        read_targets(path)
    assert expected in caught.value.message
    assert caught.value.code == 2
    assert str(path) in caught.value.message


def test_all_faults_of_a_file_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        read_targets(ROOT / "tests" / "invalid_targets" / "two_faults_at_once.toml")
    assert "kind is 'linus'" in caught.value.message and "count is 0" in caught.value.message


def test_the_hint_names_the_near_key() -> None:
    with pytest.raises(UsageError) as caught:
        read_targets(ROOT / "tests" / "invalid_targets" / "unknown_key.toml")
    assert caught.value.hint == 'did you mean "headroom"?'


# ---- the template documents the schema


def test_the_template_has_every_key_that_the_reader_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[tuple[str, ...]] = set()
    get = Table._get

    def remember(self: Table, key: str, required: bool = False) -> Any:
        asked.add((*self.keys, key))
        return get(self, key, required)

    monkeypatch.setattr(Table, "_get", remember)
    template = TARGETS / "TEMPLATE.toml"
    read_targets(template)
    text = template.read_text(encoding="utf-8")
    missing = {keys[-1] for keys in asked if not re.search(rf"\b{re.escape(keys[-1])}\b\"? *=|[.\[]{keys[-1]}\b", text)}
    assert len(asked) > 50
    assert not missing


def test_the_template_names_every_choice() -> None:
    text = (TARGETS / "TEMPLATE.toml").read_text(encoding="utf-8")
    choices = (*reading.KINDS, *board.RAM_KINDS, *board.FLASH_KINDS, *reading.BASES, *reading.LIBCS)
    for word in (*choices, *reading.ARCHES, *reading.RUNTIMES):
        assert re.search(rf"\b{re.escape(word)}\b", text), word


def test_the_isa_table_is_closed_and_documented() -> None:
    assert all(needed in ISA for needs in ISA.values() for needed in needs)
    text = (ROOT / "docs" / "targets.md").read_text(encoding="utf-8")
    assert not [feature for feature in ISA if f"`{feature}`" not in text]


# ---- hostile values

SCALARS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(max_size=12),
    st.just([]),
    st.just({}),
    st.lists(st.text(max_size=3), max_size=3),
)
TEMPLATE_DATA = load(TARGETS / "TEMPLATE.toml", what="target file").data


def leaves(value: Any, keys: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return [keys]
    return [keys, *(leaf for key, inner in value.items() for leaf in leaves(inner, (*keys, key)))]


def replaced(value: Any, keys: tuple[str, ...], new: Any) -> Any:
    if not keys:
        return new
    return {**value, keys[0]: replaced(value[keys[0]], keys[1:], new)}


@settings(max_examples=300, deadline=None)
@given(keys=st.sampled_from([k for k in leaves(TEMPLATE_DATA) if k]), value=SCALARS)
def test_any_value_anywhere_is_taken_or_refused(keys: tuple[str, ...], value: Any) -> None:
    document = Document(TARGETS / "TEMPLATE.toml", "target file", replaced(TEMPLATE_DATA, keys, value), {})
    try:
        family = reading.read_document(document)
    except UsageError as e:
        assert e.message
        return
    for target in family:
        assert isinstance(target, Target)
        assert 0 <= target.usable_ram_bytes <= target.ram_bytes
        json.dumps([target.document(), target.evidence()])
        assert set(facts(target)) >= {"soc", "abi.arch"}


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 4000), size=st.integers(0, 40), new=st.binary(max_size=8))
def test_any_damage_to_the_bytes_is_taken_or_refused(tmp_path_factory: Any, at: int, size: int, new: bytes) -> None:
    raw = (TARGETS / "TEMPLATE.toml").read_bytes()
    path = tmp_path_factory.getbasetemp() / "damaged.toml"
    path.write_bytes(raw[:at] + new + raw[at + size :])
    try:
        read_targets(path)
    except UsageError as e:
        assert str(path) in e.message


# ---- the command


def test_the_command_lists_every_target_at_any_width() -> None:
    done = edgekit("targets")
    assert done.returncode == 0, done.stderr
    first = {line.split()[0] for line in done.stdout.splitlines() if line}
    assert first >= set(PROMISED)


def test_the_command_shows_one_target_with_its_sources() -> None:
    done = edgekit("targets", "rpi4")
    assert done.returncode == 0, done.stderr
    assert "rpi4 stands for the smallest" in done.stdout
    assert "Debian" in done.stdout and "datasheet" in done.stdout and "2026-11-23" in done.stdout


@pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.id)
def test_one_target_at_80_columns_has_each_source_once_and_no_broken_word(target: Target) -> None:
    file = io.StringIO()
    _detail(target, Console(width=80, file=file))
    lines = file.getvalue().splitlines()
    assert all(cell_len(line) <= 80 for line in lines) and len(lines) < 100
    words = set(file.getvalue().replace(",", " ").split())
    facts = target.evidence()
    assert {fact["field"] for fact in facts} | set(target.unknown) <= words
    groups = [" ".join(group.split()) for group in file.getvalue().split("\n\n")]
    for basis, date, source in {(f["basis"], f["date"], f["source"]) for f in facts if f["source"]}:
        head = f"{basis} {date}" if date else basis
        fields = {f["field"] for f in facts if (f["basis"], f["date"], f["source"]) == (basis, date, source)}
        (group,) = [
            group for group in groups if any(group.startswith(f"{head}: {source} {field} ") for field in fields)
        ]
        assert fields <= set(group.split())


def test_the_command_takes_a_path() -> None:
    done = edgekit("targets", str(TARGETS / "TEMPLATE.toml"), "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["targets"][0]["id"] == "my-board"


def test_json_has_the_fields_of_the_contract() -> None:
    done = edgekit("targets", "--json", "-")
    document = json.loads(done.stdout)
    assert document["command"] == "targets" and document["schema"] == 1
    wanted = [
        "id",
        "name",
        "kind",
        "cpu",
        "ram_bytes",
        "usable_ram_bytes",
        "storage_bytes",
        "os_image",
        "emulated",
        "unknown",
    ]
    assert all(set(wanted) <= set(entry) for entry in document["targets"])
    one = json.loads(edgekit("targets", "rpi4-4gb", "--json", "-").stdout)["targets"][0]
    assert one["ram_bytes"] == 4 << 30
    assert {"field": "soc", "value": "BCM2711", "basis": "datasheet"}.items() <= one["facts"][0].items()


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("nope", 'error: no target "nope"'),
        ("./nope.toml", "no such target file"),
        ("tests/invalid_targets/unknown_key.toml", "unknown_key.toml:7: unknown key 'headrom'"),
    ],
)
def test_usage_errors_exit_2_without_a_traceback(ref: str, message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", "targets", ref, "--json", "-"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 2
    assert message in done.stderr and "hint: " in done.stderr and "Traceback" not in done.stderr
    assert json.loads(done.stdout)["error"]["code"] == 2
