"""What the API server says in Warning headers of ConfigMaps with images (docs/images.md). Called for each ConfigMap that is
written, so for others than these it loads and costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubesim.apimachinery.meta import labels_of
from kubesim.kubelet.config import IMAGES_LABEL
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.diagnosis.advice import Reader


def advise_config_map(new: JSONObject, old: JSONObject | None, reader: Reader) -> list[str]:
    """The mistakes that can be seen without the other documents of the catalogue."""
    del old, reader
    label = labels_of(new).get(IMAGES_LABEL)
    if label is None:
        return []
    if label != "true":
        return [
            f'metadata.labels[{IMAGES_LABEL}]: want "true" for a catalogue of images; with "{label}" it is none'
        ]
    from kubesim.kubelet.catalogues import documents_of
    from kubesim.runtime.imageform import read
    from kubesim.runtime.images import told

    problems = [problem for document in documents_of(new) for problem in read(document).problems]
    return [problem.text for problem in told(problems)]
