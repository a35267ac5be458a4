"""Which images there are for the Pods of a namespace: the built-in catalogue, and what users lay over it.

The layers, the later ones over the earlier ones: built in; given with the home and with the cluster (`given`); ConfigMaps
with the label `kubesim/image-catalogue=true` in kube-system, for all namespaces; those of the Pod's own namespace.
Among ConfigMaps of a namespace, and among the keys of one, names decide the order. Nothing of this is kept: who adds or
deletes a ConfigMap changes what the next container starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from kubesim.apimachinery.meta import key_of, labels_of, name_of, namespace_of, split_key
from kubesim.apimachinery.watch import WatchEvent
from kubesim.client.client import Client
from kubesim.client.lister import get_or_none, items_permitted
from kubesim.client.reconcile import DONE, KeysOf, Result
from kubesim.client.recorder import WARNING, EventRecorder, object_reference
from kubesim.client.resources import CONFIG_MAPS
from kubesim.client.unchanged import Unchanged
from kubesim.kubelet.config import IMAGES_LABEL
from kubesim.runtime.images import Catalogue, Document, Problem, told
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.apimachinery.gvk import GroupVersionResource

Given = Callable[[], Sequence[Document]]
"""The documents of the home and of the cluster's configuration, as they are now; the same object while they are the same."""

SELECTOR: Final = f"{IMAGES_LABEL}=true"
EVERYWHERE: Final = "kube-system"


def nothing() -> Sequence[Document]:
    """No documents are given."""
    return ()


class Catalogues:
    """The catalogue of each namespace, read anew after `look_anew` where something has changed. `built_in` is asked for
    where it is needed: reading it takes a while. For one thread.
    """

    def __init__(
        self,
        client: Client | None,
        built_in: Callable[[], Catalogue],
        given: Given = nothing,
        *,
        once: bool = False,
    ) -> None:
        """With `once` there is no looking anew, and the client may be one that speaks with another process."""
        self._client = client
        self._built_in = built_in
        self._given = given
        self._unchanged = Unchanged(client, CONFIG_MAPS) if client is not None and not once else None
        self._is_fresh = False
        self._documents: Sequence[Document] | None = None
        self._of_namespaces: dict[str, list[Document]] = {}
        self._known: dict[str, Catalogue] = {}

    def look_anew(self) -> None:
        """The next question finds what is there then."""
        self._is_fresh = False

    def of(self, namespace: str) -> Catalogue:
        """The images for Pods of a namespace."""
        if not self._is_fresh:
            self._look()
        own = namespace if namespace in self._of_namespaces else EVERYWHERE
        if not self._documents and own not in self._of_namespaces:
            return self._built_in()
        found = self._known.get(own)
        if found is None:
            documents = [*(self._documents or ()), *self._of_namespaces.get(EVERYWHERE, ())]
            if own != EVERYWHERE:
                documents += self._of_namespaces[own]
            found = self._known[own] = self._built_in().extended(documents)
        return found

    def _look(self) -> None:
        self._is_fresh = True
        given, unchanged = self._given(), self._unchanged is not None and self._unchanged()
        if given is not self._documents:
            self._documents, self._known = given, {}
        if not unchanged:
            self._of_namespaces, self._known = self._read(), {}

    def _read(self) -> dict[str, list[Document]]:
        if self._client is None:
            return {}
        found: dict[str, list[Document]] = {}
        for config_map in catalogue_maps(self._client):
            found.setdefault(namespace_of(config_map), []).extend(documents_of(config_map))
        return found


def catalogue_maps(client: Client) -> list[JSONObject]:
    """The ConfigMaps with images, by namespace and name. Who may not see them does without."""
    return items_permitted(client, CONFIG_MAPS, label_selector=SELECTOR)


def documents_of(config_map: JSONObject) -> list[Document]:
    """The documents of a ConfigMap, one for each key, in the order of the keys."""
    data: Mapping[str, str] = config_map.get("data") or {}
    place = f"configmap {namespace_of(config_map)}/{name_of(config_map)}"
    found = [Document(f"{place} key {key}", text) for key, text in sorted(data.items())]
    binary = Document(place, "", "binaryData: want texts, in data") if config_map.get("binaryData") else None
    return [*found, binary] if binary else found


def problems_of(catalogue: Catalogue, documents: Sequence[Document]) -> list[Problem]:
    """What is wrong with some of the documents of a catalogue."""
    sources = {document.source for document in documents}
    return [problem for problem in catalogue.problems if problem.source in sources]


class CatalogueController:
    """Tells of mistakes in ConfigMaps with images, by Events about them."""

    name = "image-catalogue-controller"

    def __init__(self, client: Client, catalogues: Catalogues, recorder: EventRecorder) -> None:
        self._client = client
        self._catalogues = catalogues
        self._recorder = recorder
        self.watches: Mapping[GroupVersionResource, KeysOf] = {CONFIG_MAPS: self._changed}

    def _changed(self, event: WatchEvent) -> Sequence[str]:
        if event.type == "DELETED" or labels_of(event.object).get(IMAGES_LABEL) != "true":
            return ()
        old = event.old
        same = old is not None and all(old.get(f) == event.object.get(f) for f in ("data", "binaryData"))
        if same and old is not None and labels_of(old).get(IMAGES_LABEL) == "true":
            return ()
        return (key_of(event.object),)

    def reconcile(self, key: str) -> Result:
        namespace, name = split_key(key)
        config_map = get_or_none(self._client, CONFIG_MAPS, name, namespace)
        if config_map is None or labels_of(config_map).get(IMAGES_LABEL) != "true":
            return DONE
        self._catalogues.look_anew()
        problems = told(problems_of(self._catalogues.of(namespace), documents_of(config_map)))
        reference = object_reference(config_map, "ConfigMap")
        for problem in problems:
            self._recorder.event(reference, WARNING, "InvalidImageCatalogue", problem.text)
        return Result(tuple(f"found a mistake in an image catalogue: {p.text}" for p in problems))
