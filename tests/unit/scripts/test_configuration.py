"""What describes the configuration is what the models say (`make docs` mends it)."""

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from clientproxy.config import ClientConfig
from clientproxy.config import check as check_client
from common.errors import ConfigError
from common.runtime import strictyaml
from common.runtime.keys import EFFECTS, Key
from scripts.docs import PROGRAMS, ROOT, Program, entries, files, schema
from serverproxy.config import ChannelConfig, ServerConfig
from serverproxy.config import check as check_server

CHECKS = {"serverproxy": check_server, "clientproxy": check_client}

each_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_made_from_the_code_is_up_to_date(path: Path) -> None:
    assert path.read_text() == files()[path], "run `make docs`"


@pytest.mark.parametrize("model", [ServerConfig, ChannelConfig, ClientConfig])
def test_every_key_says_what_it_is_and_what_a_reload_does(model: type[ServerConfig]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name
        (key,) = (one for one in field.metadata if isinstance(one, Key))
        assert key.on_reload in EFFECTS
        schema = model.model_json_schema()["properties"][name]
        if schema.get("type") in {"number", "integer"}:
            assert key.unit or name == "stripes", name
            assert {"minimum", "maximum"} <= set(schema), name


@each_program
def test_the_reference_has_every_key_once(program: Program) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    part = text.partition(f"\n## {program.name}.yaml\n")[2].partition("\n## ")[0]
    shown = re.findall(r"^\| `([\w.]+)` \|", part, re.MULTILINE)
    assert shown == [".".join(entry.path) for entry in entries(program)]


@each_program
def test_the_shipped_file_fits_its_schema_and_names_it(program: Program) -> None:
    text = (ROOT / "config" / f"{program.name}.yaml").read_text()
    assert text.startswith(f"# yaml-language-server: $schema={program.name}.schema.json\n")
    validator = jsonschema_rs.validator_for(json.dumps(schema(program)))
    assert list(validator.iter_errors(yaml.safe_load(text))) == []


GOOD = {
    "serverproxy": [
        "channels: {cam: {source: 'rtsp://h/', password: 'x', username: '${A:-b}'}}",
        "channels: {a: {source: 'testcard:'}, b: {source: 'testcard:', log_time: 1.5}}",
        "listen: ':0'\nlog_format: json\nchannels: {a: {source: 'testcard:', stripes: 1}}",
    ],
    "clientproxy": [
        "server: null",
        "max_children: auto",
        "max_children: 4\nallow_servers: ['*', host]\nserver: '[::1]:80'\njoin: [a, b]",
    ],
}
BAD = {
    "serverproxy": [
        "colour: red",
        "channels: {cam: {}}",
        "channels: {a/b: {source: 'testcard:'}}",
        "channels: {cam: {source: 'testcard:', stripes: 3}}",
        "channels: {cam: {source: 'testcard:', log_time: soon}}",
        "channels: {cam: {source: 'testcard:', log_bytes: 1}}",
        "channels: {cam: {source: 'testcard:', transport: quic}}",
        "channels: {cam: {source: 'testcard:', sauce: x}}",
        "listen: 7854\nchannels: {cam: {source: 'testcard:'}}",
        "log_level: loud\nchannels: {cam: {source: 'testcard:'}}",
    ],
    "clientproxy": [
        "max_children: many",
        "max_children: 257",
        "linger: '5'",
        "reorder_timeout: 0",
        "join: cam\nserver: host",
        "join: [a/b]\nserver: host",
        "server: 5",
        "listne: ':80'",
    ],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in GOOD for text in GOOD[name]])
def test_editors_take_what_the_program_takes(name: str, text: str, tmp_path: Path) -> None:
    _file(tmp_path, text)
    CHECKS[name](tmp_path / "x.yaml")
    assert _fits(name, text)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in BAD for text in BAD[name]])
def test_editors_refuse_what_the_program_refuses(name: str, text: str, tmp_path: Path) -> None:
    _file(tmp_path, text)
    with pytest.raises(ConfigError):
        CHECKS[name](tmp_path / "x.yaml")
    assert not _fits(name, text)


def _file(folder: Path, text: str) -> None:
    (folder / "x.yaml").write_text(text)


def _fits(name: str, text: str) -> bool:
    (program,) = (one for one in PROGRAMS if one.name == name)
    validator = jsonschema_rs.validator_for(json.dumps(schema(program)))
    return validator.is_valid(json.loads(json.dumps(strictyaml.parse(text).values)))
