"""The credential file of this process, as the sidecar delivers it."""

from loaded import FOLDER

from hotpeers_shim.contract.credentials import Credential, dump_credential_file
from hotpeers_shim.contract.prefixes import parse_prefix


def deliver(*credentials: Credential) -> None:
    temporary = FOLDER / "credentials.next"
    temporary.write_bytes(dump_credential_file(credentials))
    temporary.replace(FOLDER / "credentials.json")


def entry(url: str, token: str, **more: str) -> Credential:
    return Credential(parse_prefix(url), {"Authorization": f"Bearer {token}"}, **more)
