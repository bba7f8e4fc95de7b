"""The middlewares, loaded when first asked for (PEP 562); no code lives here."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..compose import apply_middleware as apply_middleware
    from ..compose import chain_middleware as chain_middleware
    from ..compose import middleware_factory as middleware_factory
    from .accept import wrap_accept as wrap_accept
    from .body_limit import wrap_body_limit as wrap_body_limit
    from .content_type import wrap_content_type as wrap_content_type
    from .cookies import wrap_cookies as wrap_cookies
    from .cors import wrap_cors as wrap_cors
    from .json import wrap_json as wrap_json
    from .lint import lint_layers as lint_layers
    from .lint import wrap_lint as wrap_lint
    from .multipart import wrap_multipart as wrap_multipart
    from .parameters import wrap_parameters as wrap_parameters
    from .routing import url_for as url_for
    from .routing import wrap_routes as wrap_routes
    from .static import wrap_static as wrap_static

_WHERE = {
    "apply_middleware": "..compose",
    "chain_middleware": "..compose",
    "lint_layers": ".lint",
    "middleware_factory": "..compose",
    "url_for": ".routing",
    "wrap_accept": ".accept",
    "wrap_body_limit": ".body_limit",
    "wrap_content_type": ".content_type",
    "wrap_cookies": ".cookies",
    "wrap_cors": ".cors",
    "wrap_json": ".json",
    "wrap_lint": ".lint",
    "wrap_multipart": ".multipart",
    "wrap_parameters": ".parameters",
    "wrap_routes": ".routing",
    "wrap_static": ".static",
}

__all__ = [
    "apply_middleware",
    "chain_middleware",
    "lint_layers",
    "middleware_factory",
    "url_for",
    "wrap_accept",
    "wrap_body_limit",
    "wrap_content_type",
    "wrap_cookies",
    "wrap_cors",
    "wrap_json",
    "wrap_lint",
    "wrap_multipart",
    "wrap_parameters",
    "wrap_routes",
    "wrap_static",
]


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'shallot.middlewares' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
