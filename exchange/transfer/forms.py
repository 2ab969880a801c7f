"""The form with which a consumer acknowledges a delivery."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired, Regexp


class AcknowledgementForm(FlaskForm):
    digest = StringField(
        _("SHA-256 of the file you received"),
        [
            InputRequired(),
            Regexp(r"\s*(sha256:)?[0-9a-fA-F]{64}\s*$", message=_("A SHA-256 has 64 digits from 0 to 9 and a to f.")),
        ],
    )

    @property
    def value(self) -> str:
        """The digest as the exchange writes it: "sha256:" and lower-case digits."""
        return "sha256:" + str(self.digest.data).strip().lower().removeprefix("sha256:")
