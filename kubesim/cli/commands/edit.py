"""`edit`: objects in the user's editor, reopened with the reasons until the server takes them (pkg/cmd/util/editor)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.field import INVALID, FieldError
from kubesim.apimachinery.meta import metadata_of, uid_of
from kubesim.apimachinery.patch.merge import create_merge_patch
from kubesim.apimachinery.patch.strategic_diff import create_two_way_patch
from kubesim.apimachinery.rest import MERGE_PATCH, STRATEGIC_MERGE_PATCH
from kubesim.cli.builder import Builder, Info, collected, filename_flags
from kubesim.cli.command import Command, Context
from kubesim.cli.documents import decode_document, validation_problems
from kubesim.cli.editor import edit_file
from kubesim.cli.errors import CLIError, SilentExit
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.generated import SAVE_CONFIG_FLAG, set_last_applied
from kubesim.cli.options import PRINT_FLAGS, VALIDATE_FLAG, WriteOptions, field_manager_flag, print_result
from kubesim.cli.recording import RECORD_FLAG, record
from kubesim.util.jsontypes import JSONObject, deep_copy
from kubesim.util.yamlfmt import YAMLSyntaxError, dump, load_documents

HEADER = """\
# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""
NO_VALID_CHANGES = "Edit cancelled, no valid changes were saved."
IDENTITY_CHANGED = "At least one of apiVersion, kind and name was changed"


@dataclass(slots=True)
class Results:
    """What came of one round: why the file must be opened again, and what can be done about the rest."""

    reasons: list[tuple[str, list[str]]] = field(default_factory=list)
    retryable: int = 0
    missing: int = 0

    def header(self) -> str:
        """The comment above the text."""
        text = HEADER
        for head, others in self.reasons:
            text += f"# {_commented(head)}{':' if others else ''}\n"
            text += "".join(f"# * {_commented(other)}\n" for other in others) + "#\n"
        return text

    def add(self, error: StatusError, info: Info) -> str:
        """Take note of a refusal; the line that tells the user."""
        name = f"{info.mapping.gvr.qualified} {json.dumps(info.name)}"
        if error.reason == "Invalid":
            self.reasons.append(
                (
                    f"{name} was not valid",
                    [f"{c.get('field', '')}: {c.get('message', '')}" for c in error.causes],
                )
            )
            return f"error: {name} is invalid"
        if error.reason == "NotFound":
            self.missing += 1
            return f"error: {name} could not be found on the server"
        self.retryable += 1
        return f"error: {name} could not be patched: {error.message}"


