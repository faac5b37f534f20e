"""Signing certificates: where they may come from, and keeping them."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from webhooks.gate import Refusal

AWS_HOST = re.compile(r"^sns\.([a-z0-9-]{3,})\.amazonaws\.com(\.cn)?$")
_PLAIN_URL = re.compile(r"^https://[a-zA-Z0-9.:-]+/[A-Za-z0-9_./-]*$")
_LARGEST = 65_536
_MOST_KEPT = 32
_KEPT_SECONDS = 3_600.0
_FETCHES_PER_MINUTE = 30


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key and the time in which every certificate of its chain is valid."""

    key: RSAPublicKey
    not_before: datetime
    not_after: datetime


def check_aws_url(url: str, region: str) -> bool:
    """Whether a URL is on SNS's own host for this region: https, port 443, no user, no query."""
    parts = urlsplit(url)
    if not _PLAIN_URL.match(url) or parts.netloc.removesuffix(":443") != parts.hostname:
        return False
    host = AWS_HOST.match(parts.hostname)
    return host is not None and host[1] == region


class CertificateStore:
    """Fetches certificates and keeps them for an hour: at most 32, at most 30 fetches in a minute.

    `further_host` (host:port) is accepted beside AWS's hosts when it is set; its TLS certificate is checked
    against `further_ca` only. `monotonic` is a clock in seconds.
    """

    def __init__(
        self, *, monotonic: Callable[[], float], further_host: str = "", further_ca: Path | None = None
    ):
        self._monotonic = monotonic
        self._further_host = further_host
        self._further_ca = further_ca
        self._kept: OrderedDict[tuple[str, str], tuple[float, SigningKey]] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[SigningKey]] = {}
        self._fetched_at: list[float] = []

    def is_allowed(self, url: str, region: str) -> bool:
        """Whether a URL is one that we would visit for a topic of this region."""
        if check_aws_url(url, region):
            return True
        return bool(
            self._further_host and _PLAIN_URL.match(url) and urlsplit(url).netloc == self._further_host
        )

    def kept(self, url: str, region: str) -> SigningKey | None:
        """The key that came from this URL, for a topic of this region, within the last hour."""
        found = self._kept.get((url, region))
        if found is None or self._monotonic() - found[0] > _KEPT_SECONDS:
            return None
        return found[1]

    async def get(self, url: str, region: str) -> SigningKey:
        """The key behind a URL. Several who ask at once share one fetch.

        Raises:
            Refusal: 403, the URL or what lies there is no signing certificate; 503, its host does not answer.
        """
        if not (url.endswith(".pem") and self.is_allowed(url, region)):
            raise Refusal(
                403,
                "The signing certificate's address is not one of SNS's for the topic's region.",
                hint="Messages are taken from https://sns.<region>.amazonaws.com/….pem only.",
                reason="certificate",
            )
        key = self.kept(url, region)
        if key is not None:
            return key
        task = self._fetching.get(url)
        if task is None:
            task = self._fetching[url] = asyncio.create_task(self._fetch(url, region))
            task.add_done_callback(lambda _done: self._fetching.pop(url, None))
        return await asyncio.shield(task)

    async def _fetch(self, url: str, region: str) -> SigningKey:
        now = self._monotonic()
        self._fetched_at = [at for at in self._fetched_at if now - at < 60]
        if len(self._fetched_at) >= _FETCHES_PER_MINUTE:
            raise _no_answer("too many different certificates were asked for in this minute")
        self._fetched_at.append(now)
        try:
            pem = await self._download(url)
        except (httpx.HTTPError, OSError) as error:
            raise _no_answer(type(error).__name__) from error
        key = read_certificates(pem)
        self._kept[url, region] = (self._monotonic(), key)
        self._kept.move_to_end((url, region))
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return key

    async def _download(self, url: str) -> bytes:
        further = urlsplit(url).netloc == self._further_host
        trust = (
            ssl.create_default_context(cafile=str(self._further_ca))
            if further
            else ssl.create_default_context()
        )
        async with (
            httpx.AsyncClient(verify=trust, trust_env=not further, timeout=5.0) as http,
            http.stream("GET", url, follow_redirects=False) as answer,
        ):
            if answer.status_code != 200:
                raise _no_answer(f"HTTP {answer.status_code}")
            pem = b""
            async for chunk in answer.aiter_bytes():
                pem += chunk
                if len(pem) > _LARGEST:
                    raise _no_certificate("it is too large")
            return pem


def read_certificates(pem: bytes) -> SigningKey:
    """Read a PEM with the signing certificate first and, if sent along, its chain.

    Raises:
        Refusal: it is not one, or its key is not RSA of at least 2048 bits.
    """
    try:
        chain = x509.load_pem_x509_certificates(pem)
        key = chain[0].public_key()
    except Exception as error:  # the parser raises many types; whatever it is, this is no certificate
        raise _no_certificate(type(error).__name__) from error
    if not isinstance(key, RSAPublicKey) or key.key_size < 2048:
        raise _no_certificate("its key is not RSA of at least 2048 bits")
    return SigningKey(
        key,
        max(certificate.not_valid_before_utc for certificate in chain),
        min(certificate.not_valid_after_utc for certificate in chain),
    )


def _no_answer(why: str) -> Refusal:
    return Refusal(
        503,
        f"The signing certificate could not be fetched: {why}.",
        hint="Deliver again later. The receiver must reach https://sns.<region>.amazonaws.com.",
        reason="certificate",
        retry_after=20,
    )


def _no_certificate(why: str) -> Refusal:
    return Refusal(
        403,
        f"There is no usable certificate at that address: {why}.",
        hint="Nothing was read.",
        reason="certificate",
    )
