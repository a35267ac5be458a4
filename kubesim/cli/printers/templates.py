"""Objects through a template of the user's: JSONPath or Go's text/template."""

from __future__ import annotations

from kubesim.cli.errors import CLIError
from kubesim.cli.printers.tabwriter import Output
from kubesim.util.gotext import go_syntax, quote
from kubesim.util.jsonpath import JSONPath, JSONPathError
from kubesim.util.jsontypes import JSONObject


class JSONPathPrinter:
    """`-o jsonpath=…`. Raises CLIError where the template does not fit an object."""

    def __init__(self, template: str, *, allow_missing_keys: bool = True, as_json: bool = False) -> None:
        """Raises CLIError for a template that cannot be read."""
        self._template = template
        self._as_json = as_json
        try:
            self._path = JSONPath(template, allow_missing_keys=allow_missing_keys)
        except JSONPathError as error:
            raise CLIError(f"error parsing jsonpath {template}, {error}") from None

    def print_object(self, obj: JSONObject, stream: Output) -> None:
        try:
            stream.write(self._path.execute(obj, as_json=self._as_json))
        except JSONPathError as error:
            raise CLIError(
                f"error executing jsonpath {quote(self._template)}: Error executing template: {error}. "
                "Printing more information for debugging the template:\n"
                f"\ttemplate was:\n\t\t{self._template}\n"
                f"\tobject given to jsonpath engine was:\n\t\t{go_syntax(obj)}\n\n\n"
            ) from None

    def print_event(self, event_type: str, obj: JSONObject, stream: Output) -> None:
        self.print_object({"type": event_type, "object": obj}, stream)


class GoTemplatePrinter:
    """`-o go-template=…`."""

    def __init__(self, template: str, *, allow_missing_keys: bool = True) -> None:
        """Raises CLIError for a template that cannot be read."""
        from kubesim.util.gotemplate import Template, TemplateError

        self._text = template
        try:
            self._template = Template(template, missing_key_is_error=not allow_missing_keys)
        except TemplateError as error:
            raise CLIError(f"error parsing template {template}, {error}") from None

    def print_object(self, obj: JSONObject, stream: Output) -> None:
        from kubesim.util.gotemplate import TemplateError
        from kubesim.util.gotext import sprint, to_json

        try:
            self._template.execute(obj, stream)
        except TemplateError as error:
            stream.write(
                f"Error executing template: {error}. "
                "Printing more information for debugging the template:\n"
                f"\ttemplate was:\n\t\t{self._text}\n"
                f"\traw data was:\n\t\t{to_json(obj)}\n"
                f"\tobject given to template engine was:\n\t\t{sprint(obj)}\n\n"
            )
            raise CLIError(f"error executing template {quote(self._text)}: {error}") from None

    def print_event(self, event_type: str, obj: JSONObject, stream: Output) -> None:
        self.print_object({"type": event_type, "object": obj}, stream)