@dataclass(slots=True)
class Session:
    """One editing session on some objects."""

    context: Context
    infos: list[Info]
    options: WriteOptions
    json: bool = False
    results: Results = field(default_factory=Results)
    file: Path | None = None

    def run(self) -> int:
        """Open, save, open again: until everything is taken or the user gives up."""
        managed = {
            uid_of(i.object or {}): metadata_of(i.object or {}).pop("managedFields", None) for i in self.infos
        }
        original = self._text()
        edited, failed = "", False
        while True:
            body = original if not failed else _without_comments(edited, keep_blank=True)
            before = edited
            edited, file = self._edit(self.results.header() + body)
            if failed and strip_comments(before) == strip_comments(edited):
                raise self._kept(CLIError(NO_VALID_CHANGES), file)
            if self.file is not None:
                self.file.unlink(missing_ok=True)
            self.file = file
            problem = _validation_problem(edited)
            if problem:
                self._refuse_text(problem)
                failed = True
                continue
            if strip_comments(self.results.header() + original) == strip_comments(edited):
                return self._end("Edit cancelled, no changes made.")
            if not any(line.strip() and not line.strip().startswith("#") for line in edited.splitlines()):
                return self._end("Edit cancelled, saved file was empty.")
            self.results = Results()
            self._submit(edited, managed)
            if self.results.retryable:
                program = self.context.streams.program
                self.context.err(f"You can run `{program} replace -f {file}` to try this update again.")
                raise SilentExit
            if self.results.missing:
                self.context.err(f'The edits you made on deleted resources have been saved to "{file}"')
                raise SilentExit
            if not self.results.reasons:
                file.unlink(missing_ok=True)
                return 0
            failed = True

    def _text(self) -> str:
        objects = [i.object or {} for i in self.infos]
        whole: JSONObject = objects[0]
        if len(objects) != 1:
            whole = {"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {}}
        return (
            json.dumps(whole, indent=4, sort_keys=True, ensure_ascii=False) + "\n"
            if self.json
            else dump(whole)
        )

    def _edit(self, text: str) -> tuple[str, Path]:
        if self.context.flags.is_set("windows-line-endings"):
            text = text.replace("\n", "\r\n")
        suffix = ".json" if self.json else ".yaml"
        try:
            return edit_file(
                self.context.streams, text, prefix=f"{self.context.streams.program}-edit-", suffix=suffix
            )
        except CLIError as error:
            raise self._kept(error, self.file) from None

    def _kept(self, error: Exception, file: Path | None) -> Exception:
        if file is not None and file.exists():
            self.context.err(f'A copy of your changes has been stored to "{file}"')
        return error

    def _end(self, text: str) -> int:
        if self.file is not None:
            self.file.unlink(missing_ok=True)
        self.context.err(text)
        return 0

    def _refuse_text(self, problem: str) -> None:
        self.results = Results()
        error = FieldError(INVALID, "<nil>", "The edited file failed validation", problem)
        causes = [{"reason": error.type, "message": error.body(), "field": error.field}]
        status = StatusError({"reason": "Invalid", "details": {"causes": causes}})
        self.context.err(self.results.add(status, self.infos[0]))

    def _submit(self, edited: str, managed: dict[str, Any]) -> None:
        """Send what was changed of each object; note what the server refuses."""
        by_uid = {uid_of(i.object or {}): i for i in self.infos}
        for obj in self._edited_objects(edited):
            info = by_uid.get(uid_of(obj))
            if info is None:
                raise self._kept(
                    CLIError("no original object found for the edited one: its uid was changed"), self.file
                )
            namespace = metadata_of(obj).get("namespace", "")
            if info.mapping.namespaced and namespace and namespace != info.namespace:
                raise self._kept(CLIError(_namespace_text(namespace, info.namespace)), self.file)
            if self.context.flags.is_set("save-config"):
                set_last_applied(obj)
            record(self.context, obj)
            self._patch(info, obj, managed.get(uid_of(obj)))

    def _edited_objects(self, edited: str) -> list[JSONObject]:
        found: list[JSONObject] = []
        for document in load_documents(edited.encode("utf-8", "surrogateescape")):
            if document.value is None:
                continue
            obj = decode_document(document.value, "edited-file", lambda: self.context.session.schema)
            items = obj.get("items")
            found += [i for i in items if isinstance(i, dict)] if obj["kind"] == "List" and items else [obj]
        return found

    def _patch(self, info: Info, obj: JSONObject, managed: Any) -> None:
        before = deep_copy(info.object or {})
        if obj == before:
            print_result(self.context, info, "skipped", self.options)
            return
        if any(obj.get(k) != before.get(k) for k in ("apiVersion", "kind")) or _name(obj) != _name(before):
            raise self._kept(CLIError(IDENTITY_CHANGED), self.file)
        patch, content_type = self._difference(info, before, obj)
        if self.context.flags.is_set("output-patch"):
            self.context.out(f"Patch: {json.dumps(patch, separators=(',', ':'), sort_keys=True)}")
        try:
            answer = self.context.session.client.request(
                "PATCH", info.path, query=self.options.query, body=patch, content_type=content_type
            ).body
        except StatusError as error:
            self.context.err(self.results.add(error, info))
            return
        info.object = answer if isinstance(answer, dict) else obj
        metadata_of(info.object).pop("managedFields", None)
        print_result(self.context, info, "edited", self.options)

    def _difference(self, info: Info, before: JSONObject, after: JSONObject) -> tuple[Any, str]:
        node = self.context.session.node(info.mapping.gvk)
        try:
            if node is not None:
                return create_two_way_patch(before, after, node), STRATEGIC_MERGE_PATCH
            return create_merge_patch(before, after), MERGE_PATCH
        except ValueError as error:
            raise self._kept(CLIError(str(error)), self.file) from None


def run(context: Context) -> int:
    """Edit what the command line names."""
    flags = context.flags
    options = WriteOptions.of(context)
    output = flags.text("output")
    if output not in ("", "yaml", "json", "name"):
        raise CLIError(
            f'unable to match a printer suitable for the output format "{output}", allowed formats are: json,name,yaml'
        )
    if not context.args and not flags.texts("filename") and not flags.text("kustomize"):
        from kubesim.cli.builder import MISSING_RESOURCE

        raise CLIError(MISSING_RESOURCE)
    builder = Builder.of(
        context,
        context.args,
        allow_empty_selector=True,
        subresource=flags.text("subresource"),
        latest=True,
        flatten=True,
        continue_on_error=True,
    )
    infos, errors = builder.infos()
    failure = collected(errors)
    if failure:
        raise failure
    if not infos:
        raise CLIError("edit cancelled, no objects found")
    return Session(context, infos, options, json=output == "json").run()


def _name(obj: JSONObject) -> Any:
    return metadata_of(obj).get("name")


def _namespace_text(found: str, wanted: str) -> str:
    return (
        f'the namespace from the provided object "{found}" does not match the namespace "{wanted}". '
        f"You must pass '--namespace={found}' to perform this operation."
    )


def _validation_problem(text: str) -> str:
    """What is wrong with an edited text before a server sees it; empty if nothing."""
    data = strip_comments(text)
    try:
        values = [d.value for d in load_documents(data.encode("utf-8", "surrogateescape"))]
    except YAMLSyntaxError as error:
        return str(error)
    if not any(v is not None for v in values):
        return "invalid object to validate"
    for value in values:
        problems = validation_problems(value)
        if problems:
            return problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
    return ""


def strip_comments(text: str) -> str:
    """The document without comments, in one form, so that two texts can be compared (cmdutil.StripComments)."""
    try:
        values = [d.value for d in load_documents(text.encode("utf-8", "surrogateescape"))]
    except YAMLSyntaxError:
        return _without_comments(text, keep_blank=False)
    return "---\n".join(json.dumps(v, sort_keys=True, default=str) for v in values if v is not None)


def _without_comments(text: str, *, keep_blank: bool) -> str:
    lines = [line for line in text.split("\n") if not line.lstrip().startswith("#")]
    found = "\n".join(line for line in lines if keep_blank or line.strip())
    return found if not found or found.endswith("\n") else found + "\n"


def _commented(text: str) -> str:
    """Every line of a reason is a comment (hashOnLineBreak: a line that begins with # or is the last stays)."""
    made = ""
    for at, letter in enumerate(text):
        following = text[at + 1 : at + 2]
        made += "\n# " if letter == "\n" and following and following != "#" else letter
    return made


COMMAND = Command(
    name="edit",
    use="edit (RESOURCE/NAME | -f FILENAME)",
    short="Edit a resource in your editor",
    long="Open objects in the editor that KUBE_EDITOR or EDITOR names (else vi) and send what was changed. What the "
    "server refuses is opened again, with the reasons on top.",
    examples="""\
# Edit a Service
kubesim edit svc/web

# With another editor
KUBE_EDITOR=nano kubesim edit svc/web

# The status
kubesim edit pod web --subresource=status""",
    flags=(
        RECORD_FLAG,
        Flag("output-patch", "Print the patch that was sent.", kind="bool", default=False),
        Flag("subresource", "The subresource to edit, such as status."),
        boolean("windows-line-endings", "Give the file the line ends of Windows."),
        SAVE_CONFIG_FLAG,
        VALIDATE_FLAG,
        field_manager_flag("kubectl-edit"),
        *PRINT_FLAGS,
        *filename_flags("with the objects to edit."),
    ),
    run=run,
)
