"""What background work says of its progress, in the reader's language.

Workers know no reader and report in English; names of files and columns in what they report stay as they are.
"""

from __future__ import annotations

from flask_babel import gettext as _


def progress_words(text: str | None) -> str:
    """Return the report `text` of a worker in the language of the page; one that is not known stays as it is."""
    if not text:
        return ""
    whole = {
        "reading": _("reading"),
        "looking for sensitive columns": _("looking for sensitive columns"),
        "profiling": _("profiling"),
        "checking the order of times": _("checking the order of times"),
        "looking for duplicate rows": _("looking for duplicate rows"),
        "profiled": _("profiled"),
        "assessed": _("assessed"),
    }
    verb, _space, name = text.partition(" ")
    about = {
        "measuring": _("measuring %(name)s", name=name),
        "testing": _("testing %(name)s", name=name),
        "storing": _("storing %(name)s", name=name),
    }
    return whole.get(text) or (about.get(verb) if name else None) or text
