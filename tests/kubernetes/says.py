"""Errors as the real API server words them, as far as clients look at them: ``Status`` objects with code and reason."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class ApiFailure(Exception):
    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": details,
            "code": code,
        }


def not_found(group: str, plural: str, name: str) -> ApiFailure:
    return ApiFailure(404, "NotFound", f'{_of(group, plural)} "{name}" not found', name=name, group=group, kind=plural)


def already_exists(group: str, plural: str, name: str) -> ApiFailure:
    message = f'{_of(group, plural)} "{name}" already exists'
    return ApiFailure(409, "AlreadyExists", message, name=name, group=group, kind=plural)


def conflict(group: str, plural: str, name: str) -> ApiFailure:
    message = (
        f'Operation cannot be fulfilled on {_of(group, plural)} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return ApiFailure(409, "Conflict", message, name=name, group=group, kind=plural)


def invalid(group: str, kind: str, name: str, field: str, what: str) -> ApiFailure:
    message = f'{_of(group, kind)} "{name}" is invalid: {field}: {what}'
    cause = {"reason": "FieldValueInvalid", "message": what, "field": field}
    return ApiFailure(422, "Invalid", message, name=name, group=group, kind=kind, causes=[cause])


def unprocessable() -> ApiFailure:
    """What a JSON patch gets that does not apply, be it for a ``test`` or for a path: it is not said which."""
    return ApiFailure(422, "Invalid", "the server rejected our request due to an error in our request")


def unauthorized() -> ApiFailure:
    return ApiFailure(401, "Unauthorized", "Unauthorized")


def forbidden(user: str, verb: str, group: str, plural: str, namespace: str) -> ApiFailure:
    message = (
        f'{_of(group, plural)} is forbidden: User "{user}" cannot {verb} resource "{plural}" in API group "{group}" '
        f'in the namespace "{namespace}"'
    )
    return ApiFailure(403, "Forbidden", message, group=group, kind=plural)


def bad_request(message: str) -> ApiFailure:
    return ApiFailure(400, "BadRequest", message)


def unsupported(media: str) -> ApiFailure:
    accepted = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json"
    message = f"the body of the request was in an unknown format ({media}) - accepted media types include: {accepted}"
    return ApiFailure(415, "UnsupportedMediaType", message)


def _of(group: str, plural: str) -> str:
    return f"{plural}.{group}" if group else plural
