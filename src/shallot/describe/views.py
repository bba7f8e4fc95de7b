"""An app as plain data: its layers, and its rows with all layers that a request to each passes. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..codec.paths import CONVERTERS
from ..codec.routes import read_routes
from ..compose import apply_middleware, read_spec
from ..limits import default_limits
from ..ring import standard_not_found
from ..types import AllLimits, Spec

__all__ = ["Place", "View", "has_view", "own_layers", "read_view"]


class Place(NamedTuple):
    """A row of the table of routes, and what a request to it passes."""

    path: str
    methods: Sequence[str]
    handler: Any
    data: Mapping[str, Any]
    layers: Sequence[Spec]
    """Outermost first, the row's own middlewares last."""

    @property
    def where(self) -> str:
        return f"route {', '.join(self.methods)} {self.path}"


class View(NamedTuple):
    """What ``check`` looks at."""

    layers: Sequence[Spec]
    """Of all requests, outermost first."""
    places: Sequence[Place]
    limits: AllLimits
    resources: Mapping[str, Any]

    def every(self) -> list[Spec]:
        """All layers, those of rows included, each once."""
        every: list[Spec] = []
        for layer in [*self.layers, *(layer for place in self.places for layer in place.layers)]:
            if not any(layer is other for other in every):
                every.append(layer)
        return every

    def find(self, name: str) -> list[Spec]:
        return [layer for layer in self.every() if layer["name"] == name]


def has_view(app: Any) -> bool:
    """Whether ``read_view`` takes ``app``: a middleware, or a pile without its handler, has a dict there."""
    return isinstance(getattr(app, "spec", None), (list, tuple))


def read_view(app: Any) -> View:
    """The view of what ``build_server`` gave, or of a pile with its handler; ``TypeError`` for what says nothing of itself."""
    if not has_view(app):
        raise TypeError(f"expected what build_server(...) gives, got {f'{app!r}':.60}, which does not say what it is made of (app.spec)")
    layers = read_spec(app)
    places = [place for layer in layers if layer["name"] == "wrap_routes" for place in _places(layer, layers)]
    return View(layers, places, getattr(app, "limits", default_limits()), getattr(app, "resources", {}))


def _places(routes: Spec, layers: Sequence[Spec]) -> list[Place]:
    rows = read_routes(routes["options"]["routes"], [*(routes["options"]["converters"] or ()), *CONVERTERS])
    return [Place(row.path, row.methods, row.handler, row.data, [*layers, *own_layers(row.data)]) for row in rows]


def own_layers(data: Mapping[str, Any]) -> Sequence[Spec]:
    """The middlewares of a row, as ``app.spec`` would say them."""
    return read_spec(apply_middleware(*data.get("middlewares", ()))(standard_not_found))
