from argparse import ArgumentParser
from collections.abc import Mapping

class Manpage:
    def __init__(
        self,
        parser: ArgumentParser,
        format: str = ...,  # noqa: A002
        _data: Mapping[str, str] | None = ...,
    ) -> None: ...
    def add_section(self, heading: str, position: str, content: str) -> None: ...
    def parse_include(self, file: str) -> None: ...
