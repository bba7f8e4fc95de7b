"""The middlewares, loaded when first asked for (PEP 562); no code lives here."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..compose import apply_middleware as apply_middleware
    from ..compose import chain_middleware as chain_middleware
    from ..compose import middleware_factory as middleware_factory
    from .accept import wrap_accept as wrap_accept
    from .access_log import wrap_access_log as wrap_access_log
    from .auth import wrap_auth as wrap_auth
    from .body_limit import wrap_body_limit as wrap_body_limit
    from .compress import wrap_compress as wrap_compress
    from .connection_limit import wrap_connection_limit as wrap_connection_limit
    from .content_type import wrap_content_type as wrap_content_type
    from .cookies import wrap_cookies as wrap_cookies
    from .cors import wrap_cors as wrap_cors
    from .csrf import csrf_token as csrf_token
    from .csrf import wrap_csrf as wrap_csrf
    from .defaults import api_defaults as api_defaults
    from .defaults import site_defaults as site_defaults
    from .defaults import wrap_defaults as wrap_defaults
    from .errors import wrap_errors as wrap_errors
    from .flash import take_flash as take_flash
    from .flash import with_flash as with_flash
    from .flash import wrap_flash as wrap_flash
    from .head import wrap_head as wrap_head
    from .hosts import wrap_hosts as wrap_hosts
    from .https import wrap_https as wrap_https
    from .inflate import wrap_inflate as wrap_inflate
    from .json import wrap_json as wrap_json
    from .lint import lint_layers as lint_layers
    from .lint import wrap_lint as wrap_lint
    from .metrics import metrics_handler as metrics_handler
    from .metrics import wrap_metrics as wrap_metrics
    from .multipart import wrap_multipart as wrap_multipart
    from .not_modified import wrap_not_modified as wrap_not_modified
    from .origin import wrap_origin as wrap_origin
    from .parameters import wrap_parameters as wrap_parameters
    from .proxy import wrap_proxy as wrap_proxy
    from .rate_limit import redis_rates as redis_rates
    from .rate_limit import wrap_rate_limit as wrap_rate_limit
    from .request_id import log_request_id as log_request_id
    from .request_id import wrap_request_id as wrap_request_id
    from .routing import url_for as url_for
    from .routing import wrap_routes as wrap_routes
    from .security_headers import api_headers as api_headers
    from .security_headers import site_headers as site_headers
    from .security_headers import wrap_security_headers as wrap_security_headers
    from .session import rotate_session as rotate_session
    from .session import wrap_session as wrap_session
    from .static import wrap_static as wrap_static
    from .timeout import wrap_timeout as wrap_timeout
    from .trace import wrap_trace as wrap_trace
    from .transcript import wrap_transcript as wrap_transcript

_WHERE = {
    "api_defaults": ".defaults",
    "api_headers": ".security_headers",
    "apply_middleware": "..compose",
    "chain_middleware": "..compose",
    "csrf_token": ".csrf",
    "lint_layers": ".lint",
    "log_request_id": ".request_id",
    "metrics_handler": ".metrics",
    "middleware_factory": "..compose",
    "redis_rates": ".rate_limit",
    "rotate_session": ".session",
    "site_defaults": ".defaults",
    "site_headers": ".security_headers",
    "take_flash": ".flash",
    "url_for": ".routing",
    "with_flash": ".flash",
    "wrap_accept": ".accept",
    "wrap_access_log": ".access_log",
    "wrap_auth": ".auth",
    "wrap_body_limit": ".body_limit",
    "wrap_compress": ".compress",
    "wrap_connection_limit": ".connection_limit",
    "wrap_content_type": ".content_type",
    "wrap_cookies": ".cookies",
    "wrap_cors": ".cors",
    "wrap_csrf": ".csrf",
    "wrap_defaults": ".defaults",
    "wrap_errors": ".errors",
    "wrap_flash": ".flash",
    "wrap_head": ".head",
    "wrap_hosts": ".hosts",
    "wrap_https": ".https",
    "wrap_inflate": ".inflate",
    "wrap_json": ".json",
    "wrap_lint": ".lint",
    "wrap_metrics": ".metrics",
    "wrap_multipart": ".multipart",
    "wrap_not_modified": ".not_modified",
    "wrap_origin": ".origin",
    "wrap_parameters": ".parameters",
    "wrap_proxy": ".proxy",
    "wrap_rate_limit": ".rate_limit",
    "wrap_request_id": ".request_id",
    "wrap_routes": ".routing",
    "wrap_security_headers": ".security_headers",
    "wrap_session": ".session",
    "wrap_static": ".static",
    "wrap_timeout": ".timeout",
    "wrap_trace": ".trace",
    "wrap_transcript": ".transcript",
}

__all__ = [
    "api_defaults",
    "api_headers",
    "apply_middleware",
    "chain_middleware",
    "csrf_token",
    "lint_layers",
    "log_request_id",
    "metrics_handler",
    "middleware_factory",
    "redis_rates",
    "rotate_session",
    "site_defaults",
    "site_headers",
    "take_flash",
    "url_for",
    "with_flash",
    "wrap_accept",
    "wrap_access_log",
    "wrap_auth",
    "wrap_body_limit",
    "wrap_compress",
    "wrap_connection_limit",
    "wrap_content_type",
    "wrap_cookies",
    "wrap_cors",
    "wrap_csrf",
    "wrap_defaults",
    "wrap_errors",
    "wrap_flash",
    "wrap_head",
    "wrap_hosts",
    "wrap_https",
    "wrap_inflate",
    "wrap_json",
    "wrap_lint",
    "wrap_metrics",
    "wrap_multipart",
    "wrap_not_modified",
    "wrap_origin",
    "wrap_parameters",
    "wrap_proxy",
    "wrap_rate_limit",
    "wrap_request_id",
    "wrap_routes",
    "wrap_security_headers",
    "wrap_session",
    "wrap_static",
    "wrap_timeout",
    "wrap_trace",
    "wrap_transcript",
]


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'shallot.middlewares' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
