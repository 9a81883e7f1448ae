"""Lookup of where the login and the adoption of a camera are from, for its form."""

from __future__ import annotations

from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.model import Adoption, Camera
from twisted_detector.model.decisions import PAGE, Verdict, device_of
from twisted_detector.model.login_rules import has_own_login, in_networks, networks_with_logins
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.networks.site import SiteNetworks
from twisted_detector.registry.registry import Registry


class Origins:
    """Lookup of sources: ``environment``, ``file``, ``page``, or "" where nobody gave a value."""

    def __init__(
        self,
        registry: Registry,
        book: DecisionBook,
        *,
        budget: LoginBudget,
        logins: ConfiguredLogins,
        networks: SiteNetworks,
    ) -> None:
        self._registry = registry
        self._book = book
        self._budget = budget
        self._logins = logins
        self._networks = networks

    def login_of(self, camera: Camera) -> tuple[str, str] | None:
        """User and source of the login that was typed for a camera's device, else of the one that it accepts."""
        for camera_id, decided in self._book.current.cameras.items():
            if decided.login is not None and device_of(camera_id) == camera.device_id:
                return decided.login.name, PAGE
        key = self._registry.key_of_camera(camera.id)
        if key is None:
            return None
        candidate = self._registry.candidate(key)
        login = self._budget.known_good(candidate)
        return (login.name, self._logins.source_of(login, candidate)) if login is not None else None

    def adoption_of(self, camera: Camera) -> str:
        """Whose word it is that a camera is adopted, or is not."""
        if camera.adopted is Adoption.PERSON:
            return PAGE
        if camera.adopted is not Adoption.LISTED:
            verdict = self._book.current.of(camera.id).verdict
            return PAGE if verdict is Verdict.UNADOPTED else ""
        config = self._networks.current
        if in_networks(camera.address, config.discovery.named_networks):
            return config.sources.get("scan_networks", "environment").partition(",")[0]
        key, credentials = self._registry.key_of_camera(camera.id), config.inspection.credentials
        named = key is not None and has_own_login(credentials, self._registry.candidate(key))
        if named or in_networks(camera.address, networks_with_logins(credentials)):
            return self._logins.configured_source
        return PAGE
