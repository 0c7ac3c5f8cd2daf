"""A hundred operators change one tenant at once, over several workers: nobody's accepted change is lost."""

import asyncio
from dataclasses import dataclass

import httpx

from tests.workers.running import Gateway
from tests.workers.standing import Standing

OPERATORS = 100
TRIES = 3


@dataclass(slots=True, kw_only=True)
class Operators:
    """They all have one token, and a connection for every call."""

    http: httpx.AsyncClient
    place: str
    bearer: dict[str, str]

    async def change(self, number: int) -> list[int]:
        """Try to set the largest size to a number of one's own: those that were accepted."""
        for _ in range(TRIES):
            etag = (await self.http.get(self.place, headers=self.bearer)).headers["etag"]
            headers = {**self.bearer, "if-match": etag, "content-type": "application/merge-patch+json"}
            body = f'{{"size": {{"max": {1_000 + number}}}}}'
            answer = await self.http.patch(self.place, content=body, headers=headers)
            if answer.status_code == 200:
                return [number]
            assert answer.status_code == 412, answer.text
        return []

    async def versions(self) -> list[int]:
        """The numbers in the history, newest first, but for the first version's."""
        history = (await self.http.get(f"{self.place}/history", headers=self.bearer)).json()["versions"]
        return [version["document"]["size"]["max"] - 1_000 for version in history if version["version"] > 1]


async def changed_at_once(url: str, token: str) -> tuple[list[int], list[int], int]:
    """What was accepted, what the history has, and what is in force."""
    limits = httpx.Limits(max_connections=OPERATORS, max_keepalive_connections=0)
    async with httpx.AsyncClient(verify=False, limits=limits, timeout=120) as http:
        bearer = {"authorization": f"Bearer {token}"}
        operators = Operators(http=http, place=f"{url}/admin/tenants/busy", bearer=bearer)
        document = {"version": 1, "tenant": "busy", "types": {"*/*": []}}
        made = await http.put(operators.place, json=document, headers={**bearer, "if-none-match": "*"})
        assert made.status_code == 201, made.text
        accepted = await asyncio.gather(*(operators.change(number) for number in range(OPERATORS)))
        now = (await http.get(operators.place, headers=bearer)).json()["size"]["max"] - 1_000
        return [number for each in accepted for number in each], await operators.versions(), now


def test_every_accepted_change_is_in_the_history(four_workers: tuple[Gateway, Standing]) -> None:
    """Each of a hundred PATCHes with an etag is refused, or is a version; what is in force is the last of them."""
    gateway, standing = four_workers
    accepted, versions, now = asyncio.run(changed_at_once(gateway.url, standing.token(None, admin=True)))

    assert sorted(versions) == sorted(accepted)
    assert len(accepted) >= TRIES
    assert versions[0] == now
