"""Records in other people's formats. Each takes a row of the record table and gives bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree

_NAMESPACE = "http://datacite.org/schema/kernel-4"
_PUBLISHER = "Example repository"
_GENERAL = {"dataset": "Dataset", "article": "JournalArticle", "software": "Software", "image": "Image"}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain_json(record: Mapping[str, Any]) -> bytes:
    """The row as it is, with its creators as a list."""
    return _json({**record, "creators": json.loads(record["creators"])})


def datacite_json(record: Mapping[str, Any]) -> bytes:
    """DataCite's JSON."""
    creators = [
        {"name": one["name"], "nameType": "Personal", "affiliation": [{"name": one["affiliation"]}]}
        for one in json.loads(record["creators"])
    ]
    return _json(
        {
            "identifiers": [{"identifier": record["id"], "identifierType": "Other"}],
            "creators": creators,
            "titles": [{"title": record["title"]}],
            "publisher": {"name": _PUBLISHER},
            "publicationYear": str(record["year"]),
            "types": {"resourceTypeGeneral": _GENERAL[record["kind"]], "resourceType": record["kind"]},
            "descriptions": [{"description": record["description"], "descriptionType": "Abstract"}],
            "schemaVersion": _NAMESPACE,
        }
    )


def datacite_xml(record: Mapping[str, Any]) -> bytes:
    """DataCite's XML, kernel 4."""
    resource = ElementTree.Element("resource", xmlns=_NAMESPACE)
    _add(resource, "identifier", record["id"], identifierType="Other")
    creators = _add(resource, "creators")
    for one in json.loads(record["creators"]):
        creator = _add(creators, "creator")
        _add(creator, "creatorName", one["name"], nameType="Personal")
        _add(creator, "affiliation", one["affiliation"])
    _add(_add(resource, "titles"), "title", record["title"])
    _add(resource, "publisher", _PUBLISHER)
    _add(resource, "publicationYear", str(record["year"]))
    _add(resource, "resourceType", record["kind"], resourceTypeGeneral=_GENERAL[record["kind"]])
    _add(_add(resource, "descriptions"), "description", record["description"], descriptionType="Abstract")
    text: bytes = ElementTree.tostring(resource, encoding="utf-8", xml_declaration=True)
    return text


def _add(parent: ElementTree.Element, name: str, text: str = "", **attributes: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, name, attributes)
    element.text = _NOT_XML.sub("\ufffd", text) or None
    return element


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace")


SERIALIZERS: dict[str, tuple[str, Callable[[Mapping[str, Any]], bytes]]] = {
    "datacite-xml": (".xml", datacite_xml),
    "datacite-json": (".json", datacite_json),
    "json": (".json", plain_json),
}
