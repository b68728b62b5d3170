"""A section of the page of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Files are named in full where a section is made, so that the page is made anew when they change.

    Parameters
    ----------
    id : str
        Its anchor, and how its script asks for its data.
    title : str
    template : str
        A file of ``popnet/report/templates``.
    shown : mapping
        What the template reads, by the name ``shown``. Names from the data are escaped.
    data : object, optional
        What the script reads: lists, dicts, text and numbers (`popnet.report.embedding`).
    scripts : tuple of str
        Files of ``popnet/report/templates``, or of ``popnet/resources`` where others wrote them.
    """

    id: str
    title: str
    template: str
    shown: Mapping[str, Any] = field(default_factory=dict)
    data: Any = None
    scripts: tuple[str, ...] = ()
